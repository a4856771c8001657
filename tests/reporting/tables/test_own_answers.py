"""Written answers to own data, which have no row: tables, pages, figures and comparisons show their measure."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from made_records import ICL
from record_files import write_record

from utils.records.reader import read_record
from utils.reporting.pages.leaderboards import boards_of, entry_of
from utils.reporting.pages.page import main_metrics
from utils.reporting.tables.before_after import before_after
from utils.schema import RunRecord

GENERATOR = {"name": "org/gen", "kind": "base", "quantization": ""}
F1 = {"a": (1.0, 0.5, 0.0, 1.0), "b": (0.5, 0.5, 0.0, 0.2)}  # of four questions
QUESTIONS, SENTENCES = "questions-00000000", "sentences-00000000"


def log(root: Path, dataset: str, encoder: str, metrics: dict[str, float], **preds: object) -> Path:
    kind = "span" if "f1" in metrics else "text"
    run = {**ICL, "dataset": dataset, "model": encoder, "subset": "en", "seed": 42, "generator": GENERATOR}
    run |= {"decode": "generate", "length_norm": None, "answer_kind": kind}
    record = RunRecord(metrics, {}, 4, 1, run)
    gold = ["one", "two", "three", "four"]
    return write_record(root / dataset / encoder, "en", record, {"gold": gold, "hyp": [None] * 4, **preds})


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    root = tmp_path / "logs"
    for encoder, values in F1.items():
        metrics = {"em": float(np.mean([value == 1 for value in values])), "f1": float(np.mean(values))}
        of_items = {"em": [float(value == 1) for value in values], "f1": list(values)}
        log(root, QUESTIONS, encoder, {**metrics, "unparsed": 0.0}, values=of_items)
    log(root, SENTENCES, "a", {"chrf": 0.375, "spbleu": 0.125, "unparsed": 0.0})
    return root


def test_the_table_has_the_main_measure_of_each_kind(run: Run, logs: Path) -> None:
    done = run("script/aggregate/aggregate_icl.py", "--format", "csv")
    assert done.returncode == 0 and "no metric" not in done.stderr, done.stderr
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(line[QUESTIONS], line[SENTENCES]) for line in lines] == [("62.50", "37.50"), ("30.00", "")]
    assert f"f1 ({QUESTIONS}), chrf ({SENTENCES})" in run("script/aggregate/aggregate_icl.py").stdout
    by_lang = run("script/aggregate/aggregate_icl.py", "--dataset", "sentences", "--by", "lang")
    assert "37.50" in by_lang.stdout and "in %: chrf" in by_lang.stdout
    other = run("script/aggregate/aggregate_icl.py", "--dataset", "sentences", "--metric", "em")
    assert other.returncode == 2 and "choose with --metric from: chrf, spbleu, unparsed" in other.stderr


def test_two_models_are_compared_by_it(run: Run, logs: Path) -> None:
    rows_of = [f"org/gen (generate) + {encoder}, 1-shot" for encoder in F1]
    compare = ("script/aggregate/compare.py", *rows_of, "--task", "icl", "--dataset", "questions", "--format", "json")
    done = run(*compare)
    assert done.returncode == 0 and "is compared" not in done.stderr, done.stderr
    (line,) = json.loads(done.stdout)["subsets"]
    assert json.loads(done.stdout)["metric"] == "f1" and (line["a"], line["b"]) == (0.625, 0.3)
    exact = json.loads(run(*compare, "--metric", "em").stdout)["subsets"][0]
    assert (exact["a"], exact["b"], exact["only_a"], exact["only_b"]) == (0.5, 0.0, 2, 0)
    wrong = run(*compare, "--metric", "acc")
    assert wrong.returncode == 2 and "no record of A has the metric 'acc'" in wrong.stderr
    assert "choose with --metric from: em, f1" in wrong.stderr
    drawn = run("script/plot/plot_compare.py", *rows_of, "--task", "icl", "--dataset", "questions", "--format", "svg")
    assert drawn.returncode == 0, drawn.stderr


def test_a_training_is_measured_by_it(logs: Path) -> None:
    before, after = (logs / QUESTIONS / encoder / "eval_en_1.json" for encoder in "ba")
    (row,) = before_after([before], [after])
    assert (row["metric"], row["before"], row["after"], row["difference"]) == ("f1", 30.0, 62.5, 32.5)
    assert row["p"] == "0.5"  # of the four signs of 0.5 and 0.8, two give a sum as large; ties add nothing


def test_the_page_shows_it(run: Run, logs: Path) -> None:
    entries = [entry_of(n, read_record(path)) for n, path in enumerate(sorted(logs.rglob("eval_en_1.json")))]
    assert main_metrics(entries) == {"icl": {QUESTIONS: "f1", SENTENCES: "chrf"}}
    (board,) = boards_of(entries)
    shown = {dataset: [row[n] for row in board["cells"]["main"]] for n, dataset in enumerate(board["columns"])}
    assert shown == {QUESTIONS: [[0.625, 1, 1], [0.3, 1, 1]], SENTENCES: [[0.375, 1, 1], None]}
