"""Precision, recall and F1 of mined pairs against known ones, by threshold, after the protocol of BUCC.

The best threshold is chosen on the sources of one half and measured on those of the other (Zweigenbaum, Sharoff and
Rapp 2018, *Overview of the Third BUCC Shared Task*). Pairs that are not in the gold file count as wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError, counted
from utils.mining.gold_files import read_pairs
from utils.mining.pairing import MinedPairs
from utils.mining.text_store import SEVERAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from utils.mining.text_store import TextStore

    Bools = npt.NDArray[np.bool_]
    Sides = tuple[dict[str, int], dict[str, int]]  # the places of the ids of the sources, and of the targets

POINTS = 400  # of the curve, at most
FEW = 0.05  # share of the known pairs below which a mining finds almost none of them
SHOWN, SHOWN_CHARACTERS = 3, 60  # unknown ids that a message names, and the beginning of each


@dataclass(frozen=True)
class Gold:
    """Known pairs as places in the texts that were kept: a set of (source, target), and how many there are in all.

    n: with those whose texts cleaning dropped, which cannot be found. sources: the place of each pair's source, -1
    where it was dropped (n,).
    """

    pairs: frozenset[tuple[int, int]]
    sources: npt.NDArray[np.int64]
    n: int


@dataclass(frozen=True)
class Figures:
    """Precision, recall and F1 in percent of the pairs with a score of at least `threshold`."""

    threshold: float
    precision: float
    recall: float
    f1: float
    pairs: int
    right: int


@dataclass(frozen=True)
class Curve:
    """Figures at descending thresholds (t,): how many pairs reach each (t,), and how many of them are right (t,).

    There can be as many as pairs, so the figures of one are made when they are asked for.
    """

    thresholds: npt.NDArray[np.float32]
    pairs: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    n_gold: int

    def __len__(self) -> int:
        """Return the number of thresholds."""
        return len(self.thresholds)

    def __getitem__(self, at: int) -> Figures:
        """Return the figures at a threshold."""
        return _figures(float(self.thresholds[at]), int(self.pairs[at]), int(self.right[at]), self.n_gold)

    def __iter__(self) -> Iterator[Figures]:
        """Yield the figures at each threshold."""
        return (self[at] for at in range(len(self)))


@dataclass(frozen=True)
class GoldReport:
    """The best figures on all sources, those on one half at the threshold chosen on the other, and the curve."""

    best: Figures
    chosen: Figures  # on the half on which the threshold is chosen
    measured: Figures  # on the other half, at this threshold
    curve: list[Figures]
    n_gold: int
    n_dropped: int

    def as_json(self) -> dict[str, Any]:
        """Return all figures as JSON has them; the threshold of no pair is null."""
        found = dataclasses.asdict(self)
        for one in ("best", "chosen", "measured"):
            if not np.isfinite(found[one]["threshold"]):
                found[one]["threshold"] = None
        return found


def read_gold(path: Path, source: TextStore, target: TextStore) -> Gold:
    """Return the pairs of a file of ids: two columns of a Parquet file, or two fields of tab-separated lines.

    Either column may be that of the sources. Raises UserError for ids that neither collection has, and for those that
    several texts have.
    """
    rows = _read_ids(path)
    wanted = [{row[side] for row in rows} for side in (0, 1)]
    usual = source.places(wanted[0]), target.places(wanted[1])
    if len(usual[0]) < len(wanted[0]) or len(usual[1]) < len(wanted[1]):
        swapped = source.places(wanted[1]), target.places(wanted[0])
        if sum(map(len, swapped)) > sum(map(len, usual)):
            rows, usual, wanted = [row[::-1] for row in rows], swapped, wanted[::-1]
    _check_ids(path.name, rows, wanted, usual)
    places = {(usual[0][first], usual[1][second]) for first, second in rows}
    is_there = {pair for pair in places if min(pair) >= 0}
    dropped = sum(min(usual[0][first], usual[1][second]) < 0 for first, second in set(rows))
    sources = np.array([*(pair[0] for pair in sorted(is_there)), *[-1] * dropped], dtype=np.int64)
    return Gold(frozenset(is_there), sources, len(sources))


def _check_ids(name: str, rows: list[tuple[str, str]], wanted: list[set[str]], places: Sides) -> None:
    """Raise UserError for ids that a collection does not have, or has for several texts."""
    unknown = [sorted(ids - set(known)) for ids, known in zip(wanted, places, strict=True)]
    is_header = all(len(ids) <= 1 and row in ids for ids, row in zip(unknown, rows[0], strict=True))
    hint = "line 1 looks like a header: remove it" if is_header else "check the files, and the columns of the ids"
    for side, ids in zip(("source", "target"), unknown, strict=True):
        if ids:
            what = f"{name} has {counted(len(ids), 'id')} that the {side} collection does not have"
            raise UserError(f"{what}: {_shown(ids)}", hint)
    for side, known in zip(("source", "target"), places, strict=True):
        if several := sorted(key for key, place in known.items() if place == SEVERAL):
            what = f"{counted(len(several), 'id')} of {name} {'stands' if len(several) == 1 else 'stand'} for several"
            hint = "give each text an id of its own, and name their column with --id_column"
            raise UserError(f"{what} texts of the {side} collection: {_shown(several)}", hint)


def _shown(ids: Sequence[str]) -> str:
    return ", ".join(key[:SHOWN_CHARACTERS] for key in ids[:SHOWN])


def check_order(path: Path, pairs: MinedPairs, gold: Gold, source: TextStore, target: TextStore) -> None:
    """Raise UserError where almost no known pair is found, and many are with the columns of the file exchanged.

    Line numbers are ids of both collections, so that they do not tell which column is that of the sources.
    """
    n_right = int(_are_in(pairs, gold.pairs).sum())
    if n_right >= FEW * gold.n:
        return
    rows = _read_ids(path)
    for first, second in ((0, 1), (1, 0)):
        ours, theirs = ([row[side] for row in rows] for side in (first, second))
        places = source.places(set(ours)), target.places(set(theirs))
        known = {(places[0].get(a, -1), places[1].get(b, -1)) for a, b in zip(ours, theirs, strict=True)}
        n_turned = int(_are_in(pairs, known).sum())
        if n_turned >= max(2, 10 * n_right, 2 * FEW * gold.n):
            what = (
                f"{path.name}: {n_right:,} of {counted(gold.n, 'known pair')} found, but {n_turned:,} with its columns"
            )
            raise UserError(f"{what} exchanged", "give the ids of the sources in the first column")


def _read_ids(path: Path) -> list[tuple[str, str]]:
    what, hint = "one field, expected the ids of a source and a target", "separate them by a tab"
    rows = read_pairs(path, lambda line: line.split("\t"), what, hint)
    if not rows:
        raise UserError(f"{path.name} has no pair", "give one pair of ids a line, separated by a tab")
    return rows


def evaluate(pairs: MinedPairs, gold: Gold, n_sources: int, seed: int) -> GoldReport:
    """Return the figures of pairs, which are in descending order of their scores.

    The sources are split into halves at random by the seed, whether or not they are in the gold file; of the pairs
    with a text that cleaning dropped, one half counts as missed in each.
    """
    is_right = _are_in(pairs, gold.pairs)
    curve = figures_by_threshold(pairs.scores, is_right, gold.n)
    half = np.zeros(n_sources, dtype=bool)
    half[np.random.default_rng(seed).permutation(n_sources)[: n_sources // 2]] = True
    dropped = int((gold.sources < 0).sum())
    n_first = int(half[gold.sources[gold.sources >= 0]].sum())
    in_half = half[pairs.sources]
    chosen = best_of(figures_by_threshold(pairs.scores[in_half], is_right[in_half], n_first + dropped // 2))
    n_second = gold.n - n_first - dropped // 2
    measured = figures_at(chosen.threshold, pairs.scores[~in_half], is_right[~in_half], n_second)
    return GoldReport(best_of(curve), chosen, measured, _points_of(curve), gold.n, dropped)


def _are_in(pairs: MinedPairs, known: Set[tuple[int, int]]) -> Bools:
    """Return which pairs (p,) are among known ones, of which those with a negative place are none."""
    there = [pair for pair in known if min(pair) >= 0]
    sources, targets = np.array(there, dtype=np.int64).reshape(-1, 2).T
    width = 1 + max(int(targets.max(initial=0)), int(pairs.targets.max(initial=0)))
    found: Bools = np.isin(pairs.sources * width + pairs.targets, sources * width + targets)
    return found


def _points_of(curve: Curve) -> list[Figures]:
    """Return so many points of a curve that a figure shows its course: half of them evenly by rank, half by score."""
    if len(curve) <= POINTS:
        return list(curve)
    scores = -curve.thresholds.astype(np.float64)  # ascending
    by_rank = np.linspace(0, len(curve) - 1, POINTS // 2).astype(np.int64)
    by_score = np.searchsorted(scores, np.linspace(scores[0], scores[-1], POINTS // 2))
    return [curve[at] for at in np.unique(np.concatenate([by_rank, by_score])).tolist()]


def figures_by_threshold(scores: npt.NDArray[np.float32], is_right: Bools, n_gold: int) -> Curve:
    """Return the figures at each score (p,), which descend, as a threshold; equal scores are one."""
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.empty(0, dtype=np.int64)
    return Curve(scores[last], last + 1, np.cumsum(is_right, dtype=np.int64)[last], n_gold)


def figures_at(threshold: float, scores: npt.NDArray[np.float32], is_right: Bools, n_gold: int) -> Figures:
    """Return the figures of the pairs with at least this score."""
    is_kept = scores >= np.float32(threshold)
    return _figures(threshold, int(is_kept.sum()), int(is_right[is_kept].sum()), n_gold)


def best_of(curve: Curve) -> Figures:
    """Return the figures with the greatest F1, of equal ones those of the highest threshold."""
    if not len(curve):
        return Figures(float("inf"), 0.0, 0.0, 0.0, 0, 0)
    return curve[int(np.argmax(2 * curve.right / np.maximum(curve.pairs + curve.n_gold, 1)))]


def _figures(threshold: float, n_pairs: int, right: int, n_gold: int) -> Figures:
    precision, recall = right / max(n_pairs, 1), right / max(n_gold, 1)
    f1 = 2 * right / max(n_pairs + n_gold, 1)
    return Figures(threshold, 100 * precision, 100 * recall, 100 * f1, n_pairs, right)
