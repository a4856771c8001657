"""Log-probabilities of labels by a decoder-only model: a prompt and the trie of its labels are one pass.

What all prompts begin with, such as fixed demonstrations, is computed once. The rest of each prompt and the inner nodes
of its trie stand side by side; only the hidden states that predict a label's token are multiplied with the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.generators.batches import BatchLimits, Size
from utils.generators.label_scoring import LogProbs, pairs_of, path_scores
from utils.generators.tree_attention import PADDING, Context
from utils.generators.tries import Tokenized, Trie, n_common, n_inner_nodes, split_trie, tries_of

if TYPE_CHECKING:
    from torch import Tensor

MIN_SAVED = 32  # tokens: a common beginning that saves fewer is not computed by itself
KEPT_SHARE = 4  # on a CPU, a batch has at most so many times its tokens, with the common beginning of each text


class CausalScorer:
    """Scores batches of prompts with a decoder-only model."""

    def __init__(self, model: Any, limits: BatchLimits) -> None:
        self.model, self.limits = model, limits
        self._beginning: tuple[int, ...] = ()
        self._kept: Context | None = None
        self._n_inner: dict[object, int] = {}  # by the labels' tokens

    def prepare(self, texts: Sequence[Tokenized]) -> list[Size]:
        """Return the tokens and the rows of logits that each text needs; what all begin with is computed once."""
        self._kept, self._beginning = None, ()
        n_shared = n_common([text.prompt[:-1] for text in texts]) if texts else 0
        if n_shared * (len(texts) - 1) >= MIN_SAVED:
            self._beginning = texts[0].prompt[:n_shared]
        return list(map(self._size, texts))

    def __call__(self, texts: Sequence[Tokenized]) -> list[LogProbs]:
        """Return the log-probabilities of the labels' scored tokens of a batch."""
        import torch

        rows = sum(self._size(text).logit_rows for text in texts)
        with torch.inference_mode():
            if rows <= self.limits.logit_rows:
                return self._at_once(texts)
            if len(texts) > 1:
                return [scores for text in texts for scores in self([text])]
            return [self._in_parts(texts[0])]

    def _size(self, text: Tokenized) -> Size:
        if text.labels not in self._n_inner:
            self._n_inner[text.labels] = n_inner_nodes(text.labels)
        n_inner = self._n_inner[text.labels]
        whole = len(text.prompt) + n_inner
        if self.model.device.type == "cpu":
            return Size(max(whole - len(self._beginning), whole // KEPT_SHARE), n_inner + 1)
        return Size(whole, n_inner + 1)

    def _at_once(self, texts: Sequence[Tokenized]) -> list[LogProbs]:
        """Return the scores of texts whose prompts and tries are one pass."""
        context, n_shared = self._begin(texts)
        tries = tries_of(texts, [range(len(text.labels)) for text in texts])
        return path_scores(*read_tries(context, [text.prompt[n_shared:] for text in texts], tries), tries)

    def _in_parts(self, text: Tokenized) -> LogProbs:
        """Return the scores of a text whose trie has too many logits: its prompt, then some labels at a time."""
        context, n_shared = self._begin([text])
        if n_shared < len(text.prompt) - 1:
            read_tries(context, [text.prompt[n_shared:-1]], [])
        found: dict[int, list[float]] = {}
        for group in split_trie(text, max(1, self.limits.logit_rows - 1)):
            (trie,) = tries_of([text], [group])
            logits, pairs = read_tries(context, [text.prompt[-1:]], [trie])
            context.drop(1 + len(trie.tokens))
            found.update(zip(group, path_scores(logits, pairs, [trie])[0], strict=True))
        return [found[index] for index in range(len(found))]

    def _begin(self, texts: Sequence[Tokenized]) -> tuple[Context, int]:
        """Return a context that has what the prompts of a batch begin with, and how many tokens that is."""
        if self._beginning and self._kept is None:
            self._kept = Context(self.model)
            read_tries(self._kept, [self._beginning], [])
        context, n_shared = (self._kept.copy(), len(self._beginning)) if self._kept else (Context(self.model), 0)
        more = n_common([text.prompt[n_shared:-1] for text in texts])
        if more * (len(texts) - 1) >= MIN_SAVED:
            read_tries(context, [texts[0].prompt[n_shared : n_shared + more]], [])
            n_shared += more
        if n_shared:
            context.repeat(len(texts))
        return context, n_shared


def read_tries(context: Context, prompts: Sequence[Sequence[int]], tries: Sequence[Trie]) -> tuple[Tensor, Tensor]:
    """Append the rest of each prompt and the nodes of its trie; return the logits of the rows that predict a token.

    Without tries, the prompts alone are appended. The second value has the row and the token of each label's token.
    """
    import torch

    device, n_past = context.model.device, context.n_tokens
    n_nodes = [len(trie.tokens) for trie in tries] or [0] * len(prompts)
    width = max(len(prompt) + n for prompt, n in zip(prompts, n_nodes, strict=True))
    ids, positions = (
        np.zeros((len(prompts), width), dtype=np.int64),
        np.full((len(prompts), width), PADDING, dtype=np.int64),
    )
    used: list[int] = []
    places = np.full((len(prompts), 1 + max(n_nodes)), -1, dtype=np.int64)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)], positions[row, : len(prompt)] = prompt, np.arange(n_past, n_past + len(prompt))
        if not tries:
            continue
        trie, last = tries[row], len(prompt) - 1
        ids[row, last + 1 : last + 1 + n_nodes[row]] = trie.tokens
        positions[row, last + 1 : last + 1 + n_nodes[row]] = n_past + last + trie.depths
        for node in sorted({node for path in trie.paths for node, _ in path}):
            places[row, node] = len(used)
            used.append(row * width + last + node)
    rows = torch.tensor(used, dtype=torch.long, device=device)
    seen = _seen([len(prompt) for prompt in prompts], tries, width, device) if any(n_nodes) else None
    pairs = pairs_of(tries, places, device)
    logits = context.extend(torch.tensor(ids, device=device), torch.tensor(positions, device=device), seen, rows, pairs)
    return logits, pairs


