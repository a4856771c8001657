"""What the rows of a table are called, and their order."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence

from utils.encoders.registry import ENCODERS
from utils.errors import UserError, suggest
from utils.generators.registry import GENERATORS
from utils.records.pair_sources import with_sources
from utils.records.result import LoggedResult
from utils.records.row_names import base_name, with_variants
from utils.task_spec import TaskSpec


def named(
    results: Sequence[LoggedResult],
    spec: TaskSpec,
    without: Collection[str] = (),
    names: Mapping[str, str] | None = None,
) -> list[LoggedResult]:
    """Return the results with their row's name as the model, and the figures that rows show.

    Results of one name were made in one setting; one of own pairs may belong to two rows. without: settings that the
    names need not tell. names: what models are called instead of their names in records.
    """
    shown, results = names or {}, with_sources(results)
    bases = [base_name(result, spec) for result in results]
    shown_bases = [renamed(base, shown, checkpoints_of(one)) for base, one in zip(bases, results, strict=True)]
    rows = with_variants(results, shown_bases, [spec] * len(results), without)
    plain = with_variants(results, bases, [spec] * len(results), without) if shown else rows
    return [
        dataclasses.replace(with_mean_of_directions(result), model=row, base=result.model, row=plain_row)
        for result, row, plain_row in zip(results, rows, plain, strict=True)
    ]


def checkpoints_of(result: LoggedResult) -> list[str]:
    """Return the checkpoints of a record's encoders, in order."""
    encoders = result.run.get("encoders")
    members = [member for member in encoders if isinstance(member, dict)] if isinstance(encoders, list) else []
    return [str(member.get("checkpoint")) for member in members]


def renamed(name: str, names: Mapping[str, str], checkpoints: Sequence[str] = ()) -> str:
    """Return a row's base name with the display names of the encoders and the generator in it.

    checkpoints: those of an ensemble's members, whose names in it lack their owners.
    """
    if name in names or not names:
        return names.get(name, name)
    short: dict[str, set[str]] = {}
    for model, shown in names.items():
        short.setdefault(model.split("/")[-1], set()).add(shown)
    members = {checkpoint.split("/")[-1]: names.get(checkpoint) for checkpoint in checkpoints}

    def of_member(part: str) -> str:
        known = [member for member in (members.get(part), *short.get(part, ())) if member]
        return known[0] if known and (members.get(part) or len(known) == 1) else part

    def of_model(match: re.Match[str]) -> str:
        found = match[0]
        return names[found] if found in names else "__".join(map(of_member, found.split("__")))

    whole = "|".join(re.escape(model) for model in sorted(names, key=len, reverse=True))
    return re.sub(rf"[^\s,()]+__weights[^\s,()]*|(?<![\w./-])(?:{whole})(?![\w./-])", of_model, name)


def with_mean_of_directions(result: LoggedResult) -> LoggedResult:
    """Return a result of both directions with their mean under the metrics' plain names, and `<metric>_forward`.

    Records have the forward figures under the plain names and the means under `<metric>_mean`.
    """
    if result.run.get("direction") != "both":
        return result
    means = {name.removesuffix("_mean"): value for name, value in result.metrics.items() if name.endswith("_mean")}
    metrics = {
        **result.metrics,
        **{f"{name}_forward": result.metrics[name] for name in means if name in result.metrics},
    }
    intervals = dict(result.ci95)
    of_means = {name: intervals[f"{name}_mean"] for name in means if f"{name}_mean" in intervals}
    forward = {f"{name}_forward": intervals[name] for name in means if name in intervals}
    others = {name: value for name, value in intervals.items() if name not in means}
    body = {**result.body, "ci95": {**others, **forward, **of_means}}
    return dataclasses.replace(result, metrics=metrics | means, body=body)


def known_order(results: Sequence[LoggedResult], spec: TaskSpec) -> list[str]:
    """Return row names in the registry's order: of a generative task generators, fewer demonstrations first."""
    if not spec.generative:
        order = list(ENCODERS)
        bases = {result.model: result.plain_model for result in results}
        known = {row: order.index(base) for row, base in bases.items() if base in order}
        return sorted(known, key=lambda row: (known[row], row != bases[row], row))
    registered = list(GENERATORS)

    def place(result: LoggedResult) -> tuple[int, str, int, str]:
        name = (result.run.get("generator") or {}).get("name", "")
        number = registered.index(name) if name in registered else len(registered)
        return number, name, result.k, result.model

    return list(dict.fromkeys(result.model for result in sorted(results, key=place)))


def asked(models: Sequence[str] | None, results: Sequence[LoggedResult], spec: TaskSpec) -> list[str] | None:
    """Return the rows that --models names, None for all: a row by its name, or every row of a model by the model's.

    Raises UserError for a name that is neither.
    """
    if not models:
        return None
    rows = sorted({result.model for result in results})
    found: dict[str, None] = {}
    for model in models:
        of_model = sorted({result.model for result in results if model in _names_of(result)})
        if model not in rows and not of_model:
            known = dict.fromkeys(name for result in results for name in (result.model, result.row))
            raise UserError(f"no {spec.name} results of model {model!r}", suggest(model, sorted(filter(None, known))))
        found.update(dict.fromkeys([model] if model in rows else of_model))
    return list(found)


def _names_of(result: LoggedResult) -> tuple[str, ...]:
    """Return the names by which --models selects a result beside its row: its model, and its row by other names."""
    return (
        result.plain_model,
        result.row,
        re.sub(r" \([^()]*\)$", "", result.model),
        f"{result.model}, {result.dataset}",
    )


def ordered(rows: Collection[str], models: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """Return the rows in order: `models` where given, else the `known` ones, then others, then ensembles."""
    if models:
        return [model for model in models if model in rows]
    return sorted(
        rows, key=lambda name: ("__weights" in name, known.index(name) if name in known else len(known), name)
    )


def of_each_source(results: Sequence[LoggedResult]) -> list[list[str]]:
    """Return the rows by the source language of their own pairs; empty where no data set has rows of several."""
    by_source: dict[str, dict[str, None]] = {}
    for result in results:
        by_source.setdefault(result.source or "", {})[result.model] = None
    return [list(models) for models in by_source.values()] if len(by_source) > 1 else []


def datasets_of(results: Sequence[LoggedResult], model: str) -> list[str]:
    """Return the data sets that a row has results of, by name."""
    return sorted({result.dataset for result in results if result.model == model})
