"""What the rows of a table are called, and their order."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from utils.constants import USUAL_DECODE
from utils.encoders.registry import ENCODERS
from utils.errors import UserError
from utils.generators.registry import GENERATORS
from utils.records.original import generator_and_encoder
from utils.records.result import LoggedResult
from utils.tasks import TaskSpec


def named(results: Sequence[LoggedResult], spec: TaskSpec) -> list[LoggedResult]:
    """Return the results with their row's name as the model."""
    if not spec.generative:
        return list(results)
    return [dataclasses.replace(result, model=row_name(result)) for result in results]


def row_name(result: LoggedResult) -> str:
    """Return the row of a generative record: `generator (departures) + encoder, k-shot`."""
    generator, encoder = generator_and_encoder(result)
    decode = result.run.get("decode")
    departures = [
        generator.get("quantization", ""),
        decode if decode and decode != USUAL_DECODE.get(generator.get("kind", ""), decode) else "",
    ]
    extra = f" ({', '.join(filter(None, departures))})" if any(departures) else ""
    shown = f" + {encoder}" if result.k and encoder else ""
    return f"{generator['name']}{extra}{shown}, {result.k}-shot"


def known_order(results: Sequence[LoggedResult], spec: TaskSpec) -> list[str]:
    """Return row names in the registry's order: of a generative task generators, fewer demonstrations first."""
    if not spec.generative:
        return list(ENCODERS)
    known = list(GENERATORS)

    def place(result: LoggedResult) -> tuple[int, str, int, str]:
        name = (result.run.get("generator") or {}).get("name", "")
        return known.index(name) if name in known else len(known), name, result.k, result.model

    return list(dict.fromkeys(result.model for result in sorted(results, key=place)))


def ordered(rows: Collection[str], models: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """Return the rows in order: `models` where given, else the `known` ones, then others, then ensembles."""
    if models:
        for model in models:
            if model not in rows:
                raise UserError(f"no results of model {model!r}", f"there is: {', '.join(sorted(rows))}")
        return list(models)
    return sorted(
        rows, key=lambda name: ("__weights" in name, known.index(name) if name in known else len(known), name)
    )


def datasets_of(results: Sequence[LoggedResult], model: str) -> list[str]:
    """Return the data sets that a row has results of, by name."""
    return sorted({result.dataset for result in results if result.model == model})
