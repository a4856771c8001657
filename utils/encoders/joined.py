"""Texts of a batch joined without padding: attention is computed within each text by a kernel for many lengths.

The transformer then computes nothing for padding, and no mask is read. Its outputs are put back to rows of equal length
for the modules after it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import first_line

if TYPE_CHECKING:
    import torch

    from utils.encoders.batching import Ints
    from utils.schema import Rows

NAME = "joined"  # of the attention, in transformers
HALF = ("bf16", "fp16")


@dataclass(frozen=True)
class Batch:
    """Where the tokens of a batch are: in rows of equal length (t,), in their texts (t,), and where texts begin."""

    places: torch.Tensor
    positions: torch.Tensor
    begins: torch.Tensor  # (n + 1,), int32; the last is the number of tokens
    longest: int


def batch_of(lengths: Ints, width: int, move: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    """Return the places of the tokens of texts of these lengths (n,), padded on the right to a width."""
    import torch

    begins = np.concatenate([[0], np.cumsum(lengths)])
    positions = np.arange(begins[-1]) - np.repeat(begins[:-1], lengths)
    places = positions + np.repeat(np.arange(len(lengths)) * width, lengths)
    moved = [move(torch.from_numpy(values)) for values in (places, positions, begins.astype(np.int32))]
    return Batch(moved[0], moved[1], moved[2], int(lengths.max(initial=0)))


def can_join(model: Any, dtype: str) -> bool:
    """Return whether a model may be given joined texts: attention by transformers' interface, known positions."""
    inner = getattr(model[0], "model", None)
    return (
        inner is not None
        and getattr(model[0], "modality_config", {}).get("text", {}).get("method") == "forward"
        and bool(getattr(inner, "_supports_attention_backend", False))
        and not getattr(inner.config, "is_encoder_decoder", False)
        and "position_ids" in inspect.signature(inner.forward).parameters
        and has_kernel(dtype)
    )


def has_kernel(dtype: str) -> bool:
    """Return whether torch has attention over texts of many lengths in a precision: for halves, since version 2.10."""
    import torch

    if dtype in HALF:
        return _varlen() is not None
    return dtype == "fp32" and hasattr(torch.ops.aten, "_efficient_attention_forward")


def _varlen() -> Callable[..., Any] | None:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    found: Callable[..., Any] = varlen_attn
    return found


def attention_within(
    rows: Sequence[torch.Tensor], begins: torch.Tensor, longest: int, *, is_causal: bool, scale: float
) -> torch.Tensor:
    """Return attention within each text (t, heads, d); rows are queries, keys and values of that shape."""
    import torch

    if rows[0].dtype == torch.float32:
        batch = [each[None] for each in rows]
        wide: Any = torch.ops.aten._efficient_attention_forward
        causal = int(is_causal)  # from the top left
        output: torch.Tensor = wide(*batch, None, begins, begins, longest, longest, 0.0, causal, scale=scale)[0]
        return output[0]
    varlen = _varlen()
    assert varlen is not None  # as `has_kernel` says
    more: dict[str, Any] = {}
    if abs(scale * rows[0].shape[2] ** 0.5 - 1) > 1e-6:  # version 2.10 has no other
        more["scale"] = scale
    if is_causal:
        more |= {"window_size": (-1, 0)} if _has_windows() else {"is_causal": True}
    found: torch.Tensor = varlen(*rows, begins, begins, longest, longest, **more)
    return found


@functools.lru_cache
def _has_windows() -> bool:
    varlen = _varlen()
    return varlen is not None and "window_size" in inspect.signature(varlen).parameters  # since version 2.11


def join(model: Any) -> None:
    """Let a model's transformer compute the texts of a batch side by side whenever `describe` was called for it."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
    inner = model[0].model
    inner.forward = functools.partial(_forward, inner, inner.forward, _first_position(inner))


def describe(model: Any, batch: Batch) -> None:
    """Say where the tokens of the next batch are that the model computes."""
    model[0].model.joined = batch


def leave(model: Any) -> None:
    """Give a model's transformer its own way back."""
    del model[0].model.forward


