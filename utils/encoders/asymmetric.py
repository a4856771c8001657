"""A dense encoder that encodes queries and passages differently: by prompts, input types, or modules of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utils.protocols import Encoder, UsageCounter
    from utils.schema import EncoderSpec, Vectors

SIDES = QUERY, DOCUMENT = "query", "document"


class AsymmetricEncoder:
    """Two encoders of one checkpoint, one for each side of a search; a text on both sides has a vector on each."""

    def __init__(self, spec: EncoderSpec, queries: Encoder, passages: Encoder) -> None:
        self.spec = spec
        self.sides = {QUERY: queries, DOCUMENT: passages}
        self.counts: Mapping[str, int] = {"hits": 0, "misses": 0}

    @property
    def client(self) -> UsageCounter | None:
        """The client of an API, which both sides share; None for a local encoder."""
        return self.sides[QUERY].client

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return the vectors of both sides, (n, d) and (m, d); each distinct text of a side is encoded once."""
        first, second = self.sides.values()
        rows = first.embed(queries, ())[0], second.embed((), candidates)[1]
        counted = [dict(side.counts) for side in self.sides.values()]
        shared = [name for name in counted[0] if name in counted[1]]
        self.counts = {name: sum(each[name] for each in counted) for name in shared}
        return rows

    def missing(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> list[str]:
        """Return the texts that have to be encoded; one that both sides lack is there twice."""
        first, second = self.sides.values()
        return [*first.missing(queries), *second.missing(candidates)]

    def quote(self, queries: Sequence[str], candidates: Sequence[str] = ()) -> str:
        """Return a line with the requests, tokens and costs of each side's texts; empty for a local encoder."""
        if self.client is None:
            return ""
        from utils.encoders.api import ApiEncoder

        texts = {QUERY: queries, DOCUMENT: candidates}
        asked = [(side, texts[name]) for name, side in self.sides.items() if isinstance(side, ApiEncoder)]
        first, *_ = (side for side, _ in asked)
        n_requests, n_tokens = map(sum, zip(*(side.amount(missing) for side, missing in asked), strict=True))
        return first.client.quote(n_requests, n_tokens, first.counter[1])
