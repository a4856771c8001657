"""The page of a folder of logs: comparisons, exports, and what is broken or left out."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from conftest import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page
from report_logs import NGRAM, OTHER, SCRIPT, board, cells, log, open_at


def test_a_comparison_has_the_figures_of_compare(logs: Path, report: Path, page: Page, run_in: Run) -> None:
    open_at(page, report, f"#compare?view=bitext&a={NGRAM}&b=org/other <b>")
    command = shlex.split(page.inner_text(".command pre"))
    assert command[:4] == ["python", "script/aggregate/compare.py", NGRAM, OTHER]
    done = run_in(logs, *command[1:], "--format", "json")
    expected = json.loads(done.stdout)
    lines = page.evaluate(
        "async ([a, b]) => (await comparedLines(pickBoard({view: 'bitext'}), a, b)).lines", [NGRAM, OTHER]
    )
    assert [line["subset"] for line in lines] == [line["subset"] for line in expected["subsets"]]
    names = {"difference": "difference", "p": "p", "pHolm": "p_holm", "odds": "odds_ratio", "smallest": "smallest"}
    for line, other in zip(lines, expected["subsets"], strict=True):
        assert {name: line[name] for name in names} == pytest.approx(
            {name: other[key] for name, key in names.items()}, abs=1e-6, rel=1e-6
        )
        assert [line["low"], line["high"]] == pytest.approx(other["interval"], abs=1e-6)
    wins = f"A wins {expected['wins']} ({expected['significant_wins']} significant), ties {expected['ties']}"
    assert wins in page.inner_text(".wins") and page.locator(".dot").count() == 3
    page.locator(".dot").first.focus()
    assert "Indo-European" in page.inner_text("figcaption")


@pytest.mark.parametrize(
    ("view", "a", "b", "shown"),
    [
        ("classification cross", "org/x (train_lang eng)", "org/x (train_lang ind)", ("75.00", "50.00")),
        ("classification cross", "org/x (train_lang eng)", "-org/y", ("75.00", "16.67")),
        ("classification cross", "-org/y", "org/x (train_lang eng)", ("16.67", "75.00")),
        ("bitext", "-org/y", "org/e (fuse rank)", ("8.33", "33.33")),
        ("bitext", "org/e", "-org/y", ("91.67", "8.33")),
        ("bitext", "=org/z (margin_k 8)", "=org/z (margin_k 16)", ("25.00", "41.67")),
    ],
)
def test_the_command_of_rows_told_apart_by_a_setting(
    told_apart: Path, page: Page, run_in: Run, view: str, a: str, b: str, shown: tuple[str, str]
) -> None:
    open_at(page, told_apart, "#compare?" + urlencode({"view": view, "a": a, "b": b}))
    assert tuple(cells(page)[0][2:4]) == shown
    command = shlex.split(page.inner_text(".command pre"))
    done = run_in(told_apart.parent, command[1], "--format", "json", *command[2:])
    assert done.returncode == 0, done.stderr
    (line,) = json.loads(done.stdout)["subsets"]
    assert (f"{100 * line['a']:.2f}", f"{100 * line['b']:.2f}") == shown


def test_all_that_are_equal_as_shown_are_best(told_apart: Path, page: Page) -> None:
    open_at(page, told_apart, "#board?view=bitext&metric=acc&sets=close")
    best = {
        name: page.get_by_role("row", name=name).locator("a.best").count() for name in ("=org/z", "-org/y", "org/x")
    }
    assert best == {"=org/z": 1, "-org/y": 1, "org/x": 0}


def test_the_statistics_are_those_of_the_suite(report: Path, page: Page) -> None:
    from utils.evaluation import stats

    open_at(page, report)
    for counts in ((0, 0, 0, 5), (3, 0, 0, 2), (10, 7, 1, 2), (900, 80, 20, 1000), (0, 3000, 2900, 0)):
        _, only_a, only_b, _ = counts
        found = page.evaluate(
            """([both, onlyA, onlyB, neither, n]) => [...pairedInterval({both, onlyA, onlyB, neither}),
            mcnemar(onlyA, onlyB), smallestDifference(n, (onlyA + onlyB) / n)]""",
            [*counts, sum(counts)],
        )
        smallest = stats.smallest_difference(sum(counts), (only_a + only_b) / sum(counts))
        assert found == pytest.approx([*stats.paired_difference(*counts), stats.mcnemar(only_a, only_b), smallest])
    ps = [0.04, 0.01, 0.03, 0.01]
    assert page.evaluate("ps => holm(ps)", ps) == pytest.approx(stats.holm(ps))


def test_the_shown_table_is_exported(report: Path, page: Page, tmp_path: Path) -> None:
    open_at(page, report, "#board?view=bitext&metric=acc&sets=bucc&sort=-bucc")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "table.csv")
    rows = list(csv.reader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[:3] == [["model", "bucc"], ["org/half", "78.12 (1/4)"], ["org/whole", "4.69"]]
    text = page.evaluate("asMarkdown(['model', 'a|b'], [['x', '1']], [{}, {number: true}])")
    assert text == "| model | a\\|b |\n| --- | --: |\n| x | 1 |\n"


def test_no_exported_name_is_a_formula(told_apart: Path, page: Page, tmp_path: Path) -> None:
    open_at(page, told_apart, "#board?view=bitext&metric=acc&sets=close&sort=-close")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "table.csv")
    rows = list(csv.reader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[1:4] == [["'=org/z", "70.00"], ["'-org/y", "70.00"], ["org/x", "69.99"]]
    text = page.evaluate("asCsv([['@a', '+b,c', '-', '-1.25', '+2.50', '=1']])")
    assert text == "'@a,\"'+b,c\",-,-1.25,+2.50,'=1\n"


def test_what_is_broken_is_named_and_the_originals_files_appear(run: Run, page: Page, tmp_path: Path) -> None:
    root = tmp_path / "logs"
    log(root, "org/good", "mine", "a_b", 1, 2)
    folder = root / "save_bitext" / "mine" / "org" / "good" / "seed_42"
    (folder / "eval_bad_1.json").write_text("{")
    (folder / "eval_list_1.json").write_text('{"run": []}')
    strange = json.loads((folder / "eval_a_b_1.json").read_text())
    (folder / "eval_strange_1.json").write_text(json.dumps({**strange, "run": {**strange["run"], "margin": [1]}}))
    (folder / "eval_nan_1.json").write_text(
        json.dumps({**strange, "acc": float("nan"), "run": {**strange["run"], "subset": "nan"}})
    )
    original = root / "save_bitext" / "phinc" / "LaBSE" / "seed_42" / "eval_eng_hinglish_1.json"
    original.parent.mkdir(parents=True)
    original.write_text(json.dumps({"acc": 0.5, "prec": 0.25, "rec": 0.5, "f1": 0.4}))
    done = run(SCRIPT, "--output", "out/page.html")
    assert done.returncode == 0 and done.stdout.startswith("2 records, 4 broken files left out, ")
    for name in ("eval_bad_1", "eval_list_1", "eval_strange_1", "eval_nan_1"):
        assert name in done.stderr and "Traceback" not in done.stderr
    open_at(page, tmp_path / "out/page.html", "#board?view=bitext&metric=acc")
    assert "4 broken files left out" in page.inner_text("#about")
    assert board(page)["LaBSE", "phinc"] == "50.00" and board(page)["org/good", "mine"] == "50.00"
    page.locator("tr", has_text="LaBSE").get_by_role("link", name="50.00").click()
    page.wait_for_selector("h2:has-text('phinc')")
    assert [row[-1] for row in cells(page)] == ["50.00"]
    page.get_by_role("link", name="eng_hinglish").click()
    page.wait_for_selector("text=A file of the original MINERS")
    page.get_by_role("link", name="items", exact=True).click()
    page.wait_for_selector("text=no file of predictions")


def test_the_command_of_an_edited_record_is_harmless(run: Run, page: Page, tmp_path: Path) -> None:
    log(tmp_path / "logs", "org/good", "mine", "a_b", 1, 2, args={"x; touch PWNED #": "$(y)", "k": ["1", "`z`"]})
    assert run(SCRIPT).returncode == 0
    open_at(page, tmp_path / "report.html", "#board?view=bitext&metric=acc")
    page.get_by_role("link", name="50.00").first.click()
    page.get_by_role("link", name="a_b").first.click()
    text = page.inner_text(".command pre")
    assert text == "python bitext.py '--x; touch PWNED #' '$(y)' --k 1 '`z`'"


def test_items_that_have_no_room_are_told(run: Run, page: Page, tmp_path: Path) -> None:
    root = tmp_path / "logs"
    noise = [os.urandom(700_000).hex() for _ in range(2)]
    path = log(root, "org/a", "large", "x", 1, 2, {"prompts": noise})
    log(root, "org/a", "small", "x", 1, 2)
    done = run(SCRIPT, "--max_mb", "1")
    assert "the items of 1 record exceed --max_mb 1: --task bitext --dataset large" in done.stderr
    open_at(page, tmp_path / "report.html")
    assert "items left out" in page.inner_text("#about")
    open_at(page, tmp_path / "report.html", f"#items?path={path.relative_to(tmp_path)}")
    assert "python script/report.py --task bitext --dataset large" in page.inner_text("main")
    small = path.relative_to(tmp_path).as_posix().replace("large", "small")
    open_at(page, tmp_path / "report.html", f"#items?path={small}")
    assert page.locator("details.item").count() == 2
    run(SCRIPT, "--no_items")
    open_at(page, tmp_path / "report.html", f"#items?path={small}")
    assert "--no_items" in page.inner_text("main")
    run(SCRIPT, "--dataset", "large")
    open_at(page, tmp_path / "report.html", f"#items?path={path.relative_to(tmp_path)}")
    assert page.locator("details.item").count() == 2


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (["--logs", "nowhere"], "no folder of logs"),
        (["--logs", "empty"], "no records under empty"),
        (["--dataset", "nusx"], "no record is of that --task and --dataset"),
        (["--task", "icl"], "bitext mine"),
        (["--output", "taken/report.html"], "cannot be written"),
        (["--max_mb", "0"], "--max_mb"),
        (["--no_items", "--max_mb", "2"], "not allowed with"),
    ],
)
def test_mistakes_end_in_two_lines(run: Run, tmp_path: Path, flags: list[str], what: str) -> None:
    log(tmp_path / "logs", "org/a", "mine", "x", 1, 2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").write_text("")
    done = run(SCRIPT, *flags)
    assert done.returncode == 2 and what in done.stderr
    assert done.stderr.startswith("error: ") and "\nhint: " in done.stderr and len(done.stderr.splitlines()) == 2


def test_limited_runs_need_debug(run: Run, page: Page, tmp_path: Path) -> None:
    shutil.copytree(log(tmp_path / "made", "org/a", "mine", "x", 1, 2).parents[5], tmp_path / "logs")
    limited = log(tmp_path / "logs" / "debug", "org/a", "mine", "x", 1, 1, limit=1)
    assert limited.is_file() and run(SCRIPT).stdout.startswith("1 record")
    assert run(SCRIPT, "--debug").stdout.startswith("2 records")
    open_at(page, tmp_path / "report.html")
    assert {row[0] for row in cells(page)} == {"org/a", "org/a (limit 1)"}
