"""Log-probabilities of label texts after prompts: the prompt is computed once, and the labels as a token trie.

All labels of a text pass through the model at once: each token of the trie attends to the prompt and to its own
ancestors, at the position that it has in its label. Nothing is computed twice, and logits are computed only for the
prompt's last token and the trie's inner nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from utils.generators.batches import BatchLimits, Size, in_batches
from utils.generators.exact_logits import exact_logits
from utils.generators.tree_attention import tree_positions
from utils.generators.tries import Tokenized, Trie, build_trie, split_trie

if TYPE_CHECKING:
    from torch import Tensor

LogProbs = list[list[float]]  # one list per label, one value per scored token


class Scorer(Protocol):
    """How texts are scored, a batch at a time."""

    def prepare(self, texts: Sequence[Tokenized]) -> list[Size]:
        """Return what each text needs (n,), given all texts that will be scored."""
        ...

    def __call__(self, texts: Sequence[Tokenized]) -> list[LogProbs]:
        """Return the log-probabilities of the labels' scored tokens of a batch."""
        ...


def score_labels(scorer: Scorer, texts: Sequence[Tokenized], limits: BatchLimits) -> Iterator[tuple[int, LogProbs]]:
    """Yield each text's index and the log-probabilities of its labels' scored tokens, longest texts first."""
    sizes = scorer.prepare(texts)
    order = sorted(range(len(texts)), key=lambda index: (-sizes[index].tokens, texts[index].prompt))
    return in_batches(lambda chosen: scorer([texts[index] for index in chosen]), order, sizes, limits)


class Seq2SeqScorer:
    """Scores with an encoder-decoder: the encoder reads each prompt once, and the decoder reads the labels' trie.

    Texts with the same labels, in the decoder's tokens, are one batch.
    """

    def __init__(self, model: Any, limits: BatchLimits) -> None:
        self.model, self.limits = model, limits

    def prepare(self, texts: Sequence[Tokenized]) -> list[Size]:
        """Return each text's number of tokens; logits are computed a part of the labels at a time."""
        return [Size(text.longest) for text in texts]

    def __call__(self, texts: Sequence[Tokenized]) -> list[LogProbs]:
        """Return the log-probabilities of the labels' scored tokens of a batch."""
        import torch

        alike = [[text for text in texts if text.labels == labels] for labels in {text.labels for text in texts}]
        if len(alike) > 1:
            scored = {id(text): scores for part in alike for text, scores in zip(part, self(part), strict=True)}
            return [scored[id(text)] for text in texts]

        found: list[dict[int, list[float]]] = [{} for _ in texts]
        with torch.inference_mode():
            ids, mask = pad_right([text.prompt for text in texts], self.model.device)
            encoded = self.model.get_encoder()(input_ids=ids, attention_mask=mask)
            for group in split_trie(texts[0], max(1, self.limits.logit_rows // len(texts) - 1)):
                trie = build_trie([texts[0].labels[index] for index in group], [0] * len(group))
                places = np.arange(len(texts) * (1 + len(trie.tokens))).reshape(len(texts), -1)
                pairs = pairs_of([trie] * len(texts), places, self.model.device)
                with exact_logits(self.model, pairs):
                    logits = _decode_trie(self.model, encoded, mask, trie)
                for row, scores in enumerate(path_scores(logits.flatten(0, 1), pairs, [trie] * len(texts))):
                    found[row].update(zip(group, scores, strict=True))
        return [[labels[index] for index in range(len(labels))] for labels in found]


def _decode_trie(model: Any, encoded: Any, encoder_mask: Tensor, trie: Trie) -> Tensor:
    """Return the logits of the start token and of the trie's inner nodes: (B, 1 + T, V)."""
    import torch

    device, n_texts = model.device, len(encoder_mask)
    ids = torch.tensor([model.config.decoder_start_token_id, *trie.tokens.tolist()], device=device)
    positions = torch.tensor([0, *trie.depths.tolist()], device=device)
    seen = np.zeros((len(ids), len(ids)), dtype=np.bool_)
    seen[1:, 1:] = trie.ancestors
    seen[:, 0] = True
    mask = torch.zeros(seen.shape, dtype=model.dtype, device=device)
    mask.masked_fill_(~torch.tensor(seen, device=device), torch.finfo(model.dtype).min)
    with tree_positions(model, positions[None]):
        output = model(
            encoder_outputs=encoded,
            attention_mask=encoder_mask,
            decoder_input_ids=ids.expand(n_texts, -1),
            decoder_attention_mask=mask.expand(n_texts, 1, -1, -1),
            use_cache=False,
        )
    logits: Tensor = output.logits
    return logits


def pad_right(rows: Sequence[Sequence[int]], device: Any) -> tuple[Tensor, Tensor]:
    """Return token ids and mask (B, width), padded at the end."""
    import torch

    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.long, device=device)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens, device=device)
        mask[row, : len(tokens)] = 1
    return ids, mask


