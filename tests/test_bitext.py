"""bitext.py end to end, as a user runs it: real files, real encoders."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from conftest import ROOT, Run
from forked import nursery_of_local_runs
from script_runner import TIMEOUT
from tiny_encoders import make_masked_lm

from utils.runlog import load

NGRAM = ("--model_checkpoint", "baseline/char_ngram")
FOLDER = "logs/save_bitext/sample/baseline/char_ngram/seed_42"


def read(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.mark.slow
def test_the_default_run_on_the_embedded_encoder(run: Run, tmp_path: Path, bundled: str) -> None:
    done = run("bitext.py")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "logs/save_bitext/sample" / bundled / "seed_42"
    assert len(list(folder.glob("eval_*_1.json"))) == 13
    spanish = read(folder / "eval_eng_spa_1.json")
    assert spanish["f1"] == pytest.approx(0.964286, abs=1e-6) and spanish["n"] == 70
    assert spanish["run"]["encoders"][0]["prompt"] == "query: "
    table = run("script/aggregate/aggregate_bitext_mining.py", "--k", "1")
    assert bundled in table.stdout and "90." in table.stdout
    again = run("bitext.py")
    assert "13 of 13 subsets are already logged" in again.stdout


def test_a_record_says_what_is_needed_to_get_it_again(run: Run, tmp_path: Path) -> None:
    done = run("bitext.py", *NGRAM, "--langs", "spa", "--k", "1", "3")
    assert done.returncode == 0, done.stderr
    body = read(tmp_path / FOLDER / "eval_eng_spa_3.json")
    assert set(body) == {
        "acc",
        "prec",
        "rec",
        "f1",
        "mrr",
        "acc_dedup",
        "ceiling",
        "ceiling_f1",
        "n",
        "k",
        "ci95",
        "run",
    }
    about = body["run"]
    for key in (
        "task",
        "dataset",
        "source",
        "subset",
        "setting",
        "src_lang",
        "tgt_lang",
        "model",
        "encoders",
        "similarity",
    ):
        assert about[key], key
    for key in (
        "margin",
        "direction",
        "seed",
        "device",
        "args",
        "packages",
        "schema",
        "started",
        "seconds",
        "cache",
        "origin",
    ):
        assert key in about, key
    assert set(about["seconds"]) == {"load", "encode", "retrieve", "score"}
    predictions = read(tmp_path / FOLDER / "eval_eng_spa_3_preds.json")
    assert predictions["gold"] == list(range(70))
    assert sum(g == h for g, h in zip(*predictions.values(), strict=True)) / 70 == body["acc"]
    neighbours = read(tmp_path / FOLDER / "eval_eng_spa_neighbors.json")["forward"]
    assert len(neighbours["indices"]) == 70 and len(neighbours["indices"][0]) == 3
    assert all(row == sorted(row, reverse=True) for row in neighbours["scores"])


def test_the_same_command_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    flags = (*NGRAM, "--langs", "fra", "hinglish")
    assert run("bitext.py", *flags).returncode == 0
    assert run("bitext.py", *flags, "--output_dir", "again").returncode == 0
    first, second = tmp_path / "logs", tmp_path / "again"
    names = sorted(path.relative_to(first) for path in first.rglob("*.json"))
    assert len(names) == 2 * (3 + 3 + 1)
    for name in names:
        one, other = read(first / name), read(second / name)
        for body in (one, other):
            for key in ("started", "seconds", "args"):
                body.get("run", {}).pop(key, None)
        assert one == other


def test_both_directions_margins_and_an_ensemble(run: Run, tmp_path: Path, bundled: str) -> None:
    flags = ("--langs", "jpn", "--model_checkpoints", bundled, "baseline/char_ngram", "--weights", "3", "1")
    done = run("bitext.py", *flags, "--direction", "both", "--margin", "ratio")
    assert done.returncode == 0, done.stderr
    name = "multilingual-e5-small__char_ngram__weights3.0_1.0"
    body = read(tmp_path / f"logs/save_bitext_ratio_both/sample/{name}/seed_42/eval_eng_jpn_1.json")
    assert body["f1_mean"] == pytest.approx((body["f1"] + body["f1_backward"]) / 2)
    assert [member["weight"] for member in body["run"]["encoders"]] == [3.0, 1.0]
    assert [member["prompt"] for member in body["run"]["encoders"]] == ["query: ", ""]
    assert body["run"]["margin_k"] == 4 and body["run"]["dimensions"] == 384 + 4096
    assert body["run"]["vector_bytes"] == 4 * (384 + 4096)
    for margin in ("none", "distance", "absolute", "csls"):
        assert run("bitext.py", *flags, "--margin", margin).returncode == 0
    backward = read(tmp_path / f"logs/save_bitext_ratio_both/sample/{name}/seed_42/eval_eng_jpn_1_preds.json")[
        "backward"
    ]
    assert backward["gold"] == list(range(70))
    alone = run("bitext.py", *flags, "--direction", "backward", "--margin", "ratio")
    assert alone.returncode == 0
    other = read(tmp_path / f"logs/save_bitext_ratio_backward/sample/{name}/seed_42/eval_eng_jpn_1.json")
    assert other["f1"] == body["f1_backward"]


def test_limit_takes_the_first_queries_and_all_candidates(run: Run, tmp_path: Path) -> None:
    done = run("bitext.py", *NGRAM, "--langs", "spa", "--limit", "5")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / FOLDER.replace("logs/", "logs/debug/")
    assert read(folder / "eval_eng_spa_1.json")["n"] == 5
    run("bitext.py", *NGRAM, "--langs", "spa")
    full = read(tmp_path / FOLDER / "eval_eng_spa_neighbors.json")["forward"]["indices"][:5]
    assert read(folder / "eval_eng_spa_neighbors.json")["forward"]["indices"] == full
    assert run("bitext.py", *NGRAM, "--langs", "spa", "--limit", "3").returncode == 0  # debug runs block nothing


def test_dry_run_shows_the_work_and_does_none(run: Run, tmp_path: Path) -> None:
    done = run("bitext.py", *NGRAM, "--langs", "spa", "fra", "--dry_run")
    assert done.returncode == 0, done.stderr
    assert "eng_spa" in done.stdout and "140" in done.stdout and "to do" in done.stdout
    assert not (tmp_path / "logs").exists()
    run("bitext.py", *NGRAM, "--langs", "spa")
    assert "logged: k = 1, 5, 10" in run("bitext.py", *NGRAM, "--langs", "spa", "--dry_run").stdout


def test_default_ks_above_the_candidates_are_left_out_with_a_note(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tiny.tsv").write_text("de\ten\neins\tone\nzwei\ttwo\ndrei\tthree\n")
    done = run("bitext.py", "--dataset", "tiny.tsv", *NGRAM)
    assert done.returncode == 0, done.stderr
    assert "note: de_en has 3 candidates: k = 5, 10 left out" in done.stderr
    typed = run("bitext.py", "--dataset", "tiny.tsv", *NGRAM, "--k", "5", "--overwrite")
    assert typed.returncode == 2 and "error: --k 5, but de_en has 3 candidates" in typed.stderr


def test_every_setting_has_a_folder_and_a_row_of_its_own(run: Run, tmp_path: Path) -> None:
    flags = (*NGRAM, "--langs", "spa")
    assert "logs/save_bitext/" in run("bitext.py", *flags).stdout
    shorter = run("bitext.py", *flags, "--max_length", "9")
    assert shorter.returncode == 0 and "logs/save_bitext_max_length_9/" in shorter.stdout
    tagged = run("bitext.py", *flags, "--max_length", "9", "--tag", "nine tokens")
    assert "logs/save_bitext_nine_tokens_" in tagged.stdout and "_max_length_9/" in tagged.stdout
    lines = run("script/aggregate/aggregate_bitext_mining.py").stdout.splitlines()
    names = [line.split("  ")[0] for line in lines if line.startswith("baseline")]
    one = "baseline/char_ngram"
    assert names == [one, f"{one} (max_length 9)", f"{one} (nine tokens)"]
    frame = load(tmp_path / "logs")
    assert sorted(set(frame["row"])) == names


def test_a_table_of_pairs_from_another_language(run: Run) -> None:
    flags = (*NGRAM, "--src_lang", "spa", "--langs", "fra", "deu", "--k", "1")
    assert run("bitext.py", *flags).returncode == 0
    table = "script/aggregate/aggregate_bitext_mining.py"
    none = run(table)
    assert none.returncode == 2 and "no bitext results of pairs from the pivot" in none.stderr
    assert "2 records of pairs from other languages left out (--src_lang LANG chooses: spa)" in none.stderr
    some = run(table, "--src_lang", "spa")
    assert "(2/13)" in some.stdout and "pairs from spa" in some.stdout
    whole = run(table, "--src_lang", "spa", "--langs", "fra", "deu")
    assert "(2/" not in whole.stdout and "languages fra deu" in whole.stdout


def test_both_directions_show_their_mean(run: Run, tmp_path: Path) -> None:
    done = run("bitext.py", *NGRAM, "--langs", "spa", "--k", "1", "--direction", "both")
    (path,) = (tmp_path / "logs").rglob("eval_eng_spa_1.json")
    body = json.loads(path.read_text())
    assert body["f1_mean"] == pytest.approx((body["f1"] + body["f1_backward"]) / 2) and body["f1"] != body["f1_mean"]
    shown = f"{100 * body['f1_mean']:.2f}"
    assert "f1_mean at k" in done.stdout and shown in done.stdout
    table = ("script/aggregate/aggregate_bitext_mining.py", "--direction", "both")
    assert shown in run(*table).stdout
    assert f"{100 * body['f1']:.2f}" in run(*table, "--metric", "f1_forward").stdout
    assert f"{100 * body['f1_backward']:.2f}" in run(*table, "--metric", "f1_backward").stdout
    (cell,) = json.loads(run(*table, "--ci", "--format", "json").stdout)
    assert cell["ci95"] == body["ci95"]["f1_mean"]


def test_the_subsets_that_all_rows_have(run: Run) -> None:
    run("bitext.py", *NGRAM, "--langs", "spa", "fra", "--k", "1")
    run("bitext.py", *NGRAM, "--langs", "fra", "deu", "--k", "1", "--prompt", "x: ")
    table = ("script/aggregate/aggregate_bitext_mining.py", "--common")
    done = run(*table, "--bold", "best")
    assert "only the subsets that all rows have: sample 1 (eng_fra)" in done.stdout and "/13" not in done.stdout
    assert "*" in done.stdout.splitlines()[2] + done.stdout.splitlines()[3]


def test_own_data_in_a_folder(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "corpus.de").write_text("".join(f"Satz {n} mit Worten\n" for n in range(12)))
    (folder / "corpus.en").write_text("".join(f"Sentence {n} with words\n" for n in range(12)))
    done = run("bitext.py", "--dataset", "mine", *NGRAM)
    assert done.returncode == 0, done.stderr
    assert "de_en" in done.stdout
    table = run("script/aggregate/aggregate_bitext_mining.py")
    assert table.returncode == 0 and "mine-" in table.stdout


BAD = {
    "unknown dataset": (["--dataset", "nusx"], "unknown dataset 'nusx'", "did you mean 'nusax'"),
    "missing file": (["--dataset", "no.tsv"], "--dataset no.tsv: no such file", ".tsv, .csv"),
    "unknown language": (["--langs", "spanish"], "sample has no language 'spanish'", "did you mean 'spa'"),
    "unknown source": (["--src_lang", "en"], "sample has no language 'en'", "did you mean 'eng'"),
    "columns of a known set": (["--columns", "a", "b"], "--columns with the registered data set", "your own files"),
    "missing data_dir": (["--data_dir", "nowhere"], "--data_dir nowhere: no such folder", "mirror"),
    "missing checkpoint": (["--model_checkpoint", "./nowhere"], "--model_checkpoint ./nowhere: no such", "hub id"),
    "hub without a network": (["--model_checkpoint", "a/b"], "'a/b' is not in the cache", "folder of a checkpoint"),
    "near name": (["--model_checkpoint", "sentence-transformers/LaBse"], "not in the cache", "did you mean"),
    "two ways": (["--model_checkpoint", "a", "--model_checkpoints", "b"], "are both given", "use one"),
    "weights alone": (["--weights", "1"], "--weights without --model_checkpoints", "ensemble"),
    "too few weights": (["--model_checkpoints", "a", "b", "--weights", "1"], "--weights has 1", "weight per"),
    "negative weight": (["--model_checkpoints", "a", "b", "--weights", "1", "-1"], "--weights 1.0 -1.0", "at least 0"),
    "zero weights": (["--model_checkpoints", "a", "b", "--weights", "0", "0"], "--weights 0.0 0.0", "one above 0"),
    "prompts": (["--model_checkpoints", "a", "b", "c", "--prompt", "x", "y"], "--prompt has 2", "one per"),
    "fp16 and bf16": (["--fp16", "--dtype", "bf16"], "--fp16 and --dtype bf16", "use one"),
    "no cuda": (["--cuda"], "no CUDA device was found", "leave --cuda out"),
    "margin over dot": (["--margin", "ratio", "--similarity", "dot"], "--margin ratio with", "the cosine"),
    "margin_k alone": (["--margin_k", "3"], "--margin_k 3 with --margin none", "csls"),
    "k zero": (["--k", "0"], "'0' is not an integer of 1 or more", "--help"),
    "k too large": ([*NGRAM, "--k", "71"], "--k 71, but eng_spa has 70 candidates", "give 1 to 70"),
    "margin_k too large": ([*NGRAM, "--margin", "csls", "--margin_k", "99"], "--margin_k 99", "give 1 to 70"),
    "unknown flag": (["--datset", "nusax"], "unrecognized arguments", "--help"),
    "flag of tables": (["--logs", "x"], "unrecognized arguments", "did you mean --output_dir?"),
    "unknown choice": (["--similarity", "cos"], "invalid choice: 'cos'", "--help"),
    "no number": (["--seed", "x"], "'x' is not an integer", "--help"),
    "one member fused": (["--fuse", "rank"], "--fuse without an ensemble", "--model_checkpoints A B"),
    "weights and tuning": (["--model_checkpoints", "a", "b", "--weights", "1", "1", "--tune_weights"], "both", "one"),
    "margin of ranks": (["--model_checkpoints", "a", "b", "--fuse", "rank", "--margin", "csls"], "--margin", "mean"),
    "tuning without validation": (
        ["--model_checkpoints", *(NGRAM[1:] * 2), "--tune_weights"], "sample has no validation split", "--weights"
    ),
    "another task": (["--dataset", "massive_intent"], "massive_intent is not a data set for bitext", "classification"),
    "logs in a file": ([*NGRAM, "--output_dir", "/dev/null"], "Not a directory", "/dev/null is no folder: move"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_in_two_lines_and_exit_code_2(name: str, run: Run) -> None:
    flags, what, hint = BAD[name]
    done = run("bitext.py", *flags)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    error, hinted = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    assert what in error and hint in hinted


def test_verbose_shows_where_an_error_comes_from(run: Run) -> None:
    done = run("bitext.py", "--dataset", "nusx", "--verbose")
    assert done.returncode == 2 and "Traceback" in done.stderr and "error: unknown dataset" in done.stderr


STOPPING = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
import bitext
from utils.cli.main import run
from utils.encoders.sentence_transformer import SentenceTransformerEncoder
encode = SentenceTransformerEncoder.encode_counted
def encode_until_the_second_subset(self, texts):
    if list(Path().glob("stopped/**/eval_eng_spa_10.json")):
        print("encoding the second subset", flush=True)
        time.sleep(3600)
    return encode(self, texts)
SentenceTransformerEncoder.encode_counted = encode_until_the_second_subset
run(bitext.main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_where_it_was(sign: int, run: Run, tmp_path: Path) -> None:
    model = make_masked_lm(tmp_path / "model")
    flags = ("--model_checkpoint", str(model), "--langs", "spa", "deu", "hin", "--output_dir")
    cache = ("--cache_dir", str(tmp_path / "cache"))
    nursery = nursery_of_local_runs("sentence_transformers")
    process = nursery.start(["-c", STOPPING, *flags, "stopped", *cache], tmp_path)
    assert process.stdout.readline() == "encoding the second subset\n", process.communicate()
    process.send_signal(sign)
    _, said = process.communicate(timeout=TIMEOUT)
    if sign == signal.SIGINT:
        assert process.returncode == 130, said
        assert "the same command" in said and "Traceback" not in said
    done = run("bitext.py", *flags, "stopped", *cache)
    assert done.returncode == 0 and done.stdout.startswith("1 of 3 subsets are already logged")
    assert run("bitext.py", *flags, "whole", "--cache_dir", str(tmp_path / "fresh")).returncode == 0
    paths = list((tmp_path / "whole").rglob("eval_*_preds.json"))
    assert len(paths) == 9  # three subsets at three k
    for path in paths:
        assert read(path) == read(tmp_path / "stopped" / path.relative_to(tmp_path / "whole"))
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.slow
def test_two_runs_at_once_write_the_same_records(tmp_path: Path) -> None:
    command = [str(ROOT / "bitext.py"), *NGRAM, "--cache_dir", "cache"]
    runs = [nursery_of_local_runs().start(command, tmp_path) for _ in range(2)]
    assert [one.communicate(timeout=TIMEOUT) and one.returncode for one in runs] == [0, 0]
    records = list((tmp_path / FOLDER).glob("eval_*_10.json"))
    assert len(records) == 13 and all(read(path)["n"] == 70 for path in records)


@pytest.mark.slow
def test_the_published_code_and_this_suite_agree_on_nusax(run: Run, tmp_path: Path, mirror: Path, bundled: str) -> None:
    """The original's figures for this checkpoint on eng_ind, from a run of its own code."""
    done = run("bitext.py", "--dataset", "nusax", "--langs", "ind", "--data_dir", str(mirror))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "logs/save_bitext/nusax" / bundled / "seed_42"
    assert read(folder / "eval_eng_ind_1.json")["f1"] == pytest.approx(0.949667, abs=1e-6)
    assert read(folder / "eval_eng_ind_5.json")["f1"] == pytest.approx(0.973667, abs=1e-6)
