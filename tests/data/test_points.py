"""The texts of a picture: even samples, translations, and which rows are known to be parallel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from utils.data.bitext_sets import BITEXT
from utils.data.classification_sets import CLASSIFICATION
from utils.data.points import (
    Block,
    Points,
    bitext_blocks,
    even_share,
    labeled_blocks,
    to_points,
    why_not_parallel,
)
from utils.data.sources import Sources
from utils.errors import UserError
from utils.reporting.maps import coloring
from utils.reporting.maps.scatter import draw, in_columns, rows_needed
from utils.reporting.palette import OTHER, Style


def silent(message: str) -> None:
    raise AssertionError(f"nothing was to be told: {message}")


def block(lang: str, n: int, *, start: int = 0) -> Block:
    rows = range(start, start + n)
    return Block(
        lang, tuple(f"{lang} {row}" for row in rows), tuple("ab"[row % 2] for row in rows), tuple(map(str, rows))
    )


def points(*rows: tuple[str, str, str | None, str | None]) -> Points:
    return Points(*map(tuple, zip(*rows, strict=True)), "")


def test_what_small_languages_leave_goes_to_the_others() -> None:
    assert even_share([10, 3, 7], 12) == 4  # 3 + 4 + 4
    assert even_share([10, 3, 7], 20) == 10
    assert even_share([5, 5], 1) == 0


def test_a_draw_keeps_translations_together_and_a_larger_one_adds() -> None:
    blocks = [block("eng", 50), block("ind", 50)]
    few, more = (to_points(blocks, limit, 1000, 7, silent) for limit in (5, 9))
    assert few.samples[:5] == few.samples[5:] and len(few.texts) == 10
    assert set(few.samples) < set(more.samples)
    assert few.samples != to_points(blocks, 5, 1000, 8, silent).samples
    assert few.texts[0] == f"eng {few.samples[0]}" and few.labels[0] == "ab"[int(few.samples[0] or 0) % 2]


def test_more_than_max_points_are_thinned_evenly_and_it_is_said() -> None:
    told: list[str] = []
    drawn = to_points([block("eng", 50), block("ind", 10)], None, 30, 7, told.append)
    assert (drawn.langs.count("eng"), drawn.langs.count("ind")) == (20, 10)
    assert told == ["30 of 60 texts drawn, up to 20 per language (--max_points 30)"]
    with pytest.raises(UserError, match="--max_points 1 for 2 languages"):
        to_points([block("eng", 50), block("ind", 10)], None, 1, 7, silent)


def test_rows_are_parallel_only_where_ids_and_labels_say_so() -> None:
    assert why_not_parallel([block("eng", 5), block("ind", 5)]) == ""
    assert "no ids" in why_not_parallel([block("eng", 5), Block("ind", ("a",), ("a",), ())])
    assert "share rows" in why_not_parallel([block("eng", 5), block("ind", 5, start=5)])
    twice = Block("ind", ("a", "b"), ("a", "a"), ("0", "0"))
    assert why_not_parallel([block("eng", 5), twice]) == "the id 0 is repeated in ind"
    wrong = Block("ind", ("a", "b"), ("b", "b"), ("0", "1"))  # the first should be a
    assert why_not_parallel([block("eng", 5), wrong]).startswith("1 of its 5 ids")


def test_the_sample_set_is_parallel_and_its_shared_source_stands_once(tmp_path: Path) -> None:
    where = Sources(None, tmp_path)
    labelled = labeled_blocks(CLASSIFICATION["sample"], ["eng", "jpn"], "test", where)
    assert why_not_parallel(labelled) == "" and labelled[0].ids[:2] == ("s002", "s010")
    pairs = bitext_blocks(BITEXT["sample"], [("eng", "spa"), ("eng", "jpn")], where)
    assert [one.lang for one in pairs] == ["eng", "spa", "jpn"] and {len(one.texts) for one in pairs} == {70}
    assert why_not_parallel(pairs) == ""


def test_registry_ids_are_shared_ones(mirror: Path, tmp_path: Path) -> None:
    where = Sources(mirror, tmp_path)
    expected = {
        "nusax": ("eng", "ace"),
        "massive_intent": ("en", "ja"),
        "nollysenti": ("en", "yo"),
        "mtop_intent": ("en", "th"),
    }
    for name, langs in expected.items():
        assert why_not_parallel(labeled_blocks(CLASSIFICATION[name], langs, "test", where)) == "", name
    train = labeled_blocks(CLASSIFICATION["nollysenti"], ("en", "yo"), "train", where)
    assert "no ids" in why_not_parallel(train)  # 1,302 English texts, 410 of the others
    blocks = bitext_blocks(BITEXT["tatoeba"], [("deu", "eng"), ("fra", "eng")], where)
    assert [one.lang for one in blocks] == ["deu", "eng", "fra", "eng"]
    assert blocks[1].ids[0] == "deu_eng:0" != blocks[3].ids[0]  # the English sides differ: no row number is shared


def test_colours_of_languages_go_by_family_and_the_rest_is_grey() -> None:
    langs = ["eng", "fra", "deu", "spa", "rus", "hin", "ind", "jav", "cmn"]
    drawn = points(*((f"text {lang}", lang, None, None) for lang in [*langs, "ind"]))
    found = coloring.coloring(drawn, "language", None, 0)
    assert found.names == ("deu", "eng", "fra", "hin", "rus", "spa", "ind", "jav", "cmn")
    assert found.groups[5:7] == ("Indo-European", "Austronesian") and found.counts[6] == 2 and found.codes[0] == 1
    few = coloring.coloring(drawn, "language", 2, 0)
    assert few.n_colored == 2 and set(few.names[:2]) == {"ind", "eng"}
    assert set(few.styles[2:]) == {Style(OTHER, "o")}


def test_sixty_intents_share_hues_by_domain() -> None:
    intents = CLASSIFICATION["massive_intent"].label_names
    drawn = points(*((f"text {name}", "en", name, None) for name in intents))
    found = coloring.coloring(drawn, "class", None, 0)
    assert len({(style.colour, style.marker) for style in found.styles}) == 60
    assert found.groups[:2] == ("iot", "iot") and len(set(found.groups)) == 18
    topics = coloring.coloring(points(("a", "en", "x y", None), ("b", "en", "x z", None)), "class", None, 0)
    assert set(topics.groups) == {""}


def test_a_sample_is_named_by_its_first_text() -> None:
    drawn = points(*((f"{lang}  {row}", lang, None, str(row)) for lang in ("eng", "ind") for row in range(12)))
    found = coloring.coloring(drawn, "sample", None, 0)
    assert found.n_colored == 10 and found.counts == (2,) * 12
    assert found.shown == tuple(f"eng {name}" for name in found.names)
    pivot = coloring.coloring(drawn, "sample", None, 0, "ind")
    assert pivot.shown == tuple(f"ind {name}" for name in found.names)


def test_no_heading_ends_a_column() -> None:
    style = Style("#000000", "o")
    lines = [("A", None), ("a", style), ("b", style), ("B", None), ("c", style), ("d", style)]
    assert [[text for text, _ in column] for column in in_columns(lines, 4)] == [["A", "a", "b"], ["B", "c", "d"]]
    assert rows_needed(lines, 2) == 3 == rows_needed(lines, 3) and rows_needed(lines, 4) == 2


def test_a_short_or_wide_legend_stands_below() -> None:
    def ratio(values: list[str], field: str) -> float:
        rows = [(f"text {i}", value if field == "language" else "eng", value, None) for i, value in enumerate(values)]
        figure = draw(
            np.zeros((len(rows), 2), np.float32), coloring.coloring(points(*rows), field, None, 0), "t", "xy", False, 0
        )
        plot, _ = figure.axes
        return float(plot.get_position().width)

    assert ratio([f"class {i}" for i in range(7)], "class") == 1
    assert ratio(["a text of sixty letters that stands for its sample, cut " + str(i) for i in range(25)], "class") == 1
    assert ratio([f"class {i}" for i in range(25)], "class") < 0.9  # these fill the height beside the plot
