"""Texts that are tokenised once, and padded to the longest of their batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    Ids = npt.NDArray[np.int64]


def tokenise(tokenizer: Any, texts: Sequence[str], max_length: int | None) -> list[Ids]:
    """Return the tokens of each text with the special ones (n_tokens,) int64."""
    cut = {"truncation": True, "max_length": max_length} if max_length else {"truncation": False}
    found = tokenizer(list(texts), padding=False, return_attention_mask=False, return_token_type_ids=False, **cut)
    return [np.asarray(ids, dtype=np.int64) for ids in found["input_ids"]]


class Rows:
    """Examples by their place, as a trainer reads them: each a mapping with the same names."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = dict(columns)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(next(iter(self.columns.values())))

    def __getitem__(self, place: int) -> dict[str, Any]:
        """Return one example."""
        return {name: values[place] for name, values in self.columns.items()}


@dataclass(frozen=True)
class PaddedBatches:
    """Puts examples of `input_ids` and a label together: right of their tokens they are padded with `padding`."""

    padding: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return `input_ids` and `attention_mask` (n, longest) and `labels` (n,)."""
        import torch

        ids, mask = padded([row["input_ids"] for row in rows], self.padding)
        labels = torch.tensor([row["labels"] for row in rows])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def padded(texts: Sequence[Ids], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens of texts and their mask, (n, longest) int64 each, padded on the right."""
    import torch

    lengths = np.array([len(text) for text in texts])
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]
    ids = np.full(mask.shape, padding, dtype=np.int64)
    ids[mask] = np.concatenate(texts)
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))
