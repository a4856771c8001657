"""Decide whether a cell can be compared with a published figure: the same texts, k, metric and settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from utils.generators.prompts import default_instruction
from utils.generators.registry import GENERATORS
from utils.records import original
from utils.records.pair_sources import source_of
from utils.reporting.tables.build import Kind
from utils.reporting.tables.cells import Cell, Part
from utils.reporting.tables.departures import departures
from utils.reporting.tables.mteb_figures import is_of_task
from utils.reporting.tables.mteb_main_scores import subset_name
from utils.reporting.tables.published import Published, other_texts, settings_of
from utils.schema import DatasetSpec
from utils.settings.base import FUSION_SETTINGS

PARTIAL = re.compile(r" \((?P<there>\d+)/(?P<all>\d+)\)$")  # at the end of the source of a mean that lacks subsets


def unlike(figure: Published, cell: Cell, kind: Kind) -> str:
    """Return why a cell cannot be compared with a published figure; empty where it can."""
    if reason := lacking_subset(figure, subsets_of(cell)):
        return reason
    if not figure.by_subset and not cell.complete:
        return "subsets are missing"
    if not figure.by_subset and kind.is_part:
        return "only a part of the subsets was asked for"
    if partial := PARTIAL.search(figure.source):
        return f"{figure.source} is a mean over {partial['there']} of {partial['all']} subsets"
    if texts := other_texts(figure.source, figure.task, figure.column):
        return f"{figure.source} has other texts ({texts})"
    ks = {part.result.k for part in cell.parts}
    if figure.k is not None and ks != {figure.k}:
        return f"{figure.source} has k {figure.k}, this is k {', '.join(map(str, sorted(ks)))}"
    if not (figure.metric == "main" and cell.main) and cell.metrics != {figure.metric}:
        return f"{figure.source} has the metric {figure.metric}, this is {', '.join(sorted(cell.metrics))}"
    return next((reason for part in cell.parts if (reason := _otherwise(figure, part, kind))), "")


def lacking_subset(figure: Published, subsets: Iterable[str]) -> str:
    """Return why a figure that is published by subset is none of these subsets' mean; empty where it is."""
    lacking = [name for name in subsets if name not in figure.by_subset] if figure.by_subset else []
    return f"{figure.source} has no figure of {lacking[0]}" if lacking else ""


def subsets_of(cell: Cell) -> dict[str, float]:
    """Return the weight of each subset in a cell's mean, by the names of figures of subsets."""
    weights: dict[str, float] = {}
    for part in cell.parts:
        run = part.result.run
        told = run["mteb"] if is_of_task(run) else {}
        name = subset_name(told["subset"], told["split"]) if told else part.result.subset
        weights[name] = weights.get(name, 0.0) + part.weight
    return weights


def _otherwise(figure: Published, part: Part, kind: Kind) -> str:
    """Return why a record was not computed as the published figure was; empty where it was."""
    run, row = part.result.run, kind.dataset(part.result.dataset)
    if kind.spec.pairs and row is not None and part.result.subset not in row.subsets:
        return f"{figure.source} has pairs from {row.pivot or 'other languages'}, this is {source_of(part.result)}"
    settings = {**original.SETTINGS, **run} if original.is_original(part.result) else run
    for name, allowed in _required(figure, part, kind).items():
        if (value := settings.get(name, allowed[0])) not in allowed:
            return f"{figure.source} has {name} {' or '.join(map(_shown, allowed))}, this is {_shown(value)}"
    revision = (run.get("source") or {}).get("revision")
    if figure.revision and revision not in (None, figure.revision):
        return f"{figure.source} is of the data at {figure.revision}, this at {revision}"
    return next(departures(run, kind.dataset(part.result.dataset)), "")


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) and (not value or "\n" in value) else str(value)


def _required(figure: Published, part: Part, kind: Kind) -> dict[str, list[Any]]:
    """Return the settings that a record needs to be compared with a published figure, each with the values allowed."""
    spec, row = kind.spec, kind.dataset(part.result.dataset)
    plain: Mapping[str, Any] = {
        **spec.plain(),
        **spec.defaults(FUSION_SETTINGS),
        **(_of_generator(part, row) if spec.generative else {}),
    }
    required = {name: value if isinstance(value, list) else [value] for name, value in plain.items()}
    required |= {"cross": [kind.cross]} if "cross" in required else {}
    if kind.cross and row is not None:
        required["train_lang"] = [row.pivot]
    for name in next((view.by for view in spec.views if view.key == figure.task), ()):
        required.pop(name, None)
    return required | settings_of(figure.source, figure.model)


def _of_generator(part: Part, row: DatasetSpec | None) -> dict[str, Any]:
    """Return what a generative record needs beside the tables' plain settings: those of the registry's row."""
    generator = GENERATORS.get(str((part.result.run.get("generator") or {}).get("name")))
    return {
        "decode": generator.decode if generator else ["score", "generate"],
        "temperature": [0, None],
        **({"instruction": default_instruction(row.options.get("subject", ""))} if row else {}),
        **({"demonstrations": "nearest"} if part.result.k else {}),
    }
