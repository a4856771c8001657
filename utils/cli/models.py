"""The models of one command, which its runs share: opened once, with one budget for all requests."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.api.limiter import Budget
from utils.cli.choices import api_options, chosen_device
from utils.encoders.cached import open_encoder

if TYPE_CHECKING:
    from utils.protocols import Encoder, Generator, Reranker
    from utils.rerankers.spec import RerankerSpec
    from utils.schema import EncoderSpec, GeneratorSpec


class Models:
    """Encoders, generators and rerankers by what decides their results; each is opened when a run first needs it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.device = chosen_device(args)
        self._cache_dir = args.cache_dir
        self._api = api_options(args), Budget(args.max_cost)
        self._encoders: dict[EncoderSpec, Encoder] = {}
        self._generators: dict[GeneratorSpec, Generator] = {}
        self._rerankers: dict[RerankerSpec, Reranker] = {}

    def encoders(self, specs: Sequence[EncoderSpec]) -> list[Encoder]:
        """Return the encoders of these specs."""
        for spec in specs:
            if spec not in self._encoders:
                self._encoders[spec] = open_encoder(spec, self.device, self._cache_dir, self._api)
        return [self._encoders[spec] for spec in specs]

    def generator(self, spec: GeneratorSpec) -> Generator:
        """Return the generator of a spec."""
        from utils.generators.cached import open_generator

        if spec not in self._generators:
            self._generators[spec] = open_generator(spec, self.device, self._cache_dir, self._api)
        return self._generators[spec]

    def reranker(self, spec: RerankerSpec) -> Reranker:
        """Return the reranker of a spec."""
        from utils.rerankers.cached import open_reranker

        if spec not in self._rerankers:
            self._rerankers[spec] = open_reranker(spec, self.device, self._cache_dir, self._api)
        return self._rerankers[spec]
