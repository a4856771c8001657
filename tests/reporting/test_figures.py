"""Figures: the same bytes each time, fonts for what the texts need, errors where nothing can be written."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from utils.errors import UserError
from utils.reporting.figures import BASE_FONT, drawing, fonts_for, new_figure, save


def draw(stem: Path, label: str = "k") -> list[Path]:
    with drawing([label]):
        figure = new_figure(3, 2)
        axes = figure.add_subplot()
        axes.plot([1, 5, 10], [0.5, 0.7, 0.9])
        axes.set_xlabel(label)
        return save(figure, stem, ("png", "pdf", "svg"))


def test_the_same_figure_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = draw(tmp_path / "a.b"), draw(tmp_path / "c.b")
    assert [path.name for path in first] == ["a.b.png", "a.b.pdf", "a.b.svg"]  # a dot in the name is no ending
    assert [path.read_bytes()[:4] for path in first[:2]] == [b"\x89PNG", b"%PDF"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_label_is_no_mathematics(tmp_path: Path) -> None:
    assert draw(tmp_path / "price", "$\\%{$ or $5-$10")[0].stat().st_size > 0  # as mathematics it is an error


def test_a_plain_label_needs_the_base_font_alone() -> None:
    assert fonts_for(["accuracy", "Größe", "Ελληνικά"]) == [BASE_FONT]


def test_a_character_that_no_font_has_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    fonts_for(["\U0010fffd"])
    assert "no installed font has \U0010fffd" in capsys.readouterr().err


def test_a_character_that_no_font_has_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of matplotlib, for each character and file
        assert len(draw(tmp_path / "a", "\U0010fffd")) == 3
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_font_that_has_the_script_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    families = fonts_for(["ภาษาไทย"])
    if "no installed font" in capsys.readouterr().err:
        pytest.skip("no Thai font here")
    assert families[0] == BASE_FONT
    assert len(families) == 2


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        draw(tmp_path / "file" / "figure")
