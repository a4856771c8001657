"""Records as one table, one row per record or per item. Notebooks call `utils.runlog.load`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import counted, warn
from utils.evaluation.translation import chrf_of
from utils.files import read_json
from utils.records.checks import is_number
from utils.records.columns import (
    ABOUT,
    COLUMNS,
    DTYPES,
    FIGURES,
    ITEMS,
    KEYS,
    MODELS,
    OF_LAYERS,
    SETTING_KINDS,
    SIDES,
    VALUES,
)
from utils.records.own_names import logged_name
from utils.records.pair_sources import with_sources
from utils.records.paths import predictions_path
from utils.records.reader import is_right, read_all, read_results
from utils.records.result import LoggedResult
from utils.records.row_names import row_names
from utils.records.rows import Row, as_name, as_whole, rows_of

if TYPE_CHECKING:
    import pandas as pd


def load(
    root: str | Path = "logs",
    *,
    task: str | None = None,
    dataset: str | None = None,
    preds: bool = False,
    layers: bool = False,
    debug: bool = False,
) -> pd.DataFrame:
    """Return the records under a folder as one table: one row per record, or with `preds` one row per item.

    With `layers` it has one row for each layer and pooling of the records of layers.py, and no other records.
    A record of own pairs that stands in two rows of the tables, that of all pairs and that of its source, has both.
    docs/logs.md lists the columns. `task` and `dataset` select records, own data by name or path; `debug` includes
    --limit runs. Files that are not records are named on standard error and left out. Raises UserError where there is
    no folder.
    """
    folder = Path(root).expanduser()
    found = list(read_all(folder, debug=debug) if task is None else read_results(folder, task, debug=debug))
    if dataset is not None:
        dataset = logged_name(dataset, {result.dataset for result in found})
        found = [result for result in found if result.dataset == dataset]
    if layers:
        return layer_rows(found)
    return items(found) if preds else records(found)


def records(results: Iterable[LoggedResult]) -> pd.DataFrame:
    """Return one row per record: `COLUMNS`, and what else the records have (metrics, phases, versions, costs)."""
    rows = [row for _, row in _named(results)]
    extra = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    figures = [name for name in extra if not name.startswith(("seconds_", "version_", "api_"))]
    kinds = {**KEYS, "n": "whole", **FIGURES, **dict.fromkeys(figures, "number"), **SETTING_KINDS, **MODELS, **ABOUT}
    kinds |= {name: "name" if name.startswith("version_") else "number" for name in extra if name not in kinds}
    return _frame(_columns(rows, kinds), kinds)


def layer_rows(results: Iterable[LoggedResult]) -> pd.DataFrame:
    """Return one row per layer and pooling of every record that has some, with its keys, settings and figures."""
    rows, places, found = list[Row](), list[int](), list[Row]()
    for result, row in _named(results):
        of_layers = result.body.get("rows") or []
        places += [len(rows)] * len(of_layers)
        found += of_layers
        rows.append(row)
    names = dict.fromkeys(name for each in found for name, value in each.items() if is_number(value))
    kinds = {**OF_LAYERS, **{name: "number" for name in names if name not in {**OF_LAYERS, **KEYS, **SETTING_KINDS}}}
    numbers = [{name: value for name, value in each.items() if name in OF_LAYERS or is_number(value)} for each in found]
    keys = _frame(_columns(rows, [*KEYS, *SETTING_KINDS]), {**KEYS, **SETTING_KINDS})
    return keys.take(places).reset_index(drop=True).join(_frame(_columns(numbers, kinds), kinds))


def items(results: Iterable[LoggedResult]) -> pd.DataFrame:
    """Return one row per item of every record that has predictions: the columns `KEYS`, `SETTING_KINDS` and `ITEMS`.

    `side` is the side of the queries in bitext. `gold` and `hyp` are whole numbers or names, and can be compared. After
    these, those of `VALUES` that a record has: the measures of each question or answer, or the score and the judgement
    of a pair.
    """
    rows, places, without = list[Row](), list[int](), list[str]()
    columns: dict[str, list[Any]] = {name: [] for name in ITEMS}
    for result, row in _named(results):
        path = predictions_path(result.path)
        if not path.is_file():
            without.append(str(result.path))
            continue
        found = _read_predictions(path, row.get("direction"))
        places += [len(rows)] * len(found["item"])
        rows.append(row)
        for name in (*found, *(name for name in columns if name not in found)):
            before = columns.setdefault(name, [None] * (len(places) - len(found["item"])))
            before += found.get(name, [None] * len(found["item"]))
    if without:
        print(
            f"warning: {counted(len(without), 'record')} without predictions, the first is {without[0]}",
            file=sys.stderr,
        )
    keys = _frame(_columns(rows, [*KEYS, *SETTING_KINDS]), {**KEYS, **SETTING_KINDS})
    kinds = {**ITEMS, **{name: kind for name, kind in VALUES.items() if name in columns}}
    return keys.take(places).reset_index(drop=True).join(_frame(columns, kinds))


def _named(results: Iterable[LoggedResult]) -> list[tuple[LoggedResult, Row]]:
    """Return the results and their rows, each with the name of its row in the tables, once for each such row."""
    pairs = list(rows_of(with_sources(list(results))))
    names = row_names([result for result, _ in pairs])
    return [(result, {**row, "row": name}) for (result, row), name in zip(pairs, names, strict=True)]


def _read_predictions(path: Path, direction: str | None) -> dict[str, list[Any]]:
    """Return the columns `ITEMS` and `VALUES` of a file of predictions; empty, with a warning, where it is none."""
    content = read_json(path)
    try:
        if content is not None:
            return _predictions(content, direction)
    except (OverflowError, TypeError, ValueError) as error:
        warn(f"{path} is not a file of predictions and is left out ({error})")
    return {name: [] for name in ITEMS}


def _predictions(content: Mapping[str, Any], direction: str | None) -> dict[str, list[Any]]:
    """Return the columns `ITEMS` and `VALUES`, the first direction's, at the top level, before the other's.

    Raises TypeError or ValueError where the file is not one of predictions.
    """
    if "judged" in content and "gold" not in content:
        return _pairs(content)
    columns: dict[str, list[Any]] = {name: [] for name in ITEMS}
    first = "backward" if direction == "backward" else "forward"
    sides = {first: content, **{side: content[side] for side in SIDES if side in content}}
    for side, answers in sides.items():
        if not isinstance(answers, dict) or not all(isinstance(answers.get(name), list) for name in ("gold", "hyp")):
            raise TypeError("lists called gold and hyp were expected")
        gold, hyp = ([_answer(value) for value in answers[name]] for name in ("gold", "hyp"))
        columns["correct"] += is_right(answers, gold, hyp)
        columns["gold"] += gold
        columns["hyp"] += hyp
        columns["item"] += range(len(gold))
        columns["side"] += [side if direction else None] * len(gold)
    values = content.get("values")
    measures = {**(values if isinstance(values, dict) else {}), **_of_sentences(content)}
    n = len(columns["item"])
    return {**columns, **{name: _numbers(found, n) for name, found in measures.items() if name in VALUES}}


def _of_sentences(content: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the chrF++ of each translation, from its counts; BLEU is no measure of a single sentence."""
    counts = content.get("statistics")
    rows = counts.get("chrf") if isinstance(counts, dict) else None
    return {} if rows is None else {"chrf": chrf_of(np.array(rows, dtype=np.int64)).tolist()}


