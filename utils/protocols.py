"""What a run uses of encoders and generators, and what loaders return.

A run asks neither for the class of an encoder or generator nor for its provider: local models and models of APIs
implement the same protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from utils.answers import Choice, Failed, GenerationSettings, LabelScores, ScoreSettings
    from utils.rerankers.spec import RerankerSpec
    from utils.schema import EncoderSpec, GeneratorSpec, Rows, Vectors


class UsageCounter(Protocol):
    """The client of an API as records use it."""

    def mark(self) -> None:
        """Start the counts anew, at the beginning of a subset."""
        ...

    def usage(self) -> dict[str, Any]:
        """Return the requests, retries, tokens and costs since the last mark."""
        ...


class TextEncoder(Protocol):
    """A loaded model, as a loader returns it: texts in, vectors out."""

    def encode(self, texts: Sequence[str]) -> Rows:
        """Return one float32 row per text, in order: (n, d)."""
        ...


class Encoder(Protocol):
    """An encoder as a run uses it; the model is loaded, or the API called, when a vector is not in the cache."""

    @property
    def spec(self) -> EncoderSpec:
        """What decides the vectors."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """The distinct texts of the last call that the cache had (hits) and did not have (misses).

        An encoder that counts tokens also has those that were cut, and the tokens of all texts and those lost.
        """
        ...

    @property
    def client(self) -> UsageCounter | None:
        """The client of an API; None for a local encoder."""
        ...

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return the vectors of both sides, (n, d) and (m, d); a text that has none gets a row of NaN.

        They are of the kind that the spec says: arrays, sparse rows (csr_array), or several vectors a row (TokenRows).
        """
        ...

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the distinct texts of both sides that have to be encoded."""
        ...

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return a line with the requests, tokens and costs of these texts, which both sides lack; empty for a local
        encoder. A text on both sides counts once, unless the sides are encoded differently.
        """
        ...


class TextGenerator(Protocol):
    """A loaded language model, as a loader returns it; results are yielded with the index of their prompt.

    The classes of models are derived from it, and have `score` from here.
    """

    def score_each(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: ScoreSettings
    ) -> Iterator[tuple[int, LabelScores]]:
        """Yield the log-probabilities of the tokens of each prompt's own labels after it."""
        ...

    def score(
        self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings
    ) -> Iterator[tuple[int, LabelScores]]:
        """Yield the same where all prompts have the same labels."""
        return self.score_each(prompts, [labels] * len(prompts), settings)

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> Iterator[tuple[int, str]]:
        """Yield the text that follows each prompt."""
        ...


class Generator(Protocol):
    """A generator as a run uses it; the model is loaded, or the API called, when an answer is not in the cache."""

    @property
    def spec(self) -> GeneratorSpec:
        """What decides the answers."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """The distinct prompts of all calls since the last mark that the cache had (hits) and did not have (misses)."""
        ...

    def mark(self) -> None:
        """Start the counts anew, at the beginning of a subset."""
        ...

    @property
    def client(self) -> UsageCounter | None:
        """The client of an API; None for a local generator."""
        ...

    @property
    def counts_exactly(self) -> bool:
        """Whether `n_tokens` counts with the model's own tokenizer."""
        ...

    def score(
        self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings
    ) -> list[LabelScores | Failed]:
        """Return the log-probabilities of each label's tokens after each prompt."""
        ...

    def score_each(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: ScoreSettings
    ) -> list[LabelScores | Failed]:
        """Return the same where each prompt has labels of its own (n,)."""
        ...

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> list[str | Failed]:
        """Return the text that follows each prompt."""
        ...

    def choose(
        self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings
    ) -> list[Choice | Failed]:
        """Return the label that is generated after each prompt where only the labels may be generated."""
        ...

    def n_tokens(self, prompts: Sequence[str]) -> list[int] | None:
        """Return each prompt's number of tokens; None where the tokenizer is not available yet."""
        ...

    def context(self) -> int | None:
        """Return how many tokens the model takes; None where there is no limit, or it is not known."""
        ...

    def count_requests(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: GenerationSettings, decode: str
    ) -> tuple[int, int, int]:
        """Return the requests to an API that the prompts still need, their tokens, and the tokens generated at most.

        labels: those of each prompt (n,).
        """
        ...

    def quote(self, n_requests: int, n_tokens: int, n_out: int, *, exact: bool) -> str:
        """Return a line with these requests and tokens and their cost; empty for a local generator."""
        ...


class Reranker(Protocol):
    """A reranker as a run uses it; the model is loaded, or the API called, when a score is not in the cache."""

    @property
    def spec(self) -> RerankerSpec:
        """What decides the scores."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """The distinct pairs of the last call that the cache had (hits) and did not have (misses)."""
        ...

    @property
    def client(self) -> UsageCounter | None:
        """The client of an API; None for a local reranker."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Return the score of each pair of a query and a candidate (n,), higher for a better one.

        A pair that the provider of an API will never score has NaN.
        """
        ...

    def quote(self, n_queries: int, n_pairs: int) -> str:
        """Return a line with the requests and costs of so many pairs; empty for a local reranker."""
        ...
