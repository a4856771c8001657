"""Which figures are marked, by p-values worked by hand, and what is said where nothing can be tested."""

from __future__ import annotations

import json
from pathlib import Path

import made_records as made
import numpy as np
import pytest
from conftest import Run
from sklearn.metrics import f1_score, precision_score

from utils.evaluation import permutation, stats

BITEXT = "script/aggregate/aggregate_bitext_mining.py"
LABELS = "script/aggregate/aggregate_classification.py"


def cells(text: str, field: str = "bold") -> dict[tuple[str, str], object]:
    return {(row["model"], row["column"]): row.get(field) for row in json.loads(text)}


def test_the_p_values_are_those_worked_by_hand(run: Run, tmp_path: Path) -> None:
    made.log_code_switching(tmp_path / "logs")
    done = run(BITEXT, "--seed", "1", "--metric", "acc", "--bold", "significant", "--format", "json")
    found = cells(done.stdout, "p_holm")
    # 4 and 12 items that LaBSE alone has: McNemar 2 / 2^4 and 2 / 2^12, the smaller one times 2
    assert found[made.E5, "lince_mt"] == pytest.approx(0.125)
    assert found[made.ODD, "lince_mt"] == pytest.approx(2 * 2 / 4096)
    # of the mean over both sets: 5 items, all LaBSE's, 2 / 2^5
    assert found[made.E5, "CS"] == pytest.approx(0.0625)
    assert found[made.LABSE, "CS"] is None
    bold = cells(done.stdout)
    assert bold[made.LABSE, "lince_mt"] and bold[made.E5, "lince_mt"] and not bold[made.ODD, "lince_mt"]
    assert bold[made.E5, "CS"] and not bold[made.ODD, "CS"]
    both = cells(run(BITEXT, "--seeds", "all", "--bold", "significant", "--format", "json").stdout, "p_holm")
    # over both seeds 6 items: two differ twice, four once, all LaBSE's: 2 / 2^6
    assert both[made.E5, "lince_mt"] == pytest.approx(2 / 64)


def test_holm_counts_the_rows_that_are_shown(run: Run, tmp_path: Path) -> None:
    for model, right in (("org/a", 10), ("org/b", 4), ("org/c", 4)):  # 6 items that a alone has: p 2 / 64
        made.log_bitext(tmp_path / "logs", "phinc", model, right, 20, 42)
    of_three = cells(run(BITEXT, "--bold", "significant", "--format", "json").stdout)
    assert of_three["org/b", "phinc"] and of_three["org/c", "phinc"]  # 2 * 2 / 64 is above 0.05
    done = run(BITEXT, "--bold", "significant", "--format", "json", "--models", "org/a", "org/b")
    assert cells(done.stdout)["org/b", "phinc"] is False  # 2 / 64 is not


def test_figures_that_are_equal_as_shown_are_all_best_and_gaps_are_none(run: Run, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    made.log_bitext(logs, "phinc", "org/a", 33334, 100000, 42)
    made.log_bitext(logs, "phinc", "org/b", 33333, 100000, 42)  # 33.33 as well
    made.log_bitext(logs, "phinc", "org/c", 33324, 100000, 42)
    made.log_bitext(logs, "nusax", "org/c", 9, 10, 42, subset="eng_ace")
    done = run(BITEXT, "--bold", "best", "--format", "json")
    assert cells(done.stdout) == {
        ("org/a", "phinc"): True,
        ("org/b", "phinc"): True,
        ("org/c", "phinc"): False,
        ("org/c", "nusax"): None,
    }
    assert "note: nusax: no complete cell" in done.stderr


def test_what_cannot_be_tested_leaves_only_the_best(run: Run, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for model, right in (("org/a", 10), ("org/b", 9)):
        made.log_bitext(logs, "phinc", model, right, 20, 42)
    without = made.log_bitext(logs, "lince_mt", "org/a", 10, 20, 42)
    made.log_bitext(logs, "lince_mt", "org/b", 9, 20, 42)
    without.with_name(f"{without.stem}_preds.json").unlink()
    done = run(BITEXT, "--bold", "significant")
    table = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith("org/")}
    assert table == {"org/a": ["*50.00", "*50.00", "*50.00"], "org/b": ["45.00", "*45.00", "45.00"]}
    assert (
        "lince_mt, CS: only the highest is marked, as org/a (A) and org/b (B) cannot be paired: there is no "
        in done.stdout
    )
    other = run(BITEXT, "--bold", "significant", "--metric", "mrr")
    assert "cannot be paired: predictions do not give the mrr of each item" in other.stdout
    made.log_bitext(logs, "phinc", "org/b", 9, 19, 42)
    shorter = run(BITEXT, "--bold", "significant", "--format", "csv")
    assert "note: phinc" in shorter.stderr and "A has 20 items, B has 19" in shorter.stderr


def test_macro_figures_are_tested_by_swapping_predictions(run: Run, tmp_path: Path) -> None:
    made.log_languages(tmp_path / "logs")
    flags = ["--dataset", "mine", "--by", "lang", "--bold", "significant", "--metric", "f1", "--format", "json"]
    found = cells(run(LABELS, *flags).stdout, "p_holm")
    # of 12 items 4 differ, all of which a has right: 2 / 2^4; in swh all 12
    assert found["org/b", "eng"] == pytest.approx(0.125, abs=0.015)
    assert found["org/b", "swh"] == pytest.approx(2 / 4096, abs=0.0004)
    whole = cells(run(LABELS, "--bold", "significant", "--metric", "f1", "--format", "json").stdout, "p_holm")
    assert whole["org/b", "mine"] == pytest.approx(2 / 4096, abs=0.0004)  # one gold: swapped together, 12 items


@pytest.mark.parametrize("metric", ["f1", "prec", "rec"])
def test_a_swapped_macro_figure_is_that_of_the_swapped_predictions(metric: str) -> None:
    rng = np.random.default_rng(0)
    gold, a, b = (rng.integers(0, 4, 40) for _ in range(3))
    gold[gold == 3] = 0  # a label that only predictions have
    a[:2] = -1
    statistic = permutation.macro_of(gold, (a, b), 4, metric, 1.0)
    swapped = rng.integers(0, 2, (5, 40)).astype(bool)

    def figure(hyp: np.ndarray) -> float:
        if metric == "f1":
            return float(f1_score(gold, hyp, labels=[0, 1, 2], average="macro", zero_division=0))
        if metric == "prec":
            return float(precision_score(gold, hyp, labels=[0, 1, 2], average="macro", zero_division=0))
        return float(np.mean([(hyp[gold == label] == label).mean() for label in (0, 1, 2)]))

    expected = [figure(np.where(row, b, a)) - figure(np.where(row, a, b)) for row in swapped]
    assert statistic(swapped) == pytest.approx(expected)


def test_swaps_of_means_give_the_p_of_sign_flips() -> None:
    differences = np.array([0.5, 0.25, -0.25, 1.0, 0.0, 0.75])
    exact = stats.paired_permutation(differences, 1)
    assert permutation.p_of_swaps([(6, [permutation.sum_of(differences)])], 1) == pytest.approx(exact, abs=0.01)
    halves = [(3, [permutation.sum_of(differences[:3])]), (3, [permutation.sum_of(differences[3:])])]
    assert permutation.p_of_swaps(halves, 2) == pytest.approx(exact, abs=0.01)
    assert permutation.p_of_swaps([(6, [permutation.sum_of(differences), permutation.sum_of(-differences)])], 1) == 1.0
