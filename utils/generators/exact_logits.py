"""Logits of single tokens in float32, whatever the precision of a model.

A model in bfloat16 rounds its logits to eight binary digits, to eighths between 16 and 32, so that some options that
are scored by one token each come out equal. The products of the last hidden states with the vectors of these tokens are
computed once more here, in float32; the other logits keep the model's own values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def exact_logits(model: Any, pairs: Tensor | None) -> Iterator[None]:
    """Compute the logits of some tokens in float32 within the block, and return all logits as float32.

    pairs: (n, 2), the row of the flattened hidden states that the output layer gets, and the token; None for no logits.
    What the model does with its logits, such as a cap, it does with these as well. A model in float32, and one whose
    output layer is not a plain matrix, are left as they are.
    """
    head = model.get_output_embeddings()
    if pairs is None or not len(pairs) or not is_rounding(head):
        yield
        return

    def refined(_: Any, arguments: tuple[Any, ...], logits: Tensor) -> Tensor:
        return _refined(head, arguments[0].flatten(0, -2), logits, pairs)

    handle = head.register_forward_hook(refined)
    try:
        yield
    finally:
        handle.remove()


def is_rounding(head: Any) -> bool:
    """Return whether an output layer is a plain matrix of half precision, which is in memory."""
    import torch

    if type(head) is not torch.nn.Linear or head.weight.device.type == "meta":
        return False
    return head.weight.dtype in (torch.bfloat16, torch.float16)


def _refined(head: Any, states: Tensor, logits: Tensor, pairs: Tensor) -> Tensor:
    """Return the logits (..., V) of states (R, d) in float32, those of the pairs multiplied anew."""
    import torch

    device = head.weight.device  # of several GPUs, the states may come from another one
    rows, row_of = torch.unique(pairs[:, 0].to(device), return_inverse=True)
    tokens, token_of = torch.unique(pairs[:, 1].to(device), return_inverse=True)
    products = states[rows.to(states.device)].to(device).float() @ head.weight[tokens].float().T
    if head.bias is not None:
        products += head.bias[tokens].float()
    found = logits.float()
    places = (rows[row_of].to(found.device), tokens[token_of].to(found.device))
    found.view(-1, found.shape[-1])[places] = products[row_of, token_of].to(found.device)
    return found
