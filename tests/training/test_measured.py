"""--eval of finetune.py: what is measured, its test texts, and the table before and after."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

import finetune
from utils.cli.finetune_eval import Evaluation, evaluations_of, model_flags, texts_of_tests
from utils.errors import UserError
from utils.records.reader import read_record
from utils.reporting.tables.before_after import before_after


def evaluated(*typed: str, **more: Any) -> list[Evaluation]:
    usual = {"objective": "contrastive", "data_dir": None, "cache_dir": Path("cache"), "cuda": False}
    args = Namespace(**{"eval": [*typed], **usual, **more})
    return evaluations_of(args, finetune.parse_script)


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


def test_what_is_trained_decides_which_flag_is_refused() -> None:
    (found,) = evaluated("retrieval.py --model_checkpoint baseline/bm25", objective="reranker")
    assert found.args.model_checkpoint == "baseline/bm25"  # the first stage
    with pytest.raises(UserError, match="--rerank is the model that is trained"):
        evaluated("retrieval.py --rerank=x", objective="reranker")
    (found,) = evaluated("icl:sample", objective="language_model")
    args = Namespace(objective="language_model", model_checkpoint="m")
    assert model_flags(args, None) == ["--gen_model_checkpoint", "m"]


def test_the_test_texts_are_those_that_the_commands_test_on() -> None:
    from utils.data.bitext import load_bitext
    from utils.data.registry import DATASETS
    from utils.data.sources import Sources

    found = texts_of_tests(evaluated("bitext.py --langs swh", "classification.py --langs swh"))
    data = load_bitext(DATASETS["bitext"]["sample"], "eng", "swh", Sources(None, Path("cache")))
    assert all(found.likeness(text) == "exact" for text in (*data.sources, *data.targets))
    assert found.likeness("Nobody laughed at this test.") is None


def test_a_reranker_is_measured_against_none() -> None:
    args = Namespace(objective="reranker", model_checkpoint="m")
    assert model_flags(args, None) == []
    assert model_flags(args, Path("out")) == ["--rerank", "out"]
    decoder = Namespace(objective="contrastive", model_checkpoint="m", pooling="last", attention=None)
    assert model_flags(decoder, None) == ["--model_checkpoint", "m", "--pooling", "last"]
    assert model_flags(decoder, Path("out")) == ["--model_checkpoint", "out"]


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
