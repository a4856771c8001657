"""What a model gets of a text: padding by the mask, the number of tokens that it takes, and what is cut off."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.encoders.batching import Ints
from utils.errors import UserError
from utils.weights import check_vocabulary

if TYPE_CHECKING:
    import torch

TABLE_OF_POSITIONS = re.compile(r"(^|_)pos(ition)?s?(_|$)|^wpe$")  # names of modules
OTHER_SENSES = re.compile(r"vision|visual|image|audio|patch|frame|speech")  # parts of models that read no text
UNLIMITED = 10**9  # what tokenizers say where a model takes texts of any length is greater
NO_ROW = (
    "the token was added without resize_token_embeddings(); take it out of the tokenizer's files, or texts with it out "
    "of the data"
)
UNTOUCHED = {"truncation": False, "padding": False, "return_tensors": None}


def prepare_tokenizer(model: Any, name: str) -> None:
    """Let a tokenizer without a padding token pad with another one; the mask keeps it out of every vector.

    Raises UserError for the checkpoint of this name where its tokenizer knows no words.
    """
    tokenizer = _tokenizer(model)
    if tokenizer is not None:
        check_vocabulary(tokenizer, name)
        set_padding(tokenizer)


def set_padding(tokenizer: Any) -> None:
    """Let a tokenizer of transformers without a padding token pad with another one."""
    if tokenizer.pad_token is None:
        names = ("eos_token", "sep_token", "unk_token", "bos_token", "cls_token")
        known = [token for name in names if (token := getattr(tokenizer, name, None)) is not None]
        tokenizer.pad_token = known[0] if known else tokenizer.convert_ids_to_tokens(0)


def n_added_tokens(model: Any) -> int:
    """Return how many tokens of its own the tokenizer puts around each text."""
    tokenizer = _tokenizer(model)
    return 0 if tokenizer is None else int(tokenizer.num_special_tokens_to_add())


def longest_text(model: Any) -> int | None:
    """Return the greatest number of tokens that a sentence-transformers model takes; None where any number.

    It is what the tokenizer and the processing arguments of the configuration say, and never more than the model has
    positions for.
    """
    said = [model.max_seq_length, *(arguments.get("max_length") for arguments in _processing(model))]
    known = [limit for limit in (*said, n_positions(model[0])) if isinstance(limit, int | float) and limit < UNLIMITED]
    return int(min(known)) if known else None


def set_longest_text(model: Any, limit: int) -> None:
    """Cut texts at this number of tokens, whatever the processing arguments of the configuration say."""
    model.max_seq_length = limit
    for arguments in _processing(model):
        if "max_length" in arguments:
            arguments["max_length"] = limit
        if n_positions(model[0]) is not None and arguments.get("truncation") in (False, "do_not_truncate"):
            del arguments["truncation"]


def _processing(model: Any) -> list[dict[str, Any]]:
    """Return the arguments for texts that the checkpoint's configuration gives to the tokenizer."""
    given = getattr(model[0], "processing_kwargs", None) or {}
    return [given[kind] for kind in ("text", "common") if isinstance(given.get(kind), dict)]


def _tokenizer(model: Any) -> Any:
    from transformers import PreTrainedTokenizerBase

    tokenizer = getattr(model[0], "tokenizer", None)
    return tokenizer if isinstance(tokenizer, PreTrainedTokenizerBase) else None


def n_positions(model: Any) -> int | None:
    """Return for how many tokens a model of torch has positions; None where it computes positions of any number."""
    import torch

    sizes: dict[str, int] = {}
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        is_table = isinstance(module, torch.nn.Embedding) and TABLE_OF_POSITIONS.search(last) and "rel" not in last
        if is_table and not OTHER_SENSES.search(name):
            # BART counts from an offset, RoBERTa from the place behind the padding's
            before = 0 if module.padding_idx is None else module.padding_idx + 1
            offset = getattr(module, "offset", before)
            sizes[name] = module.num_embeddings - (offset if isinstance(offset, int) else before)
    reading = {name: size for name, size in sizes.items() if "decoder." not in name}  # a decoder alone also reads
    return min((reading or sizes).values(), default=None)


