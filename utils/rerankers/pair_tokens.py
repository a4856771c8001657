"""The tokens of pairs, joined from those of their texts: each query and each passage is read once, not once a pair.

A pair has the tokens of both texts, each cut at an end where both are too long together, among the special tokens of
its tokenizer. What is joined is compared with `preprocess` of sentence-transformers on a few pairs when a model is
loaded, and whole pairs are tokenised where they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.encoders.fast_tokens import padded, same_features
from utils.retrieval.token_rows import offsets_of

if TYPE_CHECKING:
    from utils.encoders.batching import Ints
    from utils.rerankers.spec import Pair

TEXTS_AT_ONCE = 4096
SHORT, LONG = "one, two, three", "longer than any text "
PROBES = ((SHORT, "four"), ("  Two\tBLANKS ", "é ة 語 \n"), ("", SHORT), (SHORT, ""), ("word " * 40, SHORT))


@dataclass(frozen=True)
class Texts:
    """The token ids of texts, one after the other (sum of lengths,), where each begins (n + 1,), and their numbers."""

    ids: Ints
    offsets: Ints
    numbers: dict[str, int]

    def of(self, text: str) -> Ints:
        """Return the token ids of a text, without special tokens."""
        number = self.numbers[text]
        ids: Ints = self.ids[self.offsets[number] : self.offsets[number + 1]]
        return ids

    def size(self, text: str) -> int:
        """Return the number of tokens of a text."""
        number = self.numbers[text]
        return int(self.offsets[number + 1] - self.offsets[number])


class PairTokens:
    """Tokenises pairs as a cross-encoder's `preprocess` does, from the tokens of their texts."""

    def __init__(self, model: Any, limit: int | None) -> None:
        self.constants: dict[str, Any] = {}  # features that are the same for all pairs
        self._tokenizer: Any = model.tokenizer
        self._keeps_ends = self._tokenizer.truncation_side == "left"
        self._has_types = "token_type_ids" in self._tokenizer.model_input_names
        self._pad = int(self._tokenizer.pad_token_id)
        self._type = int(self._tokenizer.pad_token_type_id)
        found = self._backend().encode(SHORT, SHORT)
        sides = [-1 if side is None else side for side in found.sequence_ids]
        first, second = sides.index(0), sides.index(1)
        ends = first, len(sides) - sides[::-1].index(0), second, len(sides) - sides[::-1].index(1)
        special = (slice(0, ends[0]), slice(ends[1], ends[2]), slice(ends[3], None))
        self._special = [found.ids[part] for part in special]
        self._special_types = [found.type_ids[part] for part in special]
        self._types = found.type_ids[first], found.type_ids[second]
        self.n_added = sum(map(len, self._special))
        self.room = None if limit is None else limit - self.n_added

    def read(self, texts: Sequence[str]) -> Texts:
        """Return the tokens of texts, each read once."""
        distinct = list(dict.fromkeys(texts))
        sizes, parts, backend = list[int](), [np.zeros(0, np.int32)], self._backend()
        for start in range(0, len(distinct), TEXTS_AT_ONCE):
            rows = backend.encode_batch_fast(distinct[start : start + TEXTS_AT_ONCE], add_special_tokens=False)
            parts += [np.array(row.ids, dtype=np.int32) for row in rows]
            sizes += [len(row) for row in rows]
        numbers = {text: number for number, text in enumerate(distinct)}
        return Texts(np.concatenate(parts), offsets_of(sizes), numbers)

    def features(self, texts: Texts, pairs: Sequence[Pair]) -> dict[str, Any]:
        """Return token ids, mask and, where the model reads them, types of pairs (n, longest), padded behind."""
        import torch

        rows, types = [], []
        for pair in pairs:
            ours, theirs = (texts.of(text) for text in pair)
            kept = self._kept(len(ours), len(theirs))
            sides = [self._cut(ids, n).tolist() for ids, n in zip((ours, theirs), kept, strict=True)]
            before, middle, after = self._special
            rows.append([*before, *sides[0], *middle, *sides[1], *after])
            if self._has_types:
                before, middle, after = self._special_types
                first, second = ([kind] * n for kind, n in zip(self._types, kept, strict=True))
                types.append([*before, *first, *middle, *second, *after])
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        found = {"input_ids": padded(rows, mask, self._pad), "attention_mask": mask.astype(np.int64)}
        if self._has_types:
            found["token_type_ids"] = padded(types, mask, self._type)
        return {name: torch.from_numpy(values) for name, values in found.items()} | self.constants

    def _kept(self, n: int, m: int) -> tuple[int, int]:
        """Return how many tokens of each text stay: the longer text is cut first, and then both to half."""
        if self.room is None or n + m <= self.room:
            return n, m
        half, shorter = self.room // 2, min(n, m)
        if shorter > half:
            more = half + self.room % 2
            return (half, more) if n <= m else (more, half)
        return (n, self.room - n) if n <= m else (self.room - m, m)

    def _cut(self, ids: Ints, n: int) -> Ints:
        return ids[len(ids) - n :] if self._keeps_ends else ids[:n]

    def _backend(self) -> Any:
        """Return the tokenizer's library, which neither cuts nor pads."""
        backend = self._tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        return backend


def pair_tokens(model: Any, limit: int | None) -> PairTokens | None:
    """Return what joins the tokens of pairs for this cross-encoder; None where they are not those of `preprocess`."""
    from transformers import PreTrainedTokenizerBase

    tokenizer = getattr(model, "tokenizer", None)
    if not isinstance(tokenizer, PreTrainedTokenizerBase) or not tokenizer.is_fast or tokenizer.padding_side != "right":
        return None
    long = LONG * ((limit or 0) // 2 + 1)
    odd = f"{long} odd"
    pairs = [*PROBES, (SHORT, long), (long, SHORT), (long, odd), (odd, long), (long, long)]
    try:
        theirs = model.preprocess(pairs)
        found = PairTokens(model, limit)
        found.constants = {name: value for name, value in theirs.items() if isinstance(value, str | int)}
        ours = found.features(found.read([text for pair in pairs for text in pair]), pairs)
        return found if same_features(ours, theirs) else None
    except Exception:  # a tokenizer may lack any of these methods, or a model want something else than texts
        return None
