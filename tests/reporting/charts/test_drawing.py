"""The look of figures: texts neither overlap nor are cut, and lines differ in greyscale."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from utils.data.classification_sets import MASSIVE_INTENTS
from utils.data.languages import SIB200_LANGS, family_and_script
from utils.reporting import figures
from utils.reporting.charts import comparison, confusion, drawing, groups, heatmap, languages, naming, plots
from utils.reporting.charts.lines import Panel, Scale, draw
from utils.reporting.tables.cells import Cell
from utils.reporting.tables.paired import Line

PICTURES = os.environ.get("MINERS_TEST_PICTURES")
LONG = [f"organisation-{number}/a-multilingual-sentence-encoder-of-{number}-billion-parameters" for number in range(14)]


def boxes_of_texts(figure: Figure) -> list[tuple[str, np.ndarray]]:
    """Return every visible text with its box in inches: left, bottom, right, top."""
    figure.draw_without_rendering()
    hidden: set[int] = set()
    for axis in figure.findobj(Axis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                hidden |= {id(tick.label1), id(tick.label2)}
    found = []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            found.append((text.get_text(), text.get_window_extent().extents / figure.dpi))
    return found


def faults(figure: Figure, slack: float = 0.015) -> list[str]:
    """Return what is wrong with the texts: over the edge, or on one another, or a legend over the data."""
    found = boxes_of_texts(figure)
    width, height = figure.get_size_inches()
    boxes = np.array([box for _, box in found])
    out = (boxes[:, :2] < -slack).any(axis=1) | (boxes[:, 2] > width + slack) | (boxes[:, 3] > height + slack)
    wrong = [f"cut: {found[place][0]!r}" for place in np.flatnonzero(out)]
    low, high = boxes[:, None, :2] + slack, boxes[:, None, 2:] - slack
    over = ((low < boxes[None, :, 2:] - slack) & (high > boxes[None, :, :2] + slack)).all(axis=2)
    wrong += [f"{found[i][0]!r} on {found[j][0]!r}" for i, j in np.argwhere(np.triu(over, 1))]
    for legend in figure.legends:
        for axes in figure.axes:
            both = legend.get_window_extent().extents, axes.get_window_extent().extents
            (left, bottom, right, top), (left_b, bottom_b, right_b, top_b) = both
            if left < right_b and left_b < right and bottom < top_b and bottom_b < top:
                wrong.append("the legend is on the data")
    return wrong


def arguments(**given: object) -> argparse.Namespace:
    usual = {"task": "classification", "width": None, "height": None, "title": None, "seed": 42, "langs": None}
    return argparse.Namespace(**{**usual, **given})


def drawn(make: Any, name: str, texts: Sequence[str] = ()) -> Figure:
    """Return the figure as the scripts draw it; its picture is in $MINERS_TEST_PICTURES for who wants to look."""
    with figures.drawing(texts), drawing.paper():
        figure: Figure = make()
        if PICTURES:
            figures.save(figure, Path(PICTURES) / name, ["png"], tight=False)
        assert drawing.overhang(figure) < plots.CUT
        assert faults(figure) == []
    return figure


def sib_scores(models: Sequence[str], by: str = "family") -> languages.Scores:
    """Return made-up scores of 205 languages; the last model lacks the first language."""
    both = {lang: family_and_script(lang) for lang in SIB200_LANGS}
    family, script = ({lang: str(names[place]) for lang, names in both.items()} for place in (0, 1))
    values = {
        model: {lang: ((37 * place + 11 * row) % 100) / 99 for row, lang in enumerate(SIB200_LANGS)}
        for place, model in enumerate(models)
    }
    if len(models) > 1:
        del values[models[-1]][SIB200_LANGS[0]]
    joined = languages.joined(family if by == "family" else script, languages.OTHER[by])
    return languages.Scores("sib200", "acc", values, family, script, joined, 1, len(SIB200_LANGS))


@pytest.mark.slow
@pytest.mark.parametrize(("n_models", "sort"), [(1, "group"), (2, "mean"), (14, "group")])
def test_a_heat_map_of_205_languages_can_be_read(n_models: int, sort: str) -> None:
    scores = sib_scores(LONG[:n_models])
    order = heatmap.ordered(scores, sort)
    args = arguments(sort=sort, by="family")
    figure = drawn(lambda: heatmap.draw(args, scores, order), f"heat_{n_models}")
    shown = [text for text, _ in boxes_of_texts(figure)]
    assert set(SIB200_LANGS) <= set(shown)
    assert sum("." in text for text in shown) >= 205 * n_models - 1  # every value stands in its cell
    assert "–" in shown or n_models == 1  # what is missing is marked


@pytest.mark.parametrize(("n_models", "by"), [(1, "family"), (3, "script"), (14, "family")])
def test_boxes_of_families_can_be_read(n_models: int, by: str) -> None:
    scores = sib_scores(LONG[:n_models], by)
    figure = drawn(lambda: groups.draw(arguments(), scores), f"groups_{n_models}")
    labels = " ".join(text.replace("\u00a0", " ") for text, _ in boxes_of_texts(figure))
    assert ("Indo-European (n" in labels) == (by == "family")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.endswith("(204/205)") for text in legend] == [False] * (n_models - 1) + [n_models > 1]


def test_lines_of_14_models_differ_in_grey_and_can_be_read() -> None:
    cells = [Cell(0.3 + 0.04 * place, 10, 10, (0.25 + 0.04 * place, 0.4 + 0.04 * place)) for place in range(14)]
    lines = {model: dict.fromkeys((1, 5, 10), cell) for model, cell in zip(LONG, cells, strict=True)}
    styles = drawing.line_styles(LONG)
    assert len({(style.marker, style.line) for style in styles.values()}) == 14
    panels = [Panel(name, "Accuracy (%)", lines, {LONG[0]: cells[0]}) for name in ("nusax", "sib200", "fire")]
    scale = Scale("k (neighbours that vote)", {1: "1", 5: "5", 10: "10"})
    for count in (1, 3):
        drawn(lambda count=count: draw(arguments(), panels[:count], scale), f"lines_{count}")
    bands = Scale("Ranks", {place: f"{10 * place}–{10 * place + 10}" for place in range(10)})
    of_bands = {LONG[0]: dict.fromkeys(range(10), cells[0])}
    drawn(lambda: draw(arguments(), [Panel("nusax", "F1", of_bands)], bands), "bands")
    uneven = Scale("k", {k: str(k) for k in (1, 2, 5, 10, 100)})
    assert uneven.logarithmic and not scale.logarithmic


@pytest.mark.parametrize("ks", [(1, 5, 10), (1, 2, 5, 10, 100), (1, 5), (3,)])
def test_all_ticks_are_there_and_points_stay_near_them(ks: tuple[int, ...]) -> None:
    scale, n = Scale("k", {k: str(k) for k in ks}), 18
    cell = Cell(0.5, 2, 2, (0.4, 0.6))
    lines = {f"m{line}": dict.fromkeys(ks if line == 0 else ks[:1], cell) for line in range(n)}  # the last k has one
    figure = drawn(lambda: draw(arguments(), [Panel("nusax", "F1", lines)], scale), f"ticks_{len(ks)}")
    low, high = figure.axes[0].get_xlim()
    assert all(low < place < high for k in ks for place in (k, *(scale.moved(k, line, n) for line in range(n))))
    axis = np.log if scale.logarithmic else np.asarray
    gap = float(np.diff(axis(ks)).min()) if len(ks) > 1 else 1.0
    shifts = [axis(scale.moved(k, line, n)) - axis(k) for k in ks for line in range(n)]
    assert max(shifts) == pytest.approx(-min(shifts)) and max(shifts) <= 0.1 * gap + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("n_labels", "n_panels"), [(3, 4), (7, 1), (20, 2), (60, 1)])
def test_confusions_of_many_labels_can_be_read(n_labels: int, n_panels: int) -> None:
    labels = list(MASSIVE_INTENTS[:n_labels])
    counts = np.arange(n_labels * (n_labels + 1)).reshape(n_labels, -1) % 97
    columns = [*labels, confusion.UNPARSED]
    matrices = [confusion.Matrix(f"language {place}", labels, columns, counts) for place in range(n_panels)]
    args = arguments(langs=["a"] if n_panels > 1 else None)
    figure = drawn(lambda: confusion.draw(args, matrices), f"confusion_{n_labels}_{n_panels}")
    numbers = [text for text, _ in boxes_of_texts(figure) if text.isdecimal()]
    assert len(numbers) >= n_panels * int((counts > 0).sum())


@pytest.mark.parametrize("n", [5, 205])
def test_a_forest_of_many_languages_can_be_read(n: int) -> None:
    lines = [
        Line("sib200", lang, 204, 0.5 + row / 500, 0.5, (row / 500 - 0.1, row / 500 + 0.1), 0.01, p_holm=row / 205)
        for row, lang in enumerate(SIB200_LANGS[:n])
    ]
    lines.append(Line("sib200", "mean", 204 * n, 0.6, 0.5, (0.05, 0.15), 0.001))
    args = arguments(a=LONG[0], b=LONG[1], metric="acc", k=1, setting_b=[])
    drawn(lambda: comparison.draw(args, lines), f"forest_{n}")


def test_groups_stand_by_the_mean_of_their_models_medians() -> None:
    values = {"m": {"a": 0.9, "b": 0.8, "c": 0.1}, "n": {"a": 0.0, "b": 0.1, "c": 0.6}}  # G: 0.85 and 0.05; H: 0.1, 0.6
    families = {"a": "G", "b": "G", "c": "H"}
    scores = languages.Scores("mine", "acc", values, families, families, families, 1, 3)
    found = groups.by_group(scores)
    assert list(found) == ["G", "H"] and found["H"] == {"m": [10.0], "n": [60.0]}
    assert groups.label("G", found["G"], ["m", "n"]) == "G (n\u00a0=\u00a02)"


def test_the_check_finds_what_it_is_for() -> None:
    with figures.drawing():
        figure = figures.new_figure(2, 2)
        figure.text(0.5, 0.5, "one")
        figure.text(0.5, 0.52, "another")
        figure.text(0.9, 0.1, "much too long for here")
        assert faults(figure) == ["cut: 'much too long for here'", "'one' on 'another'"]
        axes = figure.add_subplot()
        axes.plot([1, 2], [1, 2], label="a line")
        figure.legend(loc="center")
        assert "the legend is on the data" in faults(figure)


def test_names_are_cut_short_alike() -> None:
    assert drawing.short_names(["a/x", "b/y", "c/y", "g/z + e/x, 1-shot", "x__y__weights1.0_2.0"]) == {
        "a/x": "x",
        "b/y": "b/y",
        "c/y": "c/y",
        "g/z + e/x, 1-shot": "z + x, 1-shot",
        "x__y__weights1.0_2.0": "x__y__weights1.0_2.0",
    }
    assert drawing.wrap_to("Atlantic-Congo (n\u00a0=\u00a016–34)", 1.0, 7) == "Atlantic-Congo\n(n\u00a0=\u00a016–34)"
    wrapped = drawing.wrap_to(LONG[0], 1.2, 7)
    assert wrapped.replace("\n", "") == LONG[0] and drawing.text_width(wrapped, 7) <= 1.2


def test_a_confusion_says_of_which_model_and_k_it_is(tmp_path: Path) -> None:
    args = arguments(langs=["eng"], width=None)
    matrix = confusion.Matrix("eng", ["a"], ["a"], np.array([[3]]), "one, k = 5", 5)
    figure = drawn(lambda: confusion.draw(args, [matrix]), "confusion_1_1")
    texts = [text for text, _ in boxes_of_texts(figure)]
    assert "eng\none, k = 5" in texts
    (label,) = [text for text in texts if text.startswith("Share of")]
    assert label.count("\n") == 1  # the bar is narrow, the label need not be


def test_names_say_what_departs_from_the_usual() -> None:
    usual = {"setting": [], "k": 1, "metric": None, "models": None}

    def name(rows: Sequence[str], **given: object) -> str:
        return naming.default_name(arguments(**{**usual, **given}), "plot_x", ["nusax"], rows)

    assert name(["a/x", "b/y", "c/z"]) == "plot_x_classification_nusax" == name(["a/x", "b/y", "c/z"], metric="f1")
    assert name(["a/x", "b/y", "c/z"], models=["..."], k=[1, 5]) == "plot_x_classification_nusax_3_models_k1-5"
    assert name(["a/x", "b/y"], langs=list("abcde")) == "plot_x_classification_nusax_x_vs_y_5_languages"
    both = name(["a/x", "a/x"], setting=["vote=weighted"], setting_b=["fuse=rank"], metric="acc", usual_metric="acc")
    assert both == "plot_x_classification_nusax_x_vote-weighted_B_fuse-rank"
    assert name(["bundled/multilingual-e5-small"]).endswith("_bundled_multilingual-e5-small")  # there is intfloat's too
    long = [name([f"a/{letter * 200}"]) for letter in "xy"]
    assert {len(one) for one in long} == {120} and long[0] != long[1]


def test_a_level_that_lacks_languages_says_so() -> None:
    whole, part = Cell(0.5, 2, 2, (0.4, 0.6)), Cell(0.3, 1, 2, (0.2, 0.4))
    scale = Scale("Ranks", {0: "0–10", 1: "90–100"})
    panel = Panel("nusax", "F1", {"a/x": {0: whole, 1: whole}}, {"b/y": part})
    other = Panel("fire", "F1", {"a/x": {0: whole}}, {"b/y": whole})
    for panels, level in (([panel], "y (1/2)"), ([other], "y"), ([panel, other], "y (nusax 1/2)")):
        figure = drawn(lambda panels=panels: draw(arguments(), panels, scale), f"level_{len(panels)}")
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["x", level, "shaded: 95 % interval"]
