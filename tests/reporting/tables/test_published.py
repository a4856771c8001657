"""The shipped references, and files of one's own: copied correctly, read or refused."""

from __future__ import annotations

import csv
from pathlib import Path

import made_records as made
import pytest
from conftest import ROOT, Run
from reference_logs import HEADER, SCRIPT

from utils.data import registry
from utils.encoders.registry import ENCODERS
from utils.generators.registry import GENERATORS


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
    names = {*ENCODERS, *GENERATORS, "FacebookAI/xlm-roberta-base, fine-tuned"}
    for name in ("bitext", "classification", "icl"):
        for row in shipped(name):
            assert row["model"] in names or "__weights" in row["model"], row
            assert row["column"] in {*registry.DATASETS["bitext"], "Mono", "XL", "CS", "XL CS", "avg"}, row
    assert all(row["source"] in ("winata2024", "mteb") for row in shipped("settings") + shipped("notes"))


LINE = "me,bitext,1,org/a,phinc,f1,50\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "has no column source, task"),
        ("source,task,k,model,value\n", "has no column column, metric"),
        (HEADER, "has no figure"),
        (HEADER + LINE.replace("50", "fifty"), "line 2: value 'fifty' is not a number from 0 to 100"),
        (HEADER + LINE.replace("50", "nan"), "line 2: value 'nan'"),
        (HEADER + LINE + LINE.replace("50", "101"), "line 3: value '101'"),
        (HEADER + LINE.replace("50", ""), "line 2: value ''"),
        (HEADER + LINE.replace("bitext", "bitex"), "line 2: unknown task 'bitex'"),
        (HEADER + LINE.replace(",1,", ",one,"), "line 2: k 'one' is not a whole number"),
        (HEADER + LINE.replace("org/a", ""), "line 2: no model"),
        (HEADER + "me,bitext,1\n", "line 2: 3 fields"),
        (HEADER + LINE.replace("50", "50,51"), "line 2: 8 fields"),
        (b"\xff\xfe\x00", "is not a CSV file in UTF-8"),
    ],
)
def test_a_broken_file_is_told(content: str | bytes, what: str, tmp_path: Path) -> None:
    from utils.errors import UserError
    from utils.reporting.tables import published

    path = tmp_path / "my.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        published.read([str(path)])
    assert what in caught.value.what and caught.value.hint


def test_a_reference_that_is_not_there(run: Run, tmp_path: Path) -> None:
    made.log_bitext(tmp_path / "logs", "phinc", "org/a", 10, 20, 42)
    for flags, what in (
        (["--reference", "papers"], "--reference papers does not exist"),
        (["--reference", "logs"], "--reference logs is a folder"),
        (["--reference_rows"], "--reference_rows without --reference"),
    ):
        done = run(SCRIPT, *flags)
        assert done.returncode == 2 and what in done.stderr and "hint: " in done.stderr, done.stderr
    unknown = run(SCRIPT, "--reference", "paper")
    assert "reference: no published bitext figure of these rows and columns" in unknown.stderr
