"""The answers of a batch in rounds: those that have ended leave it, so that a few long ones do not carry them along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.generators.sampling import Step
from utils.generators.stopping import StopTexts

if TYPE_CHECKING:
    from torch import Tensor

FEW = 4  # answers that stay together: a step of fewer is hardly faster
# what transformers counts from the beginning of a round instead of the beginning of an answer
COUNTED = ("min_new_tokens", "begin_suppress_tokens", "exponential_decay_length_penalty")


class Ends:
    """What ends an answer: tokens of the model, and texts."""

    def __init__(self, tokens: Sequence[int], texts: StopTexts | None, n_prompt: int) -> None:
        self.tokens, self.texts, self.n_prompt = list(tokens), texts, n_prompt

    def __call__(self, ids: Tensor) -> Tensor:
        """Return which answers have ended (B,), given the prompts and what follows them (B, width)."""
        import torch

        ended = torch.isin(ids[:, self.n_prompt :], ids.new_tensor(self.tokens)).any(1)
        return ended if self.texts is None else ended | self.texts(ids, None)


class Round:
    """The stopping criterion of transformers that ends a round: where all answers, or half of many, have ended."""

    def __init__(self, ends: Ends, can_be_short: bool) -> None:
        self.ends, self.can_be_short = ends, can_be_short
        self.left: list[int] = []  # the rows that go on in the next round

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Return which rows need no further token in this round (B,)."""
        import torch

        ended = self.ends(input_ids)
        left = [row for row, has_ended in enumerate(ended.tolist()) if not has_ended]
        if not self.can_be_short or len(ended) <= FEW or 2 * len(left) > len(ended):
            return ended
        self.left = left
        return torch.ones_like(ended)


def answers_in_rounds(
    model: Any, ids: Tensor, mask: Tensor, n_new: int, ends: Ends, steps: Sequence[Step], options: dict[str, Any]
) -> list[list[int]]:
    """Return the tokens of each row's answer, at most `n_new`, with padding behind it.

    ids, mask: (B, width), padded on the left. steps: what happens to the scores of the next tokens before the greatest
    is taken. `options` are further arguments of the model's `generate`. What has been computed of the answers that go
    on is kept for the next round.
    """
    places, cache, n_left, can_be_short = list(range(len(ids))), None, n_new, _can_be_short(model)
    answers: list[list[int]] = [[]] * len(ids)
    states = [*steps] if ends.texts is None else [*steps, ends.texts]  # what knows something of each row
    while places:
        current = Round(ends, can_be_short)
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            max_new_tokens=n_left,
            stopping_criteria=[current],
            logits_processor=[*steps],
            return_dict_in_generate=True,
            **options,
        )
        n_left = n_new - (output.sequences.shape[1] - ends.n_prompt)
        left = current.left if n_left > 0 else []
        for row, place in enumerate(places):
            if row not in left:
                answers[place] = output.sequences[row, ends.n_prompt :].tolist()
        if not left:
            break
        places = [places[row] for row in left]
        ids, mask, cache = _kept(output, mask, left)
        can_be_short = cache is not None
        for state in states:
            state.keep(left)
    return answers


def _can_be_short(model: Any) -> bool:
    settings = model.generation_config
    return not model.config.is_encoder_decoder and not any(getattr(settings, name, None) for name in COUNTED)


def _kept(output: Any, mask: Tensor, rows: list[int]) -> tuple[Tensor, Tensor, Any]:
    """Return the tokens, mask and cache of some rows after a round; None for a cache of which rows cannot be taken."""
    import torch
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    ids, cache = output.sequences[rows], output.past_key_values
    mask = torch.nn.functional.pad(mask[rows], (0, ids.shape[1] - mask.shape[1]), value=1)
    if not all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in getattr(cache, "layers", [None])):
        return ids, mask, None
    cache.batch_select_indices(torch.tensor(rows, dtype=torch.long, device=ids.device))
    return ids, mask, cache
