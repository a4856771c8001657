"""Errors of the models that rerankers are made of name flags of rerankers only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run
from tiny_rerankers import save_causal, save_cross_encoder

from utils.errors import UserError
from utils.generators.batches import BatchLimits
from utils.rerankers.flags import reranker_errors

FLAG = re.compile(r"--[a-z]\w*")


def an_encoder_decoder(folder: Path) -> tuple[str, ...]:
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"architectures": ["XForCausalLM", "Y"], "is_encoder_decoder": True})
    )
    return (str(folder),)


def broken_template(folder: Path) -> tuple[str, ...]:
    save_causal(folder, chat=True)
    for file in folder.glob("chat_template*"):
        file.write_text("no message")
    return (str(folder),)


def a_long_cross_encoder(folder: Path) -> tuple[str, ...]:
    return str(save_cross_encoder(folder)), "--rerank_max_length", "9999"


def an_unknown_name(folder: Path) -> tuple[str, ...]:
    return ("nobody/nothing",)


@pytest.mark.parametrize("made", [an_encoder_decoder, broken_template, a_long_cross_encoder, an_unknown_name])
def test_errors_name_flags_that_the_script_has(
    made: Callable[[Path], tuple[str, ...]], run: Run, tmp_path: Path
) -> None:
    flags = ("--langs", "spa", "--k", "1", "--limit", "2", "--model_checkpoint", "baseline/char_ngram")
    done = run("bitext.py", *flags, "--rerank", *made(tmp_path / "model"))
    assert done.returncode == 2 and "hint: " in done.stderr, done.stderr
    known = set(FLAG.findall(run("bitext.py", "--help").stdout))
    assert set(FLAG.findall(done.stderr)) <= known, done.stderr
    assert "--max_length" not in done.stderr and "--model_checkpoint" not in done.stderr


def test_hints_on_memory_and_decoding_are_those_of_rerankers() -> None:
    with pytest.raises(UserError) as caught, reranker_errors():
        BatchLimits(1, 1).shrink(1, 5000)
    assert caught.value.hint == "use a smaller --rerank_max_length, or another --rerank"
    with pytest.raises(UserError) as caught, reranker_errors():
        raise UserError("no chat template", "use --gen_loader base")
    assert caught.value.hint == "use another --rerank"
    with pytest.raises(UserError) as caught, reranker_errors():
        raise UserError("--max_length 9, but m takes 8", "give 1 to 8")
    assert (caught.value.what, caught.value.hint) == ("--rerank_max_length 9, but m takes 8", "give 1 to 8")
