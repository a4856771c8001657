"""Training with the embeddings of those tokens only that the data have.

Most parameters of a small multilingual encoder are the embeddings of its 250,000 tokens, and a step of the optimiser
takes longer for them than for all of the rest. A token that is in no text has no gradient: AdamW leaves its embedding
as it is, but for the weight decay. Without these rows the other weights of the training are the same, and the decay of
the rows that were left out is one product at the end.

Tokens keep their numbers: the table itself looks up which of its rows a number has. So whatever compares numbers, such
as a mask or a position that follows from the padding, or a head that looks for the end of a text, finds them as usual.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from utils.encoders.tokens import NO_ROW
from utils.errors import UserError

if TYPE_CHECKING:
    import torch

    Ids = npt.NDArray[np.int64]


class CompactVocabulary:
    """The tokens of some texts. ids: their numbers (n,), ascending."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self._full: torch.Tensor | None = None  # the embeddings of all tokens (V, d), while the model has some only
        self._hooks: list[Any] = []
        self._paddings: list[int | None] = []

    @classmethod
    def of(cls, texts: Iterable[Ids], named: Iterable[int], n_tokens: int) -> CompactVocabulary:
        """Return the vocabulary of tokenised texts and of tokens that have a role, whether they are in a text or not.

        n_tokens: rows of the embeddings; a named token that has none is left out. Raises UserError where a text has
        one that has none.
        """
        used = np.zeros(n_tokens, dtype=bool)
        used[[number for number in named if 0 <= number < n_tokens]] = True
        for text in texts:
            check_tokens(text, n_tokens)
            used[text] = True
        return cls(np.flatnonzero(used))

    def narrow(self, model: Any) -> None:
        """Leave only the embeddings of these tokens in a transformer, which is changed."""
        import torch

        tables = _tables_of(model)
        self._full = tables[0].weight.detach()
        self._paddings = [table.padding_idx for table in tables]
        places = torch.full((len(self._full),), -1)
        places[torch.from_numpy(self.ids)] = torch.arange(len(self.ids))
        rows = self._full[torch.from_numpy(self.ids)].clone()
        _replace(tables, rows, [None if number is None else int(places[number]) for number in self._paddings])
        self._hooks = [table.register_forward_pre_hook(_Places(places), with_kwargs=True) for table in tables]

    def widen(self, model: Any, decay: float) -> None:
        """Put the embeddings of all tokens back, the trained ones among them; the others are multiplied by `decay`."""
        import torch

        assert self._full is not None
        tables = _tables_of(model)
        trained = tables[0].weight.detach()
        rows = (self._full.to(device=trained.device, dtype=trained.dtype) * decay).contiguous()
        rows[torch.from_numpy(self.ids).to(trained.device)] = trained
        _replace(tables, rows, self._paddings)
        for hook in self._hooks:
            hook.remove()
        self._full = None


class _Places:
    """What is called before a table: it gives the rows of tokens in place of their numbers."""

    def __init__(self, places: torch.Tensor) -> None:
        self.places = places

    def __call__(self, table: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        ids = args[0] if args else kwargs["input"]
        self.places = self.places.to(ids.device)
        return (self.places[ids], *args[1:]), {name: value for name, value in kwargs.items() if name != "input"}


def check_tokens(text: Ids, n_tokens: int) -> None:
    """Raise UserError where a text has a token that none of the model's `n_tokens` embeddings belongs to."""
    if len(text) and (largest := int(text.max())) >= n_tokens:
        what = f"the tokenizer gives a token of the data the number {largest}"
        raise UserError(f"{what}, but the model has vectors of the numbers 0 to {n_tokens - 1}", NO_ROW)


def check_texts(texts: Iterable[Ids], model: Any) -> None:
    """Raise UserError where a tokenised text has a token that the model has no embedding of."""
    tables = _tables_of(model)
    for text in texts if tables else ():
        check_tokens(text, len(tables[0].weight))


def can_be_compact(model: Any) -> bool:
    """Return whether a transformer reads its embeddings as input only, one row for each token, and trains them."""
    tables = _tables_of(model)
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return bool(tables) and output is None and all(_is_plain(table) for table in tables)


def _is_plain(table: Any) -> bool:
    """Return whether a layer looks up a row for each token, and at most multiplies it (`embed_scale`)."""
    import torch

    looks_up = type(table) is torch.nn.Embedding or hasattr(table, "embed_scale")
    return bool(looks_up and table.weight.requires_grad and table.max_norm is None and not table.sparse)


def named_tokens(model: Any) -> set[int]:
    """Return the tokens that the configuration of a transformer or its tables name: paddings, ends and the like.

    A model can read them where no text has them: some pad to a multiple of a window, a decoder begins with one.
    """
    config = model.config.to_dict()
    given = [value for name, value in config.items() if name.endswith(("token_id", "token_ids"))]
    given += [table.padding_idx for table in _tables_of(model)]
    numbers = [number for value in given for number in (value if isinstance(value, list) else [value])]
    return {number for number in numbers if isinstance(number, int)}


def _tables_of(model: Any) -> list[Any]:
    """Return every layer that has the embeddings of tokens, as encoder and decoder may share them; none without any."""
    table = None
    with contextlib.suppress(AttributeError, NotImplementedError):  # models of characters have no table
        table = model.get_input_embeddings()
    weight = getattr(table, "weight", None)
    if weight is None:
        return []
    return [part for part in model.modules() if any(each is weight for each in part.parameters(recurse=False))]


def _replace(tables: list[Any], rows: torch.Tensor, paddings: list[int | None]) -> None:
    """Give all layers other embeddings, which they share as before."""
    import torch

    weight = torch.nn.Parameter(rows, requires_grad=tables[0].weight.requires_grad)
    for table, padding in zip(tables, paddings, strict=True):
        table.weight, table.num_embeddings, table.padding_idx = weight, len(rows), padding