def check_joined(name: str, rows: Callable[[bool], Rows], closeness: float) -> bool:
    """Return whether a model's vectors of joined texts are those of padded ones; a note says where they are not.

    rows: returns the vectors of several texts, joined or padded. closeness: a share of the greatest value.
    """
    padded = rows(False)
    try:
        difference = float(np.abs(rows(True) - padded).max())
        if difference <= closeness * float(np.abs(padded).max()):
            return True
        why = f"a vector changes by {difference:.1g}"
    except Exception as error:  # kernels and models fail in many ways
        why = first_line(error)[:120] or type(error).__name__
    print(f"note: {name} is computed with padding, since joining its texts fails ({why})", file=sys.stderr)
    return False


def attend(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **how: Any
) -> tuple[torch.Tensor, None]:
    """Return attention within each text (1, t, heads, d), and no weights, as transformers calls it.

    Raises ValueError for attention of other kinds: masks, windows, sinks and bounded scores.
    """
    import torch

    odd = [name for name in ("sliding_window", "softcap", "s_aux", "position_bias") if how.get(name) is not None]
    if attention_mask is not None or odd:
        raise ValueError(f"its attention has a {odd[0] if odd else 'mask'}")
    rows = [each[0].transpose(0, 1) for each in (query, key, value)]  # (t, heads, d)
    shared = rows[0].shape[1] // rows[1].shape[1]
    if shared > 1:
        rows[1:] = [torch.repeat_interleave(each, shared, dim=1) for each in rows[1:]]
    scale, is_causal = how.get("scaling"), how.get("is_causal")
    found = attention_within(
        rows,
        how["cu_seq_lens_q"],
        how["max_length_q"],
        is_causal=bool(module.is_causal if is_causal is None else is_causal),
        scale=float(query.shape[-1] ** -0.5 if scale is None else scale),
    )
    return found[None], None


def _forward(inner: Any, plain: Callable[..., Any], first: int, **given: Any) -> Any:
    """Compute a batch with its texts joined, where it is described, and as the model does otherwise."""
    batch: Batch | None = inner.__dict__.pop("joined", None)
    if batch is None:
        return plain(**given)
    shape = given.pop("attention_mask").shape
    inputs = {
        name: value.reshape(-1)[batch.places][None] if getattr(value, "shape", None) == shape else value
        for name, value in given.items()
    }
    inputs |= {"position_ids": batch.positions[None] + first, "attention_mask": None}
    lengths: dict[str, Any] = {"cu_seq_lens_q": batch.begins, "cu_seq_lens_k": batch.begins}
    lengths |= {"max_length_q": batch.longest, "max_length_k": batch.longest}
    with _attention(inner.config):
        output = plain(**inputs, **lengths)
    output.last_hidden_state = _apart(output.last_hidden_state, batch.places, shape)
    if states := getattr(output, "hidden_states", None):
        output.hidden_states = tuple(_apart(each, batch.places, shape) for each in states)
    return output


def _apart(tokens: torch.Tensor, places: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return the vectors of joined tokens (1, t, d) in rows of equal length (n, longest, d), 0 for padding."""
    rows = tokens.new_zeros(shape[0] * shape[1], tokens.shape[2])
    rows[places] = tokens[0]
    return rows.view(*shape, -1)


@contextlib.contextmanager
def _attention(config: Any) -> Any:
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _first_position(inner: Any) -> int:
    """Return the number of a text's first position: RoBERTa counts from the one behind its padding's."""
    import torch

    for module in inner.modules():
        padding = getattr(module, "padding_idx", None)
        if isinstance(padding, int) and isinstance(getattr(module, "position_embeddings", None), torch.nn.Embedding):
            return padding + 1
    return 0
