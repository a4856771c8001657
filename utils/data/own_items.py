"""A user's own file of items that a template shows: pairs of texts, questions with options, questions with answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from utils.constants import LETTERS, WRITTEN
from utils.data.item_cells import cells_of, choices_of
from utils.data.items import as_items, measures_of
from utils.data.labeled_tables import languages_in
from utils.data.mteb_rows import is_mteb
from utils.data.own_data import check_columns, named_row, own_path, own_row
from utils.data.own_labeled import find_labeled
from utils.data.own_rows import own_rows
from utils.data.roles import named_column
from utils.data.subsets import LabeledTexts, Origin
from utils.data.tables import ENDINGS, Table, read_table
from utils.errors import UserError, note
from utils.files import sha256_of
from utils.schema import DatasetSpec

Shape = tuple[str, tuple[str, ...]]  # the kind of a template, and the fields that it shows
ANSWERS = ("label", "answer", "gold")  # columns that have the answer, unless --columns names another
ANSWERS_OF = {"choice": ("answerKey",), "span": ("answers",), "text": ("answers", "target")}  # and of these kinds
CHOICES = ("choices", "options")  # columns that have a list of options
NUMBERED = re.compile(r"(?:choice|option)_?(\d+)", re.IGNORECASE)


def find_prompted(
    name: str,
    columns: Sequence[str] | None,
    seed: int,
    shape: Shape | None,
    *,
    no_header: bool = False,
    strict: bool = False,
) -> DatasetSpec:
    """Return the row of a registered data set that can be prompted, or one made for the file of this path.

    shape: what the template of the command line shows; None without one, as of labelled texts. Raises UserError where
    there is no such data set, or its columns are not found.
    """
    path = own_path(name, "prompted", columns, no_header=no_header)
    if path is None:
        return named_row(name, "classification" if is_mteb(name) else "prompted")
    if shape is None or shape == ("label", ("text",)):
        otherwise = "" if shape else "; --template shows items of other columns (docs/icl.md)"
        return find_labeled(name, columns, seed, no_header=no_header, strict=strict, otherwise=otherwise)
    if path.is_dir():
        raise UserError(f"--dataset {name} is a folder", f"give a file ({', '.join(ENDINGS)})")
    table = read_table(path, header=not no_header)
    given = list(table) if columns is None and no_header else columns
    options, reading = _reading(path, table, given, shape)
    reading = reading if columns else {}
    langs = languages_in(table, options["lang"], str(path)) if "lang" in options else ("all",)
    if not langs:
        raise UserError(f"{path} has no rows", "add rows below the names of the columns")
    options |= {"path": str(path), "seed": seed, "header": not no_header, "strict": strict}
    row = own_row(path, sha256_of(path), "prompted", "own_items", langs, langs[0], options, reading)
    if shape[0] in WRITTEN:
        return replace(row, main_metric=measures_of(row)[-1])
    return row if shape[0] != "choice" else replace(row, label_names=options["positions"])


def _reading(
    path: Path, table: Table, columns: Sequence[str] | None, shape: Shape
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return how a table is read, as options of a data set, and what of it the name of the data set tells.

    columns: those of --columns; None to find all by name.
    """
    kind, fields = shape
    found = _by_order(path, columns, kind, fields) if columns else _by_name(path, table, kind, fields)
    used = [*found["fields"].values(), found["answer"], *_listed(found)]
    check_columns(path, used, table)
    named = {role: column for role in ("lang", "split") if (column := named_column(table, role)) is not None}
    roles = {role: column for role, column in named.items() if column not in used}
    roles |= {"id": "id"} if "id" in table and "id" not in used else {}
    reading: dict[str, Any] = {"columns": {**found["fields"], "answer": found["answer"]}}
    if kind == "choice":
        taken = (*found["fields"].values(), found["answer"], *roles.values())
        all_others = [name for name in table if name not in taken]
        reading |= {"choices": _listed(found)} if _listed(found) != all_others else {}
    found = _with_members(found, table)
    found |= _of_choices(path, table, found) if kind == "choice" else {}
    return {"kind": kind, **found, **roles}, reading


