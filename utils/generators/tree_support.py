"""Whether a trie behind a cached prompt gives a model's label scores: known, compared on a probe, or ruled out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any

from utils.answers import ScoreSettings
from utils.generators.batches import BatchLimits
from utils.generators.causal_scoring import CausalScorer
from utils.generators.label_scoring import LogProbs, Scorer, Seq2SeqScorer, score_labels, score_one_by_one
from utils.generators.tokenization import PromptReader
from utils.generators.tries import Tokenized
from utils.schema import GeneratorSpec

KNOWN_LAYERS = {"full_attention", "sliding_attention"}
MASKED_WINDOW = "sliding_window"  # the window that the masks of a trie have; others are part of a model's own code
WINDOW_NAME = re.compile(
    r"(?!num_|max_|use_|n_|conv_)(?!.*(pattern|layer)).*(window|(local|chunk).*att|att.*(local|chunk)).*"
)
TOLERANCES = {
    "fp32": 2e-3,
    "bf16": 0.3,
    "fp16": 0.1,
}  # largest difference of a tree's log-probabilities from separate forward passes
# families that the tests compare with separate forward passes; quantised arithmetic alone may differ by 0.6
TESTED = ("llama", "mistral", "qwen2", "gemma3_text", "cohere", "bloom", "xglm", "gpt2", "t5", "mt5", "umt5")
TESTED_BEYOND_WINDOW = ("mistral", "gemma3_text")
PROBE = ("one two three four five six seven", "one")  # prompts of different lengths, to check a model with
PROBE_LABELS = ("alpha beta", "alpha gamma", "delta")
PROBE_WORDS = 40  # of a long probe beyond the window


class TreeSupport:
    """Checks a loaded model once for short texts, and once for texts that are longer than a window of its attention."""

    def __init__(self, spec: GeneratorSpec, model: Any, reader: PromptReader, limits: BatchLimits) -> None:
        self.spec, self.model, self.reader, self.limits = spec, model, reader, limits
        self.config = model.config.get_text_config(decoder=True)
        self.is_seq2seq = bool(model.config.is_encoder_decoder)
        self._found: dict[int, bool] = {}  # by the window that texts exceed, 0 for none

    def covers(self, texts: Sequence[Tokenized]) -> bool:
        """Return whether scoring the labels of these texts as tries equals separate forward passes.

        A window counts as soon as a prompt with all its labels is longer. One that the model counts by a token's place
        in the cache, where the nodes of a trie stand side by side, cannot be computed as a trie.
        """
        reach = max(self._reach(text) for text in texts)
        exceeded = {name: size for name, size in attention_windows(self.config).items() if size < reach}
        if set(exceeded) - {MASKED_WINDOW}:
            return False
        is_tested = self.config.model_type in TESTED_BEYOND_WINDOW
        window = 0 if is_tested else max(exceeded.values(), default=0)
        if window not in self._found:
            kinds = set(getattr(self.config, "layer_types", None) or ())
            self._found[window] = kinds <= KNOWN_LAYERS and self._is_equal(window)
        return self._found[window]

    def scorer(self) -> Scorer:
        """Return what scores texts as tries."""
        return (Seq2SeqScorer if self.is_seq2seq else CausalScorer)(self.model, self.limits)

    def _reach(self, text: Tokenized) -> int:
        """Return the largest number of tokens of a text in the decoder's cache."""
        return sum(map(len, text.labels)) + (1 if self.is_seq2seq else len(text.prompt))

    def _is_equal(self, window: int) -> bool:
        """Return whether a probe that is longer than the window is scored equally both ways."""
        if self.spec.quantization and self.config.model_type in TESTED:
            return True
        texts = self.reader.with_labels(self._probe(window), PROBE_LABELS, ScoreSettings())
        try:
            found = self._as_trees(texts)
        except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError, IndexError):
            return False  # an architecture without such masks or caches
        plain = [score_one_by_one(self.model, text) for text in texts]
        pairs = zip(_flat(found), _flat(plain), strict=True)
        return all(abs(a - b) <= TOLERANCES[self.spec.dtype] + 1e-5 * abs(b) for a, b in pairs)

    def _as_trees(self, texts: Sequence[Tokenized]) -> list[LogProbs]:
        """Return the scores of a batch, or of smaller ones: too little memory is no sign of the architecture."""
        import torch

        scorer = self.scorer()
        with contextlib.suppress(torch.OutOfMemoryError):
            return scorer(texts)
        return [values for _, values in sorted(score_labels(scorer, texts, self.limits))]

    def _probe(self, window: int) -> Sequence[str]:
        """Return short prompts, or two with a common beginning of which the longer exceeds the window."""
        if not window:
            return PROBE
        words = PROBE[0].split()
        longer = [words[place % len(words)] for place in range(window + PROBE_WORDS)]
        return [" ".join(longer), " ".join(longer[: -len(words)])]


def attention_windows(config: Any) -> dict[str, int]:
    """Return the windows of attention that a configuration names, in tokens."""
    if getattr(config, "use_sliding_window", True) is False:
        return {}
    return {
        name: value
        for name, value in config.to_dict().items()
        if isinstance(value, int) and not isinstance(value, bool) and value > 1 and WINDOW_NAME.fullmatch(name)
    }


def _flat(scores: Sequence[Sequence[Sequence[float]]]) -> list[float]:
    return [value for text in scores for label in text for value in label]
