"""The bitext table: golden text, completeness, means, formats, and the original's own logs."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from record_files import write_record

from utils.data import registry
from utils.evaluation import stats
from utils.schema import RunRecord

SCRIPT = "script/aggregate/aggregate_bitext_mining.py"
E5, LABSE = "intfloat/multilingual-e5-base", "sentence-transformers/LaBSE"
PLAIN = {"task": "bitext", "seed": 42, "similarity": "cosine", "margin": "none", "direction": "forward"}


def log(root: Path, dataset: str, model: str, f1: float, subsets: int | None = None, **settings: object) -> None:
    """Log one f1 for the first subsets of a data set, all by default."""
    for name in registry.DATASETS["bitext"][dataset].subsets[:subsets]:
        run = {**PLAIN, "dataset": dataset, "model": model, "subset": name, **settings}
        record = RunRecord({"acc": f1 / 2, "f1": f1}, {}, 10, 1, run)
        folder = root / str(settings) / dataset / model / "seed_42"
        write_record(folder, name, record, {"gold": [], "hyp": []})


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The published figures of LaBSE, an E5 with gaps, and records that are not in the table."""
    published = {"bucc": 98.77, "nollysenti": 80.52, "nusax": 77.89, "nusatranslation": 81.17, "tatoeba": 81.14}
    for dataset, f1 in {**published, "lince_mt": 33.62, "phinc": 69.70}.items():
        log(tmp_path / "logs", dataset, LABSE, f1 / 100)
    log(tmp_path / "logs", "nusax", E5, 0.5, subsets=3)
    log(tmp_path / "logs", "phinc", E5, 0.25)
    log(tmp_path / "logs", "phinc", E5, 0.99, margin="ratio")
    return tmp_path / "logs"


GOLDEN = """\
model                           bucc    nollysenti         nusax    nusatranslation    tatoeba    lince_mt    phinc     XL     CS    avg
----------------------------  ------  ------------  ------------  -----------------  ---------  ----------  -------  -----  -----  -----
sentence-transformers/LaBSE    98.77         80.52         77.89              81.17      81.14       33.62    69.70  83.90  51.66  67.78
intfloat/multilingual-e5-base       -             -  50.00 (3/11)                  -          -           -    25.00      -      -      -

in %: f1; k 1, seed 42, similarity cosine
"""  # noqa: E501


def test_the_golden_table(run: Run, logs: Path) -> None:
    done = run(SCRIPT)
    assert done.returncode == 0, done.stderr
    squeezed = [" ".join(line.split()) for line in done.stdout.splitlines() if not line.startswith("-")]
    assert squeezed == [" ".join(line.split()) for line in GOLDEN.splitlines() if not line.startswith("-")]
    assert done.stderr == (
        "missing: nusax, intfloat/multilingual-e5-base: 8 of 11 subsets: "
        "eng_bjn, eng_bug, eng_ind, eng_jav, eng_mad, eng_min, eng_nij, eng_sun\n"
    )


def test_only_rows_that_are_shown_are_told_to_lack_subsets(run: Run, logs: Path) -> None:
    assert "missing: nusax" not in run(SCRIPT, "--models", LABSE).stderr
    assert "missing: nusax" in run(SCRIPT, "--models", E5).stderr


def test_the_languages_of_pairs_are_suggested(run: Run, logs: Path) -> None:
    done = run(SCRIPT, "--langs", "xyz", "--dataset", "nusax")
    assert done.returncode == 2 and "hint: choose from: ace, ban, bbc, bjn, bug, eng, " in done.stderr
    assert "'eng_ace'" in run(SCRIPT, "--langs", "eng_acf", "--dataset", "nusax").stderr


