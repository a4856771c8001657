"""The table of quality against the bytes of a vector: its rows, differences from whole vectors, and intervals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from made_records import BITEXT, CLASSIFICATION
from record_files import write_record

from utils.reporting.tables.sizes import size_of
from utils.schema import RunRecord

TABLE = ("script/aggregate/aggregate.py", "--sizes", "--task")


def log(
    root: Path, task: str, metrics: dict[str, float], size: int, predictions: dict[str, Any], **member: Any
) -> None:
    """Log a record of 4-dimensional vectors, or of fewer or quantised ones, with n = 20."""
    plain = {"bitext": BITEXT, "classification": CLASSIFICATION, "sts": {"task": "sts", "similarity": "cosine"}}[task]
    model, subset = member.pop("model", "org/a"), member.pop("subset", "eng_spa")
    encoders = [{"checkpoint": model, **member}]
    about = {"dataset": "mine", "model": model, "subset": subset, "seed": 42, "dimensions": size}
    record = RunRecord(metrics, {}, 20, 1, {**plain, **about, "encoders": encoders})
    place = root / "logs" / task / str(sorted(member.items())) / "mine" / model / "seed_42"
    write_record(place, subset, record, predictions)


def right(n: int) -> dict[str, list[int]]:
    """Predictions of 20 items of which the first n are right."""
    return {"gold": list(range(20)), "hyp": [item if item < n else -1 for item in range(20)]}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_differences_from_whole_vectors_are_those_of_compare(tmp_path: Path, run: Run) -> None:
    log(tmp_path, "bitext", {"acc": 0.8, "f1": 0.8}, 4, right(16))
    log(tmp_path, "bitext", {"acc": 0.5, "f1": 0.5}, 4, right(10), embedding_precision="binary")
    log(tmp_path, "bitext", {"acc": 0.9, "f1": 0.9}, 2, right(18), dimensions=2, embedding_precision="int8")
    log(tmp_path, "bitext", {"acc": 0.4, "f1": 0.4}, 3, right(8), model="org/colbert", kind="multi-vector")
    log(tmp_path, "bitext", {"acc": 0.4, "f1": 0.4}, 8, right(8), model="org/b")
    done = run(*TABLE, "bitext", "--metric", "acc", "--format", "csv")
    assert done.returncode == 0 and "1 record of sparse or multi-vector encoders left out" in done.stderr
    # by hand: Newcombe's method 10 of 0 and 6 discordant items of 20, and of 2 and 0
    assert done.stdout.splitlines() == [
        "model,dimensions,precision,bytes,mine,mine_difference,mine_low,mine_high",
        "org/a,4,float32,16,80.00,,,",
        "org/a,2,int8,2,90.00,+10.00,-8.07,+29.39",
        "org/a,4,binary,1,50.00,-30.00,-49.12,-6.67",
        "org/b,8,float32,32,40.00,,,",
    ]
    member = ("--setting_b", "margin=none", "--task", "bitext", "--format", "csv")
    other = run("script/aggregate/compare.py", "org/a (embedding_precision binary)", "org/a", *member)
    assert "[-49.12, -6.67]" in other.stdout
    only = run(*TABLE, "bitext", "--models", "org/b", "--format", "json")
    assert json.loads(only.stdout) == [
        {"model": "org/b", "dimensions": 8, "precision": "float32", "bytes": 32, "column": "mine"}
        | {"value": 0.4, "n": 1, "expected": 1}
    ]


def test_a_difference_is_of_the_same_subsets(tmp_path: Path, run: Run) -> None:
    for subset in ("eng_spa", "eng_fra"):
        log(tmp_path, "bitext", {"acc": 0.8, "f1": 0.8}, 4, right(16), subset=subset)
    log(tmp_path, "bitext", {"acc": 0.5, "f1": 0.5}, 4, right(10), embedding_precision="binary")
    log(tmp_path, "bitext", {"acc": 0.5, "f1": 0.5}, 2, right(10), dimensions=2, model="org/lone")
    done = run(*TABLE, "bitext", "--metric", "acc")
    line = next(line for line in done.stdout.splitlines() if "binary" in line)
    assert line.split() == ["org/a", "4", "binary", "1", "50.00", "(1/2)", "-"]
    assert "no records of the whole vectors of org/lone" in done.stdout
    shared = run(*TABLE, "bitext", "--metric", "acc", "--common", "--models", "org/a", "--format", "csv")
    assert [row["mine_difference"] for row in rows(shared.stdout)] == ["", "-30.00"]


def test_macro_metrics_have_a_bootstrap_interval_and_correlations_none(tmp_path: Path, run: Run) -> None:
    gold = ["a", "b"] * 10
    wrong = [*gold[:10], *("b" if label == "a" else "a" for label in gold[10:])]
    log(tmp_path, "classification", {"acc": 1.0, "f1": 1.0}, 4, {"gold": gold, "hyp": gold}, subset="eng")
    predictions = {"gold": gold, "hyp": wrong}
    log(tmp_path, "classification", {"acc": 0.5, "f1": 0.5}, 1, predictions, subset="eng", dimensions=1)
    done = run(*TABLE, "classification", "--k", "1", "--metric", "f1", "--format", "csv")
    (_, cut) = rows(done.stdout)
    assert cut["bytes"] == "4" and cut["mine_difference"] == "-50.00"
    assert -75 < float(cut["mine_low"]) < -50 < float(cut["mine_high"]) < -25
    for dimensions, value in ((4, 0.75), (2, 0.5)):
        asked = {} if dimensions == 4 else {"dimensions": dimensions}
        log(tmp_path, "sts", {"spearman": value, "pearson": value}, dimensions, {}, **asked)
    (whole, cut) = rows(run(*TABLE, "sts", "--format", "csv").stdout)
    assert (whole["mine"], cut["mine"], cut["mine_difference"], cut["mine_low"]) == ("75.00", "50.00", "-25.00", "")


def test_runs_say_how_many_bytes_a_vector_takes(tmp_path: Path, run: Run) -> None:
    for flags in ((), ("--dimensions", "100", "--embedding_precision", "binary")):
        for script in (("bitext.py", "--k", "1"), ("classification.py", "--k", "1"), ("retrieval.py", "--k", "10")):
            assert run(*script, "--langs", "spa", *flags).returncode == 0
    assert run("bitext.py", "--k", "1", "--langs", "spa", "--model_checkpoint", "baseline/bm25").returncode == 0
    for task in ("bitext", "classification", "retrieval"):
        k = "10" if task == "retrieval" else "1"
        table = rows(run(*TABLE, task, "--k", k, "--format", "csv").stdout)
        assert [(row["dimensions"], row["bytes"]) for row in table] == [("384", "1536"), ("100", "13")], task
        assert float(table[1]["sample_low"]) <= float(table[1]["sample_difference"]) <= float(table[1]["sample_high"])
    logged = [json.loads(path.read_text())["run"] for path in tmp_path.rglob("eval_*_1.json")]
    told = {(run["model"], run["dimensions"]): run.get("vector_bytes") for run in logged}
    assert told["bundled/multilingual-e5-small", 100] == 13
    assert [size for (name, _), size in told.items() if name == "baseline/bm25"] == [None]


def test_records_of_earlier_versions_and_of_apis_have_sizes() -> None:
    served = {"checkpoint": "text-embedding-3-small-256d", "provider": "openai", "dimensions": 256}
    told = size_of({"encoders": [served], "dimensions": 256})
    assert (told.vector_bytes, told.is_whole) == (1024, False)
    assert size_of({"encoders": [{"checkpoint": "a"}], "dimensions": 8}).vector_bytes == 32
    assert size_of({"encoders": [{"checkpoint": "a"}, {"checkpoint": "b"}], "dimensions": 8}).vector_bytes is None
    assert size_of({}) == size_of({"encoders": []})


def test_dimensions_of_an_api_stand_beside_its_whole_vectors(tmp_path: Path, run: Run) -> None:
    name = "text-embedding-3-small"
    log(tmp_path, "bitext", {"acc": 0.8, "f1": 0.8}, 1536, right(16), model=name, provider="openai", dimensions=None)
    asked = {"provider": "openai", "dimensions": 256}
    log(tmp_path, "bitext", {"acc": 0.5, "f1": 0.5}, 256, right(10), model=f"{name}-256d", **asked)
    table = rows(run(*TABLE, "bitext", "--metric", "acc", "--format", "csv").stdout)
    assert [(row["model"], row["bytes"], row["mine_difference"]) for row in table] == [
        (name, "6144", ""),
        (name, "1024", "-30.00"),
    ]


@pytest.mark.parametrize("flags", [("--bold", "best"), ("--reference", "paper")])
def test_flags_that_do_not_fit_are_errors(flags: tuple[str, str], run: Run) -> None:
    done = run(*TABLE, "bitext", *flags)
    assert done.returncode == 2 and f"error: --sizes with {flags[0]}" in done.stderr
