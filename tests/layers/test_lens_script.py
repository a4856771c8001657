"""layers.py --measure lens from end to end, with small random checkpoints and the prompts of icl.py."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from made_items import PAIRS, QUESTIONS
from tiny_models import make_model

from utils.cli.layers_run import Measured
from utils.layers.measures import MEASURES
from utils.reporting.charts.layer_files import curves_of
from utils.runlog import load

LENS = ("layers.py", "--measure", "lens", "--gen_model_checkpoint")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "tiny", "gemma3_long")
    make_model(folder / "t5", "t5")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for name, rows in (("pairs", PAIRS), ("questions", QUESTIONS)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def read(logs: Path, name: str) -> dict[str, Any]:
    (path,) = logs.rglob(name)
    return dict(json.loads(path.read_text(encoding="utf-8")))


def of_record(own: Path) -> Path:
    (path,) = (own / "logs").rglob("eval_de_0.json")
    return path


def test_answers_in_two_languages_are_read_at_each_layer(run: Run, models: Path, own: Path) -> None:
    flags = (*LENS, str(models / "tiny"), "--dataset", "pairs.jsonl", "--template", "nli", "--answers", "native")
    done = run(*flags, "--template_lang", "native", "--langs", "de", "en")
    assert done.returncode == 0, done.stderr
    assert ": acc" in done.stdout and "rows of all layers: " in done.stdout
    body, prompts = read(own / "logs", "eval_de_0.json"), read(own / "logs", "eval_de_0_prompts.json")
    assert [row["layer"] for row in body["rows"]] == [0, 1, 2, 3, 4] and body["n"] == 6
    assert [row["depth"] for row in body["rows"]] == [0, 0.25, 0.5, 0.75, 1] and body["rows"][0]["pooling"] is None
    assert set(body["rows"][0]) == {"layer", "depth", "pooling", *MEASURES["lens"].columns}
    for row in body["rows"]:
        assert 0 <= row["p_right"] <= row["p_options"] <= 1 and row["p_own"] == row["p_options"]
        assert 1 <= row["rank_options"] <= 3 and row["entropy_low"] <= row["entropy"] <= row["entropy_high"]
        assert row["p_english"] != row["p_own"]
    english = read(own / "logs", "eval_en_0.json")["rows"]
    assert all(row["p_english"] == row["p_own"] for row in english)
    assert body["last"] == body["rows"][4]["acc"] and body["best"] == max(row["acc"] for row in body["rows"])
    about = body["run"]
    assert about["task"] == "lens" and about["answers"] == "native" and about["layers"] == "all"
    assert about["lens"]["last_layer_error"] < 1e-5
    assert prompts["prompts"][0].endswith('\nAntwort: "') and prompts["demonstrations"] == [[]] * 6
    again = run(*flags, "--template_lang", "native", "--langs", "de", "en")
    assert "2 of 2 subsets are already logged" in again.stdout
    drawn = Measured(body["run"]["generator"]["name"], MEASURES["lens"], own, {}, {}, {"de": of_record(own)}).results()
    assert curves_of(drawn).model == f"local/tiny-{about['generator']['revision'].removeprefix('sha256:')[:8]}"
    (table,) = (own / "logs").rglob("layers.csv")
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    last = [row for row in rows if row["subset"] == "de"][-1]
    assert len(rows) == 10 and float(last["entropy"]) == pytest.approx(body["rows"][4]["entropy"])
    frame = load(own / "logs", layers=True)
    assert len(frame) == 10 and list(frame.layer[:5]) == [0, 1, 2, 3, 4]
    of_german = frame[frame.lang == "de"]
    assert list(of_german.p_own) == [row["p_own"] for row in body["rows"]]
    assert of_german.row.iloc[0].endswith("template_lang native, answers native)")


def test_options_of_questions_and_chosen_layers(run: Run, models: Path, own: Path) -> None:
    flags = (*LENS, str(models / "tiny"), "--dataset", "questions.jsonl", "--template", "question", "--k", "1")
    done = run(*flags, "--demonstrations", "fixed", "--layers", "-1", "0")
    assert done.returncode == 0, done.stderr
    (path,) = (path for path in (own / "logs").rglob("eval_*_1.json"))
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert [row["layer"] for row in rows] == [0, 4]
    assert rows[0]["p_own"] is None and rows[0]["p_english"] is None and rows[0]["p_options"] > 0
    (path,) = (own / "logs").rglob("eval_*_1_prompts.json")
    prompts = json.loads(path.read_text(encoding="utf-8"))
    assert len(prompts["demonstrations"][0]) == 1
    beyond = run(*flags, "--demonstrations", "fixed", "--layers", "9")
    assert beyond.returncode == 2 and "--layers 9, but" in beyond.stderr and "has 4 layers" in beyond.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--measure", "lens", "--k", "0", "1"), "--k 0 1 with --measure lens"),
        (("--measure", "lens", "--poolings", "mean"), "--poolings with --measure lens"),
        (("--measure", "lens", "--calibrate"), "--calibrate with --measure lens"),
        (("--measure", "lens", "--tuned_lens", "nothing.pt"), "--tuned_lens nothing.pt: no such file"),
        (("--measure", "lens", "--gen_backend", "vllm"), "its engine does not show the layers"),
        (("--template", "nli"), "--template with --measure bitext"),
        (("--tuned_lens", "x.pt"), "--tuned_lens with --measure bitext"),
        (("--measure", "lens", "--gen_model_checkpoint", "openai:gpt-4o"), "a server does not show the layers"),
    ],
)
def test_flags_that_do_not_fit_are_told_in_two_lines(run: Run, flags: tuple[str, ...], message: str) -> None:
    done = run("layers.py", *flags)
    assert done.returncode == 2 and message in done.stderr
    assert "error: " in done.stderr and "Traceback" not in done.stderr


def test_layers_that_a_model_does_not_have_are_told_before_anything_is_read(run: Run, models: Path, own: Path) -> None:
    (own / "empty").mkdir()
    (own / "empty/config.json").write_text(
        json.dumps({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 3})
    )
    flags = (*LENS, "empty", "--dataset", "pairs.jsonl", "--template", "nli", "--layers")
    for layer in ("99", "-5"):
        done = run(*flags, "0", layer)
        assert done.returncode == 2 and f"--layers {layer}, but local/empty-" in done.stderr, done.stderr
        assert "has 3 layers\nhint: give 0 (the embeddings) to 3, or -1 (the last) to -4\n" in done.stderr
    compared = run(*LENS, str(models / "tiny"), *flags[5:], "3", "-1", "--compare", "empty", "--dry_run")
    assert "no layer is measured in both" not in compared.stderr
    apart = run(*LENS, str(models / "tiny"), *flags[5:], "-1", "--compare", "empty", "--dry_run")
    assert "local/tiny-" in apart.stderr and " has 4 and local/empty-" in apart.stderr, apart.stderr


def test_an_encoder_decoder_is_refused(run: Run, models: Path, own: Path) -> None:
    done = run(*LENS, str(models / "t5"), "--dataset", "pairs.jsonl", "--template", "nli")
    assert done.returncode == 2 and "has an encoder and a decoder" in done.stderr
