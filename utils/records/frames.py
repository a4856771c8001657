"""Records as one table: a row a record, or a row an item. `utils.runlog.load` is the way in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.data.languages import ALIASES, family_and_script
from utils.data.registry import DATASETS
from utils.errors import warn
from utils.files import read_json
from utils.records.columns import ABOUT, COLUMNS, DTYPES, FIGURES, ITEMS, KEYS, MODELS, SETTINGS, SIDES
from utils.records.original import generator_and_encoder
from utils.records.reader import read_all, read_results
from utils.records.result import LoggedResult

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]


def records(results: Iterable[LoggedResult]) -> pd.DataFrame:
    """Return a row a record: `COLUMNS`, and what the records have beside them (metrics, phases, versions, costs)."""
    rows = [row for _, row in _rows(results)]
    extra = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    figures = [name for name in extra if not name.startswith(("seconds_", "version_", "api_"))]
    kinds = {**KEYS, "n": "whole", **FIGURES, **dict.fromkeys(figures, "number"), **SETTINGS, **MODELS, **ABOUT}
    kinds |= {name: "name" if name.startswith("version_") else "number" for name in extra if name not in kinds}
    return _frame(_columns(rows, kinds), kinds)


def items(results: Iterable[LoggedResult]) -> pd.DataFrame:
    """Return a row an item of every record that has its predictions beside it: `KEYS`, `SETTINGS` and `ITEMS`.

    `side` says which side queried in bitext. `gold` and `hyp` are whole numbers or names, and comparable.
    """
    rows, places, without = list[Row](), list[int](), list[str]()
    told: dict[str, list[Any]] = {name: [] for name in ITEMS}
    for result, row in _rows(results):
        path = result.path.with_name(f"{result.path.stem}_preds.json")
        if not path.is_file():
            without.append(str(result.path))
            continue
        found = _read_predictions(path, row.get("direction"))
        places += [len(rows)] * len(found["item"])
        rows.append(row)
        for name, values in found.items():
            told[name] += values
    if without:
        print(f"warning: no predictions beside {len(without)} records, the first {without[0]}", file=sys.stderr)
    keys = _frame(_columns(rows, [*KEYS, *SETTINGS]), {**KEYS, **SETTINGS})
    return keys.take(places).reset_index(drop=True).join(_frame(told, ITEMS))


def _read_predictions(path: Path, direction: str | None) -> dict[str, list[Any]]:
    """Return the columns `ITEMS` of a file of predictions; without values, and said, where it is not one."""
    content = read_json(path)
    try:
        if content is not None:
            return _predictions(content, direction)
    except (OverflowError, TypeError, ValueError) as error:
        warn(f"{path} holds no predictions and is left out ({error})")
    return {name: [] for name in ITEMS}


def _predictions(content: Mapping[str, Any], direction: str | None) -> dict[str, list[Any]]:
    """Return the columns `ITEMS`, the first direction's, which are on top, before the other's.

    Raises TypeError or ValueError where the file is not one of predictions.
    """
    columns: dict[str, list[Any]] = {name: [] for name in ITEMS}
    first = "backward" if direction == "backward" else "forward"
    sides = {first: content, **{side: content[side] for side in SIDES if side in content}}
    for side, answers in sides.items():
        if not isinstance(answers, dict) or not all(isinstance(answers.get(name), list) for name in ("gold", "hyp")):
            raise TypeError("lists called gold and hyp were expected")
        gold, hyp = ([_answer(value) for value in answers[name]] for name in ("gold", "hyp"))
        columns["correct"] += [right == said for right, said in zip(gold, hyp, strict=True)]
        columns["gold"] += gold
        columns["hyp"] += hyp
        columns["item"] += range(len(gold))
        columns["side"] += [side if direction else None] * len(gold)
    return columns


def _rows(results: Iterable[LoggedResult]) -> Iterator[tuple[LoggedResult, Row]]:
    """Yield each result with its row; a record whose values are not what they should be is named and left out."""
    for result in results:
        try:
            row = {name: _converted(name, value) for name, value in _row(result).items() if value is not None}
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            warn(f"{result.path} is not a record as docs/logs.md has it and left out ({error})")
        else:
            yield result, row


def _row(result: LoggedResult) -> Row:
    return {
        **_figures(result),
        **{name: result.run.get(name) for name in SETTINGS},
        **_models(result),
        **_about(result.run),
        **languages_of(result),
        "path": str(result.path),
        "dataset": result.dataset,
        "subset": result.subset,
        "seed": result.seed,
        "k": result.k,
    }


def _figures(result: LoggedResult) -> Row:
    """Return n, and each metric with its interval where it has one."""
    row: Row = {"n": result.body.get("n")}
    intervals = result.body.get("ci95", {})
    for name, value in result.metrics.items():
        row[name] = value
        if name in intervals:
            row[f"{name}_low"], row[f"{name}_high"] = map(float, intervals[name])
    return row


def languages_of(result: LoggedResult) -> Row:
    """Return the task and the languages: `lang` is the one that a figure is about, of a pair the less usual side."""
    run, subset = result.run, result.subset
    task, src_lang, tgt_lang = run.get("task"), run.get("src_lang"), run.get("tgt_lang")
    if (
        tgt_lang is None
        and task in (None, "bitext")
        and result.dataset in DATASETS["bitext"]
        and subset.count("_") == 1
    ):
        src_lang, tgt_lang = subset.split("_")  # the original's: a pair is named by its subset
    lang = subset if tgt_lang is None else _other_side(result.dataset, src_lang, tgt_lang)
    train_lang = run.get("train_lang") or (lang if tgt_lang is None and run.get("cross") is False else None)
    family, script = family_and_script(lang)
    return {
        "task": task,
        "setting": run.get("setting"),
        "lang": lang,
        "src_lang": src_lang,
        "tgt_lang": tgt_lang,
        "train_lang": train_lang,
        "family": family,
        "script": script,
    }


def _other_side(dataset: str, src_lang: str | None, tgt_lang: str) -> str:
    """Return the side of a pair that is neither the set's pivot nor English, the target where both or neither are."""
    spec = DATASETS["bitext"].get(dataset)
    usual = {lang for lang in (src_lang, tgt_lang) if ALIASES.get(str(lang), str(lang)).partition("_")[0] == "eng"}
    usual = {spec.pivot} if spec is not None and spec.pivot in (src_lang, tgt_lang) else usual
    return src_lang if src_lang is not None and tgt_lang in usual and src_lang not in usual else tgt_lang


