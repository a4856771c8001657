"""Exact match and F1 of answers: rows by hand in six languages, and the official formula derived again."""

from __future__ import annotations

import string
import unicodedata
from collections import Counter

import pytest

from utils.evaluation.spans import normal_answer, span_scores, word_f1

# language, answer, references, exact match, F1
ROWS = [
    ("en", "The 308 points!", ["308 points", "308"], 1, 1),
    ("en", "about 308 points", ["308"], 0, 1 / 2),  # 2 * 1 / (3 + 1)
    ("de", "Die Verteidigung der Panthers", ["Verteidigung Panthers"], 1, 1),
    ("de", "den Panthers und den Broncos", ["der Panthers"], 0, 1 / 2),  # panthers und broncos: 2 * 1 / (3 + 1)
    ("es", "¿Las 24 intercepciones?", ["24 intercepciones"], 1, 1),  # Unicode's punctuation
    ("es", "unas 24 de las 308", ["24"], 0, 1 / 2),
    ("vi", "của những năm 1990", ["năm 1990"], 1, 1),
    ("ar", "القاهرة والاسكندرية", ["قاهرة"], 0, 1 / 2),  # the article goes within words too: قاهرة, و, اسكندرية
    ("zh", "1990年，北京", ["北京"], 0, 2 * 2 / (4 + 2)),  # 1990 年 北 京
    ("zh", "在 北京。", ["北京"], 0, 4 / 5),
    ("hi", "दिल्ली में", ["दिल्ली"], 0, 2 / 3),
    ("th", "กรุง", ["กรุงเทพ"], 0, 2 * 4 / (4 + 7)),  # not in the official script: characters
    ("tr", "the 5", ["5"], 0, 2 / 3),  # no articles in a language that the official script does not know
    ("en", "", ["308"], 0, 0),
    ("en", "the", ["a"], 1, 0),  # both are empty: equal, but they share no word, as in the official script
    ("en", "Paris Paris", ["Paris"], 0, 2 / 3),  # a word counts as often as both have it
]


@pytest.mark.parametrize(("lang", "answer", "references", "em", "f1"), ROWS)
def test_rows_by_hand(lang: str, answer: str, references: list[str], em: float, f1: float) -> None:
    found = span_scores([answer], [references], lang)
    assert found["em"].tolist() == [em]
    assert found["f1"].tolist() == pytest.approx([f1])


def test_the_best_of_several_references_counts_in_each_measure() -> None:
    found = span_scores(["a b c", "x"], [["c d", "b c d", "z"], ["y", "x"]], "fr")
    assert found["f1"].tolist() == pytest.approx([2 / 3, 1]) and found["em"].tolist() == [0, 1]


def test_squad_has_english_articles_and_ascii_punctuation_in_every_language() -> None:
    assert normal_answer("The «Casa» a, b-c.", "es", "squad") == "«casa» bc"
    assert normal_answer("北京", "zh", "squad") == "北京"
    assert normal_answer("der Hund", "de", "squad") == "der hund" != normal_answer("der Hund", "de")


def test_codes_of_three_letters_and_with_a_script_are_the_same_language() -> None:
    assert normal_answer("der Hund", "deu") == normal_answer("der Hund", "deu_Latn") == "hund"
    assert normal_answer("北京", "zho_Hans") == "北 京"


def official(text: str, lang: str) -> str:
    """The steps of MLQA's script in another way: over the words and characters, not by substitution."""
    articles = {"en": "a an the", "es": "un una unos unas el la los las", "vi": "của là cái chiếc những"}
    articles["de"] = "ein eine einen einem eines einer der die das den dem des"
    kept = [c for c in text.lower() if not (unicodedata.category(c)[0] == "P" or c in string.punctuation)]
    plain = "".join(kept).replace("ال", " ") if lang == "ar" else "".join(kept)
    wanted = articles.get(lang, "").split()
    plain = " ".join(word for word in plain.split() if word not in wanted)
    words: list[str] = []
    for word in plain.split():
        if lang != "zh":
            words.append(word)
            continue
        run = ""
        for char in word:
            if "\u4e00" <= char <= "\u9fa5":
                words += [run, char]
                run = ""
            else:
                run += char
        words.append(run)
    return " ".join(filter(None, words))


@pytest.mark.parametrize("lang", ["en", "de", "es", "vi", "ar", "zh", "hi"])
def test_the_official_steps_derived_again(lang: str) -> None:
    texts = [answer for _, answer, references, *_ in ROWS for answer in (answer, *references)]
    for text in texts:
        assert normal_answer(text, lang) == official(text, lang)
    for one in texts:
        for other in texts:
            a, b = official(one, lang).split(), official(other, lang).split()
            same = sum((Counter(a) & Counter(b)).values())
            precision, recall = (same / len(a), same / len(b)) if same else (0.0, 0.0)
            f1 = 2 * precision * recall / (precision + recall) if same else 0.0
            assert word_f1(normal_answer(one, lang), normal_answer(other, lang)) == pytest.approx(f1)
