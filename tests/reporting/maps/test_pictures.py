"""The page of visualize.py, clicked in a browser: what is drawn, told, left out, found and saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import until

from utils.data.points import FIELDS, Points
from utils.reporting.maps.coloring import coloring
from utils.reporting.maps.pictures import page_data
from utils.reporting.pages.html import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

TEXTS = ("a <b>cat</b> & 'more'", "a dog", "a bird", "ein Kater", "ein Hund", "ein Vogel")
POINTS = Points(TEXTS, ("eng",) * 3 + ("ind",) * 3, ("feline", "canine", "avian") * 2, ("s1", "s2", "s3") * 2, "")
XY = np.float32([[0, 0], [4, 0], [0, 4], [1, 1], [3, 1], [1, 3]])
RECORD: dict[str, Any] = {"nearest": {"k": 5, "class": {"share": 0.25, "chance": 0.2, "n": 6}}}


@pytest.fixture
def opened(page: Page, tmp_path: Path) -> Page:
    every = [coloring(POINTS, field, None, 0) for field in FIELDS]
    data = page_data(POINTS, XY, every, ["class"], RECORD)
    write_page(tmp_path / "p.html", "visualize", "small: PCA", {**data, "axes": ["one", "two"]})
    page.goto((tmp_path / "p.html").as_uri())
    page.wait_for_selector("#legend button")
    return page


def settle(page: Page) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def colour_at(page: Page, x: float, y: float) -> str:
    settle(page)
    script = "([x, y]) => '#' + [...pen.getImageData(x * ratio, y * ratio, 1, 1).data.slice(0, 3)]"
    return page.evaluate(script + ".map((v) => v.toString(16).padStart(2, '0')).join('')", [x, y])


def place(page: Page, i: int) -> tuple[float, float]:
    x, y = page.evaluate("(i) => [px(i), py(i)]", i)
    return x, y


def near(colour: str, wanted: str) -> bool:
    """Whether two colours are the same but for the opacity of points."""
    parts = [[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in (colour, wanted)]
    return max(abs(a - b) for a, b in zip(*parts, strict=True)) < 40


def move_to(page: Page, i: int) -> None:
    box = page.locator("#plot").bounding_box()
    assert box
    x, y = place(page, i)
    page.mouse.move(box["x"] + x, box["y"] + y)


def test_points_lie_where_they_should_in_their_colours(opened: Page) -> None:
    (x0, y0), (x1, y1), (_, y2) = (place(opened, i) for i in (0, 1, 2))
    assert y0 == pytest.approx(y1) and x1 - x0 == pytest.approx(y0 - y2)  # one scale, y upwards
    by_class, by_language = (coloring(POINTS, field, None, 0) for field in ("class", "language"))
    for i in range(6):
        assert near(colour_at(opened, *place(opened, i)), by_class.styles[by_class.codes[i]].colour)
    assert colour_at(opened, x0 + 60, y0 - 20) == "#ffffff"
    opened.select_option("#colour", "language")
    for i in range(6):
        assert near(colour_at(opened, *place(opened, i)), by_language.styles[by_language.codes[i]].colour)
    assert opened.locator("#legend button span:first-of-type").all_inner_texts() == ["ind", "eng"]  # by family


def test_filters_legend_and_counts(opened: Page) -> None:
    count = opened.locator("#count")
    assert count.inner_text() == "6 of 6 texts shown"
    opened.click("details[data-field=language] summary")
    opened.locator("details[data-field=language] label:has-text('ind') input").uncheck()
    assert count.inner_text() == "3 of 6 texts shown"
    assert colour_at(opened, *place(opened, 3)) == "#ffffff"
    opened.click("#legend button:has-text('canine')")
    assert count.inner_text() == "1 of 6 texts shown"
    opened.click("#legend button:has-text('canine')")
    assert count.inner_text() == "3 of 6 texts shown"
    opened.click("#legend button:has-text('avian')", modifiers=["Control"])
    assert count.inner_text() == "2 of 6 texts shown"
    opened.click("details[data-field=class] summary")
    opened.fill("details[data-field=class] input[type=search]", "feli")
    assert opened.locator("details[data-field=class] label:visible").count() == 1
    opened.click("details[data-field=class] button:has-text('none')")
    assert count.inner_text() == "1 of 6 texts shown"
    opened.fill("details[data-field=class] input[type=search]", "")
    opened.click("details[data-field=class] button:has-text('all')")
    opened.click("details[data-field=language] button:has-text('all')")
    assert count.inner_text() == "6 of 6 texts shown"


def test_hovering_tells_the_text_and_joins_its_translations(opened: Page) -> None:
    (x0, y0), (x3, y3) = place(opened, 0), place(opened, 3)
    middle = (x0 + x3) / 2, (y0 + y3) / 2
    assert colour_at(opened, *middle) == "#ffffff"
    move_to(opened, 0)
    assert opened.inner_text("#tip .text") == TEXTS[0] and opened.locator("#tip b").count() == 0
    assert opened.inner_text("#tip .soft") == (
        "class: feline · language: eng · family: Indo-European · script: Latn · sample s1"
    )
    assert opened.locator("#details li").all_inner_texts() == ["ind\nein Kater"]
    around = [(middle[0] + dx, middle[1] + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    assert any(colour_at(opened, *at) != "#ffffff" for at in around)  # the line
    box = opened.locator("#plot").bounding_box()
    assert box
    opened.mouse.click(box["x"] + x0, box["y"] + y0)
    opened.mouse.move(box["x"] + 400, box["y"] + 300)
    assert opened.locator("#tip").is_hidden() and opened.inner_text("#details h2") == "Kept text"


def test_search_marks_what_it_finds(opened: Page) -> None:
    opened.fill("#search", "HUND")
    assert opened.inner_text("#found") == "1 found"
    assert not near(colour_at(opened, *place(opened, 0)), "#0072b2")
    x, y = place(opened, 4)
    ring = opened.evaluate("radius(1) + 4")
    assert colour_at(opened, x + ring, y) != "#ffffff" != colour_at(opened, x, y - ring)
    move_to(opened, 0)
    assert opened.locator("#tip").is_hidden()
    move_to(opened, 4)
    assert opened.locator("#tip mark").inner_text() == "Hund"


def test_zoom_pan_and_walk_by_wheel_mouse_and_keys(opened: Page) -> None:
    box = opened.locator("#plot").bounding_box()
    assert box
    x, y = place(opened, 1)
    opened.mouse.move(box["x"] + x, box["y"] + y)
    opened.mouse.wheel(0, -400)
    settle(opened)
    assert place(opened, 1) == pytest.approx((x, y), abs=1)  # what the pointer is on stays
    assert opened.evaluate("view.scale") == pytest.approx(np.e)
    opened.mouse.down()
    opened.mouse.move(box["x"] + x + 50, box["y"] + y + 30)
    opened.mouse.up()
    assert place(opened, 1) == pytest.approx((x + 50, y + 30), abs=1)
    opened.locator("#plot").press("0")
    assert place(opened, 1) == pytest.approx((x, y), abs=1)
    opened.locator("#plot").press("n")
    opened.locator("#plot").press("n")
    assert opened.inner_text("#tip .text") == "a bird"  # the second from the left
    opened.click("#in")
    assert opened.evaluate("view.scale") == pytest.approx(1.4)


def test_a_window_of_another_size_shows_the_whole_and_uses_its_height(opened: Page) -> None:
    opened.set_viewport_size({"width": 390, "height": 844})
    settle(opened)
    for _ in range(4):
        opened.click("#in")
    assert opened.evaluate("view.scale") == pytest.approx(1.4**4)
    opened.set_viewport_size({"width": 420, "height": 800})
    until(opened, "view.scale === 1")
    stage = opened.locator("#stage").bounding_box()
    assert stage and stage["height"] > 370
    for i in range(6):
        x, y = place(opened, i)
        assert 0 < x < stage["width"] and 0 < y < stage["height"]
    opened.click("#in")
    opened.fill("#search", "hund")  # a line more above the picture leaves the view
    settle(opened)
    assert opened.evaluate("view.scale") == pytest.approx(1.4)


def test_the_tip_does_not_stay_over_what_is_searched_or_left(opened: Page) -> None:
    tip = opened.locator("#tip")
    move_to(opened, 0)
    assert tip.is_visible() and opened.inner_text("#details h3") == "1 translation"
    opened.fill("#search", "vogel")
    assert tip.is_hidden()
    opened.fill("#search", "")
    opened.locator("#plot").press("n")
    assert tip.is_visible()
    opened.focus("#search")
    assert tip.is_hidden()


def test_only_colours_that_tell_texts_apart_are_offered(opened: Page, tmp_path: Path) -> None:
    offered = opened.locator("#colour option")
    assert offered.all_inner_texts() == ["class", "language", "sample", "family"]  # all of them are in one script
    every = [coloring(POINTS, field, None, 0) for field in FIELDS]
    write_page(
        tmp_path / "q.html", "visualize", "q", {**page_data(POINTS, XY, every, ["script"], RECORD), "axes": "xy"}
    )
    opened.goto((tmp_path / "q.html").as_uri())
    opened.wait_for_selector("#legend button")
    assert "script" in offered.all_inner_texts() and opened.input_value("#colour") == "script"  # it was asked for


def test_the_picture_is_saved(opened: Page, tmp_path: Path) -> None:
    with opened.expect_download() as found:
        opened.click("#save")
    assert found.value.suggested_filename == "small_PCA_class.png"
    found.value.save_as(tmp_path / "saved.png")
    assert (tmp_path / "saved.png").read_bytes()[:4] == b"\x89PNG"


def test_dark_mode_and_the_numbers_beside_the_picture(opened: Page) -> None:
    opened.emulate_media(color_scheme="dark")
    assert colour_at(opened, 300, 300) == "#16181c"
    assert opened.locator("#nearest tbody tr").all_inner_texts() == ["of the same class\t25.00\t20.00"]