def test_formats(run: Run, logs: Path, tmp_path: Path) -> None:
    one = ("--models", E5)
    columns = "bucc nollysenti nusax nusatranslation tatoeba lince_mt phinc XL CS avg".split()
    assert run(SCRIPT, *one, "--format", "csv").stdout == (
        ",".join(["model", *(name for column in columns for name in (column, f"{column}_n", f"{column}_expected"))])
        + "\nintfloat/multilingual-e5-base,,,,,,,50.00,3,11,,,,,,,,,,25.00,1,1,,,,,,,,,\n"
    )
    latex = run(SCRIPT, *one, "--format", "latex").stdout
    assert r"\toprule" in latex and r"lince\_mt" in latex and latex.count(r"\\") == 2
    assert run(SCRIPT, *one, "--format", "md").stdout.splitlines()[1].startswith("|-")
    rows = json.loads(run(SCRIPT, *one, "--format", "json").stdout)
    assert rows[0] == {"model": E5, "column": "nusax", "value": 0.5, "n": 3, "expected": 11}
    written = run(SCRIPT, "--format", "csv", "--output", "tables/t.csv")
    assert written.stdout == "wrote tables/t.csv\n"
    assert (tmp_path / "tables/t.csv").read_text().startswith("model,bucc,")


def test_metric_and_settings(run: Run, logs: Path) -> None:
    assert "12.50" in run(SCRIPT, "--metric", "acc", "--models", E5).stdout
    ratio = run(SCRIPT, "--margin", "ratio")
    assert "99.00" in ratio.stdout and "25.00" not in ratio.stdout


def test_what_cannot_be_shown_says_so(run: Run, logs: Path, tmp_path: Path) -> None:
    cases = [
        (["--k", "7"], "no bitext results with k 7; there is 1", "choose with --k"),
        (["--seed", "1"], "no bitext results with seed 1; there is 42", "--seed"),
        (["--margin", "csls"], "no bitext results with margin csls; there is 'none', ratio", "--margin"),
        (["--logs", "nowhere"], "no folder of logs at nowhere", "--logs"),
        (["--metric", "bleu"], "no record has the metric 'bleu'", "choose with --metric from: acc, f1\n"),
        (["--models", "x"], "no bitext results of model 'x'", "choose from: "),
    ]
    for flags, what, hint in cases:
        done = run(SCRIPT, *flags)
        assert done.returncode == 2 and f"error: {what}" in done.stderr and hint in done.stderr
    (tmp_path / "empty").mkdir()
    assert "no bitext results under empty" in run(SCRIPT, "--logs", "empty").stderr
    log(tmp_path / "logs/debug", "sib200", LABSE, 0.5, subsets=1)
    (tmp_path / "logs/debug").rename(tmp_path / "empty/debug")
    assert run(SCRIPT, "--logs", "empty").stderr == (
        "error: no bitext results under empty except those of --limit runs, which tables leave out\n"
        "hint: run bitext.py without --limit, or name the folder: --logs empty/debug\n"
    )
    log(tmp_path / "empty", "nusax", LABSE, 0.5)
    told = "error: no results of data set 'sib200' with these settings\n"
    told += "hint: it has some of --limit runs, which tables leave out: --logs empty/debug\n"
    assert run(SCRIPT, "--logs", "empty", "--dataset", "sib200").stderr == told
    assert "50.00 (1/204)" in run(SCRIPT, "--logs", "empty/debug", "--dataset", "sib200").stdout


