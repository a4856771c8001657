"""Records of layers in the page: the curves of each figure, two models beside each other, and the best layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Run
from record_files import write_record
from report_logs import HOSTILE, SCRIPT, cells, heads, open_at

from utils.schema import RunRecord

if TYPE_CHECKING:
    from playwright.sync_api import Page

VALUES = {"deu": (0.25, 0.75, 0.5), "swh": (0.25, 0.3, 0.35)}


def log_layers(logs: Path, model: str, step: float, **more: float) -> None:
    """Records of two languages with three layers, the figures of `model` higher by `step`."""
    for lang, values in VALUES.items():
        rows = [
            {
                "layer": layer,
                "depth": layer / 2,
                "pooling": "mean",
                "f1": value + step,
                "acc": None,
                "f1_low": value + step - 0.1,
                "f1_high": value + step + 0.1,
                "mrr": (value + step) / 10,
                **more,
            }
            for layer, value in enumerate(values)
        ]
        about = {"task": "layers", "dataset": "mine", "model": model, "subset": f"eng_{lang}", "seed": 42}
        about |= {"src_lang": "eng", "tgt_lang": lang, "measure": "bitext", "layers": "all", "similarity": "cosine"}
        metrics = {"best": max(values) + step, "last": values[-1] + step}
        record = RunRecord(metrics, {}, 10, 1, about, {"rows": rows})
        write_record(logs / "save_layers" / model, f"eng_{lang}", record, {})


@pytest.mark.slow
def test_curves_of_two_models_stand_beside_each_other(run: Run, tmp_path: Path, page: Page) -> None:
    log_layers(tmp_path / "logs", "org/first", 0.0)
    log_layers(tmp_path / "logs", HOSTILE.replace("/", "") or "x", 0.1)
    done = run(SCRIPT)
    assert done.returncode == 0, done.stderr
    open_at(page, tmp_path / "report.html", "#layers?a=org%2Ffirst")
    assert page.inner_text("nav a[data-view=layers]") == "layer by layer"
    assert page.inner_text("h2") == "bitext retrieval by layer: mine"
    assert [each.inner_text() for each in page.query_selector_all(".curve h3")] == [
        "f1 (%)",
        "mrr (%)",
    ]  # no value of acc
    assert len(page.query_selector_all(".curve .line-a")) == 4 and not page.query_selector_all(".line-b")
    assert len(page.query_selector_all(".curve .band")) == 2 and len(page.query_selector_all(".curve .point")) == 12
    assert heads(page)[1:] == ["best layer", "f1", "last layer", "difference"]
    assert cells(page) == [
        ["eng_deu", "1", "75.00 %", "50.00 %", "25.00 %"],
        ["eng_swh", "2", "35.00 %", "35.00 %", "0.00 %"],
    ]
    page.select_option("#b", index=1)
    page.wait_for_selector(".line-b")
    assert len(page.query_selector_all(".curve .line-b")) == 4
    assert [row[2:5:2] for row in cells(page)][2:] == [["1", "60.00 %"], ["2", "45.00 %"]]
    titles = page.eval_on_selector_all(".curve .point title", "all => all.map(each => each.textContent)")
    assert titles[1] == "eng_deu, layer 1: 75.00 % [65.00 %, 85.00 %]"
    page.uncheck("#languages-eng_deu")
    page.wait_for_selector("#languages-eng_swh:checked")
    assert page.title() != "caught"
    open_at(page, tmp_path / "report.html", "#compare?view=layers")
    page.get_by_role("link", name="layer by layer", exact=True).last.click()
    page.wait_for_selector(".line-b")  # both models


def test_scales_have_round_numbers(page: Page, report: Path) -> None:
    open_at(page, report)
    scales = "[[0, 0.875, false], [1.125, 1.875, false], [-1.2, 2.1, false], [0.37, 0.37, false], [1.9, 5.3, true]]"
    ticks = page.evaluate(f"{scales}.map((scale) => ticksOf(...scale))")
    assert [[pytest.approx(value) for value in row] for row in ticks] == [
        [0, 0.25, 0.5, 0.75],
        [1.2, 1.4, 1.6, 1.8],
        [-1, 0, 1, 2],
        [0.37],
        [100, 1000, 10_000, 100_000],
    ]


@pytest.mark.slow
def test_logs_without_layers_have_no_such_view(page: Page, report: Path) -> None:
    open_at(page, report, "#layers")
    assert "no records of layers.py" in page.inner_text("main")
    assert page.query_selector("nav a[data-view=layers]") is None
