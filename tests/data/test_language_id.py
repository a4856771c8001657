"""Which part of a text tells its language, the identifier's names of languages, and refusals."""

from __future__ import annotations

import pytest

from utils.data.language_id import Told, identified_as, n_letter_bytes, prose_of, told_by
from utils.data.refusals import has_phrases, is_refusal

pytest.importorskip("pycld2")
GERMAN = "Die Hauptstadt von Frankreich ist eine sehr schöne Stadt an der Seine."


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("vor ```python\nfor word in words: print(word)\n``` nach", "vor nach"),
        ("offen ```import this", "offen"),
        ("`x = 1` ist eins", "ist eins"),
        ("siehe https://example.org/a_b?c=d und www.example.org jetzt", "siehe und jetzt"),
        ("schreib an jemand@example.org bitte", "schreib an bitte"),
        ("<b>fett</b>", "fett"),
        ("巴黎(Paris)是法国的首都，人口很多", "巴黎( )是法国的首都，人口很多"),
        ("Москва (Moscow) - столица России", "Москва ( ) - столица России"),
        ("The word 巴黎 means Paris in Chinese", "The word 巴黎 means Paris in Chinese"),
    ],
)
def test_code_addresses_and_latin_names_are_left_out(text: str, prose: str) -> None:
    assert " ".join(prose_of(text).split()) == prose


def test_texts_that_are_too_short_are_told_apart() -> None:
    assert (
        told_by("Paris") == told_by("") == told_by("```\n" + GERMAN + "\n```") == told_by("42 " * 50) == Told("", True)
    )
    assert n_letter_bytes("abc é 北 1.") == 3 + 2 + 3


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        (GERMAN, "deu"),
        ("```python\nprint('this is a long English text about the weather today')\n```\n" + GERMAN, "deu"),
        ("巴黎是法国的首都，位于塞纳河畔。", "zho"),
        ("La capital de Francia es una ciudad muy bonita que está a orillas del Sena.", "spa"),
        ("फ़्रांस की राजधानी पेरिस एक बहुत सुंदर शहर है।", "hin"),
        ("pxq wvk zzyt mnbv qwrt plkj hgfd sdfg zxcv", ""),
    ],
)
def test_languages_of_texts(text: str, lang: str) -> None:
    assert told_by(text) == Told(lang)


def test_names_of_languages_in_data_sets_are_known_to_the_identifier() -> None:
    same = {"deu": ("de", "deu", "deu_Latn", "german"), "zho": ("zh", "cmn", "zho_Hans", "zh-TW"), "nob": ("no", "nb")}
    assert {code: {identified_as(name) for name in names} for code, names in same.items()} == {c: {c} for c in same}
    assert [identified_as(name) for name in ("bg", "bul", "is", "swh", "en400")] == ["bul", "bul", "isl", "swh", "eng"]
    assert identified_as("ace") == identified_as("all") == ""


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("I'm sorry, but I can't help with that.", "en"),
        ("As an AI language model, I do not have feelings.", "en"),
        ("I cannot answer that.", "is"),
        ("Es tut mir leid, aber dabei kann ich nicht helfen.", "deu"),
        ("Leider kann ich das nicht sagen.", "de"),
        ("Lo siento, no puedo ayudarte con eso.", "spa"),
        ("Je suis désolé, je ne peux pas répondre.", "fr"),
        ("抱歉，我无法回答这个问题。", "zh"),
        ("申し訳ありませんが、お答えできません。", "ja"),
        ("죄송합니다만 답변할 수 없습니다.", "ko"),
        ("मुझे खेद है, मैं मदद नहीं कर सकता।", "hi"),
        ("Hello. I am unable to do so.", "en"),
    ],
)
def test_refusals(text: str, lang: str) -> None:
    assert is_refusal(text, lang)


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Of course! I can't wait to help.", "en"),
        ("Berlin ist die Hauptstadt.", "de"),
        ("Es tut mir leid, aber dabei kann ich nicht helfen.", "en"),  # German phrases are not looked for
        ("北京是中国的首都。", "zh"),
        ("", "en"),
        ("A polite answer begins with the words: " + "x" * 300 + ". I'm sorry.", "en"),
    ],
)
def test_answers_that_refuse_nothing(text: str, lang: str) -> None:
    assert not is_refusal(text, lang)


def test_languages_with_phrases() -> None:
    assert has_phrases("eng") and has_phrases("pt") and not has_phrases("is")
