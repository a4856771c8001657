"""The logit lens: what a language model would answer if a layer were its last.

The state of the last token of a prompt is read after every layer through the model's own final norm and output
projection (nostalgebraist 2020, "interpreting GPT: the logit lens"; with a tuned lens, Belrose et al. 2023), as
Zhang et al. 2024, arXiv 2405.13816, do it for the answers of prompts in many languages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from utils.answers import ScoreSettings
from utils.errors import UserError
from utils.generators.batches import BatchLimits, Size, in_batches
from utils.generators.causal_scoring import read_prompts
from utils.generators.tree_attention import Context
from utils.generators.tree_support import TOLERANCES
from utils.generators.tries import Tokenized
from utils.layers.residual import Residual
from utils.numerics import nan_hint

if TYPE_CHECKING:
    from torch import Tensor

    from utils.generators.transformers_model import LanguageModel
    from utils.layers.tuned import TunedLens

TENSORS = 3  # of the size of the logits that are there at once


@dataclass(frozen=True)
class Asked:
    """A prompt, the words whose first tokens are looked up behind it, and the place of the right one among them."""

    prompt: str
    words: tuple[str, ...]
    right: int


class Lens:
    """Reads a causal language model after every layer; `depth` is their number.

    Raises UserError for an encoder-decoder, whose prompt and answer pass through different layers, and for a tuned lens
    of another model.
    """

    def __init__(self, model: LanguageModel, tuned: TunedLens | None = None) -> None:
        if model.is_seq2seq:
            raise UserError(
                f"the lens reads decoder-only models, but {model.spec.name} has an encoder and a decoder",
                "choose a causal model with --gen_model_checkpoint",
            )
        self.model, self.tuned = model, tuned
        self.residual = Residual(model.model, model.spec.name)
        if tuned is not None:
            tuned.check(self.residual.depth)
        self._is_told = False

    def read(self, asked: Sequence[Asked], *, legacy: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the index of each prompt with what its layers say, longest prompts first.

        A reading has the first `tokens` of the words (words,), their `logprobs` after the embeddings and after each
        layer (1 + layers, words), the `rank` of the right one in the vocabulary and the `entropy` in nats, both
        (1 + layers,), the largest `error` of the last layer's log-probabilities against the model's own output, and
        whether the prompt and the words were tokenised `apart`. Tokens of equal probability share the mean of their
        ranks.
        Raises UserError where the last layer is not the model's own output.
        """
        model = self.model
        with model.errors():
            texts, apart = self._tokenized(asked, legacy=legacy)
            lengths = [len(text.prompt) for text in texts]
            model.check_lengths(lengths)
            together = model.trees.covers(texts)
            if not together and not self._is_told:
                print(f"note: {model.spec.name} reads prompts one by one", file=sys.stderr)
                self._is_told = True
            limits = model.limits if together else BatchLimits(1, model.limits.logit_rows)
            order = sorted(range(len(texts)), key=lambda index: (-lengths[index], texts[index].prompt))
            read = in_batches(
                lambda chosen: self._batch([texts[i] for i in chosen], [asked[i].right for i in chosen], together),
                order,
                list(map(Size, lengths)),
                limits,
            )
            yield from ((index, {**reading, "apart": index in apart}) for index, reading in read)

    def _tokenized(self, asked: Sequence[Asked], *, legacy: bool) -> tuple[list[Tokenized], set[int]]:
        """Return each prompt with its words in tokens, and which of them were tokenised apart.

        They are those of the joined text, as where options are scored. Where a word changes how the end of its prompt
        is tokenised, the prompts of the words end at different tokens; then prompt and words are tokenised apart.
        """
        reader, words = self.model.reader, [each.words for each in asked]
        texts = reader.with_own_labels([each.prompt for each in asked], words, ScoreSettings(legacy=legacy))
        apart = {index for index, text in enumerate(texts) if any(text.n_unscored)}
        for index in apart:
            (prompt,) = reader.prompt_ids([asked[index].prompt])
            of_words = reader.tokenizer(list(words[index]), add_special_tokens=False)["input_ids"]
            texts[index] = Tokenized(tuple(prompt), tuple(map(tuple, of_words)), (0,) * len(of_words))
        return texts, apart

    def _batch(self, texts: Sequence[Tokenized], right: Sequence[int], together: bool) -> list[dict[str, Any]]:
        import torch

        with torch.inference_mode():
            with self.residual.captured() as found:
                if together:
                    own = read_prompts(Context(self.model.model), [text.prompt for text in texts])
                else:
                    ids = torch.tensor([text.prompt for text in texts], device=self.model.model.device)
                    own = self.model.model(input_ids=ids, use_cache=False).logits[:, -1]
            device = found[-1].device  # of the last of several GPUs
            states = [self._translated(each.to(device), layer) for layer, each in enumerate(found)]
            parts = self._looked_up(torch.cat(states), _first_tokens(texts), torch.tensor(right), own)
        return _readings(texts, len(states), *parts)

    def _translated(self, states: Tensor, layer: int) -> Tensor:
        return states if self.tuned is None else self.tuned.translated(states, layer)

    def _looked_up(
        self, states: Tensor, words: Tensor, right: Tensor, own: Tensor
    ) -> tuple[list[list[float]], list[float], list[float], list[float]]:
        """Return log-probabilities (R, words), ranks (R,) and entropies (R,) of all rows, and errors of the last (B,).

        states: (R, d), those of each layer for all B prompts. words: (B, W). right: (B,). own: (B, V).
        """
        import torch

        n, n_rows = len(words), len(states)
        step = max(1, self.model.limits.logit_rows // TENSORS)
        ends = [*range(step, n_rows - n, step), n_rows - n, *range(n_rows - n + step, n_rows, step), n_rows]
        found: tuple[list[Any], list[Any], list[Any], list[float]] = ([], [], [], [])
        for start, end in pairwise([0, *ends]):  # the last layer by itself, as the model multiplies it
            rows = torch.arange(start, end)
            scores = torch.log_softmax(self.residual.logits(states[start:end]).float(), dim=1)
            self._check_numbers(scores, start, n)
            at = words[rows % n].to(scores.device)
            values = scores.gather(1, at)  # (rows, W)
            of_right = values.gather(1, right[rows % n][:, None].to(scores.device))
            greater, equal = (scores > of_right).sum(1), (scores == of_right).sum(1)
            found[0].extend(values.tolist())
            found[1].extend((1 + greater + (equal - 1) / 2).tolist())
            found[2].extend(torch.special.entr(scores.exp()).sum(1).tolist())
            if start >= n_rows - n:
                expected = torch.log_softmax(own[rows % n].float(), dim=1).to(scores.device)
                found[3].extend((scores - expected).abs().amax(1).tolist())
        self._check(max(found[3]))
        return found

    def _check_numbers(self, scores: Tensor, start: int, n: int) -> None:
        """Raise UserError for NaN in the scores (rows, V) of the rows from `start` on, n of which are of a layer."""
        bad = scores.isnan().any(1).nonzero()
        if len(bad):
            layer = (start + int(bad[0])) // n
            what = f"{self.model.spec.name} returns NaN where its layer {layer} is read"
            raise UserError(what, nan_hint(self.model.spec.dtype, "--gen_dtype"))

    def _check(self, error: float) -> None:
        """Raise UserError where the last layer is not the model's own output."""
        if not error <= TOLERANCES[self.model.spec.dtype]:
            what = f"the lens cannot read {self.model.spec.name}: its last layer differs from its output by {error:.2g}"
            raise UserError(what, "choose another --gen_model_checkpoint")


def _first_tokens(texts: Sequence[Tokenized]) -> Tensor:
    """Return the first token of each word after its prompt (B, W), the first word's where a text has fewer words."""
    import torch

    rows = [[label[0] for label in text.labels] for text in texts]
    width = max(map(len, rows))
    return torch.tensor([[*row, *[row[0]] * (width - len(row))] for row in rows])


def _readings(
    texts: Sequence[Tokenized],
    n_layers: int,
    logprobs: Sequence[Sequence[float]],
    ranks: Sequence[float],
    entropies: Sequence[float],
    errors: Sequence[float],
) -> list[dict[str, Any]]:
    """Return what was looked up, of which all prompts of a layer stand together, by prompts."""
    n = len(texts)
    return [
        {
            "tokens": [label[0] for label in text.labels],
            "logprobs": [list(logprobs[layer * n + row][: len(text.labels)]) for layer in range(n_layers)],
            "rank": [ranks[layer * n + row] for layer in range(n_layers)],
            "entropy": [entropies[layer * n + row] for layer in range(n_layers)],
            "error": errors[row],
        }
        for row, text in enumerate(texts)
    ]


def is_reading(content: Any) -> bool:
    """Return whether an answer of the cache is what `Lens.read` yields."""
    if not isinstance(content, Mapping) or not isinstance(content.get("error"), float):
        return False
    parts: list[Any] = [content.get(name) for name in ("tokens", "logprobs", "rank", "entropy")]
    if not all(isinstance(part, list) and part for part in parts):
        return False
    tokens, logprobs, ranks, entropies = parts
    if not len(logprobs) == len(ranks) == len(entropies) or not all(isinstance(row, list) for row in logprobs):
        return False
    values = [*ranks, *entropies, *(value for row in logprobs for value in row)]
    return all(len(row) == len(tokens) for row in logprobs) and all(isinstance(x, int | float) for x in values)
