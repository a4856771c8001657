"""--eval of finetune.py: what is measured, its test texts, and the table before and after."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

import finetune
from utils.cli.finetune_arguments import OBJECTIVES
from utils.cli.finetune_eval import (
    AS_ENCODER,
    AS_GENERATOR,
    AS_RERANKER,
    READERS,
    Evaluation,
    MeasuredAs,
    evaluations_of,
    model_flags,
    texts_of_tests,
)
from utils.errors import UserError
from utils.records.reader import read_record
from utils.reporting.tables.before_after import before_after
from utils.sweep.scripts import has_flag
from utils.training.overlap import TestTexts


def evaluated(*typed: str, way: MeasuredAs = AS_ENCODER, **more: Any) -> list[Evaluation]:
    usual = {"model_checkpoint": "m", "data_dir": None, "cache_dir": Path("cache"), "cuda": False}
    args = Namespace(**{"eval": [*typed], **usual, **more})
    return evaluations_of(args, way, finetune.parse_script)


def test_a_task_and_a_command_are_measurements() -> None:
    first, second, third = evaluated("bitext:sample", "python classification.py --langs swh", "sts:sts17")
    assert (first.script, first.argv) == ("bitext.py", ("--dataset", "sample", "--cache_dir", "cache"))
    assert (second.script, second.args.langs) == ("classification.py", ["swh"])
    assert third.args.dataset == "sts17"
    assert first.command(["--model_checkpoint", "m"]) == (
        "python bitext.py --dataset sample --cache_dir cache --model_checkpoint m"
    )


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("bitxt:nusax", "no task 'bitxt'"),
        ("bitext.py --model_checkpoint x", "--model_checkpoint is the model that is trained"),
        ("bitext.py --model_checkpoints=x y", "--model_checkpoints is the model that is trained"),
        ("bitext.py --lnags jpn", "unrecognized arguments: --lnags"),
        ("", "an empty command"),
        ("bitext.py 'a", "No closing quotation"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(typed: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluated(typed)


@pytest.mark.parametrize(
    ("typed", "way", "message", "hint"),
    [
        (
            "chat:sample",
            AS_ENCODER,
            "chat.py does not measure an encoder",
            "bitext, classification, icl, retrieval, sts",
        ),
        ("bitext:nusax", AS_GENERATOR, "bitext.py does not measure a language model", "icl, chat"),
        ("icl:sample", AS_RERANKER, "icl.py does not measure a reranker", "bitext, retrieval"),
    ],
)
def test_a_task_that_cannot_take_the_model_is_refused(typed: str, way: MeasuredAs, message: str, hint: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        evaluated(typed, way=way)
    assert raised.value.hint == f"choose from: {hint}"


def test_a_classifier_is_measured_by_its_own_records() -> None:
    with pytest.raises(UserError, match="does not measure a classifier") as raised:
        evaluated("classification:sample", way=OBJECTIVES["classification"].measured_as)
    assert raised.value.hint == "its own test is in its records: leave it out"


@pytest.mark.parametrize("way", [AS_ENCODER, AS_RERANKER, AS_GENERATOR])
def test_the_tasks_of_a_model_are_those_whose_scripts_take_it(way: MeasuredAs) -> None:
    assert set(way.tasks) == {task for task in READERS if has_flag(f"{task}.py", way.flag)}


def test_what_is_trained_decides_which_flag_is_refused() -> None:
    (found,) = evaluated("retrieval.py --model_checkpoint baseline/bm25", way=AS_RERANKER)
    assert found.args.model_checkpoint == "baseline/bm25"  # the first stage
    with pytest.raises(UserError, match="--rerank is the model that is trained"):
        evaluated("retrieval.py --rerank=x", way=AS_RERANKER)
    (found,) = evaluated("icl:sample", way=AS_GENERATOR)
    assert model_flags(Namespace(model_checkpoint="m"), AS_GENERATOR, None) == ["--gen_model_checkpoint", "m"]


def test_the_test_texts_are_those_that_the_commands_test_on() -> None:
    from utils.data.bitext import load_bitext
    from utils.data.registry import DATASETS
    from utils.data.sources import Sources

    found = TestTexts(texts_of_tests(evaluated("bitext.py --langs swh", "classification.py --langs swh")))
    data = load_bitext(DATASETS["bitext"]["sample"], "eng", "swh", Sources(None, Path("cache")))
    assert all(found.likeness(text) == "exact" for text in (*data.sources, *data.targets))
    assert found.likeness("Nobody laughed at this test.") is None


@pytest.mark.parametrize(
    ("template", "rows", "texts"),
    [
        (
            "question",
            [
                {"question": f"Which is {name}?", "choices": ["blood", "grass"], "answer": "A"}
                for name in ("red", "wet")
            ],
            {"Which is red?", "Which is wet?"},
        ),
        (
            "nli",
            [{"premise": f"It is {name}.", "hypothesis": "So.", "answer": "neutral"} for name in "abcdefghijkl"],
            {*(f"It is {name}." for name in "abcdefghijkl"), *(f"It is {name}.\nSo." for name in "abcdefghijkl")},
        ),
        (
            "translation",
            [
                {"source": f"rain {name}", "answer": [name, "pluie"], "source_lang": "English", "target_lang": "French"}
                for name in "abcdefghijkl"
            ],
            {"rain a", "rain l", "a", "pluie"},
        ),
    ],
)
def test_the_test_texts_of_items_are_their_fields_and_the_translations(
    template: str, rows: list[dict[str, Any]], texts: set[str], tmp_path: Path
) -> None:
    """What all items share, such as the name of a language, is none of them."""
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({**row, "split": "test"}) + "\n" for row in rows))
    found = set(texts_of_tests(evaluated(f"icl.py --dataset {file} --template {template}", way=AS_GENERATOR)))
    assert texts <= found
    assert not found & {"English", "French", "So.", "blood"}


def test_a_reranker_is_measured_against_none() -> None:
    args = Namespace(model_checkpoint="m")
    assert model_flags(args, AS_RERANKER, None) == []
    assert model_flags(args, AS_RERANKER, Path("out")) == ["--rerank", "out"]
    decoder = Namespace(model_checkpoint="m", pooling="last", attention=None)
    assert model_flags(decoder, AS_ENCODER, None) == ["--model_checkpoint", "m", "--pooling", "last"]
    assert model_flags(decoder, AS_ENCODER, Path("out")) == ["--model_checkpoint", "out"]


def test_the_table_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    common = ["--langs", "swh", "--k", "1"]
    sides = [
        finetune.measure("bitext.py", [*common, "--model_checkpoint", name, "--cache_dir", str(tmp_path / "cache")])
        for name in ("baseline/char_ngram", "baseline/bm25")
    ]
    again = finetune.measure("bitext.py", [*common, "--model_checkpoint", "baseline/bm25"])
    assert again == sides[1]  # what has a record is not computed again
    (row,) = before_after(*sides)
    figures = [100 * read_record(paths[0]).metrics["f1"] for paths in sides]
    assert (row["task"], row["data"], row["subset"], row["metric"]) == ("bitext", "sample", "eng_swh", "f1")
    assert [row["before"], row["after"]] == pytest.approx(figures, abs=0.005)
    assert row["difference"] == pytest.approx(figures[1] - figures[0], abs=0.005)
    low, high = (float(part) for part in row["95 %"].split(" to "))
    assert low <= row["difference"] <= high and 0 <= float(row["p"]) <= 1
