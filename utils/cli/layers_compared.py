"""Which languages the records of layers.py compare with a pivot: those of a command, and all in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.layers_run import records_there
from utils.data.bitext import bitext_subsets
from utils.errors import warn
from utils.files import read_json
from utils.layers.pivots import RANKED, Compared, Pair, are_into_one, by_pivot
from utils.records.paths import predictions_path

if TYPE_CHECKING:
    from utils.cli.layers_run import Measured
    from utils.cli.run import Run


def compared_languages(run: Run, measured: Measured, pairs: Mapping[str, Pair]) -> tuple[Compared, Compared]:
    """Return, for the pivot of a command, all languages in its folder that are compared with it, and those asked for.

    Pairs of several pivots are compared together, by their names.
    """
    into = are_into_one(set(bitext_subsets(run.dataset, None, None).values()))
    there, subsets = records_there(run, measured), {subset: pairs[subset] for subset in measured.rows}
    pivot, *others = by_pivot(subsets, into=into)
    if others:
        whole = _compared("", {subset: subset for subset in subsets}, there)
        return whole, whole
    known = {subset: pair for subset, (_, content) in there.items() if (pair := pairs.get(subset) or _pair_of(content))}
    langs = by_pivot(known, into=into)[pivot]
    whole = _compared(pivot, langs, there)
    return whole, whole.only([langs[subset] for subset in subsets])


def _compared(pivot: str, langs: Mapping[str, str], there: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> Compared:
    rows, kept = {}, {}
    for subset, lang in langs.items():
        path, content = there[subset]
        if beside := _beside(path, subset, len(content["rows"])):
            rows[lang], kept[lang] = content["rows"], beside
    return Compared(pivot, rows, kept)


def _beside(record: Path, subset: str, n_rows: int) -> dict[str, Any] | None:
    """Return what is kept beside a record of so many rows, None where it is damaged."""
    path = predictions_path(record)
    found = (read_json(path) if path.is_file() else None) or {}
    rows = found.get("rows")
    rows = rows if isinstance(rows, list) and len(rows) == n_rows else [None]
    if "sentences" in found and all(isinstance(row, dict) and set(RANKED) <= set(row) for row in rows):
        return found
    warn(f"{path} does not have the values of sentences, and {subset} is not ranked: run it with --overwrite")
    return None


def _pair_of(content: Mapping[str, Any]) -> Pair | None:
    """Return the languages of a record."""
    pair = tuple(content["run"].get(name) for name in ("src_lang", "tgt_lang"))
    return (str(pair[0]), str(pair[1])) if all(pair) else None
