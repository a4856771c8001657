"""finetune.py as users run it, with tiny models: classifiers, their records, and what goes wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_encoders import make_masked_lm

Run = Callable[..., Any]
WORDS = {"pets": "cat cat cat cat", "dogs": "dog dog dog dog"}
LANGS = ("eng", "swh")
TINY = ("--epochs", "8", "--batch_size", "4", "--learning_rate", "0.01", "--patience", "8")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_masked_lm(tmp_path_factory.mktemp("encoder"))


def rows_of(lang: str, splits: dict[str, int]) -> list[str]:
    """Rows of both labels, as many of each split as asked for; no text is in two splits."""
    lines = []
    for split, count in splits.items():
        for number in range(count):
            label = list(WORDS)[number % 2]
            lines.append(f"{WORDS[label]} {split} {lang} {chr(ord('a') + number)}\t{label}\t{lang}\t{split}")
    return lines


def write_data(path: Path, splits: dict[str, int] | None = None, langs: tuple[str, ...] = LANGS) -> Path:
    rows = [row for lang in langs for row in rows_of(lang, splits or {"train": 8, "validation": 4, "test": 6})]
    path.write_text("\n".join(["text\tlabel\tlang\tsplit", *rows]) + "\n")
    return path


def records_in(folder: Path) -> dict[str, dict[str, Any]]:
    paths = sorted(folder.rglob("eval_*_1.json"))
    return {path.stem.split("_")[1]: json.loads(path.read_text()) for path in paths}


def weights_of(folder: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("model.safetensors"))]


def trained(run: Run, folder: Path, data: Path, checkpoint: Path, *flags: str) -> Any:
    named = ("--dataset", str(data), "--model_checkpoint", str(checkpoint))
    return run(folder, "finetune.py", *named, *TINY, *flags)


def test_one_classifier_a_language_with_records_of_classification(
    run_in: Run, tmp_path: Path, checkpoint: Path
) -> None:
    data = write_data(tmp_path / "data.tsv")
    done = trained(run_in, tmp_path, data, checkpoint)
    assert done.returncode == 0, done.stderr
    found = records_in(tmp_path / "logs")
    assert sorted(found) == ["eng", "swh"]
    record = found["eng"]
    assert record["n"] == 6 and record["acc"] == 1.0 and record["ci95"]["acc"][1] == 1.0
    run = record["run"]
    assert run["model"].startswith("local/encoder") and run["model"].endswith(", fine-tuned")
    assert (run["task"], run["lang"], run["train_lang"], run["cross"], run["n_train"]) == (
        *("classification", "eng", "eng", False),
        8,
    )
    assert "similarity" not in run and "vote" not in run
    assert run["training"]["epochs"] == 8 and run["encoders"][0]["dtype"] == "fp32"
    folders = sorted(path.name for path in (tmp_path / "finetuned").rglob("eng"))
    assert folders == ["eng"]
    again = trained(run_in, tmp_path, data, checkpoint)
    assert again.returncode == 0 and again.stderr.count("has this training already") == 2
    before = weights_of(tmp_path / "finetuned")
    trained(run_in, tmp_path, data, checkpoint, "--overwrite")
    assert weights_of(tmp_path / "finetuned") == before


def test_without_weights_the_records_stay_and_nothing_is_trained_again(
    run_in: Run, tmp_path: Path, checkpoint: Path
) -> None:
    data = write_data(tmp_path / "data.tsv", langs=("eng",))
    for times in range(3):
        done = trained(run_in, tmp_path, data, checkpoint, "--output", "out", "--drop_weights")
        assert done.returncode == 0, done.stderr
        found = records_in(tmp_path / "logs")["eng"]
        assert found["acc"] == 1.0 and weights_of(tmp_path / "out") == []
        assert ("has this training already" in done.stderr) == (times == 1), done.stderr
        assert ("has kept no weights of this training: it is done again" in done.stderr) == (times == 2)
        if times == 1:
            for record in (tmp_path / "logs").rglob("eval_eng_1.json"):
                record.unlink()
    assert json.loads((tmp_path / "out" / "training.json").read_text())["weights"] is False
    assert "The weights were not kept" in (tmp_path / "out" / "README.md").read_text()
    kept = trained(run_in, tmp_path, data, checkpoint, "--output", "out")
    assert "it is done again" in kept.stderr and len(weights_of(tmp_path / "out")) == 1


def test_cross_trains_once_and_tests_every_other_language(run_in: Run, tmp_path: Path, checkpoint: Path) -> None:
    data = write_data(tmp_path / "data.tsv", langs=("eng", "swh", "fra"))
    done = trained(run_in, tmp_path, data, checkpoint, "--cross")
    assert done.returncode == 0, done.stderr
    found = records_in(tmp_path / "logs")
    assert sorted(found) == ["fra", "swh"]
    assert {record["run"]["train_lang"] for record in found.values()} == {"eng"}
    assert {record["run"]["setting"] for record in found.values()} == {"xl"}
    assert len(weights_of(tmp_path / "finetuned")) == 1
    # the same model is tested in its own language without another training
    alone = trained(run_in, tmp_path, data, checkpoint, "--langs", "eng")
    assert alone.returncode == 0 and "has this training already" in alone.stderr
    assert sorted(records_in(tmp_path / "logs")) == ["eng", "fra", "swh"]


def test_one_model_of_all_languages(run_in: Run, tmp_path: Path, checkpoint: Path) -> None:
    data = write_data(tmp_path / "data.tsv")
    done = trained(run_in, tmp_path, data, checkpoint, "--multilingual")
    assert done.returncode == 0, done.stderr
    found = records_in(tmp_path / "logs")
    assert {(lang, record["run"]["n_train"], record["run"]["train_lang"]) for lang, record in found.items()} == {
        ("eng", 16, "eng swh"),
        ("swh", 16, "eng swh"),
    }
    assert found["eng"]["run"]["training"]["langs"] == ["eng", "swh"]
    table = run_in(tmp_path, "script/aggregate/aggregate_classification.py", "--k", "10")
    assert "fine-tuned (multilingual, epochs 8" in table.stdout, table.stdout


@pytest.mark.parametrize(
    ("flags", "tested"),
    [
        ((), [14]),
        (("--langs", "eng", "spa"), [1, 1]),
        (("--cross",), [13]),
        (("--multilingual", "--langs", "eng"), [1]),
    ],
)
def test_the_sample_set_has_one_classifier_unless_languages_are_named(
    run_in: Run, tmp_path: Path, checkpoint: Path, flags: tuple[str, ...], tested: list[int]
) -> None:
    done = run_in(tmp_path, "finetune.py", "--model_checkpoint", str(checkpoint), "--dry_run", *flags)
    assert done.returncode == 0, done.stderr
    tests = [line for line in done.stdout.splitlines() if line.startswith("test: ")]
    assert [line.count(" 21") for line in tests] == tested, done.stdout


def test_rows_stand_beside_those_of_neighbours_and_are_paired_with_them(
    run_in: Run, tmp_path: Path, checkpoint: Path
) -> None:
    data = write_data(tmp_path / "data.tsv")
    trained(run_in, tmp_path, data, checkpoint)
    run_in(
        tmp_path, "classification.py", "--dataset", str(data), "--model_checkpoint", str(checkpoint), "--k", "1", "3"
    )
    for flags in ((), ("--k", "3"), ("--k", "3", "--format", "md")):
        shown = run_in(tmp_path, "script/aggregate/aggregate_classification.py", *flags).stdout
        assert (
            shown.count("local/encoder") == 2
            and "fine-tuned (epochs 8, batch_size 4, learning_rate 0.01, patience 8)" in shown
        )
    names = sorted({record["run"]["model"] for record in records_in(tmp_path / "logs").values()})
    (name,) = [name for name in names if name.endswith("fine-tuned")] or names
    base = name.removesuffix(", fine-tuned")
    both = run_in(tmp_path, "script/aggregate/compare.py", "--task", "classification", f"{base}, fine-tuned", base)
    assert both.returncode == 0, both.stderr
    assert "mean" in both.stdout
    page = run_in(tmp_path, "script/report.py")
    assert page.returncode == 0, page.stderr


def test_validation_that_is_missing_is_held_out_of_the_training_texts(
    run_in: Run, tmp_path: Path, checkpoint: Path
) -> None:
    data = write_data(tmp_path / "data.tsv", {"train": 20, "test": 4}, langs=("eng",))
    done = trained(run_in, tmp_path, data, checkpoint, "--output", "model")
    assert done.returncode == 0, done.stderr
    assert "no validation split: 2 of 20 training texts are held out (seed 42)" in done.stderr
    assert json.loads((tmp_path / "model" / "training.json").read_text())["run"]["data"]["held_out"] is True
    assert records_in(tmp_path / "logs")["eng"]["run"]["n_train"] == 18
    card = (tmp_path / "model" / "README.md").read_text()
    assert "validation (held out of the training texts)" in card and str(tmp_path) not in card


def test_test_texts_never_enter_the_training(run_in: Run, tmp_path: Path, checkpoint: Path) -> None:
    """Duplicates of test texts among the training texts are counted, and left out on demand."""
    rows = rows_of("eng", {"train": 8, "validation": 4, "test": 4})
    tests = [row for row in rows if row.endswith("test")]
    rows += [
        tests[0].removesuffix("test") + "train",
        tests[1].upper().replace("\tDOGS\tENG\tTEST", "\tdogs\teng\ttrain"),
    ]
    data = tmp_path / "data.tsv"
    data.write_text("\n".join(["text\tlabel\tlang\tsplit", *rows]) + "\n")
    done = trained(run_in, tmp_path, data, checkpoint, "--dry_run")
    assert "2 of 10 training rows have one of 4 test texts in them (1 exactly, 1 nearly)" in done.stdout, done.stderr
    done = trained(run_in, tmp_path, data, checkpoint, "--decontaminate", "--output", "model")
    assert done.returncode == 0 and "they are left out" in done.stderr, done.stderr
    assert records_in(tmp_path / "logs")["eng"]["run"]["n_train"] == 8
    figures = json.loads((tmp_path / "model" / "training.json").read_text())["figures"]
    assert figures["overlap"] == {"test texts": 4, "rows": 10, "exact": 1, "near": 1}


def test_a_learning_rate_without_sense_ends_with_the_place(run_in: Run, tmp_path: Path, checkpoint: Path) -> None:
    data = write_data(tmp_path / "data.tsv", langs=("eng",))
    done = trained(run_in, tmp_path, data, checkpoint, "--learning_rate", "1e30")
    assert done.returncode == 2
    first, second = done.stderr.strip().splitlines()[-2:]
    assert first.startswith("error: the loss is nan at step ") and "of 16 (epoch" in first
    assert second.startswith("hint: use a smaller --learning_rate than 1e+30")


@pytest.mark.parametrize(
    ("flags", "splits", "message"),
    [
        (("--cross", "--multilingual"), None, "--cross with --multilingual"),
        (("--src_lang", "eng"), None, "--src_lang without --cross"),
        (("--langs", "xho"), None, "has no language 'xho'"),
        (("--max_length", "33"), None, "takes 32 tokens"),
        (("--model_checkpoint", "."), None, "is not the folder of a checkpoint"),
        (("--model_checkpoint", "text-embedding-3-small"), None, "training text-embedding-3-small"),
        ((), {"train": 1, "validation": 2, "test": 2}, "all training texts have the label 'pets'"),
        ((), {"train": 4, "validation": 2}, "has no rows of the split 'test'"),
        ((), {"validation": 2, "test": 2}, "has no rows of the split 'train'"),
        (("--lora_rank", "4"), None, "flags of adapters without --lora"),
        (("--max_length", "2"), None, "at a maximum length of 2 reads nothing of a text: it adds 2 tokens"),
        (("--dtype", "fp16"), None, "--dtype fp16 without --cuda"),
        (("--lora", "--lora_modules", "nosuch"), None, "--lora_modules nosuch: the model has no such layers"),
    ],
)
def test_mistakes_are_told_in_two_lines(
    run_in: Run, tmp_path: Path, checkpoint: Path, flags: tuple[str, ...], splits: dict[str, int] | None, message: str
) -> None:
    data = write_data(tmp_path / "data.tsv", splits)
    done = trained(run_in, tmp_path, data, checkpoint, *flags)
    assert done.returncode == 2, done.stderr
    first, second = done.stderr.strip().splitlines()[-2:]
    assert first.startswith("error: ") and message in first and second.startswith("hint: "), done.stderr
    assert [*tmp_path.rglob("training.json")] == []


@pytest.mark.parametrize("script", ["classification.py", "finetune.py"])
def test_a_table_without_rows_is_an_error(run_in: Run, tmp_path: Path, script: str) -> None:
    (tmp_path / "data.tsv").write_text("text\tlabel\tlang\tsplit\n")
    done = run_in(tmp_path, script, "--dataset", "data.tsv", "--model_checkpoint", "baseline/char_ngram")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: data.tsv has no rows", done.stderr
