"""Pages: one file, no network, no text that becomes markup; opened in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from utils.errors import UserError
from utils.reporting.pages import html

if TYPE_CHECKING:
    from playwright.sync_api import Page

DATA: dict[str, Any] = {"text": "</script><b>%BODY% & é 語", "none": None, "half": 0.5}


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of templates, a small page of the test's own beside the real ones."""
    folder = tmp_path / "web"
    folder.mkdir()
    for path in html.WEB.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "small.html").write_text('<p id="out"></p>')
    (folder / "small.js").write_text(
        """pageData().then((data) => {
            const out = document.getElementById("out");
            out.replaceWith(el("p", {id: "out"}, data.text, el("i", {}, percent(data.half))));
        });"""
    )
    monkeypatch.setattr(html, "WEB", folder)
    return folder


def test_the_data_arrive_as_they_are_and_as_text(web: Path, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "out" / "page.html"
    html.write_page(path, "small", "A <title> %DATA%", DATA)
    page.goto(path.as_uri())
    page.wait_for_selector("#out i")
    assert page.title() == "A <title> %DATA%"
    assert page.inner_text("#out") == "</script><b>%BODY% & é 語50.00"
    assert page.locator("#out b").count() == 0
    assert page.evaluate("pageData()") == DATA


def test_the_same_data_give_the_same_bytes(web: Path, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        html.write_page(tmp_path / name, "small", "t", DATA)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_nan_and_a_place_that_cannot_be_written_are_refused(web: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        html.write_page(tmp_path / "a.html", "small", "t", float("nan"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        html.write_page(tmp_path / "file" / "a.html", "small", "t", {})
