"""layers.py: its figures are those of bitext.py at each layer; records, resumption, two models, and mistakes."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from tiny_encoders import bert_config, edit_json, make_encoder

from utils.data.subsets import BitextSubset, Origin
from utils.layers.bitext import bitext_at
from utils.layers.measures import MEASURES
from utils.layers.rows import ITEMS, best_row, differences, held_out, last_row, mean_rows, place_row
from utils.records.validation import fault_of
from utils.schema import TopK

PAIRS = {"eng": ["a red house", "a small dog", "we like the sea", "they went home", "it rains", "a red horse"]}
PAIRS["deu"] = ["ein rotes Haus", "ein kleiner Hund", "das Meer", "sie gingen heim", "es regnet", "ein Pferd"]
PAIRS["fra"] = ["une maison", "un petit chien", "la mer", "ils sont rentrés", "il pleut", "un cheval"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_encoder(folder / "a", bert_config())
    make_encoder(folder / "b", bert_config(num_hidden_layers=3))
    return folder


@pytest.fixture
def flags(tmp_path: Path, models: Path) -> tuple[str, ...]:
    (tmp_path / "pairs").mkdir()
    for lang, texts in PAIRS.items():
        (tmp_path / f"pairs/{lang}.txt").write_text("\n".join(texts) + "\n")
    return "--dataset", "pairs", "--src_lang", "eng", "--model_checkpoint", str(models / "a")


def record_of(folder: Path, subset: str) -> dict[str, Any]:
    (path,) = folder.glob(f"logs/save_layers*/**/eval_{subset}_1.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_figures_of_a_layer_by_hand() -> None:
    import numpy as np

    data = BitextSubset("a_b", "a", "b", ("x", "y", "z"), ("p", "q", "r"), (0, 1, 2), "xl", Origin("local", "", None))
    ranked = np.array([[0, 1, 2], [0, 1, 2], [0, 1, 2]])  # the translations are at ranks 1, 2 and 3
    row = bitext_at(data, 3, lambda k: TopK(ranked[:, :k], np.zeros((3, k), dtype=np.float32)), 0)
    # the only target that is found has a precision of 1/3 and a recall of 1, and so an F1 of 1/2
    assert row["acc"] == pytest.approx(1 / 3) and row["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert row["f1"] == pytest.approx(1 / 6) and row["f1_low"] <= row["f1"] <= row["f1_high"]
    assert set(row) == {ITEMS, *MEASURES["bitext"].columns} and row[ITEMS].tolist() == [0.5, 0, 0]


def test_the_best_row_the_last_one_means_and_differences() -> None:
    first = [place_row(layer, 4, "mean", {"f1": value}) for layer, value in ((0, 0.1), (2, 0.7), (3, 0.7), (4, 0.5))]
    second = [place_row(layer, 2, "mean", {"f1": value}) for layer, value in ((0, 0.3), (2, 0.5))]
    assert [row["depth"] for row in first] == [0, 0.5, 0.75, 1]
    assert best_row(first, "f1")["layer"] == 2 and last_row(first, "f1")["f1"] == 0.5
    between = differences(first, second, MEASURES["bitext"])
    assert [(row["layer"], row["f1_a"], row["f1_b"]) for row in between] == [(0, 0.1, 0.3), (2, 0.7, 0.5)]
    assert [row["f1_difference"] for row in between] == pytest.approx([0.2, -0.2])
    means = mean_rows({"x": first, "y": [{**row, "f1": 0.1} for row in first[:2]]}, "f1")
    assert [(row["layer"], row["f1"]) for row in means] == [(0, 0.1), (2, pytest.approx(0.4))]


def test_a_layer_chosen_on_one_half_is_measured_on_the_other() -> None:
    import numpy as np

    rows = [
        {"layer": 0, "f1": 0.5, ITEMS: np.array([1.0, 0.0, 1.0, 0.0])},  # the best of the items of even number
        {"layer": 1, "f1": 0.5, ITEMS: np.array([0.0, 1.0, 0.0, 1.0])},
    ]
    assert held_out(rows) == 0.0 and best_row(rows, "f1")["f1"] == 0.5
    third = {"layer": 2, "f1": 0.75, ITEMS: np.array([1.0, 1.0, 1.0, 0.0])}
    assert held_out([third, *rows]) == pytest.approx(0.25)
    assert held_out([{"layer": 0, "f1": 0.5}]) is None
    assert held_out([{"layer": 0, "f1": 1.0, ITEMS: np.ones(1)}]) is None


def test_figures_are_those_of_bitext_at_each_layer(run: Run, tmp_path: Path, flags: tuple[str, ...]) -> None:
    planned = run("layers.py", *flags, "--dry_run")
    assert planned.returncode == 0 and "eng_deu" in planned.stdout and "12" in planned.stdout, planned.stderr
    done = run("layers.py", *flags)
    assert done.returncode == 0, done.stderr
    found = record_of(tmp_path, "eng_deu")
    assert fault_of(found, ("best", "last")) == ""
    assert [(row["layer"], row["pooling"]) for row in found["rows"]] == [
        (layer, pooling) for layer in range(3) for pooling in ("mean", "last", "cls")
    ]
    for row in found["rows"][::4]:  # a pooling at each layer
        alone = run("bitext.py", *flags, "--langs", "deu", "--layer", str(row["layer"]), "--pooling", row["pooling"])
        assert alone.returncode == 0 and "encoding" not in alone.stderr, alone.stderr
        folder = f"logs/save_bitext_pooling_{row['pooling']}_layer_{row['layer']}"
        (path,) = tmp_path.glob(f"{folder}/**/eval_eng_deu_1.json")
        record = json.loads(path.read_text())
        assert (record["f1"], record["acc"]) == (row["f1"], row["acc"])
        assert record["run"]["encoders"][0]["layer"] == row["layer"]
        assert record["run"]["cache"][record["run"]["model"]]["misses"] == 0
    best = max(found["rows"], key=lambda row: row["f1"])
    assert found["best"] == best["f1"] and found["best_at"]["layer"] == best["layer"]
    assert found["last"] == max(row["f1"] for row in found["rows"][-3:])
    (table,) = tmp_path.glob("logs/save_layers_bitext/**/layers.csv")
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 2 * 9 and float(rows[0]["f1"]) == found["rows"][0]["f1"]
    assert f"{'mean':<9}" in done.stdout and str(table.relative_to(tmp_path)) in done.stdout
    again = run("layers.py", *flags)
    assert "2 of 2 subsets are already logged" in again.stdout
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines()
    assert run("layers.py", *flags, "--langs", "deu").returncode == 0
    assert list(csv.DictReader(table.open())) == rows  # those of the other pair as well


def test_layers_that_are_asked_for_and_two_models(
    run: Run, tmp_path: Path, flags: tuple[str, ...], models: Path
) -> None:
    asked = ("--layers", "-1", "0", "--poolings", "mean", "--langs", "deu", "--compare", str(models / "b"))
    done = run("layers.py", *flags, *asked)
    assert done.returncode == 0, done.stderr
    first, second = sorted(tmp_path.glob("logs/save_layers*/**/eval_eng_deu_1.json"))
    layers = [[row["layer"] for row in json.loads(path.read_text())["rows"]] for path in (first, second)]
    assert layers == [[0, 2], [0, 3]] and done.stdout.count("last layer") == 2
    (table,) = tmp_path.glob("logs/**/compared_with_*.csv")
    (row,) = csv.DictReader(table.open())
    assert row["layer"] == "0" and float(row["f1_difference"]) == float(row["f1_b"]) - float(row["f1_a"])
    assert "second - first" in done.stdout and "bitext_layers_0-2_mean" in str(first)
    more = run("layers.py", *flags, *asked[:5], "--langs", "fra", *asked[-2:])
    assert more.returncode == 0 and "eng_deu" not in more.stdout, more.stderr
    both = list(csv.DictReader(table.open()))
    assert row in both and [each["subset"] for each in both] == [
        "eng_fra",
        "eng_deu",
    ]  # that of the command before, too


def test_a_layer_in_an_ensemble_and_in_other_scripts(
    run: Run, tmp_path: Path, flags: tuple[str, ...], models: Path
) -> None:
    members = ("--model_checkpoints", str(models / "a"), str(models / "b"))
    done = run("bitext.py", *flags[:4], *members, "--layer", "1", "-1", "--k", "1")
    assert done.returncode == 0, done.stderr
    (path, _) = sorted(tmp_path.glob("logs/**/eval_eng_*_1.json"))
    assert [one["layer"] for one in json.loads(path.read_text())["run"]["encoders"]] == [1, 3]
    table = run("script/aggregate/aggregate_bitext_mining.py", "--k", "1")
    assert "layer 1 of a-" in table.stdout and "3 of b-" in table.stdout, table.stdout
    edit_json(tmp_path / "x.json")
    labelled = ("--langs", "eng", "--layer", "1", "--model_checkpoint", str(models / "a"))
    assert run("classification.py", *labelled, "--k", "1").returncode == 0
    assert list(tmp_path.glob("logs/save_classification_layer_1/**/eval_eng_1.json"))
    assert run("retrieval.py", *labelled, "--k", "1", "--export_run", "runs").returncode == 0
    tag = (tmp_path / "runs/eng.trec").read_text().split()[5]
    assert tag.startswith("local/a-") and tag.endswith("_layer_1")


@pytest.mark.parametrize(
    ("given", "what"),
    {
        ("--layers", "0", "7"): "--layers 7, but local/a-",
        ("--layers", "all", "1"): "--layers all 1",
        ("--layers", "x"): "'x' is neither a number nor `all`",
        ("--layer", "1"): "--layer with layers.py",
        ("--pooling", "mean"): "--pooling with layers.py",
        ("--backend", "onnx"): "--backend onnx with layers.py",
        ("--pivot", "deu", "--src_lang", "eng"): "--pivot deu with --src_lang eng",
        ("--src_lang", "eng", "--pivot", "deu"): "--pivot deu with --src_lang eng",
        ("--model_checkpoint", "baseline/char_ngram"): "baseline/char_ngram is a baseline and has no layers",
    }.items(),
)
def test_mistakes(given: tuple[str, ...], what: str, run: Run, flags: tuple[str, ...]) -> None:
    done = run("layers.py", *flags, *given)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 2 and what in done.stderr, done.stderr


def test_a_pivot_is_the_source_language_by_another_name() -> None:
    from layers import parse

    for given in (("--pivot", "deu"), ("--src_lang", "deu"), ("--src_lang", "deu", "--pivot", "deu")):
        args = vars(parse(["--measure", "similarity", *given]))
        assert args["src_lang"] == "deu" and "pivot" not in args


def test_what_is_named_twice_is_measured_once(run: Run, tmp_path: Path, flags: tuple[str, ...]) -> None:
    twice = ("--layers", "1", "0", "1", "-2", "--poolings", "mean", "mean", "--langs", "deu", "deu")
    done = run("layers.py", *flags, *twice)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("logs/**/eval_eng_deu_1.json")
    assert [(row["layer"], row["pooling"]) for row in json.loads(path.read_text())["rows"]] == [
        (0, "mean"),
        (1, "mean"),
    ]
    assert "save_layers_bitext_layers_0-1_mean" in str(path)
    head = done.stdout.splitlines()[1].split("  ")
    assert [one.strip() for one in head if one][-4:-1] == ["layer 1", "pooling", "best - layer 1"]  # the model has 2
    once = run("layers.py", *flags, "--layers", "0", "1", "--poolings", "mean", "--langs", "deu")
    assert "1 of 1 subsets are already logged" in once.stdout
    assert "layers.py" not in run("layers.py", *flags, "--layers", "all", "all", "--dry_run").stderr


def test_a_model_is_not_compared_with_itself(run: Run, tmp_path: Path, flags: tuple[str, ...], models: Path) -> None:
    shutil.copytree(models / "a", tmp_path / "copy")
    for name in (str(models / "a"), f"{models}/./a", "copy"):
        done = run("layers.py", *flags, "--compare", name)
        assert done.returncode == 2 and not list(tmp_path.glob("logs")), done.stderr
        assert done.stderr.endswith(
            f"error: --compare {name} is the model itself\nhint: name another one, or leave --compare out\n"
        )


def test_models_that_share_no_layer_are_told_before_anything_is_computed(
    run: Run, tmp_path: Path, flags: tuple[str, ...], models: Path
) -> None:
    told = "note: no layer is measured in both models, whose differences by layer stay empty: local/a-"
    last = ("--layers", "-1", "--poolings", "mean", "--langs", "deu", "--compare", str(models / "b"))
    planned = run("layers.py", *flags, *last, "--dry_run")
    assert planned.returncode == 0 and told in planned.stderr, planned.stderr
    assert re.search(r"local/a-\w+ has 2 and local/b-\w+ has 3 \(--layers\)$", planned.stderr, re.MULTILINE)
    done = run("layers.py", *flags, *last)
    assert done.returncode == 0 and "second - first" in done.stdout, done.stderr
    assert told not in run("layers.py", *flags, *last[2:], "--dry_run").stderr


def test_how_a_language_model_pools_is_told_where_it_counts(run: Run, tmp_path: Path) -> None:
    causal = tmp_path / "causal"
    causal.mkdir()
    edit_json(causal / "config.json", architectures=["LlamaForCausalLM"], num_hidden_layers=2)
    told = "is a language model: the vector of a text is that of its last token"
    flags = ("--model_checkpoint", str(causal), "--langs", "deu", "--dry_run")
    for more, is_told in {
        (): False,
        ("--poolings", "mean"): False,
        ("--poolings", "mean", "own"): True,
        ("--measure", "similarity"): True,
        ("--measure", "similarity", "--poolings", "last"): False,
    }.items():
        done = run("layers.py", *flags, *more)
        assert done.returncode == 0 and (told in done.stderr) == is_told, (more, done.stderr)
    assert told not in run("bitext.py", *flags, "--pooling", "mean").stderr


def test_mistakes_of_a_layer(run: Run, flags: tuple[str, ...]) -> None:
    for given, what in {("9",): "--layer 9, but local/a-", ("1", "2"): "--layer has 2 values for 1 checkpoint"}.items():
        done = run("bitext.py", *flags, "--layer", *given)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 2 and what in done.stderr, done.stderr
