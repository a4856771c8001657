"""Sets of instructions: the layouts of the mirror, files of one's own, and what --sample draws."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from utils.data.chat_sets import CHAT
from utils.data.instructions import Instructions, find_instructions, langs_asked, load_instructions
from utils.data.sources import Sources
from utils.errors import UserError


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    mirror = tmp_path / "mirror"
    vicuna = mirror / "FreedomIntelligence/MultilingualSIFT-vicuna"
    for lang, texts in {"de": ("Eins?", "Zwei?"), "hi": ("एक?", "दो?")}.items():
        rows = [{"question_id": 7 + n, "text": text, "category": "x", "lang": lang} for n, text in enumerate(texts)]
        write(vicuna / lang / "test.jsonl", rows)
    rows = [{"instruction": f"Say {n}.", "output": f"{n}", "dataset": "x"} for n in range(3)]
    write(mirror / "tatsu-lab/alpaca_eval/en/eval.jsonl", rows)
    place = mirror / "ZurichNLP/multilingual-instruction-tuning/alpaca_eval"
    write(place / "alpaca_eval_instructions_is.jsonl", [{"instruction": "Segðu 0."}, {"instruction": "Segðu 1."}])
    return Sources(mirror, tmp_path)


def test_the_layouts_of_the_mirror(sources: Sources) -> None:
    found = {lang: load_instructions(CHAT["vicuna_multilingual"], lang, sources) for lang in ("de", "hi")}
    assert found["de"].texts == ("Eins?", "Zwei?") and found["de"].ids == found["hi"].ids == ("7", "8")
    english, icelandic = (load_instructions(CHAT["alpaca_eval"], lang, sources) for lang in ("en", "is"))
    assert english.references == ("0", "1", "2") and icelandic.references == ()
    assert icelandic.ids == english.ids[:2]  # aligned by the number of the row
    assert icelandic.origin.source == "ZurichNLP/multilingual-instruction-tuning"
    with pytest.raises(UserError, match="alpaca_eval has no de in the mirror"):
        load_instructions(CHAT["alpaca_eval"], "de", sources)


def test_a_reference_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "own.jsonl", [{"instruction": "Say 0.", "lang": "en", "reference": ["0"]}])
    spec = find_instructions(str(tmp_path / "own.jsonl"), None, None)
    with pytest.raises(UserError, match="line 1: the reference is no text"):
        load_instructions(spec, "en", Sources(None, tmp_path))


def test_the_sample_is_parallel(tmp_path: Path) -> None:
    spec = CHAT["sample"]
    found = [load_instructions(spec, lang, Sources(None, tmp_path)) for lang in spec.subsets]
    assert len({one.ids for one in found}) == 1 and {len(one.texts) for one in found} == {8}


def test_a_draw_is_the_same_in_each_language_whatever_their_order() -> None:
    ids = tuple(f"q{n}" for n in range(20))
    german = Instructions("de", ids, ids, (), CHAT)  # type: ignore[arg-type]
    turned = Instructions("hi", ids[::-1], ids[::-1], ids[::-1], CHAT)  # type: ignore[arg-type]
    drawn = german.sampled(5, 42)
    assert len(drawn.ids) == 5 and set(drawn.ids) == set(turned.sampled(5, 42).ids)
    assert list(drawn.ids) == sorted(drawn.ids, key=ids.index) and turned.sampled(5, 42).references[0] in drawn.ids
    assert set(german.sampled(5, 1).ids) != set(drawn.ids)
    assert german.sampled(None, 42) is german.sampled(20, 42) is german


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "a", "lang": "de"}], "but no column instruction"),
        ([{"instruction": "a"}], "has no column lang"),
        ([{"instruction": " ", "lang": "de"}], "line 1: the instruction is empty"),
        ([{"instruction": 5, "lang": "de"}], "line 1: the instruction is no text"),
        (
            [{"instruction": "a", "lang": "de", "id": 1}, {"instruction": "b", "lang": "de", "id": 1}],
            "'1' occurs twice",
        ),
        ([{"instruction": "a", "lang": ""}], "line 1 has no language"),
    ],
)
def test_faults_of_own_files(rows: list[dict[str, object]], message: str, tmp_path: Path) -> None:
    write(tmp_path / "own.jsonl", rows)
    with pytest.raises(UserError, match=message):
        load_instructions(find_instructions(str(tmp_path / "own.jsonl")), "de", Sources(None, tmp_path))


def test_own_files_with_other_names_and_without_languages(tmp_path: Path) -> None:
    write(tmp_path / "own.jsonl", [{"frage": "Wie?", "sprache": "de"}, {"frage": "How?", "sprache": "en"}])
    spec = find_instructions(str(tmp_path / "own.jsonl"), ["frage", "sprache"])
    assert spec.subsets == ("de", "en") and langs_asked(spec, ["en"]) == ["en"]
    assert load_instructions(spec, "en", Sources(None, tmp_path)).texts == ("How?",)
    alone = find_instructions(str(tmp_path / "own.jsonl"), ["frage"], ["de"])
    assert load_instructions(alone, "de", Sources(None, tmp_path)).texts == ("Wie?", "How?")
    assert alone.name != spec.name
    with pytest.raises(UserError, match="has no language 'fr'"):
        langs_asked(spec, ["fr"])
