"""Numbers of languages that a ranking is compared with: a table of the user's, or the records of a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.data.languages import code_of, family_and_script
from utils.data.tables import ENDINGS, Table, is_blank, read_table
from utils.errors import UserError, counted
from utils.records.reader import read_all
from utils.records.result import LoggedResult
from utils.records.rows import languages_of
from utils.tasks import TASKS

OF_LANGUAGES = ("lang", "language", "subset", "code")  # names of the column of languages
MISSING = ("nan", "na", "n/a", "null", "none", "-", "–", "—", "?")  # cells without a number, as tables are written
SHOWN = 6


@dataclass(frozen=True)
class Numbers:
    """A number for each language, as the source names it, and what it is."""

    title: str
    values: Mapping[str, float]

    def of(self, langs: Iterable[str]) -> dict[str, float]:
        """Return the numbers of languages by the caller's names; those that are not there are left out.

        A name that the source does not have is that of the same language and script there, if there is one only.
        """
        found = {}
        for lang in langs:
            same = [name for name in self.values if name == lang] or [name for name in self.values if _same(name, lang)]
            if len(same) == 1:
                found[lang] = self.values[same[0]]
        return found


def _same(first: str, second: str) -> bool:
    return code_of(first) == code_of(second) and family_and_script(first)[1] == family_and_script(second)[1]


def read_numbers(path: Path, column: str | None = None) -> Numbers:
    """Return the numbers of a table, or the scores by language of the records under a folder.

    column: the column of the table (default: the only one of numbers), or the metric (default: the task's main one).
    Languages without a number are left out. Numbers of a column of percentages, such as 12%, are read as they stand.
    Raises UserError where there is no such column, or several, for what is no number, and for a language with two.
    """
    if path.is_dir():
        return _of_records(path, column)
    if not path.is_file():
        hint = f"name a table ({', '.join(ENDINGS)}) with a column of languages, or a folder of records"
        raise UserError(f"--against {path}: no such file", hint)
    table = read_table(path)
    langs = next((name for name in table if name.strip().lower() in OF_LANGUAGES), None)
    if langs is None:
        raise UserError(f"{path} has no column of languages: {_listed(table)}", "call it lang")
    chosen = _column_of(path, table, langs, column)
    values = _values_of(path, table, langs, chosen)
    if not values:
        raise UserError(f"{path}: the column {chosen} has no number", f"name another one: --against {path} COLUMN")
    return Numbers(f"{chosen} of {path.name}", values)


def _values_of(path: Path, table: Table, langs: str, chosen: str) -> dict[str, float]:
    """Return the numbers of a column by the languages of another one."""
    values: dict[str, float] = {}
    percentages: set[bool] = set()
    for row, (lang, value) in enumerate(zip(table[langs], table[chosen], strict=True)):
        if is_blank(lang) or _is_missing(value):
            continue
        number, place = _number(value), f"{path}, {table.place(row)}"
        if number is None:
            hint = f"write numbers of the column {chosen} as 1234.5, 12% or 1e6, and leave cells without one empty"
            raise UserError(f"{place}: {value!r} is no number", hint)
        if str(lang).strip() in values:
            raise UserError(f"{place}: a second number of {lang}", "keep one row a language")
        percentages.add(_is_percentage(value))
        if len(percentages) > 1:
            hint = f"write all numbers of the column {chosen} with %, or none"
            raise UserError(
                f"{place}: {value!r}, but other numbers are {'no ' * _is_percentage(value)}percentages", hint
            )
        values[str(lang).strip()] = number
    return values


def _column_of(path: Path, table: Mapping[str, list[Any]], langs: str, asked: str | None) -> str:
    if asked is not None:
        if asked not in table:
            raise UserError(f"{path} has no column {asked}: {_listed(table)}", f"--against {path} COLUMN")
        return asked
    numeric = [name for name, values in table.items() if name != langs and _is_numeric(values)]
    if len(numeric) != 1:
        what = f"{counted(len(numeric), 'column')} of numbers" if numeric else "no column of numbers"
        raise UserError(f"{path} has {what}: {_listed(numeric or table)}", f"name one: --against {path} COLUMN")
    return numeric[0]


def _is_numeric(values: Sequence[Any]) -> bool:
    """Return whether a column has numbers, and nothing else."""
    there = [value for value in values if not _is_missing(value)]
    return bool(there) and all(_number(value) is not None for value in there)


def _is_missing(value: Any) -> bool:
    return is_blank(value) or str(value).strip().lower() in MISSING


def _is_percentage(value: Any) -> bool:
    return isinstance(value, str) and value.strip().endswith("%")


def _number(value: Any) -> float | None:
    """Return a finite number, of a percentage without its sign; None for anything else."""
    try:
        number = float(value.strip().removesuffix("%") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < float("inf") else None


def _of_records(folder: Path, metric: str | None) -> Numbers:
    groups: dict[tuple[Any, ...], dict[str, float]] = {}
    for result in read_all(folder, debug=True):
        task = TASKS.get(str(result.run.get("task")))
        name = metric or (task.main_metric if task else "acc")
        if name not in result.metrics:
            continue
        about = languages_of(result)
        lang = str(about.get("lang") or about.get("tgt_lang") or result.subset)
        own = groups.setdefault((task.name if task else "", result.dataset, _model_of(result), result.k, name), {})
        if lang in own:
            raise UserError(f"{folder} has two records of {lang}, such as {result.path}", "name the folder of one run")
        own[lang] = result.metrics[name]
    if not groups:
        raise UserError(f"no records with {metric or 'a score'} in {folder}", "name the folder that a run printed")
    if len(groups) > 1:
        told = "; ".join(f"{task} {dataset}, {model}, k {k}" for task, dataset, model, k, _ in list(groups)[:SHOWN])
        raise UserError(f"{folder} has records of {len(groups)} runs: {told}", "name the folder of one of them")
    (((task, dataset, model, k, name), values),) = groups.items()
    at = f", k {k}" if task == "icl" else ""
    return Numbers(f"{name} of {model} in {task}.py on {dataset}{at}", values)


def _model_of(result: LoggedResult) -> str:
    """Return the model whose figures a record has: the generator, with the encoder if there is one, or the encoder."""
    generator = (result.run.get("generator") or {}).get("name")
    encoder = result.model if result.run.get("encoders") or not generator else None
    return " + ".join(name for name in (generator, encoder) if name)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:SHOWN])
