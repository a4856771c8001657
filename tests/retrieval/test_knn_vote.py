"""k-NN votes and label metrics: worked by hand, and compared with scikit-learn on random labels."""

from __future__ import annotations

import numpy as np
import pytest

from utils.evaluation import metrics, stats
from utils.evaluation.scores import label_figures
from utils.retrieval.knn_vote import vote


def test_majority_by_hand_with_ties_to_the_nearest() -> None:
    labels = np.array([[2, 1, 1, 0], [2, 1, 2, 1], [0, 1, 2, 1], [3, 2, 1, 0]])
    scores = np.ones(labels.shape, dtype=np.float32)
    assert vote(labels, scores, 4).tolist() == [1, 2, 1, 3]
    assert vote(labels[:, :1], scores[:, :1], 4).tolist() == [2, 2, 0, 3]


def test_weighted_votes_use_similarities_or_distances() -> None:
    labels = np.array([[0, 1, 1]])
    assert vote(labels, np.array([[0.9, 0.4, 0.4]], dtype=np.float32), 2, weighted=True).tolist() == [0]
    assert vote(labels, np.array([[0.9, 0.5, 0.5]], dtype=np.float32), 2, weighted=True).tolist() == [1]
    assert vote(labels, np.array([[0.5, -0.9, 0.1]], dtype=np.float32), 2, weighted=True).tolist() == [0]
    # distances 0, 3, 4: 1 against 1/4 + 1/5
    assert vote(labels, np.array([[0, -3, -4]], dtype=np.float32), 2, weighted=True).tolist() == [0]
    assert vote(labels, np.array([[-1, -1, -2]], dtype=np.float32), 2, weighted=True).tolist() == [1]


def test_votes_equal_the_originals_counter() -> None:
    from collections import Counter

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (300, 7))
    expected = [Counter(row).most_common()[0][0] for row in labels.tolist()]
    assert vote(labels, np.ones((300, 7), dtype=np.float32), 4).tolist() == expected


def test_label_figures_by_hand() -> None:
    gold, hyp = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    figures = label_figures(gold, hyp, ["a", "b", "c"], np.array([1, 1, 0, 2]), seed=1)
    # a: P 1 R 1/2 F1 2/3; b: P 1/2 R 1/2 F1 1/2; c is never gold, so it is not in the mean
    assert figures.metrics["acc"] == 0.5
    assert figures.metrics["f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (figures.metrics["prec"], figures.metrics["rec"]) == (0.75, 0.5)
    assert figures.details["confusion"] == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert figures.details["per_label"]["b"] == {"prec": 0.5, "rec": 0.5, "f1": 0.5, "support": 2, "predicted": 2}
    assert figures.metrics["majority_acc"] == 0.5 and figures.metrics["random_acc"] == pytest.approx(1 / 3)
    assert figures.metrics["majority_f1"] == pytest.approx((2 / 3) / 2)  # all b: P 1/2 R 1
    legacy = label_figures(gold, hyp, ["a", "b", "c"], np.array([1]), seed=1, legacy=True)
    assert legacy.metrics["f1"] == pytest.approx((2 / 3 + 1 / 2) / 3)


def test_chance_is_that_of_each_items_own_options() -> None:
    gold, n_options = np.array([0, 2, 3, 1, 2, 3]), np.array([2, 3, 4, 2, 3, 4])
    found = label_figures(gold, np.zeros_like(gold), "1234", gold, seed=0, n_options=n_options).metrics
    assert found["random_acc"] == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)  # 36.11 %
    # expected hits 1/2, 1/2, 2/3, 1/2; drawn 13/6, 13/6, 7/6, 1/2; support 1, 1, 2, 2
    by_label = [2 * 1 / 2 / (1 + 13 / 6)] * 2 + [2 * 2 / 3 / (2 + 7 / 6), 2 * 1 / 2 / (2 + 1 / 2)]
    assert found["random_f1"] == pytest.approx(sum(by_label) / 4)


@pytest.mark.parametrize("seed", range(4))
def test_macro_means_equal_scikit_learn(seed: int) -> None:
    from sklearn.metrics import f1_score, precision_score, recall_score

    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 5, 200)
    hyp = np.where(rng.random(200) < 0.5, gold, rng.integers(0, 7, 200))
    names = [str(n) for n in range(7)]
    legacy = label_figures(gold, hyp, names, gold, seed=1, legacy=True).metrics
    fixed = label_figures(gold, hyp, names, gold, seed=1).metrics
    for name, score in (("prec", precision_score), ("rec", recall_score), ("f1", f1_score)):
        assert legacy[name] == pytest.approx(score(gold, hyp, average="macro", zero_division=0))
        assert fixed[name] == pytest.approx(score(gold, hyp, average="macro", zero_division=0, labels=range(5)))


def test_the_macro_interval_contains_the_figure() -> None:
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 3, 400)
    hyp = np.where(rng.random(400) < 0.7, gold, rng.integers(0, 3, 400))
    kept = metrics.macro_labels(gold, hyp, 3)
    f1 = metrics.label_scores(metrics.confusion(gold, hyp, 3))["f1"].mean()
    low, high = stats.bootstrap_macro(gold, hyp, kept, 42)["f1"]
    assert low < f1 < high and 0.05 < high - low < 0.15


def test_the_random_baseline_equals_random_predictions() -> None:
    rng = np.random.default_rng(0)
    gold = rng.choice(3, 60000, p=[0.6, 0.3, 0.1])
    figures = label_figures(gold, rng.integers(0, 3, 60000), ["a", "b", "c"], gold, seed=1)
    assert figures.metrics["acc"] == pytest.approx(figures.metrics["random_acc"], abs=0.01)
    assert figures.metrics["f1"] == pytest.approx(figures.metrics["random_f1"], abs=0.01)
