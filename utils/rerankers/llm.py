"""Language models as rerankers: the log-odds of yes against no behind a prompt with a query and a document.

The way is Qwen3-Reranker's (Zhang et al. 2025, arXiv 2506.05176, section 2), which scores by P(yes) / (P(yes) + P(no))
as the next token. The order by log P(yes) - log P(no) is the same, and is kept where that share is 1 within rounding.
The two labels are scored as those of in-context learning are (utils/generators/label_scoring.py).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from utils.answers import ScoreSettings
from utils.errors import UserError, counted
from utils.loaders import load_model
from utils.numerics import nan_hint
from utils.rerankers.spec import Pair, RerankerSpec

INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
SYSTEM = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)
CONTENT = "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"
# form of the prompt -> its text, and the labels. `qwen3` is the text that Qwen3-Reranker was trained on, special tokens
# included; `chat` is a user's message; `base` is continued.
FORMS = {
    "qwen3": (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{CONTENT}<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ("yes", "no"),
    ),
    "chat": (f"{SYSTEM}\n\n{CONTENT}", ("yes", "no")),
    "base": (f"{SYSTEM}\n\n{CONTENT}\nAnswer:", (" yes", " no")),
}
USUAL_LENGTH = 8192  # tokens of a prompt at most, as Qwen3-Reranker has it
MOST_CUTS = 20
ROUNDED = 1e-6  # shares so near to 0 or 1 do not tell log-odds to nine digits
PLACE = re.compile(r"\{(instruction|query|document)\}")


def load_llm_reranker(spec: RerankerSpec, device: str, cache_dir: Path) -> LlmReranker:
    """Load a causal language model as a reranker."""
    return LlmReranker(spec, load_model(spec.model.loader, spec.model, device, cache_dir))


class LlmReranker:
    """A causal language model that is asked whether a document answers a query; scores are log-odds."""

    def __init__(self, spec: RerankerSpec, model: Any) -> None:
        self.spec, self.model = spec, model
        config = model.config
        known = [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions")]
        limits = [limit for limit in known if isinstance(limit, int)]
        most = min([*limits, spec.max_length or USUAL_LENGTH])
        self.limit = most - 4  # the tokens of a label belong to the text as well

    def score(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, float]]:
        """Yield the index and the score of each pair, the longest prompts first."""
        labels = FORMS[self.spec.prompt][1]
        for index, found in self.model.score(self._prompts(pairs), labels, ScoreSettings()):
            yes, no = (math.fsum(row) for row in found.logprobs)
            if not math.isfinite(yes) or not math.isfinite(no):
                hint = nan_hint(self.spec.model.dtype, "--rerank_dtype")
                raise UserError(f"{self.spec.name} gives a label a probability that is no number", hint)
            yield index, yes - no

    def prompt(self, query: str, document: str) -> str:
        """Return the prompt of a pair."""
        parts = {"instruction": self.spec.instruction, "query": query, "document": document}
        return PLACE.sub(lambda place: parts[place[1]], FORMS[self.spec.prompt][0])  # a text may have braces too

    def _prompts(self, pairs: Sequence[Pair]) -> list[str]:
        """Return the prompts; a document whose prompt is too long is cut at its end, and a note counts them."""
        prompts = [self.prompt(*pair) for pair in pairs]
        lengths = [len(ids) for ids in self.model.reader.prompt_ids(prompts)]
        long = [place for place, length in enumerate(lengths) if length > self.limit]
        for place in long:
            prompts[place] = self._cut(pairs[place], lengths[place])
        if long:
            what = f"longer than the {self.limit} tokens of a prompt for {self.spec.name}: the document is cut"
            print(f"note: {counted(len(long), 'pair')} {what}", file=sys.stderr)
        return prompts

    def _cut(self, pair: Pair, length: int) -> str:
        """Return the prompt with as much of the document as the limit leaves."""
        query, document = pair
        for _ in range(MOST_CUTS):
            n_document = max(1, len(self.model.reader.tokenizer(document, add_special_tokens=False)["input_ids"]))
            kept = max(0, n_document - (length - self.limit))
            document = document[: min(len(document) - 1, len(document) * kept // n_document)]
            prompt = self.prompt(query, document)
            length = len(self.model.reader.prompt_ids([prompt])[0])
            if length <= self.limit:
                return prompt
            if not document:
                break
        raise UserError(
            f"a query of {len(query)} characters leaves no room for a document in a prompt of {self.limit} tokens",
            "give a greater --rerank_max_length, or another --rerank",
        )


def log_odds_of_share(share: float) -> float | None:
    """Return the log-odds of a share of yes, as earlier versions kept scores; None where it is rounded too much."""
    return math.log(share) - math.log1p(-share) if ROUNDED < share < 1 - ROUNDED else None