def _with_members(found: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return the columns with those of answers and options as their member `text`, where they are objects that have it.

    The answers of SQuAD are such objects, and the options of ARC and CommonsenseQA.
    """
    members = {}
    for role in ("answer", "choices"):
        column = found.get(role)
        if not isinstance(column, str):
            continue
        first = next((value for value in table[column] if value is not None), None)
        if isinstance(first, dict) and "text" in first:
            members[role] = f"{column}.text"
    return {**found, **members}


def read_examples(path: Path, dataset: DatasetSpec, shape: Shape, lang: str) -> LabeledTexts:
    """Return the demonstrations of a user's file for the items of a data set, in their order.

    They are those of a language where the file has a column for it. Raises UserError where there are none, or one lacks
    a field or an answer, or has an answer that is none of the labels.
    """
    kind, fields = shape
    table = read_table(path)
    found = _with_members(_by_name(path, table, kind, fields, "call the columns of demonstrations so"), table)
    found |= _of_choices(path, table, found) if kind == "choice" else {}
    answers, langs = cells_of(table, found["answer"]), named_column(table, "lang")
    chosen = [place for place in range(len(answers)) if langs is None or str(table[langs][place]).strip() == lang]
    if not chosen:
        raise UserError(
            f"{path} has no demonstrations in the language {lang!r}", "add rows whose lang is this language"
        )
    options = {**found, "kind": kind, "strict": True}
    rows = own_rows(options, table, chosen, str(path))
    spec = replace(dataset, options={**options, "label_map": dataset.options.get("label_map", {})}, kind="local")
    origin = Origin("local", path.name, f"sha256:{sha256_of(path)}")
    return replace(as_items(spec, rows, str(path), origin), taken_from=path.name)


def _listed(found: Mapping[str, Any]) -> list[str]:
    choices = found.get("choices", ())
    return [choices] if isinstance(choices, str) else list(choices)


def _by_order(path: Path, columns: Sequence[str], kind: str, fields: Sequence[str]) -> dict[str, Any]:
    """Return the columns of --columns: those of the fields in the order of the template, the options, the answer."""
    wanted = [*fields, *(["choice"] if kind == "choice" else []), "answer"]
    if len(columns) < len(wanted) or (kind != "choice" and len(columns) > len(wanted)):
        what = f"--columns names {len(columns)} columns of {path}"
        raise UserError(what, f"the template needs --columns {_needed(kind, fields)}")
    found = dict(zip(fields, columns, strict=False))
    options = list(columns[len(fields) : -1])
    choices = {"choices": options[0] if len(options) == 1 else tuple(options)} if kind == "choice" else {}
    return {"fields": found, "answer": columns[-1], **choices}


def _needed(kind: str, fields: Sequence[str]) -> str:
    """Return what --columns has to name for a template, in its order."""
    names = [name.upper() for name in fields]
    return " ".join([*names, *(["CHOICE [CHOICE ...]"] if kind == "choice" else []), "ANSWER"])


def _by_name(path: Path, table: Table, kind: str, fields: Sequence[str], hint: str = "") -> dict[str, Any]:
    """Return the columns that are called as the fields of the template, and those of the options and the answer.

    hint: what to do where one is lacking; by default to name them with --columns.
    """
    known = (*ANSWERS, *ANSWERS_OF.get(kind, ()))
    answer = next((name for name in known if name in table and name not in fields), None)
    numbered = sorted((int(match[1]), name) for name in table if (match := NUMBERED.fullmatch(name)))
    choices: Any = next((name for name in CHOICES if name in table), tuple(name for _, name in numbered))
    lacking = [name for name in fields if name not in table]
    lacking += [*(["choices"] if kind == "choice" and not choices else []), *([] if answer else ["label"])]
    if lacking or answer is None:
        raise UserError(
            f"{path} has the columns {', '.join(table)}, but no column {lacking[0]!r}, which the template needs",
            hint or f"name its columns: --columns {_needed(kind, fields)}",
        )
    return {"fields": {name: name for name in fields}, "answer": answer, **({"choices": choices} if choices else {})}


def _of_choices(path: Path, table: Table, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the positions that options can have, and whether numbers of answers count from 0, which a note tells."""
    listed = found["choices"]
    lists = [value for value in cells_of(table, listed) if value is not None] if isinstance(listed, str) else []
    if (wrong := next((one for one in lists if not isinstance(one, list)), None)) is not None:
        what = f"{path}: the column {listed!r} has {wrong!r} ({type(wrong).__name__}), which is no list of options"
        raise UserError(what, "name a column of each option: --columns FIELD ... CHOICE CHOICE ... ANSWER")
    most = max(map(len, lists), default=0) if isinstance(listed, str) else len(listed)
    if most > len(LETTERS):
        raise UserError(f"{path}: a question has {most} options", f"questions with {len(LETTERS)} at most can be asked")
    numbers = _numbers(table, found)
    if numbers:
        note(f"{path}: the numbers of the answers count from {0 if '0' in numbers else 1}")
    return {"positions": tuple(str(place + 1) for place in range(most)), "first": 0 if "0" in numbers else 1}


def _numbers(table: Table, found: Mapping[str, Any]) -> set[str]:
    """Return the answers that are the number of an option, and not the text of one."""
    cells = {name: cells_of(table, name) for name in _listed(found)}
    numbers = set()
    for place, answer in enumerate(cells_of(table, found["answer"])):
        text = str(answer).strip()
        if text.isdigit() and text not in choices_of({name: values[place] for name, values in cells.items()}, found):
            numbers.add(text)
    return numbers