def _pairs(content: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of pairs of sentences: their score, and what people said; none is right or wrong."""
    n = len(content["judged"])
    columns: dict[str, list[Any]] = {name: [None] * n for name in ITEMS}
    judged, scores = (_numbers(content.get(name), n) for name in ("judged", "scores"))
    return {**columns, "item": list(range(n)), "score": scores, "judged": judged}


def _numbers(values: Any, n: int) -> list[float | None]:
    """Return n numbers, None where one lacks; raises TypeError or ValueError for other values or another count."""
    if not isinstance(values, list) or len(values) != n:
        raise ValueError(f"{counted(n, 'value')} were expected")
    return [None if value is None else float(value) for value in values]


def _answer(value: Any) -> int | str | None:
    if value is None:  # the answer names no label
        return None
    return as_name(value) if isinstance(value, str) else as_whole(value)


def _columns(rows: Sequence[Row], names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in names}


def _frame(columns: Mapping[str, list[Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return a table whose columns have the dtypes of their kinds; gold and hyp share one."""
    import pandas as pd

    answers = _answer_dtype([value for name, kind in kinds.items() if kind == "answer" for value in columns[name]])
    return pd.DataFrame({name: _series(columns[name], kind, answers) for name, kind in kinds.items()})


def _answer_dtype(values: Sequence[Any]) -> Any:
    """Return Int64 for indices, one category for labels, object where both occur."""
    import pandas as pd

    types = {type(value) for value in values} - {type(None)}
    if types <= {str}:
        return pd.CategoricalDtype(pd.Index(sorted({value for value in values if value is not None}), dtype="str"))
    return "Int64" if types == {int} else "object"


def _series(values: list[Any], kind: str, answers: Any) -> Any:
    import pandas as pd

    if kind == "name":
        return pd.Categorical(pd.array(values, dtype="str"))
    if kind == "time":
        return pd.to_datetime(pd.Series(values, dtype="str"), utc=True, format="ISO8601", errors="coerce")
    if kind == "truth" and None in values:  # items that are neither right nor wrong
        return pd.Series(values, dtype="boolean")
    return pd.Series(values, dtype=answers if kind == "answer" else DTYPES[kind])
