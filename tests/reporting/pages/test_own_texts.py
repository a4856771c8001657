"""Texts of own data in the page, and the rank of the right answer among the stored neighbours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page
from report_logs import NGRAM, SCRIPT, open_at

PAIRS = "german;english\nabc def;uvw xyz\nlmn opq;lmn opq\nuvw xyz;abc def\n;blank\nrst tuv;rst tuv\n"
LABELLED = "".join(f"word{row % 2} text{row};{'ab'[row % 2]}\n" for row in range(20))


@pytest.fixture
def logged(run: Run, tmp_path: Path) -> Path:
    """Records of own pairs and own labelled texts, read from a folder beside the logs."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pairs.csv").write_text(PAIRS)
    (tmp_path / "data" / "own.csv").write_text(LABELLED)
    flags = ("--k", "1", "3", "--model_checkpoint", NGRAM)
    pairs = ("--dataset", "data/pairs.csv", "--src_lang", "german", "--langs", "english")
    assert run("bitext.py", *pairs, *flags).returncode == 0
    for seed in ("1", "2"):
        done = run("classification.py", "--dataset", "data/own.csv", "--no_header", "--seed", seed, *flags)
        assert done.returncode == 0, done.stderr
    return tmp_path


def record(folder: Path, pattern: str) -> str:
    (path,) = folder.glob(f"**/{pattern}")
    return path.relative_to(folder).as_posix()


def test_the_texts_of_own_pairs_and_the_gold_rank(logged: Path, run: Run, page: Page) -> None:
    done = run(SCRIPT)
    assert done.returncode == 0 and done.stderr == ""
    path = record(logged, "eval_german_english_1.json")
    open_at(page, logged / "report.html", f"#items?path={path}&item=0")
    item = page.inner_text("details.item[open]")
    assert "abc def" in item and "uvw xyz" in item and page.locator("#no-texts").count() == 0
    assert page.locator(".near tr").count() == 3 and page.locator(".near tr.beyond").count() == 2
    ranks = page.evaluate(
        """async (path) => { const record = await recordOf(numberOf(path)), files = await itemsOf(numberOf(path));
        return itemList(record, files, "forward", await textsOf(record, "forward")).map((item) => item.goldRank) }""",
        path,
    )
    assert ranks[1] == ranks[3] == "1 of 3 stored neighbours"
    assert "1 of" not in ranks[0] and "of" in ranks[0] and f"gold's rank\n{ranks[0]}" in item


def test_neighbours_of_other_settings_are_not_shown(logged: Path, run: Run, page: Page) -> None:
    path = record(logged, "eval_german_english_1.json")
    near = (logged / path).with_name("eval_german_english_neighbors.json")
    content = json.loads(near.read_text())
    assert content["of"]["encoders"][0]["checkpoint"] == NGRAM
    shown = []
    for of in (content["of"], {**content["of"], "seed": 7}, None):  # earlier versions wrote none
        near.write_text(json.dumps({**content, "of": of}))
        run(SCRIPT)
        open_at(page, logged / "report.html", f"#items?path={path}&item=0")
        shown.append((page.locator(".near tr").count(), "gold's rank" in page.inner_text("details.item[open]")))
    assert shown == [(3, True), (0, False), (3, True)]


def test_the_texts_of_own_labels_are_those_of_the_seed(logged: Path, run: Run, page: Page) -> None:
    run(SCRIPT)
    shown = {}
    for seed in (1, 2):
        path = record(logged, f"seed_{seed}/eval_all_1.json")
        open_at(page, logged / "report.html", f"#items?path={path}&item=0")
        shown[seed] = page.locator("summary .text").all_inner_texts()
        assert len(shown[seed]) == 4 and all(text.startswith("word") for text in shown[seed])
        assert "nearest text of its label: 1 of 3 stored neighbours" in page.inner_text("details.item[open]")
    assert shown[1] != shown[2]


def test_a_file_that_was_changed_is_not_shown(logged: Path, run: Run, page: Page) -> None:
    with (logged / "data" / "pairs.csv").open("a") as file:
        file.write("new;new\n")
    (logged / "data" / "own.csv").unlink()
    run(SCRIPT)
    where = logged / "report.html"
    open_at(page, where, f"#items?path={record(logged, 'eval_german_english_1.json')}&item=0")
    assert page.inner_text("#no-texts") == "The texts are not shown: data/pairs.csv was changed since."
    assert "abc def" not in page.inner_text("main") and "gold's rank" in page.inner_text("details.item[open]")
    open_at(page, where, f"#items?path={record(logged, 'seed_1/eval_all_1.json')}&item=0")
    assert "data/own.csv is not there any more" in page.inner_text("#no-texts")


def test_relative_paths_start_beside_the_logs_too(logged: Path, run: Run, page: Page) -> None:
    (logged / "moved").mkdir()
    for name in ("data", "logs"):
        shutil.move(logged / name, logged / "moved" / name)
    assert run(SCRIPT, "--logs", "moved/logs").returncode == 0
    path = record(logged, "eval_german_english_1.json")
    open_at(page, logged / "report.html", f"#items?path={path}&item=0")
    assert "uvw xyz" in page.inner_text("details.item[open]")
    assert run(SCRIPT, "--logs", "moved/logs", "--no_items").returncode == 0
    open_at(page, logged / "report.html")
    assert page.evaluate("Object.keys(report.index.texts).length") == 0
