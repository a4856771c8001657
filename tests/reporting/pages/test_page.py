"""The page of a folder of logs, written by the scripts and used in a browser as a reader would."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, Run, until

if TYPE_CHECKING:
    from playwright.sync_api import Page
from report_logs import HOSTILE, NGRAM, OTHER, board, cells, heads, open_at


@pytest.mark.parametrize(
    ("view", "script", "flags"),
    [
        ("bitext", "bitext_mining", []),
        ("bitext", "bitext_mining", ["--k", "5", "--metric", "mrr"]),
        ("bitext", "bitext_mining", ["--metric", "acc"]),
        ("classification", "classification", ["--k", "10", "--metric", "f1"]),
        ("icl", "icl", []),
    ],
)
def test_the_leaderboard_has_the_figures_of_the_tables(
    logs: Path, report: Path, page: Page, run_in: Run, view: str, script: str, flags: list[str]
) -> None:
    done = run_in(logs, f"script/aggregate/aggregate_{script}.py", "--format", "json", *flags)
    options = dict(zip(flags[::2], flags[1::2], strict=True))
    query = "".join(f"&{name.removeprefix('--')}={value}" for name, value in options.items())
    open_at(page, report, f"#board?view={view}{query}")
    shown = board(page)
    rows = json.loads(done.stdout)
    assert rows
    for row in rows:
        whole = "" if row["n"] == row["expected"] else f" ({row['n']}/{row['expected']})"
        assert shown.pop((row["model"], row["column"])) == f"{100 * row['value']:.2f}{whole}"
    assert not any(cell[0].isdigit() for cell in shown.values())
    if flags == ["--metric", "acc"]:
        assert board(page)["org/half", "bucc"] == "78.12 (1/4)"
        # subset i of data set j has (i + 3 j) mod 32 of 32 right; of lince_mt (15) and phinc (18) there is one
        assert board(page)["org/whole", "CS"] == "51.56"  # (15 + 18) / 64
        assert board(page)["org/whole", "bucc"] == "4.69"  # (0 + 1 + 2 + 3) / 128


def test_columns_sort_by_mouse_and_keyboard_and_rows_are_filtered(report: Path, page: Page) -> None:
    open_at(page, report, "#board?view=bitext&metric=acc")
    head = page.locator("th", has=page.get_by_role("button", name="sample", exact=True))
    assert head.get_attribute("aria-sort") == "none"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending" and cells(page)[0][0] == OTHER
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending" and cells(page)[0][0] == NGRAM
    assert [row[0] for row in cells(page)][2:] == ["org/half", "org/whole"]  # no figure: last
    page.fill("#q", "ORG wh")
    assert [row[0] for row in cells(page)] == ["org/whole"]
    page.fill("#sets", "bucc, phi")
    assert heads(page) == ["model", "bucc", "phinc"]
    page.reload()  # all of that is in the address
    page.wait_for_selector("main table")
    assert heads(page) == ["model", "bucc", "phinc"] and len(cells(page)) == 1


def test_what_is_typed_and_sorted_stays_when_something_else_changes(report: Path, page: Page) -> None:
    open_at(page, report, "#board?view=bitext&metric=acc")
    head = page.locator("th", has=page.get_by_role("button", name="bucc", exact=True))
    head.locator("button").click()
    page.fill("#q", "org")
    assert head.get_attribute("aria-sort") == "descending"
    assert [row[0] for row in cells(page)] == ["org/half", "org/whole", OTHER]  # 78.12, 4.69, none
    page.select_option("#metric", "f1")
    page.wait_for_selector("caption:has-text('bitext, f1')")
    assert page.input_value("#q") == "org" and cells(page)[0][0] == "org/half"
    page.select_option("#set-k", "5")
    until(page, "location.hash.includes('k=5')")
    until(page, "document.querySelectorAll('main tbody tr').length === 0")
    assert page.input_value("#q") == "org"


def test_names_that_every_object_has_are_no_names_of_the_page(report: Path, page: Page) -> None:
    open_at(page, report, "#toString?metric=toString&constructor=1&constructor=2")
    assert page.inner_text("main caption").endswith("each data set's main metric: F1")
    assert page.evaluate("stateParams().constructor") == ["1", "2"]
    open_at(page, report, f"#cell?view=bitext&dataset=sample&model={NGRAM}&by=toString")
    assert page.locator("tr.group").all_inner_texts()[0].startswith("mean (3)") and len(cells(page)) == 4
    open_at(page, report, f"#items?path=logs/save_bitext/sample/{NGRAM}/seed_42/eval_eng_spa_5.json&side=valueOf")
    assert page.inner_text("#count").startswith("70 of 70 items")
    assert page.evaluate("differences({}, {constructor: 1})") == [{"place": "constructor", "one": None, "other": 1}]


def test_a_cell_leads_to_its_languages_and_a_language_to_its_record(logs: Path, report: Path, page: Page) -> None:
    open_at(page, report, "#board?view=bitext")
    row = page.locator("main tbody tr", has_text=NGRAM)
    row.locator("td a").click()
    page.wait_for_selector("h2:has-text('sample')")
    assert heads(page) == ["subset", "lang", "family", "script", "n", "k 1", "k 5", "k 10"]
    path = logs / "logs/save_bitext/sample" / NGRAM / "seed_42/eval_eng_spa_5.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    low, high = (f"{100 * value:.2f}" for value in body["ci95"]["f1"])
    spanish = next(row for row in cells(page) if row[0] == "eng_spa")
    assert spanish[1:5] == ["spa", "Indo-European", "Latn", "70"]
    assert spanish[6].replace("\n", " ") == f"{100 * body['f1']:.2f} [{low}, {high}]"
    page.select_option("#by", "family")
    page.wait_for_selector("tr.group >> text=Indo-European")
    groups = page.locator("tr.group").all_inner_texts()
    assert [text.split("\t")[0].strip() for text in groups] == ["Indo-European (2)", "Atlantic-Congo (1)"]
    page.select_option("#beside", OTHER)
    page.wait_for_selector(f"h2:has-text('{NGRAM} and {OTHER}')")
    page.get_by_role("row", name="eng_spa").get_by_role("link", name="10.00", exact=True).click()
    page.wait_for_selector("p.path")
    assert page.inner_text("p.path") == "logs/save_bitext/sample/org/other__b_/seed_42/eval_eng_spa_1.json"
    for _ in range(3):
        page.go_back()
    page.wait_for_selector("h2:has-text('sample: baseline/char_ngram')")
    assert page.locator("tr.group").count() == 1
    page.go_back()
    page.wait_for_selector("#sets")
    page.go_forward()
    page.wait_for_selector("h2:has-text('sample: baseline/char_ngram')")


def test_a_cell_has_its_mean_and_leads_to_records_of_its_k(logs: Path, report: Path, page: Page) -> None:
    open_at(page, report, f"#cell?view=bitext&k=5&dataset=sample&model={NGRAM}")
    page.wait_for_selector("tr.group")
    folder = logs / "logs/save_bitext/sample" / NGRAM / "seed_42"
    found = [json.loads((folder / f"eval_eng_{lang}_5.json").read_text())["f1"] for lang in ("fra", "spa", "swh")]
    whole = next(row for row in cells(page) if row[0].startswith("mean"))
    assert whole[0] == "mean (3)" and whole[6] == f"{100 * sum(found) / 3:.2f}"
    page.get_by_role("link", name="eng_spa", exact=True).click()
    page.wait_for_selector("p.path")
    assert page.inner_text("p.path").endswith("eval_eng_spa_5.json")


def test_a_record_of_classification_shows_labels_and_confusion(logs: Path, report: Path, page: Page) -> None:
    path = f"logs/save_classification/sample/{NGRAM}/seed_42/eval_deu_5.json"
    body = json.loads((logs / path).read_text(encoding="utf-8"))
    open_at(page, report, f"#record?path={path}")
    label, figures = next(iter(body["per_label"].items()))
    labels = page.get_by_role("region", name="by label").locator("tbody tr").first.locator("td").all_inner_texts()
    assert labels[:3] == [f"{100 * figures[name]:.2f}" for name in ("prec", "rec", "f1")]
    rows = cells(page, ".confusion")
    assert [[int(cell) for cell in row[1:]] for row in rows] == body["confusion"] and rows[0][0] == label
    assert "the most frequent label of the training texts has acc 14.29" in page.inner_text("main")


def test_an_item_of_in_context_learning_shows_all_that_was_asked(report: Path, page: Page) -> None:
    open_at(page, report, "#board?view=icl")
    name = f"org/gen + {NGRAM}, 1-shot"
    assert board(page) == {(name, "mine"): "50.00"}
    page.locator("main tbody td a").click()
    page.get_by_role("link", name="eng", exact=True).click()
    page.wait_for_selector(".confusion")
    page.get_by_role("link", name="items", exact=True).click()
    page.wait_for_selector("details.item")
    assert page.inner_text("#count") == "2 of 2 items, 1 right"
    page.locator("details.item summary").first.click()
    assert page.locator("pre.prompt").first.inner_text().startswith(f"Input:shown {HOSTILE} Prediction:good\n\nInput:")
    assert "training text #7" in page.inner_text("details.item[open]")
    assert page.locator(".scores tr").first.inner_text().split() == ["good", "gold", "-1.500"]
    page.check("#wrong")
    assert page.inner_text("#count") == "1 of 2 items, 0 right"
    assert f"gold {HOSTILE}, predicted good" in page.inner_text("details.item")
    page.uncheck("#wrong")
    page.fill("#q", "SECOND pred")
    assert page.inner_text("#count") == "1 of 2 items, 0 right"
    page.fill("#q", "")
    page.select_option("#label", "good")
    assert page.inner_text("#count") == "1 of 2 items, 1 right"
    assert page.locator("main b:has-text('bold')").count() == 0 and page.title() == "Results in logs"


def test_items_of_the_shipped_set_have_their_texts(report: Path, page: Page) -> None:
    open_at(page, report, f"#items?path=logs/save_bitext/sample/{NGRAM}/seed_42/eval_eng_spa_5.json&item=0")
    item = page.inner_text("details.item[open]")
    lines = (ROOT / "data/sample/parallel.tsv").read_text(encoding="utf-8").splitlines()
    columns, first = lines[0].split("\t"), lines[1].split("\t")
    assert first[columns.index("eng")] in item and first[columns.index("spa")] in item
    assert page.locator(".near tr").count() == 10 and page.locator(".near tr.beyond").count() == 5
    open_at(page, report, f"#items?path=logs/save_classification/sample/{NGRAM}/seed_42/eval_deu_10.json&item=1")
    assert page.locator(".near tr").count() == 10 and page.locator("summary .text").count() == 21


def test_a_record_says_where_it_comes_from(logs: Path, report: Path, page: Page, run_in: Run) -> None:
    folder = f"logs/save_bitext/sample/{NGRAM}/seed_42"
    open_at(page, report, f"#record?path={folder}/eval_eng_spa_1.json")
    command = shlex.split(page.inner_text("#command"))
    flags = dict(zip(command[2::2], command[3::2], strict=False))
    assert command[:2] == ["python", "bitext.py"] and flags["--model_checkpoint"] == NGRAM
    assert command[command.index("--langs") : command.index("--langs") + 4] == ["--langs", "spa", "fra", "swh"]
    done = run_in(logs, "bitext.py", *command[2:])
    assert done.returncode == 0, done.stderr
    assert "3 of 3 subsets are already logged" in done.stdout
    assert page.locator(".tree summary", has_text="packages").count() == 1
    page.select_option("#with", f"{folder}/eval_eng_spa_10.json")
    page.wait_for_selector(".differences")
    assert page.inner_text(".differences p:last-child") == "No difference."
    page.select_option("#with", "logs/save_bitext/sample/org/other__b_/seed_42/eval_eng_spa_1.json")
    page.wait_for_selector(".differences table")
    keys = {row[0]: row[1:] for row in cells(page, ".differences table")}
    assert keys["model"] == [f'"{NGRAM}"', f'"{OTHER}"'] and "similarity" not in keys and keys["device"][1] == "absent"
    assert '"baseline/char_ngram"' in page.locator(".leaf.changed").all_inner_texts()[0]


def test_narrow_and_dark(report: Path, page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme="dark")
    places = (
        "#board",
        f"#compare?view=bitext&a={NGRAM}&b=org/whole",
        "#cell?view=bitext&dataset=tatoeba&model=org/whole",
    )
    for address in (*places, f"#record?path=logs/save_bitext/sample/{NGRAM}/seed_42/eval_eng_spa_1.json"):
        open_at(page, report, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
