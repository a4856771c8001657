"""Language models of transformers: scoring label texts, generating text."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from utils.answers import GenerationSettings, LabelScores, ScoreSettings, before_stop
from utils.checkpoints import checkpoint_errors
from utils.generators.batches import BatchLimits, Size, in_batches, limits_for
from utils.generators.label_scoring import score_labels, score_one_by_one
from utils.generators.loading import check_lengths, context_of, load_whole_model
from utils.generators.reasoning import opened_reasoning
from utils.generators.rounds import Ends, answers_in_rounds
from utils.generators.sampling import Checked, Sampling, Step
from utils.generators.stopping import StopTexts
from utils.generators.tokenization import PromptReader
from utils.generators.tree_support import TreeSupport
from utils.generators.tries import Tokenized
from utils.protocols import TextGenerator
from utils.schema import GeneratorSpec


def load_language_model(spec: GeneratorSpec, device: str, cache_dir: Path) -> LanguageModel:
    """Load a checkpoint of the hub, of a folder, or of a GGUF file."""
    return LanguageModel(spec, spec.checkpoint, device)


class LanguageModel(TextGenerator):
    """A causal or sequence-to-sequence model with its tokenizer; a chat model's prompts get its chat template."""

    def __init__(self, spec: GeneratorSpec, path: str, device: str) -> None:
        self.spec, self.device = spec, device
        self.tokenizer, self.model = load_whole_model(spec, path, device)
        self.reader = PromptReader(spec, self.tokenizer)
        self.config = self.model.config.get_text_config(decoder=True)
        self.limits, self.writing = limits_for(device, self.config.vocab_size)
        self.is_seq2seq = bool(self.model.config.is_encoder_decoder)
        self.trees = TreeSupport(spec, self.model, self.reader, self.limits)
        self._is_told = False

    def score_each(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: ScoreSettings
    ) -> Iterator[tuple[int, LabelScores]]:
        """Yield the log-probabilities of the tokens of each prompt's own labels after it, longest prompts first."""
        with self.errors():
            self._warn_of_reasoning(prompts)
            texts = self.reader.with_own_labels(prompts, labels, settings)
            self.check_lengths([text.longest for text in texts])
            for index, values in self._scored(texts):
                text = texts[index]
                tokens = tuple(label[start:] for label, start in zip(text.labels, text.n_unscored, strict=True))
                yield index, LabelScores(tokens, tuple(map(tuple, values)))

    def _warn_of_reasoning(self, prompts: Sequence[str]) -> None:
        if prompts and self.spec.kind == "chat" and (tag := opened_reasoning(self.reader.render(prompts[0]))):
            print(
                f"warning: the chat template of {self.spec.name} ends with {tag}: labels are scored as the beginning "
                "of its reasoning, not as its answer (icl.py reads the answer with --decode generate)",
                file=sys.stderr,
            )

    def errors(self) -> AbstractContextManager[None]:
        """Raise whatever the library raises of these prompts as a UserError that names the checkpoint."""
        hint = "check its tokenizer and its config.json against each other (--verbose shows where it fails)"
        return checkpoint_errors(self.spec.name, None, fails="cannot compute these prompts", hint=hint)

    def _scored(self, texts: Sequence[Tokenized]) -> Iterator[tuple[int, list[list[float]]]]:
        if not self.trees.covers(texts):
            if not self._is_told:
                what = "one slow forward pass per label"
                print(f"note: {self.spec.name} cannot score these labels as a tree; {what}", file=sys.stderr)
                self._is_told = True
            yield from in_batches(
                lambda chosen: [score_one_by_one(self.model, texts[index]) for index in chosen],
                range(len(texts)),
                [Size(text.longest) for text in texts],
                BatchLimits(1, 1),
            )
            return
        yield from score_labels(self.trees.scorer(), texts, self.limits)

    def check_lengths(self, lengths: Sequence[int]) -> None:
        """Raise UserError where a prompt with these numbers of tokens is longer than the model takes."""
        check_lengths(self.spec.name, context_of(self.model.config), lengths)

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> Iterator[tuple[int, str]]:
        """Yield the text after each prompt, longest prompts first; a base model's answer ends with its line.

        The tags of a model's reasoning stay in the text, also one with which the chat template ends the prompt.
        """

        def generated(rows: Sequence[Sequence[int]]) -> list[str]:
            with self.errors():
                return self._generate_batch(rows, settings)

        ids = self.reader.prompt_ids(prompts)
        extra = 0 if self.is_seq2seq else settings.max_new_tokens
        self.check_lengths([len(row) + extra for row in ids])
        sizes = [Size(len(row) + settings.max_new_tokens) for row in ids]
        order = sorted(range(len(ids)), key=lambda index: (-len(ids[index]), ids[index]))
        for index, text in in_batches(lambda chosen: generated([ids[i] for i in chosen]), order, sizes, self.writing):
            yield index, opened_reasoning(self.reader.render(prompts[index])) + text

    def _generate_batch(self, rows: Sequence[Sequence[int]], settings: GenerationSettings) -> list[str]:
        import torch

        ids, mask = pad_left(rows, self.pad_token(), self.model.device)
        stop = settings.stop or (("\n",) if self.spec.kind == "base" else ())
        n_prompt = 0 if self.is_seq2seq else ids.shape[1]
        texts = StopTexts(self.reader.decode, stop, n_prompt, self.reader.unread) if stop else None
        steps: list[Step] = [Checked(self.spec)]
        if settings.temperature > 0:
            steps.append(Sampling(settings, rows, self.model.device))
        options: dict[str, Any] = dict.fromkeys(("temperature", "top_p", "top_k"))
        options |= {"num_beams": 1, "repetition_penalty": 1.0, "pad_token_id": self.pad_token(), "do_sample": False}
        ends = Ends(self._end_tokens(), texts, n_prompt)
        with torch.inference_mode():
            answers = answers_in_rounds(self.model, ids, mask, settings.max_new_tokens, ends, steps, options)
        return [before_stop(text.lstrip(), stop) for text in self.reader.decode(answers)]

    def _end_tokens(self) -> list[int]:
        ends = self.model.generation_config.eos_token_id
        return list(ends) if isinstance(ends, list) else [] if ends is None else [ends]

    def pad_token(self) -> int:
        """Return the token that fills the rows of a batch."""
        pad = self.tokenizer.pad_token_id
        return int(pad if pad is not None else self.tokenizer.eos_token_id or 0)


def pad_left(rows: Sequence[Sequence[int]], pad: int, device: Any) -> tuple[Any, Any]:
    """Return token ids and mask (B, width), padded on the left."""
    import torch

    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for row, tokens in enumerate(rows):
        ids[row, width - len(tokens) :] = torch.tensor(tokens)
        mask[row, width - len(tokens) :] = 1
    return ids.to(device), mask.to(device)
