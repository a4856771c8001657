"""Choosing an ensemble's weights on validation data: a grid over the simplex, every point of it logged; pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

TENTHS, FIFTHS = 10, 5  # steps of the grid: for two members, for more


def weight_grid(n_members: int) -> list[tuple[float, ...]]:
    """Return all weights that sum to 1 in steps of 0.1 (two members) or 0.2 (more), zeros included."""
    steps = TENTHS if n_members == 2 else FIFTHS
    points = itertools.product(range(steps + 1), repeat=n_members)
    return [tuple(part / steps for part in point) for point in points if sum(point) == steps]


def tune(
    n_members: int, evaluate: Callable[[Sequence[float]], float]
) -> tuple[tuple[float, ...], list[dict[str, Any]]]:
    """Return the weights of the highest validation score, and the whole grid with its scores.

    Of equal scores the weights nearest to equal ones win, then the first in the grid's order.
    """
    grid: list[dict[str, Any]] = [
        {"weights": list(weights), "score": evaluate(weights)} for weights in weight_grid(n_members)
    ]
    equal = 1 / n_members
    best = max(grid, key=lambda point: (point["score"], -sum((weight - equal) ** 2 for weight in point["weights"])))
    return tuple(best["weights"]), grid
