"""What a file or a grid of a sweep means: its runs, and the mistakes that it can have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from utils.errors import UserError
from utils.sweep.grid import Value, grid_of, read_sweep
from utils.sweep.groups import lacking, make_groups
from utils.sweep.scripts import has_flag, script_names, takes

NGRAM = "baseline/char_ngram"


def lines_of(path: Path, content: str, **low: Value) -> list[str]:
    path.write_text(content, encoding="utf-8")
    return [run.command for run in read_sweep(path, low).runs]


def grid(words: str, **low: Value) -> list[str]:
    return [run.command for run in grid_of(words.split(), low).runs]


def test_lists_are_axes_and_lists_in_lists_are_several_values(tmp_path: Path) -> None:
    lines = lines_of(
        tmp_path / "a.yaml",
        "runs:\n- {script: [bitext, classification.py], dataset: [a, nusax], k: [[1, 5], 10], langs: [[no, '01']]}\n",
    )
    told = "--k 1 5 --langs no 01", "--k 10 --langs no 01"
    assert lines == [
        f"python {script} --dataset {dataset} {rest}"
        for script in ("bitext.py", "classification.py")
        for dataset in ("a", "nusax")
        for rest in told
    ]


def test_true_is_a_bare_flag_and_defaults_are_for_scripts_that_have_them(tmp_path: Path) -> None:
    content = """
defaults: {vote: weighted, seed: 7}
runs:
- {script: bitext.py, cuda: [true, false], prompt: "- "}
- {script: classification.py, seed: 8}
- {script: classification.py, seed: 8}
"""
    assert lines_of(tmp_path / "a.yaml", content, cache_dir="c", seed="9") == [
        "python bitext.py --seed 7 --cuda '--prompt=- ' --cache_dir c",
        "python bitext.py --seed 7 '--prompt=- ' --cache_dir c",
        "python classification.py --vote weighted --seed 8 --cache_dir c",
    ]


def test_a_line_of_exclude_leaves_out_what_has_all_of_its_values(tmp_path: Path) -> None:
    content = """
