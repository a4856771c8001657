"""Features of many texts by the tokenizer's own library, without a Python object for each token.

`preprocess` of sentence-transformers gives the same features, and takes several times as long to build them. It is
compared with them on a few texts when a model is loaded, and used where they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from utils.encoders.tokens import right_padded

PROBES = ("one, two, three", "  Two\tBLANKS ", "", "é ة 語 \n", "word " * 40)
REPEATED = "longer than any text "  # by which a probe is made that is cut


class FastTokens:
    """Tokenises texts as a model's `preprocess` does with one prompt and one limit."""

    def __init__(self, model: Any, prompt: str, limit: int | None) -> None:
        self.prompt, self.limit = prompt, limit
        self.constants: dict[str, Any] = {}  # features that are the same for all texts, such as the prompt's length
        self._tokenizer: Any = model[0].tokenizer
        self._has_types = "token_type_ids" in self._tokenizer.model_input_names
        self._pad = int(self._tokenizer.pad_token_id)
        self._type = int(self._tokenizer.pad_token_type_id)

    def features(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return token ids, mask and, where the model reads them, types of the texts (n, longest), padded behind."""
        import torch

        backend = self._tokenizer.backend_tokenizer
        self._prepare(backend)
        encoded = backend.encode_batch_fast([self.prompt + text for text in texts])
        rows = [one.ids for one in encoded]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        found = {"input_ids": padded(rows, mask, self._pad), "attention_mask": mask.astype(np.int64)}
        if self._has_types:
            found["token_type_ids"] = padded([one.type_ids for one in encoded], mask, self._type)
        return {name: torch.from_numpy(values) for name, values in found.items()} | self.constants

    def _prepare(self, backend: Any) -> None:
        """Set what a call of the tokenizer sets before it encodes."""
        if backend.padding is not None:
            backend.no_padding()
        side = self._tokenizer.truncation_side
        wanted = None if self.limit is None else {"max_length": self.limit, "stride": 0, "direction": side}
        now = backend.truncation
        if wanted is None and now is not None:
            backend.no_truncation()
        elif wanted is not None and (now is None or {name: now.get(name) for name in wanted} != wanted):
            backend.enable_truncation(**wanted)


def fast_tokens(model: Any, prompt: str, limit: int | None) -> FastTokens | None:
    """Return what tokenises for this model; None where its features are not those of `preprocess`."""
    from transformers import PreTrainedTokenizerBase

    tokenizer = getattr(model[0], "tokenizer", None)
    if not isinstance(tokenizer, PreTrainedTokenizerBase) or not tokenizer.is_fast or tokenizer.pad_token_id is None:
        return None
    texts = [*PROBES, REPEATED * ((limit or 0) // 2 + 1)]
    try:
        found = FastTokens(model, prompt, limit)
        theirs = right_padded(model.preprocess(list(texts), prompt=prompt))
        found.constants = {name: value for name, value in theirs.items() if isinstance(value, str | int)}
        return found if same_features(found.features(texts), theirs) else None
    except Exception:  # a tokenizer may lack any of these methods, or a model want something else than text
        return None


def same_features(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Return whether features are the same, with padding that the mask leaves out."""
    import torch

    if set(ours) != set(theirs) or ours["input_ids"].shape != theirs["input_ids"].shape:
        return False
    mask = ours["attention_mask"].bool()
    tensors = [name for name, value in ours.items() if isinstance(value, torch.Tensor)]
    return all(torch.equal(ours[name][mask], theirs[name][mask]) for name in tensors)


def padded(rows: Sequence[Sequence[int]], mask: Any, fill: int) -> Any:
    """Return rows of numbers as a matrix of the mask's shape, int64."""
    found = np.full(mask.shape, fill, dtype=np.int64)
    found[mask] = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(mask.sum()))
    return found
