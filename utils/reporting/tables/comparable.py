"""Whether a table's cell is what was published: the same texts, k, metric and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from utils.generators.prompts import default_instruction
from utils.generators.registry import GENERATORS
from utils.reporting.tables.build import ROWS, Kind
from utils.reporting.tables.cells import Cell, Part
from utils.reporting.tables.departures import departures
from utils.reporting.tables.published import Published, other_texts, settings_of
from utils.reporting.tables.select import PLAIN

FUSED = {"fuse": "score", "normalize": "none"}
ORIGINAL: dict[str, Any] = {"similarity": "euclidean", "legacy": True}  # what the original's files do not tell
PARTIAL = re.compile(r" \((?P<there>\d+)/(?P<all>\d+)\)$")  # ends the source of a mean that lacks subsets


def unlike(figure: Published, cell: Cell, kind: Kind) -> str:
    """Say in which way a cell is not what was published; empty where it is."""
    if not cell.complete:
        return "subsets are missing"
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


def _otherwise(figure: Published, part: Part, kind: Kind) -> str:
    """Say in which way a record was not computed as the figure was; empty where it was."""
    run = part.result.run
    told = run if "run" in part.result.body else {**ORIGINAL, **run}
    for name, allowed in _required(figure, part, kind).items():
        if (value := told.get(name, allowed[0])) not in allowed:
            return f"{figure.source} has {name} {' or '.join(map(_shown, allowed))}, this is {_shown(value)}"
    return next(departures(run, ROWS[kind.task].get(part.result.dataset)), "")


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) and (not value or "\n" in value) else str(value)


def _required(figure: Published, part: Part, kind: Kind) -> dict[str, list[Any]]:
    """Return the settings that a record must have to be what was published, each with the values that will do."""
    plain: Mapping[str, Any] = {**PLAIN[kind.task], **FUSED, **(_of_icl(part) if kind.task == "icl" else {})}
    required = {name: value if isinstance(value, list) else [value] for name, value in plain.items()}
    required |= {"cross": [kind.cross]} if kind.task != "bitext" else {}
    if kind.cross and part.result.dataset in ROWS[kind.task]:
        required["train_lang"] = [ROWS[kind.task][part.result.dataset].pivot]
    if figure.task == "icl_percentile":
        required.pop("min_percentile")
    return required | settings_of(figure.source, figure.model)


def _of_icl(part: Part) -> dict[str, Any]:
    """Return what a record of in-context learning must have beside the tables' plain settings."""
    spec = ROWS["icl"].get(part.result.dataset)
    generator = GENERATORS.get(str((part.result.run.get("generator") or {}).get("name")))
    return {
        "decode": generator.decode if generator else ["score", "generate"],
        "temperature": [0, None],
        **({"instruction": default_instruction(spec.options.get("subject", ""))} if spec else {}),
        **({"demonstrations": "nearest"} if part.result.k else {}),
    }
