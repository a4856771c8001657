"""Find where a record departs from the registry: encoders with other settings, other data, a part of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from utils.constants import DTYPES
from utils.encoders.registry import ENCODERS
from utils.records.training_traits import training_traits
from utils.schema import DatasetSpec

FULL, *HALF = DTYPES
CHANGED = ("pooling", "attention", "layer", "dimensions", "embedding_precision")  # of an encoder, if a record has them


def members(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the encoders that a record names; empty where it names none."""
    return run.get("encoders") or []


def departures(run: Mapping[str, Any], spec: DatasetSpec | None) -> Iterator[str]:
    """Yield how a record departs from the registry's rows; values that it does not have count as the registry's.

    `spec` is the data set's row, None for a user's own data. Half precision is not a departure.
    """
    for member in members(run):
        yield from _of_encoder(member)
    if traits := training_traits(run, spec.subsets if spec else ()):
        yield "trained with " + ", ".join(f"{name} {value}" for name, value in traits.items())
    if run.get("limit") is not None:
        yield f"limit {run['limit']}: not all of the texts"
    if spec is not None and (reason := other_data(run, spec)):
        yield reason


def _of_encoder(member: Mapping[str, Any]) -> Iterator[str]:
    name = str(member.get("checkpoint"))
    if (length := member.get("max_length")) is not None:
        yield f"{name} with max_length {length}"
    if (dtype := member.get("dtype") or FULL) not in (FULL, *HALF):
        yield f"{name} in {dtype}"
    for key in CHANGED:
        if (value := member.get(key)) not in (None, ""):
            yield f"{name} with {key} {value}"
    row = ENCODERS.get(name)
    if row is None:
        return
    if (prompt := member.get("prompt", row.prompt)) != row.prompt:
        yield f"{name} with the prompt {prompt!r} instead of {row.prompt!r}"
    if row.revision is not None and (revision := member.get("revision", row.revision)) != row.revision:
        yield f"{name} at the revision {revision} instead of {row.revision}"


def precisions(run: Mapping[str, Any]) -> set[str]:
    """Return the half precisions in which a record's encoders computed."""
    return {str(member["dtype"]) for member in members(run) if member.get("dtype") in HALF}


def other_data(run: Mapping[str, Any], spec: DatasetSpec) -> str | None:
    """Return how a record's data differ from the registry's; None where they do not, or the record does not say.

    A mirror has no revision: only its name is compared.
    """
    source = run.get("source")
    if source is None:
        return None
    name, revision = source.get("source", spec.source), source.get("revision", spec.revision)
    if name != spec.source:
        return f"data of {name} instead of {spec.source}"
    if revision != spec.revision and source.get("kind") != "mirror":
        return f"data of {name} at {revision} instead of {spec.revision}"
    return None
