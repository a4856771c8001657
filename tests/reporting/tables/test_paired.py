"""Two models compared on hand-made predictions: golden text, formats, what cannot be compared."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from record_files import write_record

from utils.schema import RunRecord

SCRIPT = "script/aggregate/compare.py"
A, B = "org/first", "org/second"
PLAIN: dict[str, Any] = {"task": "bitext", "seed": 42, "similarity": "cosine", "margin": "none", "direction": "forward"}


def log(
    root: Path, model: str, subset: str, gold: Sequence[Any], hyp: Sequence[Any], k: int = 1, **settings: object
) -> Path:
    """Log a record of `mine` whose accuracy is that of its predictions."""
    run = {**PLAIN, "dataset": "mine", "model": model, "subset": subset, **settings}
    acc = sum(one == other for one, other in zip(gold, hyp, strict=True)) / len(gold)
    folder = root / str(sorted(settings.items())) / run["dataset"] / model / "seed_42"
    record = RunRecord({"acc": acc}, {}, len(gold), k, run)
    return write_record(folder, subset, record, {"gold": list(gold), "hyp": list(hyp)})


def wrong_at(n: int, places: Sequence[int]) -> list[int]:
    """Return predictions of gold 0 .. n - 1 that are wrong at these places."""
    return [(index + 1) % n if index in places else index for index in range(n)]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Of eng_aaa A alone has 8 of 20 right, B alone 1, both 6; eng_bbb is a tie with 2 of 10 each; eng_ccc is A's."""
    root = tmp_path / "logs"
    log(root, A, "eng_aaa", range(20), wrong_at(20, range(14, 20)))
    log(root, B, "eng_aaa", range(20), wrong_at(20, [*range(8), *range(15, 20)]))
    log(root, A, "eng_bbb", range(10), wrong_at(10, [0, 1]))
    log(root, B, "eng_bbb", range(10), wrong_at(10, [2, 3]))
    log(root, A, "eng_ccc", range(20), range(20))
    log(root, B, "eng_ccc", range(20), wrong_at(20, range(12)))
    return root


GOLDEN = """\
A: org/first
B: org/second
bitext, acc in %, seed 42, k 1

subset      n       A      B    A - B     95 % interval       p    p (Holm)    odds ratio    detectable
--------  ---  ------  -----  -------  ----------------  ------  ----------  ------------  ------------
eng_aaa    20   70.00  35.00   +35.00   [+6.36, +56.26]  0.0391      0.0781          5.67         39.59
eng_bbb    10   80.00  80.00    +0.00  [-37.25, +37.25]  1.0000      1.0000          1.00         61.58
eng_ccc    20  100.00  40.00   +60.00  [+33.26, +78.12]  0.0005      0.0015         25.00         45.72
mean       50   83.33  51.67   +31.67   [-6.67, +65.00]  0.0116           -             -             -

A wins 2 (1 significant), ties 1, loses 0 (0 significant)
mean difference +31.67 [-6.67, +65.00], p 0.0116 by items, 0.5000 by subsets
"""
OTHER_METRIC = "note: acc is compared; the tables show f1 of mine: --metric f1 compares it\n"


def rows_of(text: str) -> dict[str, dict[str, str]]:
    return {row["subset"]: row for row in csv.DictReader(io.StringIO(text))}


def test_the_golden_comparison(run: Run, logs: Path) -> None:
    done = run(SCRIPT, A, B, "--task", "bitext")
    assert done.returncode == 0 and done.stderr == OTHER_METRIC
    assert done.stdout == GOLDEN


def test_the_figures_are_those_worked_by_hand(run: Run, logs: Path) -> None:
    rows = rows_of(run(SCRIPT, A, B, "--task", "bitext", "--format", "csv").stdout)
    first, tie, last = (rows[f"eng_{name}"] for name in ("aaa", "bbb", "ccc"))
    assert (first["A"], first["B"], first["A - B"]) == ("70.00", "35.00", "+35.00")
    assert first["p"] == "0.0391"  # 2 * (1 + 9) / 512
    assert (first["p (Holm)"], first["odds ratio"]) == ("0.0781", "5.67")  # 2 * .0391; 8.5 / 1.5
    assert (tie["A - B"], tie["p"], tie["p (Holm)"], tie["odds ratio"]) == ("+0.00", "1.0000", "1.0000", "1.00")
    assert (last["p"], last["p (Holm)"], last["odds ratio"]) == ("0.0005", "0.0015", "25.00")  # 2 / 4096, times 3
    # (.70 + .80 + 1.00) / 3 and (.35 + .80 + .40) / 3
    assert (rows["mean"]["n"], rows["mean"]["A"], rows["mean"]["B"]) == ("50", "83.33", "51.67")
    assert rows["mean"]["A - B"] == "+31.67"