def read_prompts(context: Context, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Read prompts into an empty context, padded on the left, and return the logits of their last tokens (B, V)."""
    import torch

    shared = n_common([prompt[:-1] for prompt in prompts])
    shared = shared if shared * (len(prompts) - 1) >= MIN_SAVED else 0
    if shared:
        read_tries(context, [prompts[0][:shared]], [])
        context.repeat(len(prompts))
    rests = [prompt[shared:] for prompt in prompts]
    width = max(map(len, rests))
    ids = np.array([[0] * (width - len(rest)) + list(rest) for rest in rests], dtype=np.int64)
    places = np.arange(width)[None, :] - np.array([width - len(rest) for rest in rests])[:, None]
    positions = torch.tensor(np.where(places < 0, PADDING, places + shared), device=context.model.device)
    last = torch.arange(1, len(rests) + 1, device=context.model.device) * width - 1
    return context.extend(torch.tensor(ids, device=context.model.device), positions, None, last)


def _seen(lengths: Sequence[int], tries: Sequence[Trie], width: int, device: Any) -> Tensor:
    """Return which token attends to which (B, width, width): those before it, but of the nodes its ancestors alone."""
    import torch

    seen = torch.ones((width, width), dtype=torch.bool, device=device).tril().repeat(len(tries), 1, 1)
    places, values = [], []
    for row, (length, trie) in enumerate(zip(lengths, tries, strict=True)):
        at = length + np.arange(len(trie.tokens))
        places.append(((row * width + at[:, None]) * width + at[None, :]).ravel())
        values.append(trie.ancestors.ravel())
    of_nodes = torch.tensor(np.concatenate(places), device=device)
    seen.view(-1)[of_nodes] = torch.tensor(np.concatenate(values), device=device)
    return seen
