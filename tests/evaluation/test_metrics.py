"""Metrics and intervals: hand-worked numbers, and scikit-learn on random ones."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from utils.evaluation import metrics, stats
from utils.evaluation.scores import bitext_figures, join_directions


def test_the_original_measure_by_hand() -> None:
    gold = np.array([0, 1, 2, 3])
    retrieved = np.array([[0, 1], [0, 1], [3, 0], [3, 2]])
    assert metrics.predict_at_k(gold, retrieved, 1).tolist() == [0, 0, 3, 3]
    assert metrics.predict_at_k(gold, retrieved, 2).tolist() == [0, 1, 3, 3]
    items = metrics.item_scores(gold, np.array([0, 0, 3, 3]))
    # class 0: P 1/2 R 1 F1 2/3; class 1 and 2: nothing; class 3: P 1/2 R 1 F1 2/3
    assert {name: item.mean() for name, item in items.items()} == {
        "acc": 0.5,
        "prec": 0.25,
        "rec": 0.5,
        "f1": pytest.approx(1 / 3),
    }


@pytest.mark.parametrize("seed", range(5))
def test_item_means_equal_scikit_learn(seed: int) -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 40, 200)
    hyp = np.where(rng.random(200) < 0.6, gold, rng.integers(0, 60, 200))
    ours = {name: item.mean() for name, item in metrics.item_scores(gold, hyp).items()}
    prec, rec, f1, _ = precision_recall_fscore_support(gold, hyp, average="weighted", zero_division=0)
    assert [ours[name] for name in ("acc", "prec", "rec", "f1")] == pytest.approx(
        [accuracy_score(gold, hyp), prec, rec, f1], abs=1e-12
    )


def test_reciprocal_ranks_by_hand() -> None:
    gold, retrieved = np.array([5, 6, 7]), np.array([[5, 1, 2], [1, 2, 6], [1, 2, 3]])
    assert metrics.reciprocal_ranks(gold, retrieved, 3).tolist() == [1, pytest.approx(1 / 3), 0]
    assert metrics.reciprocal_ranks(gold, retrieved, 2).tolist() == [1, 0, 0]


def test_duplicates_by_hand() -> None:
    ids = metrics.text_ids(["yes", "no", "yes", "yes"])
    assert ids.tolist() == [0, 1, 0, 0]
    gold, retrieved = np.arange(4), np.array([[0], [0], [0], [1]])
    assert metrics.dedup_hits(gold, retrieved, ids, 1).tolist() == [True, False, True, False]
    # to a perfect encoder the three equal texts tie, and the lowest index is ranked first
    assert metrics.ceiling_hyps(gold, ids, 1).tolist() == [0, 1, 0, 0]
    assert metrics.ceiling_hyps(gold, ids, 2).tolist() == [0, 1, 2, 0]
    figures = bitext_figures(gold, np.array([[0], [1], [0], [0]]), ids, 1, seed=1)
    assert figures.metrics["acc"] == figures.metrics["ceiling"] == 0.5
    assert figures.metrics["acc_dedup"] == 1.0
    assert figures.metrics["f1"] == figures.metrics["ceiling_f1"] == pytest.approx((2 / 4 + 1) / 4)


def test_a_perfect_encoder_reaches_exactly_the_ceiling() -> None:
    from utils.retrieval.topk import topk

    texts = [str(number % 7) for number in range(30)]
    rows = np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32)[[int(text) for text in texts]]
    ids = metrics.text_ids(texts)
    for k in (1, 2, 5):
        figures = bitext_figures(np.arange(30), topk(rows, rows, 5).indices, ids, k, seed=1)
        assert figures.metrics["acc"] == figures.metrics["ceiling"] == min(1, (7 * k) / 30)
        assert figures.metrics["f1"] == pytest.approx(figures.metrics["ceiling_f1"])


def test_a_record_of_two_directions_has_both_and_their_mean() -> None:
    gold, ids = np.arange(4), np.arange(4)
    forward = bitext_figures(gold, np.array([[0], [1], [2], [0]]), ids, 1, seed=1)
    backward = bitext_figures(gold, np.array([[0], [0], [0], [0]]), ids, 1, seed=1)
    values, ci95 = join_directions({"forward": forward, "backward": backward}, seed=1)
    assert (values["acc"], values["acc_backward"], values["acc_mean"]) == (0.75, 0.25, 0.5)
    assert values["f1_mean"] == pytest.approx((values["f1"] + values["f1_backward"]) / 2)
    assert ci95["acc_mean"][0] <= 0.5 <= ci95["acc_mean"][1]
    assert join_directions({"backward": backward}, seed=1)[0]["acc"] == 0.25


def test_wilson_interval_by_hand() -> None:
    # (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) for 8 of 10, z = 1.959964
    assert stats.wilson(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-6)
    assert stats.wilson(0, 5)[0] == 0.0 and stats.wilson(5, 5)[1] == 1.0


def test_wilson_interval_equals_scipys_to_the_last_digit() -> None:
    from scipy.stats import binomtest

    for n in (1, 2, 7, 204, 1000, 2974):
        for hits in {0, 1, n // 3, n // 2, n - 1, n}:
            expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
            assert stats.wilson(hits, n) == (expected.low, expected.high)


@pytest.mark.parametrize("n", [1, 30, 204, 301, 1000, 2001, 3000])
def test_means_of_resamples_equal_one_matrix_product_to_the_last_digit(n: int) -> None:
    values = np.random.default_rng(0).random(n)
    np.testing.assert_array_equal(stats.mean_draws(values, 42), stats.resample_counts(n, 42) @ values / n)


def test_scoring_does_not_import_scipy() -> None:
    code = """
import sys
import numpy as np
from utils.evaluation.scores import bitext_figures, label_figures
gold = np.arange(20)
bitext_figures(gold, np.stack([gold, gold[::-1]], axis=1), gold, 2, 42)
label_figures(gold % 3, gold % 2, ["a", "b", "c"], gold % 3, 42)
assert not {"scipy", "sklearn", "torch"} & set(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_bootstrap_interval_holds_the_mean_and_has_the_known_width() -> None:
    values = np.random.default_rng(0).random(2000)
    low, high = stats.bootstrap_mean(values, 42)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 2000**0.5, rel=0.1)
    assert stats.bootstrap_mean(values, 42) == (low, high) != stats.bootstrap_mean(values, 43)


def test_the_f1_interval_contains_the_f1_where_many_predictions_collide() -> None:
    gold = np.arange(600)
    hyp = np.where(gold % 3 == 0, gold, (gold * 7) % 600)
    f1 = metrics.item_scores(gold, hyp)["f1"]
    low, high = stats.bootstrap_mean(f1, 42)
    assert low < f1.mean() < high