def lengths_of(features: dict[str, Any], n_texts: int) -> Ints | None:
    """Return each text's number of tokens (n,), by the mask or where texts are joined; None where neither is there."""
    mask, ends = features.get("attention_mask"), features.get("cu_seq_lens_q")
    if mask is not None and mask.ndim == 2 and mask.shape[0] == n_texts:
        return np.asarray(mask.sum(dim=1).cpu().numpy(), dtype=np.int64)
    if ends is not None and len(ends) == n_texts + 1:
        return np.asarray(ends.diff().cpu().numpy(), dtype=np.int64)
    return None


def full_lengths(model: Any, texts: Sequence[str], prompt: str | None, lengths: Ints, limit: int | None) -> Ints:
    """Return each text's number of tokens (n,) before it is cut; `lengths` are those after.

    Only texts that reach the limit are tokenised again.
    """
    full = lengths.copy()
    reaching = np.flatnonzero(lengths >= limit) if limit is not None else np.zeros(0, dtype=np.int64)
    if len(reaching):
        whole = n_tokens(model, [texts[place] for place in reaching.tolist()], prompt)
        full[reaching] = np.maximum(whole, lengths[reaching])
    return full


def n_tokens(model: Any, texts: Sequence[str], prompt: str | None) -> Ints:
    """Return each text's number of tokens (n,), none of which is cut off, with those of its prompt."""
    kwargs = {"text": dict(UNTOUCHED), "common": dict(UNTOUCHED)}
    whole = model.preprocess(list(texts), prompt=prompt, processing_kwargs=kwargs)
    return np.array([len(ids) for ids in whole["input_ids"]], dtype=np.int64)


def right_padded(features: dict[str, Any]) -> dict[str, Any]:
    """Return features whose tokens stand before the padding, so that positions start at each text's first token.

    Which tokens are padding is what the mask says, whatever side the tokenizer pads on.
    """
    import torch

    mask = features["attention_mask"]
    if bool((mask[:, :-1] >= mask[:, 1:]).all()):
        return features
    order = torch.argsort(mask, dim=1, descending=True, stable=True)
    return {
        name: torch.gather(value, 1, order) if isinstance(value, torch.Tensor) and value.shape == mask.shape else value
        for name, value in features.items()
    }


def cut_padding(features: dict[str, Any], part: Ints, width: int) -> dict[str, Any]:
    """Return the features of some texts, padded on the right, without the columns that only longer texts need."""
    import torch

    if not features["attention_mask"].shape[1]:  # no text has a token, and models take no texts of length 0
        features = {
            name: torch.nn.functional.pad(value, (0, 1))
            if isinstance(value, torch.Tensor) and value.ndim == 2
            else value
            for name, value in features.items()
        }
    n_texts, full = features["attention_mask"].shape
    rows = torch.from_numpy(part)
    chosen = {}
    for name, value in features.items():
        if isinstance(value, torch.Tensor) and value.ndim and value.shape[0] == n_texts:
            value = value[rows]
            value = value[:, :width] if value.ndim > 1 and value.shape[1] == full else value
        chosen[name] = value
    return chosen


def check_ids(model: Any, features: dict[str, Any], name: str) -> None:
    """Raise UserError where the tokenizer gives a token a number that the model has no vector for."""
    ids: torch.Tensor | None = features.get("input_ids")
    inner: Any = getattr(model[0], "model", None)
    table = None
    with contextlib.suppress(AttributeError, NotImplementedError):  # models of characters have no table
        table = inner.get_input_embeddings()
    size = getattr(table, "num_embeddings", None)
    if ids is None or size is None or not ids.numel() or int(ids.max()) < size:
        return
    number = int(ids.max())
    token = model.tokenizer.convert_ids_to_tokens(number)
    raise UserError(
        f"the checkpoint {name!r}: its tokenizer gives {token!r} the number {number}, but its model has vectors of the "
        f"numbers 0 to {size - 1}",
        NO_ROW,
    )
