"""Projections to a plane, and the neighbour purity in the original space."""

from __future__ import annotations

import numpy as np
import pytest

from utils.errors import UserError
from utils.layers.projection import fitting_neighbors, fitting_perplexity, project
from utils.retrieval import neighbour_purity


def test_points_on_a_line_are_one_component() -> None:
    rows = np.outer([0.0, 1.0, 3.0], [0.6, 0.0, 0.8]).astype(np.float32)
    found = project(rows, "pca", 0)
    assert found.about == {"explained_variance": [1.0, 0.0]}
    assert np.abs(np.diff(found.xy[:, 0])) == pytest.approx([1.0, 2.0], abs=1e-6)
    assert found.xy[:, 1] == pytest.approx(0.0, abs=1e-6)


def silent(message: str) -> None:
    """Take a note and print nothing."""


def three_crowds() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(3, 60), 20, axis=0) + 0.05 * rng.normal(size=(60, 60))
    rows[1] = rows[0]  # two equal texts
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowds_stay(xy: np.ndarray) -> bool:
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=2) + 1e9 * np.eye(len(xy))
    return bool((distances.argmin(axis=1) // 20 == np.arange(60) // 20).all())


def test_tsne_keeps_crowds_and_gives_the_same_points_each_time() -> None:
    told: list[str] = []
    first, second = (project(three_crowds(), "tsne", 3, note=told.append) for _ in range(2))
    assert np.isfinite(first.xy).all() and crowds_stay(first.xy)
    assert first.xy.tobytes() == second.xy.tobytes() and first.about == second.about
    assert first.about["perplexity"] == pytest.approx(59 / 3) and first.about["reduced_to"] == 50
    assert told[0] == "perplexity 19.6667 in place of 30: there are 60 texts"


def test_umap_keeps_crowds() -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    told: list[str] = []
    assert crowds_stay(project(three_crowds(), "umap", 3, n_neighbors=10, note=told.append).xy)
    assert len(told) == 1 and "compiles" in told[0]


def test_settings_that_the_number_of_texts_does_not_allow() -> None:
    assert fitting_perplexity(1000, None, silent) == 30 and fitting_perplexity(10, 9.5, silent) == 9.5
    with pytest.raises(UserError, match="--perplexity 10, but there are 10 texts"):
        fitting_perplexity(10, 10, silent)
    with pytest.raises(UserError, match="--n_neighbors 10, but there are 10 texts"):
        fitting_neighbors(10, 10, silent)
    with pytest.raises(UserError, match="3 texts for t-SNE"):
        project(three_crowds()[:3], "tsne", 0)
    with pytest.raises(UserError, match="all 2 texts have the same vector"):
        project(three_crowds()[:2], "pca", 0)


def test_purity_by_hand() -> None:
    angles = np.deg2rad([0, 10, 30, 35, 180])
    rows = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    near = neighbour_purity.nearest_others(rows, 2)
    assert near.tolist() == [[1, 2], [0, 2], [3, 1], [2, 1], [3, 2]]
    # a: 0, 1, 4 with two others each, of whom 1/2, 1/2, 0/2 are near; b: 2, 3 with one other each, the nearest: 1, 1
    told = neighbour_purity.neighbour_purity(near, ["a", "a", "b", "b", "a"])
    assert told == {"share": pytest.approx(3 / 5), "chance": pytest.approx((3 * 2 / 4 + 2 * 1 / 4) / 5), "n": 5}
    assert neighbour_purity.neighbour_purity(near, ["a", "b", "c", None, None]) is None


def test_a_row_among_many_equal_ones_is_not_its_own_neighbour() -> None:
    near = neighbour_purity.nearest_others(np.tile(np.float32([[1, 0]]), (6, 1)), 2)
    assert near.shape == (6, 2) and not (near == np.arange(6)[:, None]).any()