def test_swapping_a_and_b_mirrors_everything(run: Run, logs: Path) -> None:
    there, back = (
        json.loads(run(SCRIPT, *models, "--task", "bitext", "--format", "json").stdout) for models in ((A, B), (B, A))
    )
    assert (there["wins"], there["ties"], there["losses"]) == (2, 1, 0)
    assert (back["wins"], back["ties"], back["losses"]) == (0, 1, 2)
    assert (there["significant_wins"], back["significant_losses"]) == (1, 1)
    for one, other in zip(there["subsets"] + there["means"], back["subsets"] + back["means"], strict=True):
        assert one["difference"] == pytest.approx(-other["difference"]) and one["p"] == other["p"]
        assert one["interval"] == pytest.approx([-other["interval"][1], -other["interval"][0]])
        assert one["smallest"] == other["smallest"]


def test_formats_and_output(run: Run, logs: Path, tmp_path: Path) -> None:
    latex = run(SCRIPT, A, B, "--task", "bitext", "--format", "latex").stdout
    assert latex.startswith("% A: org/first\n% B: org/second\n") and r"\toprule" in latex and r"95 \% interval" in latex
    assert "\n|-" in run(SCRIPT, A, B, "--task", "bitext", "--format", "md").stdout
    written = run(SCRIPT, A, B, "--task", "bitext", "--output", "tables/c.txt")
    assert written.stdout == "wrote tables/c.txt\n" and "A wins 2" in (tmp_path / "tables/c.txt").read_text()


def test_parallel_items_are_swapped_together(run: Run, tmp_path: Path) -> None:
    # 4 subsets in which A has the same 3 of 9 more right: three observations, so p is 2 / 8, and by subsets 2 / 16
    for name in ("eng_aaa", "eng_bbb", "eng_ccc", "eng_ddd"):
        log(tmp_path / "logs", A, name, range(9), range(9))
        log(tmp_path / "logs", B, name, range(9), wrong_at(9, [0, 4, 5]))
    mean = json.loads(run(SCRIPT, A, B, "--task", "bitext", "--format", "json").stdout)["means"][0]
    assert (mean["p"], mean["p_subsets"]) == (0.25, 0.125)


def test_f1_of_bitext_is_compared_by_sign_flips(run: Run, tmp_path: Path) -> None:
    # A is right everywhere. B says 1 for gold 0: item 0 has f1 0, item 1 has 2 / 3, so two differences: p 2 / 4
    log(tmp_path / "logs", A, "eng_aaa", range(6), range(6))
    log(tmp_path / "logs", B, "eng_aaa", range(6), [1, 1, 2, 3, 4, 5])
    body = json.loads(run(SCRIPT, A, B, "--task", "bitext", "--metric", "f1", "--format", "json").stdout)
    (line,) = body["subsets"]
    assert line["b"] == pytest.approx((4 + 2 / 3) / 6) and line["p"] == 0.5 and line["odds_ratio"] is None


def test_several_data_sets_have_a_mean_each(run: Run, logs: Path) -> None:
    for model, hyp in ((A, range(10)), (B, wrong_at(10, [0]))):
        log(logs, model, "eng_aaa", range(10), hyp, dataset="other")
    text = run(SCRIPT, A, B, "--task", "bitext", "--format", "csv").stdout
    assert [name for name in rows_of(text) if "mean" in name] == ["mine mean", "other mean", "all mean"]
    only = rows_of(run(SCRIPT, A, B, "--task", "bitext", "--dataset", "other", "--format", "csv").stdout)
    assert list(only) == ["eng_aaa", "mean"]


def test_one_model_in_two_settings(run: Run, logs: Path) -> None:
    log(logs, A, "eng_aaa", range(20), range(20), margin="ratio")
    done = run(SCRIPT, A, A, "--task", "bitext", "--setting", "margin=none", "--setting_b", "margin=ratio")
    assert done.returncode == 0 and "B: org/first (margin=ratio)" in done.stdout and "-30.00" in done.stdout
    assert done.stderr == "note: only A has mine (eng_bbb, eng_ccc)\n" + OTHER_METRIC


