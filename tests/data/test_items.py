"""Items of several fields: their rows in a mirror, what is shown and what is tested, and a user's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from utils.data.items import load_items, load_pool
from utils.data.own_items import find_prompted, read_examples
from utils.data.own_rows import position_of
from utils.data.prompted_sets import PROMPTED
from utils.data.sources import Sources
from utils.data.subsets import Item, LabeledTexts
from utils.data.train_test import load_train_test, part_of
from utils.errors import UserError
from utils.settings.icl import IclSettings

PAIRS = ("pair", ("premise", "hypothesis"))
QUESTIONS = ("choice", ("question",))


def write(sources: Sources, path: str, rows: list[dict[str, Any]]) -> None:
    assert sources.data_dir is not None
    place = sources.data_dir / path
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), place)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path / "mirror", tmp_path / "cache")


def nli(n: int, name: str, labels: str = "012") -> list[dict[str, Any]]:
    return [
        {"premise": f"{name} {row}", "hypothesis": f"so {row}", "label": int(labels[row % len(labels)])}
        for row in range(n)
    ]


def test_demonstrations_of_xnli_come_from_the_validation_split(sources: Sources) -> None:
    write(sources, "facebook/xnli/de/validation-00000-of-00001.parquet", nli(5, "valid"))
    write(sources, "facebook/xnli/de/test-00000-of-00001.parquet", nli(4, "test"))
    data = load_train_test(PROMPTED["xnli"], "de", sources, IclSettings(limit=3))
    assert data.queries == ("test 0\nso 0", "test 1\nso 1", "test 2\nso 2")
    assert data.gold == ("entailment", "neutral", "contradiction") and len(data.train.texts) == 5
    assert data.test.shown()[1] == Item({"premise": "test 1", "hypothesis": "so 1"}, "neutral")
    about = data.describe(PROMPTED["xnli"], cross=False)
    assert about["demonstrations_from"] == "validation" and about["n_train"] == 5
    assert part_of(data.train, [1, 3]).items[1].fields["premise"] == "valid 3"


def test_where_the_tested_split_is_the_one_that_is_shown_a_part_of_it_is_not_tested(sources: Sources) -> None:
    write(sources, "facebook/xnli/de/validation-00000-of-00001.parquet", nli(12, "valid"))
    tested = load_items(PROMPTED["xnli"], "de", "validation", sources)
    shown = load_pool(PROMPTED["xnli"], "de", "validation", sources)
    assert [text.split("\n")[0] for text in shown.texts] == ["valid 9", "valid 10", "valid 11"]
    assert len(tested.texts) == 9 and not set(tested.texts) & set(shown.texts)
    assert shown.taken_from == "a part of validation that is not tested"


def test_languages_of_other_data_sets_and_rows_without_a_text(sources: Sources, capsys: Any) -> None:
    rows = [{"label": "neutral", "sentence1_my": "a", "sentence2_my": text} for text in ("b", "", "c")]
    for split in ("validation", "test"):
        write(sources, f"akhtet/myXNLI/my/{split}.parquet", rows)
        write(sources, f"kakaobrain/kor_nli/xnli/{split}.parquet", nli(2, split))
    burmese, korean = (load_items(PROMPTED["xnli"], lang, "test", sources) for lang in ("my", "ko"))
    assert burmese.texts == ("a\nb", "a\nc") and burmese.n_dropped == 1 and burmese.origin.source == "akhtet/myXNLI"
    assert korean.labels == ("entailment", "neutral") and korean.origin.source == "kakaobrain/kor_nli"
    assert "1 row without a text or an answer left out" in capsys.readouterr().err


def test_questions_about_one_passage_are_shown_together_or_tested_together(sources: Sources) -> None:
    rows = [
        {"link": f"page {row // 2}", "flores_passage": f"p{row // 2}", "question": f"q{row}", "correct_answer_num": "3"}
        | {f"mc_answer{number}": f"a{number}" for number in (1, 2, 3, 4)}
        for row in range(20)
    ]
    write(sources, "facebook/belebele/deu_Latn/test.parquet", rows)
    write(sources, "facebook/belebele/eng_Latn/test.parquet", rows[::-1])
    spec, passages = PROMPTED["belebele"], []
    for lang in ("deu_Latn", "eng_Latn"):
        shown, tested = load_pool(spec, lang, "test", sources), load_items(spec, lang, "test", sources)
        assert len(shown.texts) == 4 and len(tested.texts) == 16
        parts = [{item.fields["passage"] for item in part.items} for part in (shown, tested)]
        assert not parts[0] & parts[1]
        passages.append(parts[0])
    assert passages[0] == passages[1]  # no translation of a tested question is shown
    assert tested.items[0].choices == ("a1", "a2", "a3", "a4") and set(tested.labels) == {"3"}


def test_the_layout_of_xcsqa_on_the_hub(sources: Sources) -> None:
    choices = {"label": list("ABCDE"), "text": ["bank", "library", "store", "mall", "town"]}
    rows = [
        {"id": str(row), "question": {"stem": f"where {row}?", "choices": choices}, "answerKey": key}
        for row, key in enumerate("BEADC")
    ]
    write(sources, "INK-USC/xcsr/X-CSQA-sw/validation-00000-of-00001.parquet", rows)
    found = load_items(PROMPTED["xcsqa"], "sw", "test", sources)
    assert found.labels == ("2", "5", "1", "4") and found.ids == ("0", "1", "2", "3")
    assert found.items[1] == Item({"question": "where 1?"}, "5", tuple(choices["text"]))
    assert load_pool(PROMPTED["xcsqa"], "sw", "test", sources).labels == ("3",)


def test_causes_and_effects_and_labels_of_the_twenty_languages(sources: Sources) -> None:
    row = {"premise": "p", "question": "cause", "choice1": "x", "choice2": "y", "label": 1, "idx": 0}
    for split in ("validation", "test"):
        write(sources, f"cambridgeltl/xcopa/et/{split}.parquet", [row])
    found = load_items(PROMPTED["xcopa"], "et", "test", sources)
    assert found.texts == ("p",) and found.labels == ("2",) and found.items[0].fields["question"] == "cause"
    wrong = {"premise": "p", "hypothesis": "h", "answer": "nøytral", "label": "contradiction"}
    write(
        sources,
        "Shimao-Zhang/LLM-Multilingual-Learner/snli/no/test.parquet",
        [{**wrong, "idx": row} for row in range(5)],
    )
    assert load_items(PROMPTED["snli_20"], "no", "test", sources).labels == ("contradiction",) * 4
    with pytest.raises(UserError, match="no mirror is named"):
        load_items(PROMPTED["snli_20"], "no", "test", Sources(None, sources.cache_dir))


def own(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path = tmp_path / f"own{len(list(tmp_path.glob('own*')))}.jsonl"  # tables are kept by their paths
    path.write_text(text, encoding="utf-8")
    return path


def loaded(path: Path, shape: Any, columns: list[str] | None = None, split: str = "test") -> LabeledTexts:
    return load_items(find_prompted(str(path), columns, 42, shape), "all", split, Sources(None, path.parent))


def test_own_pairs_by_the_names_of_the_fields_or_by_columns(tmp_path: Path) -> None:
    rows = [{"split": "test", "premise": "a", "hypothesis": "b", "label": "yes"}] * 2
    by_name = loaded(own(tmp_path, rows), PAIRS)
    assert by_name.items[0] == Item({"premise": "a", "hypothesis": "b"}, "yes") and by_name.texts == ("a\nb",) * 2
    rows = [{"split": "test", "one": "a", "two": "b", "is": 1}] * 2
    by_order = loaded(own(tmp_path, rows), PAIRS, ["one", "two", "is"])
    assert by_order.items[0] == Item({"premise": "a", "hypothesis": "b"}, "1")


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([{"question": "q", "choices": ["x", "y", "z"], "answer": number} for number in (0, 1, 2)], None),
        ([{"question": "q", "choice1": "x", "choice2": "y", "choice3": "z", "label": str(n)} for n in (1, 2, 3)], None),
        ([{"question": "q", "option_1": "x", "option_2": "y", "option_3": "z", "gold": n} for n in "ABC"], None),
        ([{"s": "q", "a": "x", "b": "y", "c": "z", "right": text} for text in "xyz"], ["s", "a", "b", "c", "right"]),
    ],
)
def test_own_questions_name_the_answer_by_its_text_its_letter_or_its_number(
    rows: list[dict[str, Any]], columns: list[str] | None, tmp_path: Path
) -> None:
    found = loaded(own(tmp_path, [{"split": "test", **row} for row in rows]), QUESTIONS, columns)
    assert found.labels == ("1", "2", "3") and found.label_names == ("1", "2", "3")
    assert found.items[0] == Item({"question": "q"}, "1", ("x", "y", "z"))


def test_numbers_among_the_options_are_options_first() -> None:
    assert position_of("4", ("3", "4", "5"), 1, "row 1") == "2"
    with pytest.raises(UserError, match="row 1 has the answer 'D', which is none of its 3 options"):
        position_of("D", ("x", "y", "z"), 0, "row 1")


@pytest.mark.parametrize(
    ("rows", "shape", "columns", "message"),
    [
        ([{"premise": "a", "label": "b"}], PAIRS, None, "no column 'hypothesis', which the template needs"),
        ([{"premise": "a", "hypothesis": "b"}], PAIRS, None, "no column 'label'"),
        ([{"a": "a", "b": "b"}], PAIRS, ["a", "b"], "--columns names 2 columns"),
        ([{"a": "a", "b": "b", "c": "c"}], PAIRS, ["a", "b", "d"], "has no column 'd'"),
        ([{"question": "a", "label": "b"}], QUESTIONS, None, "no column 'choices'"),
        ([{"question": "a", "choices": "b", "label": "b"}], QUESTIONS, None, "which is no list of options"),
        ([{"split": "test", "question": "a", "choices": ["b"], "label": None}], QUESTIONS, None, "has no answer"),
        ([{"split": "test", "text": "a", "label": ["", None]}], ("span", ("text",)), None, "has no answer"),
        ([{"split": "train", "premise": "a", "hypothesis": "b", "label": "c"}], PAIRS, None, "no rows of the split"),
        ([{"split": "test", "premise": ["a"], "hypothesis": "b", "label": "c"}], PAIRS, None, "list. is not a text"),
        ([{"split": "test", "premise": "a", "hypothesis": "b", "label": {"c": 1}}], PAIRS, None, "is not a text"),
        ([{"split": "test", "question": "a", "choices": ["b"], "label": "A"}], QUESTIONS, None, "has 1 option"),
        ([{"split": "test", "question": "a", "choices": None, "label": "A"}], QUESTIONS, None, "has 0 options"),
        (
            [{"question": "a", "choices": {"texts": ["b"]}, "label": "A"}],
            QUESTIONS,
            None,
            "which is no list of options",
        ),
    ],
)
def test_own_files_that_cannot_be_read_are_errors(
    rows: list[dict[str, Any]], shape: Any, columns: list[str] | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        loaded(own(tmp_path, rows), shape, columns)


def test_answers_and_options_that_are_objects_with_texts(tmp_path: Path) -> None:
    squad = {"context": "c", "question": "q", "answers": {"text": ["a", "b"], "answer_start": [1, 2]}, "split": "test"}
    span = loaded(own(tmp_path, [squad]), ("span", ("context", "question")))
    assert span.items[0] == Item({"context": "c", "question": "q"}, "a", (), ("a", "b"))
    arc = {"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B", "split": "test"}
    for columns in (None, ["question", "choices", "answerKey"]):
        choice = loaded(own(tmp_path, [arc]), QUESTIONS, columns)
        assert choice.items[0] == Item({"question": "q"}, "2", ("x", "y")) and choice.label_names == ("1", "2")


def test_columns_with_dots_and_fields_that_are_called_as_answers_are(tmp_path: Path) -> None:
    rows = [{"split": "test", "q.en": "q", "a.1": "x", "a.2": "y", "key": "y"}]
    assert loaded(own(tmp_path, rows), QUESTIONS, ["q.en", "a.1", "a.2", "key"]).items[0].answer == "2"
    rows = [{"split": "test", "label": "l", "gold": "g"}]
    assert loaded(own(tmp_path, rows), ("text", ("label",))).items[0] == Item({"label": "l"}, "g", (), ("g",))


def test_a_split_of_questions_is_drawn_by_the_position_of_the_answer(tmp_path: Path, capsys: Any) -> None:
    options = [[f"{word}{row}" for word in "xyz"] for row in range(10)]
    by_text, by_letter = (
        [
            {"question": f"q{row}", "choices": options[row], "answer": options[row][row % 2] if text else "AB"[row % 2]}
            for row in range(10)
        ]
        for text in (True, False)
    )
    tested = [loaded(own(tmp_path, rows), QUESTIONS).texts for rows in (by_text, by_letter)]
    assert tested[0] == tested[1] and len(tested[0]) == 2 and {int(text[1:]) % 2 for text in tested[0]} == {0, 1}
    loaded(own(tmp_path, [{"text": f"t{row}", "answer": f"a{row}"} for row in range(5)]), ("text", ("text",)))
    assert "no split column: a fifth of the rows is the test split (seed 42)" in capsys.readouterr().err


def test_which_options_are_read_is_part_of_the_name_where_they_are_not_all_others(tmp_path: Path) -> None:
    path = own(tmp_path, [{"q": "q", "a": "x", "b": "y", "c": "z", "key": "x", "lang": "en", "split": "test"}])
    names = [find_prompted(str(path), ["q", *columns, "key"], 42, QUESTIONS).name for columns in ("abc", "ab", "bac")]
    assert len(set(names)) == 3 and all(name.startswith("own0-q-key-") for name in names)


def test_numbers_that_are_options_are_no_numbers_of_options(tmp_path: Path, capsys: Any) -> None:
    rows = [{"split": "test", "question": "q", "choices": ["0", "7"], "answer": answer} for answer in ("0", 7, "7")]
    assert loaded(own(tmp_path, rows), QUESTIONS).labels == ("1", "2", "2")
    assert "count from" not in capsys.readouterr().err
    assert loaded(own(tmp_path, [*rows, {**rows[0], "answer": 2}]), QUESTIONS).labels[3] == "2"
    assert "the numbers of the answers count from 1" in capsys.readouterr().err


def test_demonstrations_in_another_language_are_no_translations_of_tested_items(tmp_path: Path) -> None:
    rows = [
        {"id": number, "premise": f"{lang}{number}", "hypothesis": "h", "label": "ab"[number % 2], "lang": lang}
        for lang in ("en", "de")
        for number in range(20)
    ]
    rows = [row for place, row in enumerate(rows) if place != 7]  # so that the languages draw other rows
    spec = find_prompted(str(own(tmp_path, rows)), None, 42, PAIRS)
    settings = IclSettings(cross=True, src_lang="en")
    data = load_train_test(spec, "de", Sources(None, tmp_path), settings)
    tested = set(data.test.ids)
    assert len(tested) == 4 and not tested & set(data.train.ids) and len(data.train.ids) < 15


def test_a_file_of_demonstrations(tmp_path: Path) -> None:
    rows = [{"premise": "a", "hypothesis": "b", "label": "neutral", "lang": lang} for lang in ("de", "en", "de")]
    path = own(tmp_path, rows)
    found = read_examples(path, PROMPTED["xnli"], PAIRS, "de")
    assert len(found.items) == 2 and found.label_names == PROMPTED["xnli"].label_names and found.taken_from == path.name
    with pytest.raises(UserError, match="no demonstrations in the language 'fr'"):
        read_examples(path, PROMPTED["xnli"], PAIRS, "fr")
    with pytest.raises(UserError, match="has the label 'unknown'"):
        read_examples(own(tmp_path, [{**rows[0], "label": "unknown"}]), PROMPTED["xnli"], PAIRS, "de")
