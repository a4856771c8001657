"""Training with the embeddings of those tokens only that the data have.

Most parameters of a small multilingual encoder are the embeddings of its 250,000 tokens, and a step of the optimiser
takes longer for them than for all of the rest. A token that is in no text has no gradient: AdamW leaves its embedding
as it is, but for the weight decay. Without these rows the other weights of the training are the same, and the decay of
the rows that were left out is one product at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

    Ids = npt.NDArray[np.int64]


class CompactVocabulary:
    """The tokens of some texts, numbered without gaps.

    ids: the tokens' own numbers (n,), ascending. Every special token is among them, and every number up to the last
    special one of the first hundred, so that these keep their numbers: models compare with that of the padding.
    """

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self.full: torch.Tensor | None = None  # the embeddings of all tokens (V, d), while the model has some only

    @classmethod
    def of(cls, texts: Iterable[Ids], special: Iterable[int], n_tokens: int) -> CompactVocabulary:
        """Return the vocabulary of tokenised texts; n_tokens is the number of rows that the embeddings have."""
        used = np.zeros(n_tokens, dtype=bool)
        special = np.fromiter(special, dtype=np.int64)
        used[special] = True
        used[: max((number for number in special.tolist() if number < 100), default=-1) + 1] = True
        for text in texts:
            used[text] = True
        return cls(np.flatnonzero(used))

    def compact(self, text: Ids) -> Ids:
        """Return the new numbers of a text's tokens (n,), int64."""
        return np.searchsorted(self.ids, text)

    def narrow(self, model: Any) -> None:
        """Leave only the embeddings of these tokens in a transformer, which is changed."""
        import torch

        table = model.get_input_embeddings()
        self.full = table.weight.detach()
        rows = self.full[torch.from_numpy(self.ids)].clone()
        _replace(model, table, rows)

    def widen(self, model: Any, decay: float) -> None:
        """Put the embeddings of all tokens back, the trained ones among them; the others are multiplied by `decay`."""
        import torch

        assert self.full is not None
        table = model.get_input_embeddings()
        trained = table.weight.detach()
        rows = (self.full.to(device=trained.device, dtype=trained.dtype) * decay).contiguous()
        rows[torch.from_numpy(self.ids).to(trained.device)] = trained
        _replace(model, table, rows)
        self.full = None


def can_be_compact(model: Any) -> bool:
    """Return whether a transformer reads its embeddings as input only, one row for each token, and trains them."""
    import torch

    table = model.get_input_embeddings()
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    is_plain = type(table) is torch.nn.Embedding and output is None
    return bool(is_plain and table.weight.requires_grad and table.max_norm is None and not table.sparse)


def _replace(model: Any, table: Any, rows: torch.Tensor) -> None:
    """Give a transformer other embeddings; its configuration says how many there are, as checkpoints need."""
    import torch

    table.weight = torch.nn.Parameter(rows, requires_grad=table.weight.requires_grad)
    table.num_embeddings = len(rows)
    model.config.vocab_size = len(rows)