def test_labels_and_answers_without_one(run: Run, tmp_path: Path) -> None:
    gold = ["good", "bad", "good", "bad"]
    settings = {"task": "classification", "cross": False, "vote": "majority", "split": "test", "legacy": False}
    log(tmp_path / "logs", A, "eng", gold, gold, **settings)
    log(tmp_path / "logs", B, "eng", gold, ["good", "bad", None, None], **settings)
    rows = rows_of(run(SCRIPT, A, B, "--task", "classification", "--format", "csv").stdout)
    assert (rows["eng"]["B"], rows["eng"]["p"], rows["eng"]["odds ratio"]) == ("50.00", "0.5000", "5.00")


def test_rows_of_in_context_learning_are_named_as_in_the_table(run: Run, tmp_path: Path) -> None:
    gold = ["good", "bad", "good", "bad"]
    for k, hyp in ((0, ["bad"] * 4), (1, gold)):
        generator = {"name": "org/gen", "kind": "base", "quantization": ""}
        log(tmp_path / "logs", "org/enc", "eng", gold, hyp, k, task="icl", generator=generator)
    done = run(SCRIPT, "org/gen, 0-shot", "org/gen + org/enc, 1-shot", "--task", "icl")
    assert done.returncode == 0 and "-50.00" in done.stdout
    missing = run(SCRIPT, "org/gen", "org/gen + org/enc, 1-shot", "--task", "icl")
    assert missing.returncode == 2 and "'org/gen, 0-shot'" in missing.stderr


def test_what_cannot_be_compared_says_so(run: Run, logs: Path) -> None:
    log(logs, "org/elsewhere", "eng_zzz", range(5), range(5))
    log(logs, "org/shorter", "eng_aaa", range(10), range(10))
    log(logs, "org/other", "eng_aaa", range(20, 0, -1), range(20, 0, -1))
    log(logs, "org/source", "eng_aaa", range(20), range(20), source={"revision": "2"})
    log(logs, "org/base", "eng_aaa", range(20), range(20), source={"revision": "1"})
    log(logs, "org/bare", "eng_aaa", range(20), range(20)).with_name("eval_eng_aaa_1_preds.json").unlink()
    broken = log(logs, "org/broken", "eng_aaa", range(20), range(20)).with_name("eval_eng_aaa_1_preds.json")
    broken.write_text('{"gold": [1, 2], "hyp": [1]}')
    stale = log(logs, "org/stale", "eng_aaa", range(20), range(20)).with_name("eval_eng_aaa_1_preds.json")
    stale.write_text(json.dumps({"gold": list(range(20)), "hyp": [0] * 20}))
    cases = [
        ((A, "org/secnd"), "no bitext results of model 'org/secnd'", "did you mean 'org/second'"),
        ((A, A), "A and B are the same", "--setting_b"),
        ((A, "org/elsewhere"), "no subset in common", "A has mine (eng_aaa, eng_bbb, eng_ccc); B has mine (eng_zzz)"),
        ((A, "org/shorter"), "mine eng_aaa: A and B were run on different data: A has 20 items, B has 10", "--limit"),
        ((A, "org/other"), "different data: item 0 has the gold 0 and 20", "run both again"),
        (("org/base", "org/source"), "different data: A is from {'revision': '1'}", "run both again"),
        ((A, "org/bare"), "1 of 2 records have no predictions beside them", "eval_eng_aaa_1_preds.json"),
        ((A, "org/broken"), "does not have as many `hyp` as `gold`", "--overwrite"),
        ((A, "org/stale"), "has acc 1.0000, but its predictions give 0.0500", "--overwrite"),
        (
            (A, B, "--metric", "mrr"),
            "'mrr' is not a metric of bitext that is a mean over items",
            "choose from: acc, prec, f1",
        ),
        ((A, B, "--setting", "vote=majority"), "'vote=majority' is not a setting of bitext", "margin"),
        ((A, B, "--setting", "margin=csls"), "no bitext results with margin csls", "--setting margin=VALUE"),
        ((A, B, "--dataset", "yours"), "no bitext results of org/first on 'yours'", "there is: mine"),
        ((A, B, "--k", "5"), "no bitext results with k 5; there is 1", "choose with --k"),
        ((A, B, "--logs", "nowhere"), "no folder of logs at nowhere", "--logs"),
    ]
    for flags, what, hint in cases:
        done = run(SCRIPT, *flags, "--task", "bitext")
        assert done.returncode == 2 and what in done.stderr and hint in done.stderr, done.stderr
        assert "Traceback" not in done.stderr and done.stdout == ""
