"""The rankings of languages by their likeness to a pivot at each layer: what layers.py prints and writes of them."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.data.csv_text import csv_text
from utils.errors import UserError, note, warn
from utils.files import read_json, write_atomic
from utils.layers.against import Numbers, read_numbers
from utils.layers.ranking import FEWEST, Ranked, agreement, ranking
from utils.layers.rows import Row, best_row, mean_rows
from utils.records.paths import predictions_path

if TYPE_CHECKING:
    from utils.cli.layers_run import Measured
    from utils.cli.run import Run

Place = tuple[int, str]  # a layer and a pooling
Rankings = Mapping[Place, Mapping[str, Sequence[Ranked]]]  # by figure
RANKED = ("centred", "cosine", "common", "neighbours")  # figures that are means over sentences, whose values are kept
OTHERS = ("ratio", "cka_debiased")  # figures without them: their order is compared with other numbers as well
CORRELATION = ("languages", "spearman", "low", "high")
SHOWN = 10  # languages named in a note
RANKING, AGREEMENT = "ranking.csv", "agreement.csv"


def read_against(args: argparse.Namespace) -> Numbers | None:
    """Return the numbers that --against names, None without it. Raises UserError where there are none."""
    if not args.against:
        return None
    path, *column = args.against
    if len(column) > 1:
        raise UserError(f"--against {' '.join(args.against)}", "give a file or folder, and the name of one column")
    return read_numbers(Path(path).expanduser(), *column)


def report_ranking(run: Run, measured: Measured, pairs: Mapping[str, tuple[str, str]], against: Numbers | None) -> None:
    """Print the languages' ranks at the layer that is the best on average, and write the rankings at all layers.

    The best layer is that with the greatest mean of the measure's metric. `against` has numbers whose order is compared
    with that of each figure.
    """
    kept = {subset: found for subset in measured.rows if (found := _beside(run, subset))}
    if len(kept) < 2:
        return
    langs = {subset: pairs[subset][1] for subset in kept}
    langs = langs if len(set(langs.values())) == len(langs) else {subset: subset for subset in kept}
    seed = run.store.identity.of("")["seed"]
    rankings = all_rankings(measured, kept, langs, seed)
    best = best_row(mean_rows(measured.rows, measured.measure.metric), measured.measure.metric)
    place = best["layer"], best["pooling"]
    others = against.of(langs.values()) if against else {}
    print(f"languages by their likeness at layer {place[0]}, pooling {place[1]}: ranks with 95 % intervals")
    print(ranks_table(rankings[place], others, against.title if against else ""))
    header = ("layer", "pooling", "figure", *(field.name for field in dataclasses.fields(Ranked)))
    lines = [
        [*at, name, *vars(one).values()]
        for at, found in rankings.items()
        for name, each in found.items()
        for one in each
    ]
    write_atomic(measured.folder / RANKING, csv_text([header, *lines]).encode())
    print(f"rankings at each layer: {measured.folder / RANKING}")
    if against:
        values = {lang: measured.rows[subset] for subset, lang in langs.items()}
        lines = agreements(values, others, seed)
        report_agreement(lines, against, [lang for lang in values if lang not in others], place, measured.folder)


def all_rankings(
    measured: Measured, kept: Mapping[str, Mapping[str, Any]], langs: Mapping[str, str], seed: int
) -> dict[Place, dict[str, list[Ranked]]]:
    """Return the ranking by each figure at each layer and pooling."""
    sentences = {langs[subset]: found["sentences"] for subset, found in kept.items()}
    first = next(iter(kept))
    found: dict[Place, dict[str, list[Ranked]]] = {}
    for number, row in enumerate(measured.rows[first]):
        by_figure = found[row["layer"], row["pooling"]] = {}
        for name in RANKED:
            values = {langs[subset]: np.array(each["rows"][number][name]) for subset, each in kept.items()}
            by_figure[name] = ranking(values, sentences, seed)
    return found


def ranks_table(rankings: Mapping[str, Sequence[Ranked]], others: Mapping[str, float], title: str) -> str:
    """Return the languages in the order of the first figure, with its value and their ranks by all of them."""
    from tabulate import tabulate

    places = {name: {one.lang: one for one in found} for name, found in rankings.items()}
    first, *rest = RANKED
    lines = []
    for one in rankings[first]:
        line: list[Any] = [one.rank, f"{one.rank_low}-{one.rank_high}", one.lang, one.value]
        for name in rest:
            there = places[name][one.lang]
            line.append(f"{there.rank} ({there.rank_low}-{there.rank_high})")
        lines.append([*line, *([others.get(one.lang)] if title else [])])
    head = ["rank", "", "language", first, *rest, *([title] if title else [])]
    return tabulate(lines, head, floatfmt=".4f", disable_numparse=[1], colalign=("right", "left", "left"))


def agreements(by_lang: Mapping[str, Sequence[Row]], others: Mapping[str, float], seed: int) -> list[list[Any]]:
    """Return layer, pooling, figure, the number of languages, and Spearman's correlation with its interval, as lines.

    by_lang: the rows of each language. The correlation is None where it is not defined.
    """
    found: dict[tuple[int, str, str], dict[str, float]] = {}
    for lang, rows in by_lang.items():
        for row in rows:
            for name in (*RANKED, *OTHERS):
                values = found.setdefault((row["layer"], row["pooling"], name), {})
                if row.get(name) is not None and lang in others:
                    values[lang] = row[name]
    return [[*at, len(each), *(agreement(each, others, seed) or [None] * 3)] for at, each in found.items()]


def report_agreement(
    lines: Sequence[Sequence[Any]], against: Numbers, absent: Sequence[str], shown: Place, folder: Path
) -> None:
    """Print the correlations at one layer, and write those at all layers."""
    from tabulate import tabulate

    if absent:
        note(f"no {against.title} of {', '.join(absent[:SHOWN])}{' ...' if len(absent) > SHOWN else ''}")
    write_atomic(folder / AGREEMENT, csv_text([("layer", "pooling", "figure", *CORRELATION), *lines]).encode())
    if all(line[4] is None for line in lines):
        warn(f"no correlation with {against.title}: it takes {FEWEST} languages, and numbers that differ")
        return
    print(f"Spearman's correlation with {against.title}, layer {shown[0]}, pooling {shown[1]}, 95 % interval")
    at_layer = [line[2:] for line in lines if tuple(line[:2]) == shown]
    print(tabulate(at_layer, ["figure", *CORRELATION], floatfmt=".3f"))
    print(f"correlations at each layer: {folder / AGREEMENT}")


def _beside(run: Run, subset: str) -> dict[str, Any] | None:
    """Return what is kept beside a record, None where it is damaged."""
    path = predictions_path(run.store.path_of(subset, run.ks.values[0]))
    found = (read_json(path) if path.is_file() else None) or {}
    rows = found.get("rows")
    if isinstance(rows, list) and rows and isinstance(rows[0], dict) and all(name in rows[0] for name in RANKED):
        return found
    warn(f"{path} does not have the values of sentences, and {subset} is not ranked: run it with --overwrite")
    return None