runs:
- {script: [bitext.py, classification.py], dataset: [a, b, c], k: [1, 5]}
exclude:
- {dataset: [a, b], k: 5}
- {script: bitext, dataset: c}
"""
    kept = [line.removeprefix("python ") for line in lines_of(tmp_path / "a.yaml", content)]
    assert kept == [
        *("bitext.py --dataset a --k 1", "bitext.py --dataset b --k 1"),
        *("classification.py --dataset a --k 1", "classification.py --dataset b --k 1"),
        *("classification.py --dataset c --k 1", "classification.py --dataset c --k 5"),
    ]


def test_places_do_not_change_which_run_it_is() -> None:
    here, there = (grid_of(["script=bitext.py", "k=1,5"], {"cache_dir": folder}) for folder in ("a", "b"))
    assert [run.id for run in here.runs] == [run.id for run in there.runs]
    assert len({run.id for run in here.runs}) == 2


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        ("script=bitxt", "unknown script 'bitxt'", "did you mean 'bitext.py'?"),
        ("dataset=a", "has no `script`", "bitext.py"),
        ("script=bitext datset=a", "unrecognized arguments: --datset a", "did you mean --dataset?"),
        ("script=classification margin=ratio", "unrecognized arguments: --margin ratio", "--help"),
        ("script=bitext k=1,0", "argument --k: '0' is not an integer of 1 or more", "--help"),
        ("script=bitext margin=ratoi", "argument --margin: invalid choice: 'ratoi'", "--help"),
        ("script=bitext cuda=yes", "unrecognized arguments: yes", "--help"),
        ("script=bitext list", "'list' is no flag of a sweep", "leave it out"),
        ("script=bitext dry_run", "'dry_run' is no flag of a sweep", "leave it out"),
        ("script=bitext k=[[1]]", "is no value of a flag", "a list has the values of several runs"),
        ("script=bitext k=", "k= has no value", "key=value,value"),
        ("script=bitext k=1 k=2", "k is given twice", "k=a,b"),
        ("script=bitext k={a", "expected", "docs/sweeps.md"),
    ],
)
def test_mistakes_are_told_before_anything_starts(words: str, what: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        grid(words)
    assert what in error.value.what and hint in error.value.hint


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "holds no table"),
        ("- a", "holds no table"),
        ("runs: []", "there are no runs"),
        ("run:\n- {script: bitext.py}", "unknown section 'run'"),
        ("runs:\n- {script: bitext.py, k: 1, k: 5}", "line 2: k stands twice"),
        ("runs:\n- {script: bitext.py}\n- {script: bitext.py, k: []}", "grid 2: k is an empty list"),
        ("runs:\n- {script: bitext.py}\n  k: 1", "line 3"),
        ("defaults: {sed: 1}\nruns:\n- {script: bitext.py}", "defaults: unrecognized arguments: --sed"),
        ("runs:\n- {script: bitext.py}\nexclude:\n- {datset: a}", "exclude: no run has 'datset'"),
        ("runs:\n- {script: bitext.py, k: 1}\nexclude:\n- {k: 1}", "every run is excluded"),
        ("name: ../x\nruns:\n- {script: bitext.py}", "'../x' is no name of a sweep"),
        ("[" * 5000, "nested too deeply"),
        ("runs:\n- {script: bitext.py, k: {a: 1}}", "is no value of a flag"),
        ("runs:\n- {script: {a: 1}}", "script is no name"),
    ],
)
def test_a_file_that_is_no_sweep_is_told(content: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        lines_of(tmp_path / "a.yaml", content)
    assert what in error.value.what and error.value.hint


def test_a_grid_is_counted_before_it_is_made() -> None:
    axis = ",".join(map(str, range(100)))
    with pytest.raises(UserError) as error:
        grid(" ".join(["script=bitext", *(f"{name}={axis}" for name in ("k", "seed", "limit", "batch_size"))]))
    assert error.value.what == "--grid: 100,000,000 combinations, and a sweep has at most 100,000 runs"
    with pytest.raises(UserError, match=r"more than 10\^15 combinations"):
        grid(" ".join(["script=bitext", *(f"k{number}=1,2" for number in range(20_000))]))


@pytest.mark.parametrize(
    ("file", "name", "expected", "hint"),
    [
        ("my sweep.yaml", "fine", "fine", ""),
        ("my sweep.yaml", None, "", "--name my-sweep"),
        ("a.yaml", "a/b", "", "--name a-b"),
        ("a.yaml", "..", "", "--name NAME"),
        ("a.yaml", "-x", "", "--name x"),
        ("a.yaml", "\u4e2d" * 90, "", "up to 100 letters"),  # 270 bytes
    ],
)
def test_a_sweep_has_the_name_that_is_asked_for(
    file: str, name: str | None, expected: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_text("runs: [{script: bitext.py}]")
    if expected:
        assert read_sweep(tmp_path / file, {}, name).name == expected
        return
    with pytest.raises(UserError, match="is no name of a sweep") as error:
        read_sweep(tmp_path / file, {}, name)
    assert hint in error.value.hint


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").touch()
    with pytest.raises(UserError, match="cannot be read: Is a directory") as error:
        read_sweep(tmp_path, {})
    assert error.value.hint == "name a YAML file in it: b.yaml"
    with pytest.raises(UserError, match="too large"):
        read_sweep(Path("/dev/zero"), {})


def test_runs_with_the_same_models_form_a_group_and_data_sets_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = grid_of(["script=bitext,classification", f"model_checkpoint={NGRAM},org/a", "k=1,5", "dataset=a,b"], {}).runs
    groups = make_groups(runs, 1)
    assert [(group.models, len(group.runs)) for group in groups] == [((NGRAM,), 8), (("org/a",), 8)]
    assert [run.argv[run.argv.index("--dataset") + 1] for run in groups[0].runs] == ["a"] * 4 + ["b"] * 4
    assert [len(group.runs) for group in make_groups(runs, 3)] == [4, 4, 8]
    assert [len(group.runs) for group in make_groups(runs[:1], 4)] == [1]
    monkeypatch.setattr("utils.sweep.groups.LARGEST", 3)
    assert [len(group.runs) for group in make_groups(runs, 1)] == [3, 3, 2] * 2


@pytest.mark.parametrize(
    ("needs", "environment", "sees_gpus", "missing"),
    [
        ((), {}, True, ""),
        (("A_KEY",), {"A_KEY": "x"}, True, ""),
        (("A_KEY", "gpu"), {"A_KEY": " "}, False, "A_KEY is not set"),
        (("gpu",), {}, True, "no GPU"),
    ],
)
def test_what_a_machine_lacks_is_told(
    needs: tuple[str, ...], environment: dict[str, str], sees_gpus: bool, missing: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("utils.sweep.groups.gpus", lambda: ())
    assert lacking(needs, environment, sees_gpus=sees_gpus) == missing


def test_what_a_sweep_shows_has_no_password(tmp_path: Path) -> None:
    (run,) = grid_of(["script=bitext.py", "base_url=http://me:secret@127.0.0.1:9", "model_checkpoint=m"], {}).runs
    assert "secret" not in run.command + run.id and "http://me:secret@127.0.0.1:9" in run.words


def test_no_script_has_a_flag_that_does_not_exist() -> None:
    assert {script for script in script_names() if has_flag(script, "bogus")} == set()
    assert takes("bitext.py", "output_dir") and not takes("visualize.py", "output_dir")


def test_the_sweeps_of_the_project_are_accepted() -> None:
    sizes = {path.stem: len(read_sweep(path, {}).runs) for path in sorted((ROOT / "sweeps").glob("*.yaml"))}
    assert sizes == {"miners": 482, "sample": 10}
