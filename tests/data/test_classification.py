"""Labelled texts: label maps, what the published code does otherwise, languages, and training with test texts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from utils.data.classification import langs_to_test, load_labeled
from utils.data.classification_sets import CLASSIFICATION
from utils.data.original import as_published
from utils.data.own_labeled import find_labeled
from utils.data.sources import Sources
from utils.data.train_test import load_train_test
from utils.errors import UserError
from utils.schema import DatasetSpec
from utils.settings.labeled import ClassificationSettings

TABLE = "text,label,lang,split\none,b,xx,train\ntwo,a,xx,train\neins,a,yy_Zzzz,train\nzwei,b,yy_Zzzz,test\n,b,xx,test\n"
TABLE += "three,c,xx,test\nfour,a,xx,test\n"


@pytest.fixture
def own(tmp_path: Path) -> DatasetSpec:
    (tmp_path / "own.csv").write_text(TABLE, encoding="utf-8")
    return find_labeled(str(tmp_path / "own.csv"), None, 42)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(None, tmp_path / "cache")


def test_language_codes_that_are_not_known_are_of_no_known_family(own: DatasetSpec, sources: Sources) -> None:
    data = load_train_test(own, "yy_Zzzz", sources, ClassificationSettings())
    about = data.describe(own, cross=False)
    assert (about["lang"], about["family"], about["script"]) == ("yy_Zzzz", None, "Zzzz")
    about = load_train_test(own, "xx", sources, ClassificationSettings()).describe(own, cross=False)
    assert (about["family"], about["script"], about["setting"]) == (None, None, "mono")
    assert about["n_dropped"] == {"train": 0, "test": 1}


def test_training_and_test_texts_of_a_cross_lingual_run(own: DatasetSpec, sources: Sources) -> None:
    settings = ClassificationSettings(cross=True, src_lang="yy_Zzzz", limit=1)
    data = load_train_test(own, "xx", sources, settings)
    assert (data.source, data.train.texts, data.test.texts) == ("yy_Zzzz", ("eins",), ("three", "four"))
    assert (data.names, data.queries, data.gold) == (("a", "c"), ("three",), ("c",))
    assert data.indices(["c", "a", "c"]).tolist() == [1, 0, 1] and data.indices([]).dtype == "int64"
    assert data.predictions([-1]) == {"gold": ["c"], "hyp": [None]}
    assert data.describe(own, cross=True)["setting"] == "xl"


def test_labels_are_mapped_to_the_label_set(own: DatasetSpec, sources: Sources) -> None:
    spec = dataclasses.replace(own, label_names=("A", "b"), options={**own.options, "label_map": {"a": "A"}})
    assert load_labeled(spec, "xx", "train", sources).labels == ("b", "A")
    with pytest.raises(UserError) as caught:
        load_labeled(spec, "xx", "test", sources)
    assert "xx, test: row 1 has the label 'c', expected 'A', 'b'" in caught.value.what


def test_the_published_code_keeps_a_fifth_label_and_separates_characters() -> None:
    fire, texts = as_published(CLASSIFICATION["fire"], ["ab"])
    assert fire.label_names == (*CLASSIFICATION["fire"].label_names, "not-Tamil") and texts == ["ab"]
    mtop, texts = as_published(CLASSIFICATION["mtop_intent"], ["ab", None])
    assert mtop == CLASSIFICATION["mtop_intent"] and texts == ["a b", None]


def test_the_training_language_is_not_tested() -> None:
    spec = CLASSIFICATION["nollysenti"]
    assert langs_to_test(spec, None, None, cross=True) == ("en", ["ha", "ig", "pcm", "yo"])
    assert langs_to_test(spec, ["yo", "ha"], "ig", cross=True) == ("ig", ["ha", "yo"])
    assert langs_to_test(spec, ["ha"], None, cross=False) == (None, ["ha"])
    with pytest.raises(UserError, match="leaves no language of nollysenti to test"):
        langs_to_test(spec, ["en"], None, cross=True)
