"""The states of a causal language model after every layer, and what the model itself makes of a state behind its last.

A state is read through the model's own code: its layers are replaced for a moment by functions that return the state,
so that its final norm, its output projection, and whatever scales or caps its logits are those that it always has
(tied heads, the soft cap of Gemma, the scales of Cohere and Granite).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from utils.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


class Residual:
    """A causal language model of transformers, opened at its layers; `depth` is their number."""

    def __init__(self, model: Any, name: str) -> None:
        """Find the layers of a model. Raises UserError for a model that has no list of them."""
        self.model = model
        self.layers = _layers_of(model, name)
        self.depth = len(self.layers)
        self._n_values: dict[int, int] = {}  # of the tuples that layers return; 0 for layers that return a state alone

    @contextmanager
    def captured(self) -> Iterator[list[Tensor]]:
        """Collect the states of the last position of every pass within the block: 1 + depth tensors (B, d).

        The first are the embeddings that the first layer takes, those of the last layer are before the final norm. Of
        several passes, the list has the states of the latest. No other position is kept.
        """
        found: list[Tensor] = []

        def first(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            states = args[0] if args else kwargs["hidden_states"]
            found[:] = [states[:, -1].clone()]

        def after(place: int) -> Callable[..., None]:
            def keep(_module: Any, _args: Any, output: Any) -> None:
                self._n_values[place] = len(output) if isinstance(output, tuple) else 0
                found.append((output[0] if isinstance(output, tuple) else output)[:, -1].clone())

            return keep

        handles = [self.layers[0].register_forward_pre_hook(first, with_kwargs=True)]
        handles += [layer.register_forward_hook(after(place)) for place, layer in enumerate(self.layers)]
        try:
            yield found
        finally:
            for handle in handles:
                handle.remove()

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits (R, V) of states (R, d) that stand behind the last layer, by the rest of the model.

        A pass has to have been captured before.
        """
        import torch

        given = states[:, None]
        ids = torch.zeros((len(states), 1), dtype=torch.long, device=self.model.device)
        with self._returning(given):
            logits: Tensor = self.model(input_ids=ids, use_cache=False).logits[:, -1]
        return logits

    @contextmanager
    def _returning(self, states: Tensor) -> Iterator[None]:
        """Let every layer return these states (R, 1, d), in the form in which it returns its own."""

        def stub(n_values: int) -> Callable[..., Any]:
            return lambda *_args, **_kwargs: (states, *[None] * (n_values - 1)) if n_values else states

        before = [layer.__dict__.get("forward") for layer in self.layers]  # a device map has put its own there
        for place, layer in enumerate(self.layers):
            layer.forward = stub(self._n_values[place])
        try:
            yield
        finally:
            for layer, forward in zip(self.layers, before, strict=True):
                if forward is None:
                    del layer.forward
                else:
                    layer.forward = forward


def _layers_of(model: Any, name: str) -> Sequence[Any]:
    """Return the layers of a model's decoder from the first to the last."""
    import torch

    depth = getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", None)
    for module in model.modules():
        if depth and isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            return list(module)
    raise UserError(f"{name} has no list of layers that could be read", "choose another --gen_model_checkpoint")
