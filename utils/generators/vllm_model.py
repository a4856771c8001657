"""Language models in vLLM's engine, in this process: it batches by itself and keeps its cache in pages.

Kwon et al. 2023, arXiv 2309.06180. The engine computes on GPUs, or on a CPU where its package is built for one. The
suite does not install it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from utils.answers import GenerationSettings, LabelScores, ScoreSettings, before_stop
from utils.checkpoints import checkpoint_errors
from utils.generators.loading import check_lengths, open_reader
from utils.generators.reasoning import opened_reasoning
from utils.generators.sampling import seed_of
from utils.generators.tries import Tokenized
from utils.protocols import TextGenerator
from utils.schema import GeneratorSpec

CHUNK = 2048  # requests that are handed to the engine at once; their answers are kept when all of them are there
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def load_vllm(spec: GeneratorSpec, device: str, cache_dir: Path) -> VllmModel:
    """Load a checkpoint of the hub or of a folder into the engine."""
    return VllmModel(spec)


class VllmModel(TextGenerator):
    """A causal model in the engine, over all GPUs that are visible; tokens and templates are those of the suite."""

    def __init__(self, spec: GeneratorSpec) -> None:
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        import torch
        import vllm

        self.spec = spec
        self.reader = open_reader(spec, spec.checkpoint)
        with self._errors():
            self.engine = vllm.LLM(
                spec.checkpoint,
                dtype=DTYPES[spec.dtype],
                revision=None if spec.label else spec.revision,
                trust_remote_code=spec.trust_remote_code,
                tensor_parallel_size=max(1, torch.cuda.device_count()),
            )
        self.limit = int(self.engine.llm_engine.model_config.max_model_len)

    def _errors(self) -> AbstractContextManager[None]:
        """Raise whatever the engine raises as a UserError that names the checkpoint."""
        hint = "leave --gen_backend out to use transformers (--verbose shows where it fails)"
        return checkpoint_errors(self.spec.name, None, fails="fails in vLLM", hint=hint)

    def score_each(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: ScoreSettings
    ) -> Iterator[tuple[int, LabelScores]]:
        """Yield the log-probabilities of the tokens of each prompt's own labels after it.

        Each label is a request: the engine returns the log-probabilities of the tokens of a prompt.
        """
        import vllm

        texts = self.reader.with_own_labels(prompts, labels, settings)
        check_lengths(self.spec.name, self.limit, [text.longest + 1 for text in texts])
        how = vllm.SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=1, detokenize=False)
        per_call = max(1, CHUNK // max(len(text.labels) for text in texts)) if texts else 1
        for start in range(0, len(texts), per_call):
            chosen = texts[start : start + per_call]
            rows = [[*text.prompt, *label] for text in chosen for label in text.labels]
            found = iter(self._asked(rows, [how] * len(rows)))
            for index, text in enumerate(chosen, start=start):
                yield index, _scores_of(text, [next(found).prompt_logprobs for _ in text.labels])

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> Iterator[tuple[int, str]]:
        """Yield the text after each prompt; a base model's answer ends with its line.

        Line ends and blanks before an answer do not end it: where the engine stopped there, it is asked once more
        without a stop.
        """
        stop = settings.stop or (("\n",) if self.spec.kind == "base" else ())
        ids = self.reader.prompt_ids(prompts)
        check_lengths(self.spec.name, self.limit, [len(row) + settings.max_new_tokens for row in ids])
        for start in range(0, len(ids), CHUNK):
            rows = ids[start : start + CHUNK]
            texts = self._written(rows, settings, stop)
            empty = [place for place, text in enumerate(texts) if stop and not before_stop(text, stop)]
            again = self._written([rows[place] for place in empty], settings, ())
            for place, text in zip(empty, again, strict=True):
                texts[place] = text
            for index, text in enumerate(texts, start=start):
                yield index, opened_reasoning(self.reader.render(prompts[index])) + before_stop(text.lstrip(), stop)

    def _written(self, rows: Sequence[list[int]], settings: GenerationSettings, stop: Sequence[str]) -> list[str]:
        import vllm

        common = {"max_tokens": settings.max_new_tokens, "temperature": settings.temperature, "stop": list(stop)}
        if not settings.temperature:
            each = [vllm.SamplingParams(**common)] * len(rows)
        else:
            limits = {"top_p": settings.top_p or 1.0, "top_k": settings.top_k or 0}
            each = [vllm.SamplingParams(**common, **limits, seed=seed_of(settings.seed, row)) for row in rows]
        return self.reader.decode([list(found.outputs[0].token_ids) for found in self._asked(rows, each)])

    def _asked(self, rows: Sequence[Sequence[int]], how: Sequence[Any]) -> list[Any]:
        """Return the engine's output for each row of tokens, in their order."""
        if not rows:
            return []
        with self._errors():
            return list(self.engine.generate([{"prompt_token_ids": list(row)} for row in rows], how, use_tqdm=False))


def _scores_of(text: Tokenized, found: Sequence[Sequence[Any]]) -> LabelScores:
    """Return the scores of a text's labels, given what the engine says of each token of the prompt with each label."""
    tokens = tuple(label[start:] for label, start in zip(text.labels, text.n_unscored, strict=True))
    values = tuple(
        tuple(of_token[token].logprob for of_token, token in zip(of_row[-len(label) :], label, strict=True) if label)
        for of_row, label in zip(found, tokens, strict=True)
    )
    return LabelScores(tokens, values)
