"""Free answers in the page: an instruction's answers with their languages and judgements side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Run
from record_files import write_record
from report_logs import HOSTILE, SCRIPT, cells, open_at

from utils.schema import RunRecord

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.mark.slow
def test_answers_and_judgements_stand_side_by_side(run: Run, tmp_path: Path, page: Page) -> None:
    settings = {"template": "model", "temperature": 0.8, "top_p": 0.9, "top_k": 50, "seeds": "0 1"}
    about = {"task": "chat", "dataset": "mine", "model": "none", "subset": "de", "seed": 42, **settings}
    about["generator"] = {"name": "org/gen", "kind": "chat", "quantization": ""}
    prompts = {
        "prompts": ["Wie?", "Was?"],
        "seeds": [0, 1],
        "answers": [["So.", HOSTILE], ["", "Das."]],
        "answered_in": [["deu", "eng"], ["", "deu"]],
        "judgements": [
            [
                {"level": 4, "reasoning": "fine", "again": True, "held": True},
                {"level": None, "reasoning": HOSTILE, "again": True},
            ],
            [{"level": 1, "reasoning": "The answer is empty."}, {"level": 2, "reasoning": "short"}],
        ],
    }
    metrics = {"fidelity": 0.75, "repetition": 0.0, "refused": 0.0}
    record = RunRecord(metrics, {}, 2, 2, about, {"lid_references": 8})
    predictions = {"gold": ["de", "de"], "hyp": ["de", "de"], "values": {"fidelity": [0.5, 1.0]}}
    write_record(tmp_path / "logs" / "save_chat", "de", record, predictions, prompts)
    assert run(SCRIPT).returncode == 0
    open_at(page, tmp_path / "report.html", "#items?path=logs/save_chat/eval_de_2.json&item=0")
    page.wait_for_selector("table.answers")
    assert cells(page, "table.answers") == [
        ["0", "deu", "So.", "level 4 (the most probable one: what it wrote cannot be read): fine"],
        ["1", "eng", HOSTILE, f"unread (asked again): {HOSTILE}"],
    ]
    assert page.title() != "caught"
    open_at(page, tmp_path / "report.html", "#record?path=logs/save_chat/eval_de_2.json")
    page.wait_for_selector("main table")
    assert [row[:2] for row in cells(page)] == [["fidelity", "75.00"], ["repetition", "0.00"], ["refused", "0.00"]]
