"""Logs for the tests of the page, and what a browser shows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from made_records import BITEXT, ICL
from record_files import write_record

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
    return write_record(folder, subset, record, {"gold": list(range(n)), "hyp": hyp}, prompts)


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
    return write_record(folder, "eng", record, {"gold": labels, "hyp": ["good", "good"]}, prompts)


def source_of(root: Path, subset: str) -> Any:
    path = root / "save_bitext" / "sample" / NGRAM / "seed_42" / f"eval_{subset}_1.json"
    return json.loads(path.read_text(encoding="utf-8"))["run"]["source"]


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


def log_settings(root: Path) -> None:
    """Log rows told apart by a training language or a setting, and models whose names begin with a dash or =."""
    cross = {"task": "classification", "cross": True, "vote": "majority", "split": "test"}
    for model, lang, right in (("org/x", "eng", 9), ("org/x", "ind", 6), ("-org/y", "ind", 2)):
        log(root / model / lang, model, "mine", "jav", right, 12, **cross, train_lang=lang)
    for margin_k, right in ((8, 3), (16, 5)):
        log(root / str(margin_k), "=org/z", "mine", "a_b", right, 12, margin="none", margin_k=margin_k)
    for fuse, right in (("score", 11), ("rank", 4)):
        log(root / fuse, "org/e", "own", "a_b", right, 12, fuse=fuse)
    log(root, "-org/y", "own", "a_b", 1, 12)
    for model, right in (("=org/z", 70_001), ("-org/y", 70_000), ("org/x", 69_990)):  # 70.00, 70.00 and 69.99 %
        log(root, model, "close", "a_b", right, 100_000)
