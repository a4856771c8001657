"""One encoder or several, searched together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.retrieval.fusion import fused_topk
from utils.retrieval.missing_vectors import search_around_missing
from utils.retrieval.topk import concatenate, margin_topk

if TYPE_CHECKING:
    from utils.protocols import Encoder
    from utils.schema import Rows, TopK, Vectors

    Members = Sequence[tuple[Vectors, Vectors]]  # queries (n, d) and candidates (m, d) of each encoder


@dataclass(frozen=True)
class Ensemble:
    """Encoders, the weight of each, and how their similarities are joined.

    similarity, fuse and normalize are those of `fused_topk`. precision is that of the scan, such as "plain"; it
    defaults to the fastest, and the results do not depend on it.
    """

    encoders: Sequence[Encoder]
    weights: Sequence[float]
    similarity: str = "cosine"
    fuse: str = "score"
    normalize: str = "none"
    device: str = "cpu"
    precision: str | None = None

    def with_weights(self, weights: Sequence[float]) -> Ensemble:
        """Return the same encoders with other weights."""
        return dataclasses.replace(self, weights=weights)

    @property
    def names(self) -> list[str]:
        """The encoders' names, numbered where a name occurs twice."""
        names = [encoder.spec.name for encoder in self.encoders]
        return [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, start=1)]

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> list[tuple[Vectors, Vectors]]:
        """Return the embeddings of both sides, (n, d) and (m, d), of each encoder."""
        return [encoder.embed(queries, candidates) for encoder in self.encoders]

    def vectors(self, texts: Sequence[str]) -> Rows:
        """Return one unit vector per text (n, d), whose cosine is the encoders' weighted mean cosine.

        A text that an encoder has no vector of has a row of NaN. A fitted encoder is fitted on all texts.
        """
        return concatenate([encoder.embed(texts[:1], texts)[1] for encoder in self.encoders], self.weights)

    def search(self, members: Members, k: int) -> TopK:
        """Return the k nearest candidates of each query; `members` may be the embeddings of one encoder alone."""

        def search(there: Members, k: int) -> TopK:
            how = {"fuse": self.fuse, "normalize": self.normalize, "similarity": self.similarity}
            return fused_topk(there, self.weights, k, **how, device=self.device, precision=self.precision)

        return search_around_missing(members, k, search)

    def search_by_margin(self, members: Members, k: int, margin: str, margin_k: int) -> TopK:
        """Return the k candidates of greatest margin of each query; several encoders become one mean cosine first."""

        def best(there: Members, k: int) -> TopK:
            queries, candidates = there[0]
            if len(there) > 1:
                queries, candidates = (concatenate(rows, self.weights) for rows in zip(*there, strict=True))
            return margin_topk(
                queries, candidates, k, margin=margin, margin_k=margin_k, device=self.device, precision=self.precision
            )

        return search_around_missing(members, k, best)

    def pairwise_cosines(self, members: Sequence[Rows]) -> Callable[[Any], Any]:
        """Return a function from indices (m,) to the weighted mean cosines (m, m), float64, of these rows."""
        rows = concatenate(members, self.weights)

        def cosines(indices: Any) -> Any:
            chosen = rows[indices].astype("float64")
            return chosen @ chosen.T

        return cosines
