"""Prompts and labels as tokens: tokenised together, or separately as in the original."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from utils.answers import ScoreSettings
from utils.errors import UserError, first_line
from utils.generators.prompt_tails import Joined, first_beyond, tokenize_by_tails
from utils.generators.reasoning import is_tag
from utils.generators.tries import Tokenized, n_common
from utils.schema import GeneratorSpec

TEMPLATE_HINT = "mend it in the checkpoint's tokenizer_config.json or chat_template.jinja, or use --gen_loader base"
CHUNK = 4096  # texts per call of the tokenizer


def leading_specials(tokenizer: Any) -> list[int]:
    """Return the special tokens that the tokenizer puts before a text (BOS, for models that use it)."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    n_leading = next(index for index, special in enumerate([*encoded["special_tokens_mask"], 0]) if not special)
    return list(encoded["input_ids"][:n_leading])


def tokenize_jointly(
    tokenizer: Any, prompts: Sequence[str], labels: Sequence[str], specials: Sequence[int]
) -> Iterator[Tokenized]:
    """Yield each prompt with its labels, tokenised as the joined text `prompt + label`.

    A token belongs to the label when it ends after the prompt's last character, so a token across the boundary is
    scored as part of the label. `specials` are put before the prompt.
    """
    per_call = max(1, CHUNK // len(labels))
    for start in range(0, len(prompts), per_call):
        chosen = prompts[start : start + per_call]
        found = tokenize_by_tails(tokenizer, chosen, labels) if tokenizer.is_fast else [None] * len(chosen)
        whole = [prompt for prompt, by_tail in zip(chosen, found, strict=True) if by_tail is None]
        others = _tokenize_whole(tokenizer, whole, labels)
        for by_tail in found:
            yield _with_shared_prompt(*(next(others) if by_tail is None else by_tail), specials)


def _tokenize_whole(tokenizer: Any, prompts: Sequence[str], labels: Sequence[str]) -> Iterator[Joined]:
    """Yield the tokens of each prompt with each label, and where the labels start, from the whole joined texts."""
    if not prompts:
        return
    joined = [prompt + label for prompt in prompts for label in labels]
    encoded = tokenizer(joined, add_special_tokens=False, return_offsets_mapping=tokenizer.is_fast)
    for index, prompt in enumerate(prompts):
        part = slice(index * len(labels), (index + 1) * len(labels))
        rows = encoded["input_ids"][part]
        if tokenizer.is_fast:
            starts = [first_beyond(offsets, len(prompt)) for offsets in encoded["offset_mapping"][part]]
        else:  # no offsets: the label starts where the tokens of the prompt and of the joined text differ
            alone = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            starts = [min(n_common([alone, row]), len(row) - 1) for row in rows]
        yield [], rows, starts


def tokenize_apart(tokenizer: Any, prompts: Sequence[str], labels: Sequence[str]) -> Iterator[Tokenized]:
    """Yield each prompt with its labels, tokenised separately and without special tokens, as in the original."""
    of_labels = tuple(map(tuple, tokenizer(list(labels), add_special_tokens=False)["input_ids"]))
    for start in range(0, len(prompts), CHUNK):
        for ids in tokenizer(list(prompts[start : start + CHUNK]), add_special_tokens=False)["input_ids"]:
            yield Tokenized(tuple(ids), of_labels, (0,) * len(labels))


def _with_shared_prompt(
    head: Sequence[int], rows: Sequence[list[int]], starts: Sequence[int], specials: Sequence[int]
) -> Tokenized:
    shared = min(n_common(rows), *starts)
    if not specials and not head and shared == 0:
        raise UserError(
            "the prompt is empty, and the model has no BOS token: the first token of a label has no probability",
            "use another --gen_model_checkpoint, or --decode generate",
        )
    labels = tuple(tuple(row[shared:]) for row in rows)
    return Tokenized((*specials, *head, *rows[0][:shared]), labels, tuple(start - shared for start in starts))


class PromptReader:
    """Converts prompts to tokens: the model's tokenizer, and the chat template of a chat model."""

    def __init__(self, spec: GeneratorSpec, tokenizer: Any) -> None:
        self.spec, self.tokenizer = spec, tokenizer
        if spec.kind == "chat" and not tokenizer.chat_template:
            raise UserError(f"{spec.name} has no chat template", "use --gen_loader base")
        if spec.kind == "chat" and self.render("a") == self.render("b"):
            raise UserError(f"the chat template of {spec.name} leaves the message out", TEMPLATE_HINT)
        # chat templates contain special tokens, and sequence-to-sequence tokenizers add them on both sides
        self.specials = leading_specials(tokenizer) if spec.kind == "base" else []
        special = {place: str(token) for place, token in tokenizer.added_tokens_decoder.items() if token.special}
        self.unread = frozenset(place for place, token in special.items() if not is_tag(token))
        self._has_tags = len(self.unread) < len(special)

    def render(self, prompt: str) -> str:
        """Return the text that the model reads: the prompt, for a chat model as a user's message."""
        if self.spec.kind != "chat":
            return prompt
        message = [{"role": "user", "content": prompt}]
        try:
            return str(self.tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False))
        except Exception as error:  # a template is a program, which fails in any way
            what = f"the chat template of {self.spec.name} fails: {type(error).__name__}: {first_line(error)}"
            raise UserError(what, TEMPLATE_HINT) from error

    def decode(self, rows: list[list[int]]) -> list[str]:
        """Return the texts of tokens without special tokens (`unread`), except those that are tags of reasoning."""
        if not rows:
            return []  # of no rows a tokenizer makes one text
        if not self._has_tags:
            return list(self.tokenizer.batch_decode(rows, skip_special_tokens=True))
        rows = [[place for place in row if place not in self.unread] for row in rows]
        return list(self.tokenizer.batch_decode(rows, skip_special_tokens=False))

    def prompt_ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each prompt, with the special tokens that the model uses."""
        rendered = [self.render(prompt) for prompt in prompts]
        if self.spec.kind == "seq2seq":
            return list(self.tokenizer(rendered)["input_ids"])
        return [[*self.specials, *ids] for ids in self.tokenizer(rendered, add_special_tokens=False)["input_ids"]]

    def with_own_labels(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: ScoreSettings
    ) -> list[Tokenized]:
        """Return each prompt with its own labels in tokens (n,); prompts with equal labels are tokenised together."""
        places: dict[tuple[str, ...], list[int]] = {}
        for place, each in enumerate(labels):
            places.setdefault(tuple(each), []).append(place)
        found: dict[int, Tokenized] = {}
        for each, chosen in places.items():
            found.update(zip(chosen, self.with_labels([prompts[at] for at in chosen], each, settings), strict=True))
        return [found[place] for place in range(len(prompts))]

    def with_labels(self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings) -> list[Tokenized]:
        """Return each prompt with its labels in tokens; `terminated` appends the end of an answer to each label."""
        end = "" if not settings.terminated else "\n" if self.spec.kind == "base" else self.tokenizer.eos_token
        ended = [label + end for label in labels]
        if self.spec.kind == "seq2seq":
            of_labels = tuple(map(tuple, self.tokenizer(text_target=ended, add_special_tokens=False)["input_ids"]))
            return [Tokenized(tuple(ids), of_labels, (0,) * len(labels)) for ids in self.prompt_ids(prompts)]
        rendered = [self.render(prompt) for prompt in prompts]
        if settings.legacy:
            return list(tokenize_apart(self.tokenizer, rendered, ended))
        return list(tokenize_jointly(self.tokenizer, rendered, ended, self.specials))
