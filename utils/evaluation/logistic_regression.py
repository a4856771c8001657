"""Classification by logistic regression on a few training texts of each label, as mteb evaluates encoders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from utils.schema import Rows

Ints = npt.NDArray[np.int64]


def regression_figures(
    train: Rows, train_labels: Ints, test: Rows, gold: Ints, how: Mapping[str, Any]
) -> dict[str, float]:
    """Return the mean accuracy and macro F1 of logistic regressions on samples of the training texts.

    train (m, d) and test (n, d) are vectors, train_labels (m,) and gold (n,) whole numbers in the order of mteb's
    labels. how: `samples_per_label`, the number of `experiments`, and the `seed`. It is scikit-learn's regression with
    at most 100 iterations on the vectors as they are, the figures those of mteb (Muennighoff et al. 2023).
    """
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score

    values = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 100 iterations may not converge, and a label may never be predicted
        for rows in samples(train_labels.tolist(), how["samples_per_label"], how["experiments"], how["seed"]):
            model = LogisticRegression(max_iter=100, random_state=how["seed"])
            found = model.fit(train[rows], train_labels[rows]).predict(test)
            values.append((accuracy_score(gold, found), f1_score(gold, found, average="macro")))
    accuracy, f1 = np.mean(values, axis=0)
    return {"logreg_acc": float(accuracy), "logreg_f1": float(f1)}


def samples(labels: Sequence[int], per_label: int, experiments: int, seed: int) -> list[list[int]]:
    """Return the numbers of the training texts of each experiment: the first of each label in an order that is drawn.

    As in mteb, each experiment shuffles the order of the one before it by the same draw.
    """
    order, chosen = list(range(len(labels))), []
    for _ in range(experiments):
        np.random.RandomState(seed).shuffle(order)
        counts, rows = Counter[int](), []
        for row in order:
            if counts[labels[row]] < per_label:
                rows.append(row)
                counts[labels[row]] += 1
        chosen.append(rows)
    return chosen
