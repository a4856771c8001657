"""The rankings of languages by their likeness to a pivot at each layer: what layers.py prints and writes of them."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.layers_compared import compared_languages
from utils.cli.layers_tables import add_to_table
from utils.errors import UserError, counted, note, warn
from utils.layers.against import Numbers, read_numbers
from utils.layers.pivots import RANKED, Compared, Pair, Place
from utils.layers.ranking import FEWEST, Ranked
from utils.layers.rows import best_row, mean_rows

if TYPE_CHECKING:
    from utils.cli.layers_run import Measured
    from utils.cli.run import Run

AT = ("layer", "pooling", "figure")
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


def report_ranking(run: Run, measured: Measured, pairs: Mapping[str, Pair], against: Numbers | None) -> None:
    """Print the languages' ranks at the layer that is the best on average, and write the rankings at all layers.

    The best layer is that with the greatest mean of the measure's metric. What is printed are the languages that were
    asked for; the files have those of earlier commands as well. `against` has numbers whose order is compared with that
    of each figure.
    """
    best = best_row(mean_rows(measured.rows, measured.measure.metric), measured.measure.metric)
    place, seed = (best["layer"], best["pooling"]), run.store.identity.of("")["seed"]
    whole, asked = compared_languages(run, measured, pairs)
    if len(asked.rows) < 2:
        return
    others = against.of(whole.rows) if against else {}
    rankings = whole.rankings(seed)
    shown = rankings if len(asked.rows) == len(whole.rows) else asked.rankings(seed)
    what = f"languages by their likeness to {whole.pivot}" if whole.pivot else "pairs of languages by their likeness"
    print(f"{what} at layer {place[0]}, pooling {place[1]}: ranks with 95 % intervals")
    print(ranks_table(shown[place], others, against.title if against else ""))
    path = _write_ranking(measured.folder, whole, rankings)
    print(f"rankings at each layer{_more(whole, asked)}: {path}")
    if against:
        lines = asked.agreements(others, seed)
        of_all = lines if shown is rankings else whole.agreements(others, seed)
        path = _write_agreement(measured.folder, whole.pivot, against.title, of_all)
        absent = [lang for lang in asked.rows if lang not in others]
        if report_agreement(lines, against.title, absent, place):
            print(f"correlations at each layer{_more(whole, asked)}: {path}")


def _more(whole: Compared, asked: Compared) -> str:
    """Return what a file has beyond what is printed."""
    n = len(whole.rows)
    return f", of all {counted(n, 'language')} in the folder" if n > len(asked.rows) else ""


def _write_ranking(folder: Path, of: Compared, rankings: Mapping[Place, Mapping[str, Sequence[Ranked]]]) -> Path:
    header = ("pivot", *AT, *(field.name for field in dataclasses.fields(Ranked)))
    lines = [
        [of.pivot, *place, name, *vars(one).values()]
        for place, by_figure in rankings.items()
        for name, found in by_figure.items()
        for one in found
    ]
    add_to_table(folder / RANKING, header, lines, own=("pivot",), same=(*AT, "lang", "value"))
    return folder / RANKING


def _write_agreement(folder: Path, pivot: str, title: str, lines: Sequence[Sequence[Any]]) -> Path:
    header = ("pivot", "against", *AT, *CORRELATION)
    own = header[:2]
    add_to_table(folder / AGREEMENT, header, [[pivot, title, *line] for line in lines], own=own, same=header[2:])
    return folder / AGREEMENT


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


def report_agreement(lines: Sequence[Sequence[Any]], title: str, absent: Sequence[str], shown: Place) -> bool:
    """Print the correlations at one layer; return whether there are any."""
    from tabulate import tabulate

    if absent:
        note(f"no {title} of {', '.join(absent[:SHOWN])}{' ...' if len(absent) > SHOWN else ''}")
    if all(line[4] is None for line in lines):
        warn(f"no correlation with {title}: it takes {FEWEST} languages, and numbers that differ")
        return False
    print(f"Spearman's correlation with {title}, layer {shown[0]}, pooling {shown[1]}, 95 % interval")
    at_layer = [line[2:] for line in lines if tuple(line[:2]) == shown]
    print(tabulate(at_layer, ["figure", *CORRELATION], floatfmt=".3f"))
    return True