def score_one_by_one(model: Any, text: Tokenized) -> LogProbs:
    """Return the log-probabilities of one text's labels, with one full forward pass per label and no cache.

    The scorers above are checked against it. It is used for models that cannot compute a tree of tokens.
    """
    import torch

    found: LogProbs = []
    with torch.inference_mode():
        for label, n_unscored in zip(text.labels, text.n_unscored, strict=True):
            logits = _label_logits(model, text.prompt, label, _beside(text, label, n_unscored)).float()
            scores = torch.log_softmax(logits, dim=-1)[range(n_unscored, len(label)), label[n_unscored:]]
            found.append(scores.tolist())
    return found


def _beside(text: Tokenized, label: Sequence[int], n_unscored: int) -> list[tuple[int, int]]:
    """Return the places in a label and the tokens that labels have there behind what they share with it.

    In the passes of all labels, these logits have the same precision, and so have the sums of probabilities.
    """
    found = {
        (place, other[place])
        for other in text.labels
        for place in range(n_unscored, min(len(label), len(other)))
        if other[:place] == label[:place]
    }
    return sorted(found)


def _label_logits(
    model: Any, prompt: Sequence[int], label: Sequence[int], exact_at: Sequence[tuple[int, int]]
) -> Tensor:
    """Return the logits that predict each token of a label: (tokens, V); those at these places and tokens exactly."""
    import torch

    before = 0 if model.config.is_encoder_decoder else len(prompt) - 1  # rows that predict no token of the label
    exact = torch.tensor([(before + place, token) for place, token in exact_at], device=model.device)
    with exact_logits(model, exact):
        if model.config.is_encoder_decoder:
            start = torch.tensor([[model.config.decoder_start_token_id, *label[:-1]]], device=model.device)
            inputs = torch.tensor([prompt], device=model.device)
            output = model(input_ids=inputs, decoder_input_ids=start, use_cache=False)
        else:
            output = model(input_ids=torch.tensor([[*prompt, *label[:-1]]], device=model.device), use_cache=False)
    logits: Tensor = output.logits[0, -len(label) :]
    return logits


def pairs_of(tries: Sequence[Trie], places: Any, device: Any) -> Tensor:
    """Return which logits the scores of labels need, in the order of the labels' tokens: their row and token (n, 2).

    places: the row of each trie's root and nodes, (B, 1 + T).
    """
    import torch

    flat = [(places[row, node], token) for row, trie in enumerate(tries) for path in trie.paths for node, token in path]
    return torch.tensor(np.array(flat, dtype=np.int64).reshape(-1, 2), device=device)


def path_scores(logits: Tensor, pairs: Tensor, tries: Sequence[Trie]) -> list[LogProbs]:
    """Return the log-probabilities of the labels' scored tokens.

    logits: of roots and nodes, in any order: (rows, V). pairs: the row and the token of each. The values of all texts
    are read from the device at once.
    """
    import torch

    if not len(pairs):
        return [[[] for _ in trie.paths] for trie in tries]
    scores = torch.log_softmax(logits.float(), dim=1)  # logsumexp is off by 5e-5 in 262,144 tokens
    values = iter(scores[tuple(pairs.to(scores.device).T)].tolist())
    return [[[next(values) for _ in path] for path in trie.paths] for trie in tries]
