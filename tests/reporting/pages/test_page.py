"""The page of a folder of logs, written by the scripts and used in a browser as a reader would."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from conftest import ROOT, Run, until
from made_records import BITEXT, ICL

from utils.data.registry import DATASETS
from utils.records import store
from utils.records.paths import run_folder
from utils.schema import RunRecord

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCRIPT = "script/report.py"
NGRAM = "baseline/char_ngram"
OTHER = "org/other <b>"
HOSTILE = "</script><script>document.title = 'caught'</script><b>bold</b>"


def log(
    root: Path,
    model: str,
    dataset: str,
    subset: str,
    right: int,
    n: int,
    prompts: dict[str, Any] | None = None,
    **settings: object,
) -> Path:
    """Log a record with its first `right` of n items right, gold 0 .. n - 1."""
    run = {**BITEXT, "seed": 42, "dataset": dataset, "model": model, "subset": subset, **settings}
    hyp = [item if item < right else (item + 1) % n for item in range(n)]
    folder = run_folder(root, f"save_{run['task']}", dataset, model, 42, debug=False)
    acc = right / n
    record = RunRecord({"acc": acc, "f1": acc}, {"acc": (acc / 2, (1 + acc) / 2)}, n, int(str(run.pop("k", 1))), run)
    return store.write_record(folder, subset, record, {"gold": list(range(n)), "hyp": hyp}, prompts)


def log_icl(root: Path) -> Path:
    """Log a record of in-context learning of two texts, one right, with markup in its prompts and labels."""
    labels = ["good", HOSTILE]
    run: dict[str, Any] = {
        **ICL,
        "dataset": "mine",
        "model": NGRAM,
        "subset": "eng",
        "seed": 42,
        "generator": {"name": "org/gen", "kind": "base", "quantization": ""},
        "train_lang": "eng",
    }
    prompts = {
        "prompts": [f"Input:shown {HOSTILE} Prediction:good\n\nInput:asked Prediction:", "Input:second Prediction:"],
        "demonstrations": [[7], [3]],
        "labels": labels,
        "scores": [[-1.5, -2.25], [-0.5, -3.0]],
    }
    details = {"labels": labels, "confusion": [[1, 0], [1, 0]]}
    details |= {"per_label": {name: {"prec": 0.5, "rec": 1.0, "f1": 2 / 3, "support": 1} for name in labels}}
    folder = run_folder(root, "save_icl", "mine", f"org/gen/{NGRAM}", 42, debug=False)
    record = RunRecord({"acc": 0.5, "f1": 1 / 3}, {"acc": (0.1, 0.9)}, 2, 1, run, details)
    return store.write_record(folder, "eng", record, {"gold": labels, "hyp": ["good", "good"]}, prompts)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory, run_in: Run) -> Path:
    """A folder with `logs`: real runs of the lexical baseline, and made-up records beside them."""
    folder = tmp_path_factory.mktemp("report")
    flags = ["--model_checkpoint", NGRAM, "--langs"]
    for command in (["bitext.py", *flags, "spa", "fra", "swh"], ["classification.py", *flags, "eng", "deu"]):
        assert run_in(folder, *command).returncode == 0
    root = folder / "logs"
    for subset, right in (("eng_spa", 7), ("eng_fra", 60), ("eng_swh", 70)):
        log(root, OTHER, "sample", subset, right, 70, source=_source(root, subset))
    for place, name in enumerate(["bucc", "nollysenti", "nusax", "nusatranslation", "tatoeba", "lince_mt", "phinc"]):
        for number, subset in enumerate(DATASETS["bitext"][name].subsets):
            log(root, "org/whole", name, subset, (number + 3 * place) % 32, 32)
    log(root, "org/half", "bucc", "de_en", 25, 32)  # 78.125 %, a tie that Python rounds to the even digit
    log_icl(root)
    return folder


def _source(root: Path, subset: str) -> Any:
    path = root / "save_bitext" / "sample" / NGRAM / "seed_42" / f"eval_{subset}_1.json"
    return json.loads(path.read_text(encoding="utf-8"))["run"]["source"]


@pytest.fixture(scope="module")
def report(logs: Path, run_in: Run) -> Path:
    done = run_in(logs, SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("164 records, ") and done.stderr == ""
    return logs / "report.html"


def open_at(page: Page, report: Path, address: str = "") -> None:
    """Open the page at a hash, afresh, and wait for the view."""
    page.goto("about:blank")
    page.goto(report.as_uri() + address)
    page.wait_for_selector("main section")


def cells(page: Page, table: str = "main table") -> list[list[str]]:
    """Return the texts of a table's body, a row a list."""
    return page.eval_on_selector(
        table, "table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )


def heads(page: Page) -> list[str]:
    return page.eval_on_selector("main table", "table => [...table.tHead.rows[0].cells].map(cell => cell.innerText)")


def board(page: Page) -> dict[tuple[str, str], str]:
    columns = heads(page)
    return {(row[0], name): cell for row in cells(page) for name, cell in zip(columns[1:], row[1:], strict=True)}


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
    assert page.inner_text("main caption").endswith("each data set's main metric")
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
    assert "commonest label of the training texts has acc 14.29" in page.inner_text("main")


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
    assert page.locator(".near tr").count() == 5
    open_at(page, report, f"#items?path=logs/save_classification/sample/{NGRAM}/seed_42/eval_deu_10.json&item=1")
    assert page.locator(".near tr").count() == 10 and page.locator("summary .text").count() == 21


def test_a_comparison_has_the_figures_of_compare(logs: Path, report: Path, page: Page, run_in: Run) -> None:
    open_at(page, report, f"#compare?view=bitext&a={NGRAM}&b=org/other <b>")
    command = shlex.split(page.inner_text("#command"))
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
    assert wins in page.inner_text("#wins") and page.locator(".dot").count() == 3
    page.locator(".dot").first.focus()
    assert "Indo-European" in page.inner_text("figcaption")


def log_settings(root: Path) -> None:
    """Log rows told apart by a training language or an instruction, and models whose names begin with a dash or =."""
    cross = {"task": "classification", "cross": True, "vote": "majority", "split": "test"}
    for model, lang, right in (("org/x", "eng", 9), ("org/x", "ind", 6), ("-org/y", "ind", 2)):
        log(root / model / lang, model, "mine", "jav", right, 12, **cross, train_lang=lang)
    for words, right in (("a", 3), ("b", 5)):
        log(root / words, "=org/z", "mine", "a_b", right, 12, instruction=words)
    for fuse, right in (("score", 11), ("rank", 4)):
        log(root / fuse, "org/e", "own", "a_b", right, 12, fuse=fuse)
    log(root, "-org/y", "own", "a_b", 1, 12)
    for model, right in (("=org/z", 70_001), ("-org/y", 70_000), ("org/x", 69_990)):  # 70.00, 70.00 and 69.99 %
        log(root, model, "close", "a_b", right, 100_000)


@pytest.fixture(scope="module")
def told_apart(tmp_path_factory: pytest.TempPathFactory, run_in: Run) -> Path:
    """The page of `log_settings`; its logs stand beside it."""
    folder = tmp_path_factory.mktemp("told")
    log_settings(folder / "logs")
    assert run_in(folder, SCRIPT).returncode == 0
    return folder / "report.html"


@pytest.mark.parametrize(
    ("view", "a", "b", "shown"),
    [
        ("classification cross", "org/x (train_lang eng)", "org/x (train_lang ind)", ("75.00", "50.00")),
        ("classification cross", "org/x (train_lang eng)", "-org/y", ("75.00", "16.67")),
        ("classification cross", "-org/y", "org/x (train_lang eng)", ("16.67", "75.00")),
        ("bitext", "-org/y", "org/e (fuse rank)", ("8.33", "33.33")),
        ("bitext", "org/e (fuse score)", "-org/y", ("91.67", "8.33")),
    ],
)
def test_the_command_of_rows_told_apart_by_a_setting(
    told_apart: Path, page: Page, run_in: Run, view: str, a: str, b: str, shown: tuple[str, str]
) -> None:
    open_at(page, told_apart, "#compare?" + urlencode({"view": view, "a": a, "b": b}))
    assert tuple(cells(page)[0][2:4]) == shown
    command = shlex.split(page.inner_text("#command"))
    done = run_in(told_apart.parent, command[1], "--format", "json", *command[2:])
    assert done.returncode == 0, done.stderr
    (line,) = json.loads(done.stdout)["subsets"]
    assert (f"{100 * line['a']:.2f}", f"{100 * line['b']:.2f}") == shown


def test_rows_that_no_command_compares_are_said(told_apart: Path, page: Page) -> None:
    rows = {"a": "=org/z (instruction a)", "b": "=org/z (instruction b)"}
    open_at(page, told_apart, "#compare?" + urlencode({"view": "bitext", **rows}))
    assert "cannot be told their instruction" in page.inner_text("#no-command")
    assert page.locator("#command").count() == 0 and cells(page)[0][2:4] == ["25.00", "41.67"]


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
    assert rows[1:4] == [["'=org/z (instruction None)", "70.00"], ["'-org/y", "70.00"], ["org/x", "69.99"]]
    text = page.evaluate("asCsv([['@a', '+b,c', '-', '-1.25', '+2.50', '=1']])")
    assert text == "'@a,\"'+b,c\",-,-1.25,+2.50,'=1\n"


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
    assert done.returncode == 0 and done.stdout.startswith("3 records, 3 broken files left out, ")
    for name in ("eval_bad_1", "eval_list_1", "eval_strange_1"):
        assert name in done.stderr and "Traceback" not in done.stderr
    open_at(page, tmp_path / "out/page.html", "#board?view=bitext&metric=acc")
    assert "3 broken files left out" in page.inner_text("#about")
    assert board(page)["LaBSE", "phinc"] == "50.00" and board(page)["org/good", "mine"] == "50.00 (1/2)"
    page.locator("tr", has_text="LaBSE").get_by_role("link", name="50.00").click()
    page.wait_for_selector("h2:has-text('phinc')")
    assert [row[-1] for row in cells(page)] == ["50.00"]
    page.get_by_role("link", name="eng_hinglish").click()
    page.wait_for_selector("text=A file of the original's")
    page.get_by_role("link", name="items", exact=True).click()
    page.wait_for_selector("text=no file of predictions")


def test_items_that_have_no_room_are_told(run: Run, page: Page, tmp_path: Path) -> None:
    root = tmp_path / "logs"
    noise = [os.urandom(700_000).hex() for _ in range(2)]
    path = log(root, "org/a", "large", "x", 1, 2, {"prompts": noise})
    log(root, "org/a", "small", "x", 1, 2)
    done = run(SCRIPT, "--max_mb", "1")
    assert "the items of 1 records have no room in --max_mb 1: --task bitext --dataset large" in done.stderr
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
    assert limited.is_file() and run(SCRIPT).stdout.startswith("1 records")
    assert run(SCRIPT, "--debug").stdout.startswith("2 records")
    open_at(page, tmp_path / "report.html")
    assert {row[0] for row in cells(page)} == {"org/a", "org/a (limit 1)"}
