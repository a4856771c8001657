"""What the arguments of all scripts have in common: paths, texts that are empty or no Unicode, and numbers."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Run

from utils.cli import types
from utils.cli.arguments import Parser
from utils.records.provenance import public_argument

COMPARE = ("script/aggregate/compare.py", "a", "b", "--task", "bitext")


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (("bitext.py", "--src_lang", ""), "--src_lang"),
        (("bitext.py", "--model_checkpoint", ""), "--model_checkpoint"),
        (("bitext.py", "--langs", "eng", ""), "--langs"),
        (("bitext.py", "--base_url="), "--base_url"),
        (("classification.py", "--cache_dir", ""), "--cache_dir"),
        (("icl.py", "--gen_base_url", ""), "--gen_base_url"),
        (("visualize.py", "--dataset", ""), "--dataset"),
        (("script/report.py", "--output", ""), "--output"),
        ((*COMPARE, "--metric", ""), "--metric"),
        (("script/aggregate/from_mteb.py", ""), "PATH"),
        (("script/plot/plot_k.py", "--task", "bitext", "--title", ""), "--title"),
    ],
)
def test_an_empty_argument_is_an_error(run: Run, command: tuple[str, ...], flag: str) -> None:
    done = run(*command)
    assert done.returncode == 2 and done.stderr.startswith(f"error: argument {flag}: it is empty; ")


@pytest.mark.parametrize(
    "flag", ["--output_dir", "--cache_dir", "--data_dir", "--dataset", "--model_checkpoint", "--model_checkpoints"]
)
def test_a_home_folder_that_is_none_is_an_error(run: Run, flag: str) -> None:
    for given in ((flag, "~nosuchuser/x"), (f"{flag}=~nosuchuser/x",)):
        done = run("bitext.py", *given)
        assert done.returncode == 2 and f"{flag}: '~nosuchuser/x': no user of this name has a home" in done.stderr


def test_a_path_in_the_home_folder_is_one_whatever_the_shell_makes_of_it(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    flags = ("--model_checkpoint", "baseline/char_ngram", "--langs", "fra", "--k", "1")
    assert run("bitext.py", *flags, "--output_dir=~/logs", env={"HOME": str(home)}).returncode == 0
    table = ("script/aggregate/aggregate_bitext_mining.py", "--logs=~/logs", "--format=csv", "--output=~/table.csv")
    done = run(*table, env={"HOME": str(home)})
    assert done.returncode == 0, done.stderr
    assert (home / "table.csv").read_text().startswith("model,sample,sample_n,sample_expected\nbaseline/char_ngram,")
    assert not [path for path in tmp_path.iterdir() if path != home]


def test_a_record_does_not_name_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert public_argument(types.path("~/x")) == "~/x" and public_argument(Path("/home/you/x")) == "/home/you/x"
    monkeypatch.setenv("HOME", "/")
    assert public_argument(Path("/x")) == "/x"


def test_an_argument_that_is_no_unicode_is_an_error_before_anything_is_computed(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bitext.py"), "--src_lang", os.fsdecode(b"a\xff")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        r"error: argument --src_lang: 'a\udcff' is not valid UTF-8",
    )


def test_numbers_are_within_what_can_be_computed() -> None:
    assert types.seed("4294967295") == 2**32 - 1 and types.natural("0") == 0 and types.seconds("1e300") == 1e7
    for parse, value in (
        (types.seed, "4294967296"),
        (types.seed, "-1"),
        (types.positive, "0"),
        (types.natural, "9" * 5000),
        (types.positive, str(2**31)),
    ):
        with pytest.raises(argparse.ArgumentTypeError) as caught:
            parse(value)
        assert len(str(caught.value)) < 120


def test_a_prompt_may_be_empty() -> None:
    parser = Parser("", "")
    parser.add_argument("--prompt", type=types.any_text)
    assert parser.parse_args(["--prompt", ""]).prompt == ""


@pytest.mark.parametrize(
    "tag",
    ["no prompt", "fuse rank", "fp16", "prompt x", "__", "a__b", "...", "balance", "generator in bf16", "no_prompt__x"],
)
def test_a_tag_that_reads_as_a_setting_is_an_error(run: Run, tag: str) -> None:
    done = run("bitext.py", "--tag", tag, "--dry_run")
    assert done.returncode == 2 and done.stderr.startswith(f"error: argument --tag: {tag!r} ")


@pytest.mark.parametrize("tag", ["second", "rank 2", "our prompt", "v2.0-final", "no_prompt", "nothing"])
def test_a_tag_is_a_name(tag: str) -> None:
    assert types.tag(tag) == tag


def test_a_setting_that_is_no_flag_is_given_by_setting(run: Run) -> None:
    done = run(*COMPARE, "--direction", "both")
    assert done.returncode == 2 and "hint: settings of records are chosen by --setting direction=both" in done.stderr
    done = run(*COMPARE, "--directions", "both")
    assert "hint: --help shows every flag" in done.stderr
    done = run("bitext.py", "--vote", "weighted")
    assert "hint: --help shows every flag" in done.stderr


def test_a_backslash_n_of_a_prompt_is_a_newline(run: Run, tmp_path: Path) -> None:
    flags = ("--model_checkpoint", "baseline/char_ngram", "--langs", "fra", "--k", "1")
    for prompt in (r"Instruct: find\nQuery: ", "Instruct: find\nQuery: "):
        assert run("bitext.py", *flags, "--prompt", prompt).returncode == 0
    (record,) = tmp_path.rglob("eval_eng_fra_1.json")
    assert json.loads(record.read_text())["run"]["encoders"][0]["prompt"] == "Instruct: find\nQuery: "
