"""Log-probabilities of label texts after prompts: the prompt is computed once, and the labels as a token trie.

All labels of a text pass through the model at once, after the cached prompt: each token of the trie attends to the
prompt and to its own ancestors, at the position that it has in its label. Nothing is computed twice, the cache is
never copied, and logits are computed only for the prompt's last token and the trie's inner nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.generators.batches import BatchLimits, in_batches
from utils.generators.tree_attention import PADDING, Context, tree_positions
from utils.generators.tries import Tokenized, Trie, build_trie, groups_of, n_common, split_trie, tries_of

if TYPE_CHECKING:
    from torch import Tensor

LogProbs = list[list[float]]  # one list per label, one value per scored token
MIN_SHARED = 8  # a shorter common beginning of a batch's prompts is not computed separately


def score_labels(
    score_batch: Callable[[Sequence[Tokenized]], list[LogProbs]], texts: Sequence[Tokenized], limits: BatchLimits
) -> Iterator[tuple[int, LogProbs]]:
    """Yield each text's index and the log-probabilities of its labels' scored tokens, longest texts first."""
    lengths = [text.longest for text in texts]
    order = sorted(range(len(texts)), key=lambda index: (-lengths[index], texts[index].prompt))
    return in_batches(lambda chosen: score_batch([texts[index] for index in chosen]), order, lengths, limits)


def causal_scorer(model: Any, limits: BatchLimits) -> Callable[[Sequence[Tokenized]], list[LogProbs]]:
    """Return the function that scores a batch of prompts with a decoder-only model."""

    def score_batch(texts: Sequence[Tokenized]) -> list[LogProbs]:
        import torch

        with torch.inference_mode():
            context = Context(model)
            root = read_prompts(context, texts)  # (B, 1, V)
            groups = groups_of(texts, max(1, limits.logit_rows // len(texts) - 1))
            found: list[dict[int, list[float]]] = [{} for _ in texts]
            for place in range(max(map(len, groups))):
                chosen = [group[place] if place < len(group) else [] for group in groups]
                _read_tries(context, texts, chosen, root, found)
        return [[labels[index] for index in range(len(labels))] for labels in found]

    return score_batch


def read_prompts(context: Context, texts: Sequence[Tokenized]) -> Tensor:
    """Compute the prompts into the context, their common beginning once, and return the last logits (B, 1, V)."""
    import torch

    device = context.model.device
    shared = n_common([text.prompt[:-1] for text in texts])
    shared = shared if len(texts) > 1 and shared >= MIN_SHARED else 0
    if shared:
        beginning = torch.tensor([texts[0].prompt[:shared]], device=device)
        context.extend(beginning, torch.arange(shared, device=device)[None], None, 1)
        context.repeat(len(texts))
    rests = [text.prompt[shared:] for text in texts]
    width = max(map(len, rests))
    ids = np.zeros((len(texts), width), dtype=np.int64)
    positions = np.full((len(texts), width), PADDING, dtype=np.int64)
    for row, rest in enumerate(rests):
        ids[row, width - len(rest) :] = rest
        positions[row, width - len(rest) :] = np.arange(shared, shared + len(rest))
    return context.extend(torch.tensor(ids, device=device), torch.tensor(positions, device=device), None, 1)


def _read_tries(
    context: Context,
    texts: Sequence[Tokenized],
    chosen: Sequence[Sequence[int]],
    root: Tensor,
    found: Sequence[dict[int, list[float]]],
) -> None:
    """Score the chosen labels of each text after its prompt; the context is the same afterwards."""
    import torch

    tries = tries_of(texts, chosen)
    ids, depths, seen = pad_tries(tries)
    logits, device = root, context.model.device
    if ids.shape[1]:
        ends = torch.tensor([len(text.prompt) - 1 for text in texts], device=device)[:, None]
        of_depth = torch.tensor(depths, device=device)
        positions = torch.where(of_depth > 0, of_depth + ends, PADDING)
        inner = context.extend(
            torch.tensor(ids, device=device), positions, torch.tensor(seen, device=device), ids.shape[1]
        )
        logits = torch.cat([root, inner], dim=1)
        context.drop(ids.shape[1])
    for row, (group, scores) in enumerate(zip(chosen, path_scores(logits, tries), strict=True)):
        found[row].update(zip(group, scores, strict=True))


def seq2seq_scorer(model: Any, limits: BatchLimits) -> Callable[[Sequence[Tokenized]], list[LogProbs]]:
    """Return the function that scores a batch of prompts with an encoder-decoder; the decoder reads the labels' trie.

    Texts with the same labels, in the decoder's tokens, are one batch; the encoder reads each prompt once.
    """

    def score_batch(texts: Sequence[Tokenized]) -> list[LogProbs]:
        import torch

        alike = [[text for text in texts if text.labels == labels] for labels in {text.labels for text in texts}]
        if len(alike) > 1:
            scored = {id(text): scores for part in alike for text, scores in zip(part, score_batch(part), strict=True)}
            return [scored[id(text)] for text in texts]

        found: list[dict[int, list[float]]] = [{} for _ in texts]
        with torch.inference_mode():
            ids, mask = pad_right([text.prompt for text in texts], model.device)
            encoded = model.get_encoder()(input_ids=ids, attention_mask=mask)
            for group in split_trie(texts[0], max(1, limits.logit_rows // len(texts) - 1)):
                trie = build_trie([texts[0].labels[index] for index in group], [0] * len(group))
                logits = _decode_trie(model, encoded, mask, trie)
                for row, scores in enumerate(path_scores(logits, [trie] * len(texts))):
                    found[row].update(zip(group, scores, strict=True))
        return [[labels[index] for index in range(len(labels))] for labels in found]

    return score_batch


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
            logits = _label_logits(model, text.prompt, label).float()
            scores = torch.log_softmax(logits, dim=-1)[range(n_unscored, len(label)), label[n_unscored:]]
            found.append(scores.tolist())
    return found


def _label_logits(model: Any, prompt: Sequence[int], label: Sequence[int]) -> Tensor:
    """Return the logits that predict each token of a label: (tokens, V)."""
    import torch

    if model.config.is_encoder_decoder:
        start = [model.config.decoder_start_token_id, *label[:-1]]
        inputs = torch.tensor([prompt], device=model.device)
        output = model(input_ids=inputs, decoder_input_ids=torch.tensor([start], device=model.device), use_cache=False)
    else:
        output = model(input_ids=torch.tensor([[*prompt, *label[:-1]]], device=model.device), use_cache=False)
    logits: Tensor = output.logits[0, -len(label) :]
    return logits


def pad_tries(tries: Sequence[Trie]) -> tuple[Any, Any, Any]:
    """Return tokens (B, T), depths (B, T; 0 for padding), and which node attends to which (B, T, T)."""
    width = max(len(trie.tokens) for trie in tries)
    ids = np.zeros((len(tries), width), dtype=np.int64)
    depths = np.zeros((len(tries), width), dtype=np.int64)
    seen = np.zeros((len(tries), width, width), dtype=np.bool_)
    for row, trie in enumerate(tries):
        n = len(trie.tokens)
        ids[row, :n], depths[row, :n] = trie.tokens, trie.depths
        seen[row, :n, :n] = trie.ancestors
    return ids, depths, seen


def path_scores(logits: Tensor, tries: Sequence[Trie]) -> list[LogProbs]:
    """Return the log-probabilities of the labels' scored tokens, from the logits of roots and nodes (B, 1 + T, V).

    The values of all texts are read from the device at once.
    """
    import torch

    width = logits.shape[1]
    flat = [
        (row * width + node, token) for row, trie in enumerate(tries) for path in trie.paths for node, token in path
    ]
    if not flat:
        return [[[] for _ in trie.paths] for trie in tries]
    pairs = torch.tensor(flat, device=logits.device)
    used, back = torch.unique(pairs[:, 0], return_inverse=True)
    scores = torch.log_softmax(logits.flatten(0, 1)[used].float(), dim=1)  # logsumexp is off by 5e-5 in 262,144 tokens
    values = iter(scores[back, pairs[:, 1]].tolist())
    return [[[next(values) for _ in path] for path in trie.paths] for trie in tries]
