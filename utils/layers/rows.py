"""Rows of records of layers: which is the best, what two models differ in, and the table that a CSV file has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from utils.data.csv_text import csv_text
from utils.layers.measures import Measure

Row = Mapping[str, Any]  # as utils/layers/__init__.py describes it
PLACE = ("layer", "depth", "pooling")
ITEMS = "items"  # the metric's value of each item (n,), which rows have until they are logged


def place_row(layer: int, deepest: int, pooling: str | None, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of one layer and pooling of a model with `deepest` layers."""
    return {"layer": layer, "depth": layer / deepest if deepest else 0.0, "pooling": pooling, **figures}


def best_row(rows: Sequence[Row], metric: str) -> Row:
    """Return the row with the greatest value; of equal ones the first layer's. Rows without the value are left out."""
    return max((row for row in rows if row[metric] is not None), key=lambda row: (row[metric], -row["layer"]))


def last_row(rows: Sequence[Row], metric: str) -> Row:
    """Return the best row of the last layer that was measured."""
    last = max(row["layer"] for row in rows if row[metric] is not None)
    return best_row([row for row in rows if row["layer"] == last], metric)


def held_out(rows: Sequence[Row]) -> float | None:
    """Return the mean of the items, each half of which is measured at the place that is best on the other half.

    The halves are the items of even and of odd number. Unlike the best row's metric, it is not raised by the choice of
    the row on the items that it is measured on. Returns None where rows have no items, or one item alone.
    """
    values = [row.get(ITEMS) for row in rows]
    if any(each is None or len(each) < 2 for each in values):
        return None
    halves = [[each[start::2] for each in values if each is not None] for start in (0, 1)]
    total = 0.0
    for chosen_on, measured in (halves, halves[::-1]):
        means = [float(each.mean()) for each in chosen_on]
        total += float(measured[means.index(max(means))].sum())
    return total / sum(len(half[0]) for half in halves)


def mean_rows(by_subset: Mapping[str, Sequence[Row]], metric: str) -> list[dict[str, Any]]:
    """Return the mean of a figure over subsets for each layer and pooling that all of them have."""
    values: dict[tuple[Any, ...], list[float]] = {}
    for rows in by_subset.values():
        for row in rows:
            if row[metric] is not None:
                values.setdefault(tuple(row[name] for name in PLACE), []).append(row[metric])
    whole = {place: each for place, each in values.items() if len(each) == len(by_subset)}
    return [{**dict(zip(PLACE, place, strict=True)), metric: sum(each) / len(each)} for place, each in whole.items()]


def differences(first: Sequence[Row], second: Sequence[Row], measure: Measure) -> list[dict[str, Any]]:
    """Return a row for each place that two models have: the figures of both as `<name>_a` and `_b`, and b - a."""
    others = {(row["layer"], row["pooling"]): row for row in second}
    found = []
    for row in first:
        other = others.get((row["layer"], row["pooling"]))
        if other is None:
            continue
        both: dict[str, Any] = {name: row[name] for name in PLACE}
        for name in measure.figures:
            a, b = row.get(name), other.get(name)
            both |= {f"{name}_a": a, f"{name}_b": b, f"{name}_difference": None if a is None or b is None else b - a}
        found.append(both)
    return found


def as_csv(by_subset: Mapping[str, Sequence[Row]], about: Mapping[str, str], columns: Iterable[str]) -> bytes:
    """Return a table of the rows of all subsets: what they are about, the subset, the place, then the columns."""
    names = list(columns)
    lines = (
        [*about.values(), subset, *(row.get(name) for name in (*PLACE, *names))]
        for subset, rows in by_subset.items()
        for row in rows
    )
    return csv_text([[*about, "subset", *PLACE, *names], *lines]).encode()
