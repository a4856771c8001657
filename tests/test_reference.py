"""Published figures: copied without a slip, only beside what was published; own files are read or refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import made_records as made
import pytest
from conftest import ROOT, Run

from utils import registry, runlog
from utils.schema import RunRecord

SCRIPT = "script/aggregate/aggregate_bitext_mining.py"
HEADER = "source,task,k,model,column,metric,value\n"
XLMR = "FacebookAI/xlm-roberta-base"


def shipped(name: str) -> list[dict[str, str]]:
    with (ROOT / f"data/reference/{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize(
    ("name", "members", "mean"),
    [
        ("bitext", [("bitext", "XL"), ("bitext", "CS")], ("bitext", "avg")),
        *(
            (
                name,
                [(name, "Mono"), (name, "CS"), (f"{name}_cross", "XL"), (f"{name}_cross", "XL CS")],
                (f"{name}_all", "avg"),
            )
            for name in ("classification", "icl")
        ),
    ],
)
def test_the_papers_averages_are_the_means_of_its_columns(
    name: str, members: list[tuple[str, str]], mean: tuple[str, str]
) -> None:
    found: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for row in shipped(name):
        if row["source"] == "winata2024":
            found.setdefault((row["model"], row["k"]), {})[row["task"], row["column"]] = float(row["value"])
    assert len(found) == {"bitext": 13, "classification": 14, "icl": 28}[name]
    wrong = [
        key
        for key, cells in found.items()
        if abs(sum(cells[member] for member in members) / len(members) - cells[mean]) > 0.0101
    ]
    assert wrong == []


def test_models_and_columns_are_those_of_the_tables() -> None:
    names = {*registry.ENCODERS, *registry.GENERATORS, "Fine-tuned XLM-R base"}
    for name in ("bitext", "classification", "icl"):
        for row in shipped(name):
            assert row["model"] in names or "__weights" in row["model"], row
            assert row["column"] in {*registry.DATASETS["bitext"], "Mono", "XL", "CS", "XL CS", "avg"}, row
    assert all(row["source"] in ("winata2024", "mteb") for row in shipped("settings") + shipped("notes"))


def nusax(root: Path, model: str, f1: float, **settings: object) -> None:
    for subset in registry.DATASETS["bitext"]["nusax"].subsets:
        run = {**made.BITEXT, "dataset": "nusax", "model": model, "subset": subset, "seed": 42, **settings}
        record = RunRecord({"f1": f1, "acc": f1}, {}, 10, int(str(settings.get("k", 1))), run)
        folder = root / str(sorted(settings.items())) / model
        runlog.write_record(folder, subset, record, {"gold": [], "hyp": []})


def test_the_figure_and_the_difference(run: Run, tmp_path: Path) -> None:
    nusax(tmp_path / "logs", "intfloat/multilingual-e5-base", 0.617)
    done = run(SCRIPT, "--reference", "paper")
    assert "61.70 (68.01, -6.31)" in done.stdout and "in parentheses: published (mteb)" in done.stdout
    assert "reference mteb: the result repository of MTEB" in done.stderr and "8,059" not in done.stderr
    row = json.loads(run(SCRIPT, "--reference", "paper", "--format", "json").stdout)[0]
    assert row["published"] == 0.6801 and row["difference"] == pytest.approx(-0.0631) and row["source"] == "mteb"


@pytest.mark.parametrize(
    ("settings", "flags", "reason"),
    [
        ({"k": 5}, ["--k", "5"], "mteb has k 1, this is k 5"),
        ({"margin": "ratio"}, ["--margin", "ratio"], "mteb has margin none, this is ratio"),
        ({"direction": "both"}, ["--direction", "both"], "mteb has direction forward, this is both"),
        ({"similarity": "dot"}, ["--similarity", "dot"], "mteb has similarity cosine, this is dot"),
        ({}, ["--metric", "acc"], "mteb has the metric f1, this is acc"),
    ],
)
def test_other_settings_are_told_and_not_compared(
    settings: dict[str, object], flags: list[str], reason: str, run: Run, tmp_path: Path
) -> None:
    nusax(tmp_path / "logs", "intfloat/multilingual-e5-base", 0.617, **settings)
    done = run(SCRIPT, "--reference", "paper", *flags)
    assert done.returncode == 0 and "61.70" in done.stdout and "68.01" not in done.stdout
    assert f"reference: not compared, {reason}: intfloat/multilingual-e5-base nusax" in done.stderr


def test_rows_that_are_not_unit_length_were_published_with_the_euclidean_distance(run: Run, tmp_path: Path) -> None:
    for model in (made.LABSE, XLMR):
        for dataset in ("lince_mt", "phinc"):
            made.log_bitext(tmp_path / "logs", dataset, model, 10, 20, 42)
            made.log_bitext(tmp_path / "logs", dataset, model, 5, 20, 42, similarity="euclidean")
    cosine = run(SCRIPT, "--reference", "paper")
    assert "50.00 (52.03, -2.03)" in cosine.stdout and "10.61" not in cosine.stdout
    assert f"winata2024 has similarity euclidean, this is cosine: {XLMR} CS" in cosine.stderr
    euclidean = run(SCRIPT, "--reference", "paper", "--similarity", "euclidean")
    assert "25.00 (10.61, +14.39)" in euclidean.stdout and "25.00 (52.03, -27.03)" in euclidean.stdout
    assert "mteb has similarity cosine, this is euclidean" in euclidean.stderr


def test_own_files_fill_what_the_first_lacks(run: Run, tmp_path: Path) -> None:
    made.log_bitext(tmp_path / "logs", "phinc", made.LABSE, 10, 20, 42)
    made.log_bitext(tmp_path / "logs", "lince_mt", "org/mine", 10, 20, 42)
    (tmp_path / "my.csv").write_text(
        HEADER + f"theirs,bitext,,{made.LABSE},phinc,main,10\nlast year,bitext,1,org/mine,lince_mt,f1,51.25\n"
        "theirs,icl,,org/mine,nusax,main,1\ntheirs,bitext,5,org/other,phinc,f1,3\ntheirs,bitext,1,org/new,phinc,f1,3\n"
    )
    both = run(SCRIPT, "--reference", "paper", "my.csv").stdout
    assert "50.00 (69.70, -19.70)" in both and "50.00 (51.25, -1.25)" in both and "org/new" not in both
    own = run(SCRIPT, "--reference", "my.csv", "--reference_rows", "--format", "csv")
    assert "org/new (published),-,,,,-,3.00,,theirs" in own.stdout and "org/other" not in own.stdout
    assert "reference theirs: the publication does not tell k; beside k 1" in own.stderr
    assert "last year" in own.stdout and "10.00,+40.00,theirs" in own.stdout


def test_cross_lingual_figures_belong_to_their_training_language(run: Run, tmp_path: Path) -> None:
    script = "script/aggregate/aggregate_classification_cross.py"
    for train, test in (("tamil", "malayalam"), ("malayalam", "tamil")):
        settings = {**made.CLASSIFICATION, "cross": True, "train_lang": train, "legacy": False}
        record = RunRecord(
            {"acc": 0.5}, {}, 10, 1, {**settings, "dataset": "fire", "model": made.LABSE, "subset": test, "seed": 42}
        )
        runlog.write_record(tmp_path / train / "x", test, record, {"gold": [], "hyp": []})
    right = run(script, "--logs", "tamil", "--reference", "paper")
    assert "50.00 (41.10, +8.90)" in right.stdout and "the publication does not tell k" in right.stderr
    assert "reference winata2024: XL CS: fire had a fifth label" in right.stderr
    other = run(script, "--logs", "malayalam", "--reference", "paper")
    assert "41.10" not in other.stdout and "has train_lang tamil, this is malayalam" in other.stderr


def test_means_over_groups_of_languages_have_no_reference(run: Run, tmp_path: Path) -> None:
    made.log_languages(tmp_path / "logs")
    flags = ["--dataset", "mine", "--by", "lang", "--reference", "paper"]
    done = run("script/aggregate/aggregate_classification.py", *flags)
    assert done.returncode == 2 and "--reference with --by" in done.stderr


LINE = "me,bitext,1,org/a,phinc,f1,50\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "has no column source, task"),
        ("source,task,k,model,value\n", "has no column column, metric"),
        (HEADER, "has no figure"),
        (HEADER + LINE.replace("50", "fifty"), "line 2: value 'fifty' is no number from 0 to 100"),
        (HEADER + LINE.replace("50", "nan"), "line 2: value 'nan'"),
        (HEADER + LINE + LINE.replace("50", "101"), "line 3: value '101'"),
        (HEADER + LINE.replace("50", ""), "line 2: value ''"),
        (HEADER + LINE.replace("bitext", "bitex"), "line 2: unknown task 'bitex'"),
        (HEADER + LINE.replace(",1,", ",one,"), "line 2: k 'one' is no whole number"),
        (HEADER + LINE.replace("org/a", ""), "line 2: no model"),
        (HEADER + "me,bitext,1\n", "line 2: 3 fields"),
        (HEADER + LINE.replace("50", "50,51"), "line 2: 8 fields"),
        (b"\xff\xfe\x00", "is no CSV file in UTF-8"),
    ],
)
def test_a_broken_file_is_told(content: str | bytes, what: str, tmp_path: Path) -> None:
    from script.aggregate import _published
    from utils.schema import UserError

    path = tmp_path / "my.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        _published.read([str(path)])
    assert what in caught.value.what and caught.value.hint


def test_a_reference_that_is_not_there(run: Run, tmp_path: Path) -> None:
    made.log_bitext(tmp_path / "logs", "phinc", "org/a", 10, 20, 42)
    for flags, what in (
        (["--reference", "papers"], "--reference papers is not there"),
        (["--reference", "logs"], "--reference logs is a folder"),
        (["--reference_rows"], "--reference_rows without --reference"),
    ):
        done = run(SCRIPT, *flags)
        assert done.returncode == 2 and what in done.stderr and "hint: " in done.stderr, done.stderr
    unknown = run(SCRIPT, "--reference", "paper")
    assert "reference: no published bitext figure of these rows and columns" in unknown.stderr
