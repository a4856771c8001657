"""Cleaning: what each step drops and counts, and where duplicates are found again by their ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from utils.errors import UserError
from utils.mining.cleaning import Cleaning, cleaned, describe, first_of_equals
from utils.mining.collections import Collection

LINES = ["Guten Tag!", " Guten Tag! ", "guten tag", "", "ab", "x" * 30, "Guten  Tag 2", "Neues.", "..."]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    return Collection("source", (path,))


def test_each_step_is_counted(collection: Collection, tmp_path: Path) -> None:
    kept = cleaned(collection, Cleaning(3, 20, None, "near"), tmp_path / "store")
    assert kept.texts(slice(None)) == ["Guten Tag!", "Neues.", "..."]
    assert kept.ids(slice(None)) == ["1", "8", "9"]
    counts = {"empty": 1, "too_short": 1, "too_long": 1, "other_language": 0, "duplicates": 3}
    assert kept.about["counts"] == {"read": 9, **counts, "kept": 3}
    told = "source: 9 texts read, 3 kept (1 empty, 1 too short, 1 too long, 3 duplicates)"
    assert describe(kept, "source") == told


def test_exact_duplicates_are_those_without_blanks_at_the_ends(collection: Collection, tmp_path: Path) -> None:
    kept = cleaned(collection, Cleaning(), tmp_path / "store")
    assert kept.texts([0, 1, 2]) == ["Guten Tag!", "guten tag", "ab"] and len(kept) == 7
    assert len(cleaned(collection, Cleaning(duplicates="none"), tmp_path / "store")) == 8


def test_a_duplicate_has_the_place_of_its_first_text(collection: Collection, tmp_path: Path) -> None:
    kept = cleaned(collection, Cleaning(3, 20, None, "near"), tmp_path / "store")
    assert kept.places({"1", "2", "7", "8", "99"}) == {"1": 0, "2": 0, "7": 0, "8": 1}


def test_first_of_equals_compares_both_halves_of_a_hash() -> None:
    hashes = np.array([[1, 2], [1, 3], [1, 2], [0, 2], [1, 3]], dtype=np.uint64)
    assert first_of_equals(hashes).tolist() == [0, 1, 0, 3, 1]
    assert first_of_equals(hashes[:0]).tolist() == []


def test_halves_of_surrogate_pairs_are_replaced_before_they_are_encoded(tmp_path: Path) -> None:
    lines = [r'{"text": "a \ud83d"}', r'{"text": "a \ud83e"}', r'{"text": "\ud83d\ude00"}']
    (tmp_path / "a.jsonl").write_text("".join(f"{line}\n" for line in lines))
    store = cleaned(Collection("source", (tmp_path / "a.jsonl",)), Cleaning(), tmp_path / "store")
    assert store.texts(slice(None)) == ["a \ufffd", "\U0001f600"]  # the first two are equal


def test_nothing_left_is_an_error(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the source collection has no text: read 9, empty 1, too short 8"):
        cleaned(collection, Cleaning(min_chars=99), tmp_path / "store")


def test_texts_of_another_language_are_dropped(tmp_path: Path) -> None:
    pytest.importorskip("pycld2")
    texts = [
        "Der Hund läuft durch den Garten und bellt laut.",
        "The dog runs through the garden and barks loudly.",
        "Ja \x85 9",
    ]
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    kept = cleaned(Collection("source", (tmp_path / "a.txt",)), Cleaning(language="de"), tmp_path / "store")
    assert kept.texts(slice(None)) == [texts[0], texts[2]] and kept.about["counts"]["other_language"] == 1
    with pytest.raises(UserError, match="pycld2 has no such language"):
        cleaned(Collection("source", (tmp_path / "a.txt",)), Cleaning(language="deu"), tmp_path / "store")


@pytest.mark.parametrize("name", ["texts.bin", "ids.bin", "text_ends.npy", "kept.npy", "first.npy", "collection.json"])
def test_a_damaged_store_is_made_again(
    collection: Collection, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = cleaned(collection, Cleaning(), tmp_path / "store")
    path = kept.folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    again = cleaned(collection, Cleaning(), tmp_path / "store")
    assert path.read_bytes() == whole and len(again) == 7
    assert "is damaged; it is made again" in capsys.readouterr().err
