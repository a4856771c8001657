"""Words with their marks: for BM25, and for the labels in answers."""

from __future__ import annotations

import unicodedata

import pytest

from utils.demonstrations import by_bm25, words
from utils.prompts import parse_label
from utils.words import normal_form

DAY, GIFT = "दिन", "दान"  # differ in a vowel sign alone
GOOD, LOOK = "ดี", "ดู"  # the same in Thai


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Das Haus, 3x! c_d", ["das", "haus", "3x", "c_d"]),
        (f"{DAY} या {GIFT}।", [DAY, "या", GIFT]),
        ("கை கொடு", ["கை", "கொடு"]),  # Tamil
        ("שָׁלוֹם", ["שָׁלוֹם"]),  # Hebrew points
        ("مُدَرِّسٌ", ["مُدَرِّسٌ"]),  # Arabic vowels
        ("Ẹ káàárọ̀", ["ẹ", "káàárọ̀"]),  # Yoruba: no composed letter has both the dot and the tone
        ("İkinci", ["ikinci"]),  # lower() leaves a dot beside the i
        ("می\u200cخواهم", ["می", "خواهم"]),  # a joiner between letters parts them, behind a mark it does not
        ("क्\u200dष", ["क्\u200dष"]),
        ("❤\ufe0f 1\ufe0f\u20e3 👩\u200d👩", ["1"]),  # marks of pictures make no word
        ("\u093fabc", ["abc"]),  # a mark without a letter
        ("我爱你", ["我爱", "爱你"]),
        ("ab我", ["ab", "我"]),
        ("が語ー々", ["が語", "語ー", "ー々"]),
        ("ดีมาก", ["ดีม", "มา", "าก"]),  # pairs of characters as they are seen
        ("မြန်မာ", ["မြန်", "န်မ", "မာ"]),
        ("ពណ៌ស", ["ពណ៌", "ណ៌ស"]),
        ("ລາວ", ["ລາ", "າວ"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == [unicodedata.normalize("NFC", word) for word in expected]


def test_decomposed_and_composed_letters_are_the_same_words() -> None:
    for text in ("Tiếng Việt", "Ẹ káàárọ̀", "한국어 문장", "が クラス"):
        assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(("one", "other"), [(DAY, GIFT), (GOOD, LOOK)])
def test_words_that_differ_in_a_mark_are_two(one: str, other: str) -> None:
    assert words(one) != words(other)
    assert by_bm25([other], [one, other, "x"], 1)[0].tolist() == [1]
    assert [parse_label(word, [one, other]) for word in (one, other)] == [0, 1]


def test_the_normal_form_has_letters_and_their_marks_only() -> None:
    assert normal_form("ＡＢ 12, straße!") == "abstrasse" == normal_form("AB STRASSE")
    assert normal_form("12:30") == "12:30"
    assert normal_form(f"१. {DAY}, या") == normal_form(f"{DAY} या") != normal_form(f"{GIFT} या")
    assert normal_form(unicodedata.normalize("NFD", "É\ufe0f")) == "é"


def test_training_texts_without_a_word_leave_the_lower_indices() -> None:
    assert [found.tolist() for found in by_bm25(["a b", "!"], ["...", "", "👍"], 2)] == [[0, 1], [0, 1]]
    assert by_bm25(["b"], ["", "b", "..."], 2)[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("answer", "labels", "expected"),
    [
        ("答案是积极。", ("消极", "积极"), 1),  # no spaces around the word
        ("นี่คือเชิงลบ", ("เชิงบวก", "เชิงลบ"), 1),
        ("उत्तर: सकारात्मक है", ("नकारात्मक", "सकारात्मक"), 1),
        ("सकार", ("सकारात्मक",), None),
        (unicodedata.normalize("NFD", "tiêu cực"), ("tích cực", "tiêu cực"), 1),
        ("政治と科学", ("科学", "政治"), 1),  # the first that is named
    ],
)
def test_labels_of_other_scripts(answer: str, labels: tuple[str, ...], expected: int | None) -> None:
    assert parse_label(answer, labels) == expected
