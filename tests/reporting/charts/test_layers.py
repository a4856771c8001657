"""Figures of layers: what the panels have, and the colours of languages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from utils.errors import UserError
from utils.layers.measures import MEASURES
from utils.reporting import figures
from utils.reporting.charts import drawing, layers
from utils.reporting.maps.panels import evenly

SIMILARITY = MEASURES["similarity"]


def curves(model: str, shift: float = 0.0, poolings: tuple[str, ...] = ("mean",), langs: int = 2) -> layers.Curves:
    names = ["deu", "jpn", *(f"x{place:02}" for place in range(langs - 2))]
    rows: dict[str, list[dict[str, Any]]] = {
        f"eng_{lang}": [
            {
                "layer": layer,
                "depth": layer / 2,
                "pooling": pooling,
                "cosine": 0.1 * layer + place + shift,
                "cosine_low": 0.0,
                "cosine_high": 2.0,
                "unrelated": 0.5 + place,
                "ratio": None,
            }
            for layer in range(3)
            for pooling in poolings
        ]
        for place, lang in enumerate(names)
    }
    return layers.Curves(model, rows, {f"eng_{lang}": lang for lang in names})


def test_a_panel_has_each_language_with_bounds_and_what_it_is_seen_against() -> None:
    mean, last = layers.panels_of(SIMILARITY, curves("a", poolings=("mean", "last")))
    assert (mean.title, last.title, mean.name) == ("cosine, mean", "cosine, last", "cosine")
    assert mean.lines["jpn"][1] == (1.1, 0.0, 2.0) and mean.levels == {0: 1.0, 1: 1.0, 2: 1.0}


def test_a_difference_is_the_second_model_minus_the_first() -> None:
    (panel,) = layers.difference_panels(SIMILARITY, curves("a"), curves("b", shift=0.25))
    assert panel.zero and [value for (value,) in panel.lines["deu"].values()] == pytest.approx([0.25] * 3)


def test_languages_have_a_hue_and_many_languages_the_colour_of_their_family() -> None:
    few = layers.language_colours(["deu", "jpn", "swh"])
    assert len(set(few.values())) == 3
    many = [*"deu fra spa ita por nld swe rus".split(), *"jpn kor tur kaz uig fin hun est".split()]
    colours = layers.language_colours(many)
    assert colours["deu"] == colours["rus"] != colours["tur"] == colours["uig"]
    assert colours["jpn"] == colours["kor"]  # families of one language are joined


def test_figures_of_one_model_of_two_and_of_nothing() -> None:
    with figures.drawing(), drawing.paper():
        alone = layers.draw(SIMILARITY, [curves("a", langs=20)])
        both = layers.draw(SIMILARITY, [curves("me/a"), curves("me/b")])
        with pytest.raises(UserError, match="no values of bitext"):
            layers.draw(MEASURES["bitext"], [curves("a")])
    assert [part.get_suptitle() for part in both.subfigs] == ["a", "b", "b − a"]
    assert len(alone.subfigs[0].axes[0].lines) == 20 + 2 and drawing.overhang(both) < 0.05


def test_names_that_are_wider_than_the_figure_are_not_repeated_in_their_difference() -> None:
    with figures.drawing(), drawing.paper():
        both = layers.draw(SIMILARITY, [curves(f"me/{name}, 0-shot (template_lang native, limit 50)") for name in "ab"])
    assert [part.get_suptitle() for part in both.subfigs][2] == "the second minus the first"


def test_ranks_have_a_logarithmic_scale_with_plain_numbers() -> None:
    lens, ranks = MEASURES["lens"], (1.5, 40.0, 30_000.0)
    rows = [
        {"layer": layer, "depth": layer / 2, "pooling": None, "rank_vocab": rank} for layer, rank in enumerate(ranks)
    ]
    with figures.drawing(), drawing.paper():
        figure = layers.draw(lens, [layers.Curves("a", {"de": rows}, {"de": "de"})])
        figure.canvas.draw()
    (axes,) = figure.subfigs[0].axes
    shown = [label.get_text() for label in axes.get_yticklabels() if label.get_text()]
    assert axes.get_yscale() == "log" and {"10", "100", "1,000", "10,000"} <= set(shown)
    (panel,) = layers.difference_panels(lens, *[layers.Curves(name, {"de": rows}, {"de": "de"}) for name in "ab"])
    assert panel.zero and not panel.log


def test_one_layer_alone_is_drawn_as_dashes_with_its_bounds_at_a_whole_number() -> None:
    made = curves("a")
    alone = layers.Curves("a", {subset: rows[2:] for subset, rows in made.rows.items()}, made.langs)
    with figures.drawing(), drawing.paper():
        figure = layers.draw(SIMILARITY, [alone])
        figure.canvas.draw()
    (axes,) = figure.subfigs[0].axes
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [2]
    deu, jpn, mean, level = ([list(line.get_xdata()), list(line.get_ydata())] for line in axes.lines)
    assert deu == [[1.75, 2.25], [0.2, 0.2]] and jpn == [[1.75, 2.25], [1.2, 1.2]]
    assert mean == [[1.75, 2.25], [0.7, 0.7]] and level == [[1.5, 2.5], [1.0, 1.0]]
    assert [band.get_paths()[0].get_extents().extents.tolist() for band in axes.collections] == [[1.75, 0, 2.25, 2]] * 2


def test_the_legend_names_a_mean_only_where_a_panel_has_one() -> None:
    def labels(*panels: tuple[str, ...]) -> list[str]:
        made = [layers.Panel("cosine", "cosine", {lang: {0: (0.5,)} for lang in langs}) for langs in panels]
        colours = layers.language_colours(["deu", "jpn"])
        return layers._legend(["deu", "jpn"], colours, made, SIMILARITY)[1]

    assert labels(("deu",), ("jpn",)) == ["deu", "jpn"]
    assert labels(("deu", "jpn")) == ["deu", "jpn", "mean of the languages"]


def test_layers_are_drawn_evenly() -> None:
    assert evenly(range(5)) == [0, 1, 2, 3, 4]
    found = evenly(range(33))
    assert len(found) == 12 and found[0] == 0 and found[-1] == 32 and set(np.diff(found)) <= {2, 3}