def test_the_originals_logs_are_read(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "theirs" / "save" / "nusax" / "sentence-transformers" / "LaBSE" / "seed_42"
    folder.mkdir(parents=True)
    for name in registry.DATASETS["bitext"]["nusax"].subsets:
        metrics = {"acc": 0.8, "prec": 0.7, "rec": 0.8, "f1": 0.7789}
        (folder / f"eval_{name}_1.json").write_text(json.dumps(metrics, indent=4))
    (folder / "eval_eng_ace_5.json").write_text("{broken")
    done = run(SCRIPT, "--logs", "theirs", "--format", "csv")
    assert done.stdout == "model,nusax,nusax_n,nusax_expected\nsentence-transformers/LaBSE,77.89,11,11\n"
    assert "eval_eng_ace_5.json is broken and left out" in done.stderr


def test_records_of_other_encoder_settings_are_another_row(tmp_path: Path, run: Run) -> None:
    for place, subset in enumerate(registry.DATASETS["bitext"]["nusax"].subsets):
        member = {"checkpoint": "org/model", "dimensions": 256 if place == 3 else None}
        settings = {**PLAIN, "dataset": "nusax", "model": "org/model", "subset": subset, "encoders": [member]}
        record = RunRecord({"acc": 0.5, "f1": 0.5}, {}, 10, 1, settings)
        write_record(tmp_path / "logs/nusax/org/model/seed_42", subset, record, {"gold": [], "hyp": []})
    done = run(SCRIPT)
    assert done.returncode == 0, done.stderr
    assert "missing: nusax, org/model (dimensions 256): 10 of 11 subsets" in done.stderr
    assert "missing: nusax, org/model: 1 of 11 subsets: eng_bjn" in done.stderr


def log_predictions(root: Path, model: str, dataset: str, right: dict[str, int], n: int = 50) -> None:
    """Log subsets of which the first so many of n items are right, with their predictions."""
    for subset, hits in right.items():
        run = {**PLAIN, "dataset": dataset, "model": model, "subset": subset}
        gold = list(range(n))
        hyp = [index if index < hits else (index + 1) % n for index in gold]
        record = RunRecord({"acc": hits / n, "mrr": hits / n}, {"acc": (0.1, 0.9)}, n, 1, run)
        folder = root / "logs" / dataset / model / "seed_42"
        write_record(folder, subset, record, {"gold": gold, "hyp": hyp})


def test_intervals_of_cells(run: Run, tmp_path: Path) -> None:
    log_predictions(tmp_path, "org/one", "one", {"a": 25})
    log_predictions(tmp_path, "org/one", "two", {"a": 25, "b": 25, "c": 25})
    log_predictions(tmp_path, "org/one", "far", {"a": 5, "b": 45})
    rows = json.loads(run(SCRIPT, "--metric", "acc", "--ci", "--format", "json").stdout)
    by_column = {row["column"]: row["ci95"] for row in rows}
    assert by_column["one"] == [0.1, 0.9]  # a single record's own
    low, high = by_column["two"]  # three times the same 50 items: the error of 50, 0.5 +- 1.96 * 0.0707
    assert low == pytest.approx(0.361, abs=0.03) and high == pytest.approx(0.639, abs=0.03)
    low, high = by_column["far"]  # subsets that differ: one of them may be drawn twice
    assert low < 0.2 and high > 0.8
    text = run(SCRIPT, "--metric", "acc", "--ci", "--format", "csv").stdout
    assert ",one,one_low,one_high,one_n,one_expected," in text and ",50.00,10.00,90.00,1,1," in text


def test_a_mean_over_data_sets_has_the_interval_of_a_mean(run: Run, tmp_path: Path) -> None:
    for dataset in ("lince_mt", "phinc"):
        subsets = registry.DATASETS["bitext"][dataset].subsets
        log_predictions(tmp_path, "org/one", dataset, dict.fromkeys(subsets, 50), 100)
    rows = json.loads(run(SCRIPT, "--metric", "acc", "--ci", "--format", "json").stdout)
    low, high = next(row["ci95"] for row in rows if row["column"] == "CS")
    # two independent sets of 100 items: 0.5 +- 1.96 * 0.05 / sqrt(2)
    assert low == pytest.approx(0.431, abs=0.02) and high == pytest.approx(0.569, abs=0.02)


def test_a_metric_without_values_per_item_has_no_interval(run: Run, tmp_path: Path) -> None:
    log_predictions(tmp_path, "org/one", "two", {"a": 25, "b": 25})
    done = run(SCRIPT, "--metric", "mrr", "--ci", "--format", "csv")
    assert done.stdout == "model,two,two_n,two_expected\norg/one,50.00,2,2\n"
    assert "note: two, org/one: no interval, since the predictions do not give the mrr of each item" in done.stderr


def test_macro_figures_are_counted_anew_in_each_resample(run: Run, tmp_path: Path) -> None:
    gold, hyp = ["bad"] * 10 + ["good"] * 30, ["bad"] * 7 + ["good"] * 28 + ["bad"] * 4 + [None]
    for subset in ("eng", "swh"):  # the same items twice have the interval of one
        run_of = {"task": "classification", "seed": 42, "dataset": "mine", "model": "org/one", "subset": subset}
        record = RunRecord({"acc": 0.75, "f1": 0.7}, {}, 40, 1, run_of)
        write_record(tmp_path / "logs/mine/org/one/seed_42", subset, record, {"gold": gold, "hyp": hyp})
    script = "script/aggregate/aggregate_classification.py"
    (row,) = json.loads(run(script, "--metric", "f1", "--ci", "--format", "json").stdout)
    numbers = {"bad": 0, "good": 1, None: -1}
    of_gold, of_hyp = (np.array([numbers[label] for label in labels]) for labels in (gold, hyp))
    expected = stats.bootstrap_macro(of_gold, of_hyp, np.array([True, True]), zlib.crc32(b"mine") + 1)
    assert row["ci95"] == pytest.approx(expected["f1"])
    by = run(script, "--metric", "f1", "--ci", "--dataset", "mine", "--by", "lang", "--format", "csv").stdout
    low, high = expected["f1"]
    assert f"70.00,{100 * low:.2f},{100 * high:.2f},1,1" in by


def test_a_figure_that_is_no_number_is_missing(run: Run, logs: Path) -> None:
    path = next((logs / "{}" / "nusax" / LABSE).rglob("eval_eng_ace_1.json"))
    path.write_text(path.read_text().replace('"f1": 0.7789', '"f1": NaN'))
    done = run(SCRIPT, "--format", "csv", "--models", LABSE)
    assert ",77.89,10,11,81.17," in done.stdout
    assert f"missing: nusax, {LABSE}: 1 of 11 subsets: eng_ace" in done.stderr


def log_cross(root: Path, source: str, acc: float) -> None:
    """Log one figure for every language of nusax but the training language, and for sun one ten points higher."""
    plain = {"task": "classification", "cross": True, "similarity": "cosine", "vote": "majority", "split": "test"}
    for name in registry.DATASETS["classification"]["nusax"].subsets:
        if name != source:
            run = {**plain, "seed": 42, "legacy": False, "dataset": "nusax", "model": E5, "subset": name}
            value = acc + 0.1 * (name == "sun")
            record = RunRecord({"acc": value, "f1": value}, {}, 10, 1, {**run, "train_lang": source})
            write_record(root / source / "nusax" / E5, name, record, {"gold": [], "hyp": []})


def test_training_languages_are_never_mixed(run: Run, tmp_path: Path) -> None:
    script = "script/aggregate/aggregate_classification_cross.py"
    for source, acc in (("eng", 0.45), ("ind", 0.25)):
        log_cross(tmp_path / "logs", source, acc)
    shown = json.loads(run(script, "--format", "json").stdout)  # of the pivot, eng: (10 x 45 + 55) / 11
    assert [(cell["value"], cell["n"], cell["expected"]) for cell in shown] == [(pytest.approx(5.05 / 11), 11, 11)]
    chosen = run(script, "--src_lang", "ind")
    assert "25.91" in chosen.stdout and "11 records of other training languages left out" in chosen.stderr
    by_script = json.loads(run(script, "--format", "json", "--dataset", "nusax", "--by", "script").stdout)
    assert [(cell["value"], cell["n"], cell["expected"]) for cell in by_script] == [(pytest.approx(5.05 / 11), 11, 11)]
    none = run(script, "--src_lang", "sun")
    assert none.returncode == 2 and "no cross-lingual classification results trained on 'sun'" in none.stderr
