"""Trees of tokens as inputs of transformers models: cache, masks, positions and position biases."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from utils.generators.exact_logits import exact_logits

if TYPE_CHECKING:
    from torch import Tensor

PADDING = -1  # the position of a padding token


@contextmanager
def tree_positions(model: Any, keys: Tensor) -> Iterator[None]:
    """Compute the model's attention biases from these positions of all keys (B, K) within the block."""
    if model.config.model_type == "bloom":
        with _replaced(model.transformer, "build_alibi_tensor", _alibi(keys)):
            yield
    elif model.config.model_type in ("t5", "mt5", "umt5"):
        modules = [module for module in model.decoder.modules() if getattr(module, "has_relative_attention_bias", 0)]
        with _all_replaced(modules, keys):
            yield
    else:
        yield


@contextmanager
def _replaced(owner: Any, name: str, function: Callable[..., Tensor]) -> Iterator[None]:
    setattr(owner, name, function)
    try:
        yield
    finally:
        delattr(owner, name)  # restores the class's own method


@contextmanager
def _all_replaced(modules: list[Any], keys: Tensor) -> Iterator[None]:
    for module in modules:
        module.compute_bias = _relative_bias(module, keys)
    try:
        yield
    finally:
        for module in modules:
            del module.compute_bias


def _alibi(keys: Tensor) -> Callable[..., Tensor]:
    """Return BLOOM's bias from the given positions: slope times position of the key, (B * heads, 1, K).

    Press, Smith and Lewis 2022, arXiv 2108.12409, as used in BLOOM (arXiv 2211.05100, section 3.2).
    """

    def build(_mask: Tensor, num_heads: int, dtype: Any) -> Tensor:
        from transformers.models.bloom.modeling_bloom import build_alibi_tensor

        ones = keys.new_ones((1, 2))
        slopes = build_alibi_tensor(ones, num_heads, keys.new_zeros(0).float().dtype)[:, 0, 1]  # (heads,)
        bias: Tensor = slopes[None, :, None] * keys.clamp(min=0)[:, None, :]  # (B, heads, K)
        bias = bias.reshape(len(keys) * num_heads, 1, keys.shape[1])
        return bias.to(dtype)

    return build


def _relative_bias(module: Any, keys: Tensor) -> Callable[..., Tensor]:
    """Return T5's bias by distance (Raffel et al. 2020, arXiv 1910.10683, section 2.1) from the given positions.

    All texts have the same labels, so one row of positions is used for the whole batch.
    """

    def compute(query_length: int, key_length: int, **_: Any) -> Tensor:
        distance = keys[0][None, :] - keys[0][-query_length:][:, None]  # (Q, K)
        names = (
            ("num_buckets", "max_distance") if module.config.model_type != "umt5" else ()
        )  # its method has them as attributes
        settings = {name: getattr(module, f"relative_attention_{name}") for name in names}
        causal = {"bidirectional": False} if names else {}
        bucket = module._relative_position_bucket(distance[:, :key_length], **causal, **settings)
        bias: Tensor = module.relative_attention_bias(bucket).permute([2, 0, 1])[None]
        return bias

    return compute


@contextmanager
def _only(model: Any, rows: Tensor) -> Iterator[list[bool]]:
    """Multiply only these of the flattened hidden states (B * Q) with the vocabulary within the block.

    The value is filled when that is done: a model may have no layer of its own for it.
    """
    is_selected: list[bool] = []

    def select(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        is_selected.append(True)
        hidden = arguments[0].flatten(0, -2)
        return (hidden[rows.to(hidden.device)][None], *arguments[1:])

    head = model.get_output_embeddings()
    handle = None if head is None else head.register_forward_pre_hook(select)
    try:
        yield is_selected
    finally:
        if handle is not None:
            handle.remove()


class Context:
    """The key-value cache of a batch (B, K) and the position of each of its tokens."""

    def __init__(self, model: Any) -> None:
        from transformers import DynamicCache

        self.model = model
        self.cache = DynamicCache()  # every layer keeps all keys; sliding windows are part of the masks
        self.positions: Tensor | None = None  # (B, K), PADDING for padding
        self._accepted = inspect.signature(model.forward).parameters

    @property
    def n_tokens(self) -> int:
        """The number of tokens of each row, padding included."""
        return 0 if self.positions is None else self.positions.shape[1]

    def extend(
        self, ids: Tensor, positions: Tensor, seen: Tensor | None, rows: Tensor, exact: Tensor | None = None
    ) -> Tensor:
        """Append tokens (B, Q) to the cache and return the logits of some of them: (rows, V).

        `seen` (B, Q, Q) says which of the new tokens each token attends to; None is causal. rows: those whose logits
        are computed, as places in the flattened tokens. exact: (n, 2), places in `rows` and tokens whose logits are
        computed in float32.
        """
        import torch

        past = self.positions if self.positions is not None else positions.new_empty((len(ids), 0))
        keys = torch.cat([past.expand(len(ids), -1), positions], dim=1)  # (B, K + Q)
        if seen is None:
            seen = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).tril()[None]
        before = seen.new_ones(1).expand(len(seen), ids.shape[1], past.shape[1])
        visible = torch.cat([before, seen], dim=2) & (keys != PADDING)[:, None, :]  # (B, Q, K + Q)
        arguments: dict[str, Any] = {
            "attention_mask": self._masks(visible, positions, keys),
            "position_ids": positions.clamp(min=0),
        }
        arguments = {name: value for name, value in arguments.items() if name in self._accepted}
        with (
            tree_positions(self.model, keys),
            _only(self.model, rows) as is_selected,
            exact_logits(self.model, exact),
        ):
            output = self.model(input_ids=ids, past_key_values=self.cache, use_cache=True, **arguments)
        self.positions = keys
        logits: Tensor = output.logits.flatten(0, 1)
        return logits if is_selected else logits[rows.to(logits.device)]

    def _masks(self, visible: Tensor, positions: Tensor, keys: Tensor) -> Any:
        """Return the additive mask (B, 1, Q, K + Q), or a mask for each kind of layer in the model."""
        config = self.model.config
        kinds = set(getattr(config, "layer_types", None) or ())
        window = getattr(config, "sliding_window", None)
        if not window or not (kinds or getattr(config, "use_sliding_window", True)):
            return self._additive(visible)
        near = visible & (positions[:, :, None] - keys[:, None, :] < window)
        if kinds <= {"sliding_attention"}:
            return self._additive(near)
        if kinds == {"full_attention"}:
            return self._additive(visible)
        return {"full_attention": self._additive(visible), "sliding_attention": self._additive(near)}

    def _additive(self, visible: Tensor) -> Tensor:
        import torch

        dtype = self.model.dtype
        mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
        return mask.masked_fill_(~visible, torch.finfo(dtype).min)[:, None]

    def copy(self) -> Context:
        """Return a context with the same tokens, which can be extended by itself."""
        found = Context(self.model)
        found.cache, found.positions = copy.deepcopy(self.cache), self.positions
        return found

    def repeat(self, n_rows: int) -> None:
        """Repeat a cache of one row for each row of the batch."""
        self.cache.batch_repeat_interleave(n_rows)
        if self.positions is not None:
            self.positions = self.positions.expand(n_rows, -1)

    def drop(self, n_tokens: int) -> None:
        """Remove the last tokens."""
        if n_tokens and self.positions is not None:
            self.cache.crop(-n_tokens)
            self.positions = self.positions[:, :-n_tokens]