def _models(result: LoggedResult) -> Row:
    """Return what made the vectors and the answers; the values of an ensemble's encoders are joined by ` + `."""
    run, encoders = result.run, result.run.get("encoders") or []
    generator, model = run.get("generator") or {}, result.model
    if run.get("task") == "icl" and not generator:
        name, model = generator_and_encoder(model)
        generator = {"name": name, "quantization": run.get("quantization")}
    row: Row = {
        "model": model or None,
        "generator": generator.get("name"),
        **{f"generator_{name}": generator.get(name) for name in ("kind", "revision", "dtype")},
        "quantization": generator.get("quantization"),
        "n_encoders": len(encoders) or None,
        "weights": " ".join(str(member["weight"]) for member in encoders) if len(encoders) > 1 else None,
        "tuned": "tuned" in run if run.get("encoders") else None,
        "backend": _joined([member.get("backend", "torch") for member in encoders]),
        "members": result.body.get("members"),
    }
    names = ("checkpoint", "revision", "prompt", "max_length", "dtype")
    return row | {name: _joined([member.get(name) for member in encoders]) for name in names}


def _joined(values: Sequence[Any]) -> str | None:
    """Return what the members of an ensemble have in common, or each one's joined; None where none has any."""
    if all(value is None for value in values):
        return None
    texts = ["-" if value is None else str(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else " + ".join(texts)


def _about(run: Mapping[str, Any]) -> Row:
    """Return the provenance: data, machine, time a phase, cache, an API's counts, versions."""
    seconds, cache = run.get("seconds", {}), run.get("cache", {})
    dropped, source, origin = (run.get(name, {}) for name in ("n_dropped", "source", "origin"))
    alike = ("n_train", "dimensions", "device", "machine", "started", "git_commit", "git_dirty", "schema")
    return {
        **{name: run.get(name) for name in alike},
        "n_dropped": sum(dropped.values()) if dropped else None,
        "origin": origin.get("kind"),
        "source": source.get("source"),
        "source_revision": source.get("revision"),
        "cache_hits": sum(counts["hits"] for counts in cache.values()) if cache else None,
        "cache_misses": sum(counts["misses"] for counts in cache.values()) if cache else None,
        "seconds": float(sum(seconds.values())) if seconds else None,
        **{f"seconds_{phase}": float(value) for phase, value in seconds.items()},
        **_api_counts(run.get("api", {})),
        **{f"version_{name.replace('-', '_')}": _name(version) for name, version in run.get("packages", {}).items()},
    }


def _api_counts(api: Mapping[str, Mapping[str, Any]]) -> Row:
    """Return the sums over the models of an API: requests, retries, tokens, and dollars where they are known."""
    row: Row = {}
    for counts in api.values():
        for name, value in counts.items():
            if isinstance(value, int | float):
                row[f"api_{name}"] = row.get(f"api_{name}", 0.0) + value
    return row


def _name(value: Any) -> str:
    if isinstance(value, str):
        value.encode()  # what is no Unicode, pandas' strings would refuse later, and with it the whole table
        return value
    return json.dumps(value, ensure_ascii=False)


def _whole(value: Any) -> int:
    if int(value) != value or abs(value) >= 2**63:
        raise ValueError(f"{value!r} is not a whole number of 64 bits")
    return int(value)


def _flag(value: Any) -> bool:
    if value not in (True, False):
        raise ValueError(f"{value!r} is neither true nor false")
    return bool(value)


def _answer(value: Any) -> int | str | None:
    if value is None:  # it named no label
        return None
    return _name(value) if isinstance(value, str) else _whole(value)


CONVERT: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("name", "text", "time"), _name),
    **dict.fromkeys(("whole", "count"), _whole),
    "number": float,
    "flag": _flag,
}
CONVERTERS = {name: CONVERT[kind] for name, kind in COLUMNS.items() if kind in CONVERT}


def _converted(name: str, value: Any) -> Any:
    convert = CONVERTERS.get(name)
    if convert is None:  # a column of the record's own
        _name(name)
        return value
    return convert(value)


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
    return pd.Series(values, dtype=answers if kind == "answer" else DTYPES[kind])


def load(
    root: str | Path = "logs",
    *,
    task: str | None = None,
    dataset: str | None = None,
    preds: bool = False,
    debug: bool = False,
) -> pd.DataFrame:
    """Return the records under a folder as one table, a row a record, or with `preds` a row an item.

    docs/logs.md has the columns. `task` and `dataset` keep those alone; `debug` takes --limit runs too. Files that
    are no records are named on standard error and left out. Raises UserError where there is no folder.
    """
    folder = Path(root).expanduser()
    found = read_all(folder, debug=debug) if task is None else read_results(folder, task, debug=debug)
    chosen = (result for result in found if dataset in (None, result.dataset))
    return items(chosen) if preds else records(chosen)
