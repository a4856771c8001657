"""Questions about texts and parallel sentences as items: every layout, and demonstrations that are never tested."""

from __future__ import annotations

import dataclasses

import pytest
from written_mirror import make_mirror

from utils.data.answer_items import pair_name, with_pairs
from utils.data.answer_sets import ANSWERED, NTREX_LANGS
from utils.data.items import load_items, load_pool
from utils.data.language_names import code_with_script, title_of
from utils.data.languages import SIB200_LANGS, family_and_script
from utils.data.sources import Sources
from utils.data.train_test import load_train_test
from utils.errors import UserError
from utils.schema import DatasetSpec
from utils.settings.icl import IclSettings


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return Sources(make_mirror(tmp_path_factory.mktemp("mirror")), tmp_path_factory.mktemp("cache"))


def asked_in(name: str, lang: str) -> DatasetSpec:
    return dataclasses.replace(ANSWERED[name], options={**ANSWERED[name].options, "prompt_lang": lang})


def test_demonstrations_are_of_other_paragraphs_the_same_in_all_languages(sources: Sources) -> None:
    by_lang = {}
    for lang in ("en", "de"):
        shown, tested = (
            load_pool(ANSWERED["xquad"], lang, "test", sources),
            load_items(ANSWERED["xquad"], lang, "test", sources),
        )
        assert (len(shown.items), len(tested.items)) == (2, 8)  # one of five paragraphs, with both of its questions
        texts = [{item.fields["context"] for item in side.items} for side in (shown, tested)]
        assert not texts[0] & texts[1]
        by_lang[lang] = shown.ids, tested.ids
        assert shown.taken_from == "a part of validation that is not tested" and tested.taken_from == "validation"
        assert shown.texts[0] == shown.items[0].fields["question"]  # what is encoded
        assert shown.items[0].references == ("Oslo", "in Oslo")
    assert by_lang["en"] == by_lang["de"]


def test_the_question_may_be_in_another_language_than_the_text(sources: Sources) -> None:
    for name in ("xquad", "mlqa"):
        (item, *_) = load_items(asked_in(name, "en"), "de", "test", sources).items
        assert item.fields["context"].startswith("Anna") and " lebt in " in item.fields["context"]
        assert item.fields["question"].startswith("Where does Anna")


def test_a_copy_without_a_test_split_is_tested_on_another_one(sources: Sources) -> None:
    shown, tested = (load(ANSWERED["mlqa"], "de", "test", sources) for load in (lambda *a: load_pool(*a), load_items))
    assert len(shown.items) + len(tested.items) == 10 and not set(shown.ids) & set(tested.ids)
    spec = with_pairs(ANSWERED["mafand"], "swa", ["en"])
    assert len(load_items(spec, "swa-en", "test", sources).items) == 8
    assert len(load_pool(spec, "swa-en", "test", sources).items) == 2


def test_no_demonstration_is_a_tested_item_in_another_language(sources: Sources) -> None:
    settings = IclSettings(cross=True, src_lang="en", split="validation")
    spec = dataclasses.replace(ANSWERED["xquad"], options={**ANSWERED["xquad"].options, "held_out_by": "question"})
    data = load_train_test(spec, "de", sources, settings)
    assert data.source == "en" and not set(data.train.ids) & set(data.test.ids)
    plain = load_pool(spec, "en", "validation", sources)
    assert set(plain.ids) & set(data.test.ids)  # the parts of both languages are others


def test_a_copy_without_answers_is_an_error(sources: Sources) -> None:
    with pytest.raises(UserError, match="none of 10 questions has an answer"):
        load_items(ANSWERED["tydiqa"], "en", "test", sources)


def test_sentences_are_aligned_by_their_number_in_either_direction(sources: Sources) -> None:
    spec = with_pairs(ANSWERED["flores"], "deu", ["eng"])
    assert spec.subsets == ("deu_Latn-eng_Latn",)
    data = load_train_test(spec, spec.subsets[0], sources, IclSettings())
    assert (len(data.train.items), len(data.test.items)) == (60, 6)
    item = data.train.items[data.train.ids.index("12")]
    assert dict(item.fields) == {"source_lang": "German", "source": "Ich habe zwei und drei.", "target_lang": "English"}
    assert item.references == ("I have two and three.",) and data.names == ()
    about = data.describe(spec, cross=False)
    assert {name: about[name] for name in ("src_lang", "tgt_lang", "lang", "family", "script", "setting")} == {
        "src_lang": "deu_Latn",
        "tgt_lang": "eng_Latn",
        "lang": "eng_Latn",
        "family": "Indo-European",
        "script": "Latn",
        "setting": "xl",
    }


def test_without_the_flags_of_a_run_the_pairs_are_those_from_the_pivot(sources: Sources) -> None:
    (item, *_) = load_items(ANSWERED["flores"], "eng_Latn-deu_Latn", "test", sources).items
    assert item.fields["source"].startswith("I have") and item.answer.startswith("Ich habe")


def test_documents_are_never_parted_between_demonstrations_and_test(sources: Sources) -> None:
    spec = with_pairs(ANSWERED["ntrex"], None, ["deu"])
    shown, tested = load_pool(spec, "eng-deu", "test", sources), load_items(spec, "eng-deu", "test", sources)
    assert (len(shown.items), len(tested.items)) == (5, 20)
    assert not tested.items[0].fields["source"].endswith("\r")


def test_pairs_of_a_run(sources: Sources) -> None:
    flores = ANSWERED["flores"]
    assert with_pairs(flores, None, None).subsets == flores.subsets and len(flores.subsets) == 204
    assert with_pairs(ANSWERED["mafand"], None, None).subsets == ANSWERED["mafand"].subsets
    assert with_pairs(flores, "eng", ["deu", "deu_Latn"]).subsets == ("eng_Latn-deu_Latn",)
    for name, source, langs, told in (
        ("flores", "xx", None, "no language 'xx'"),
        ("flores", "zho", None, "no language 'zho'"),
        ("flores", "eng", ["eng"], "no translations from 'eng_Latn' into 'eng_Latn'"),
        ("mafand", "hau", ["ibo"], "no translations from 'hau' into 'ibo'"),
        ("mafand", None, ["wol"], "wol is translated from fr: --src_lang fr"),
        ("mafand", "hau", ["hau"], "give another --src_lang, or --langs without it"),
    ):
        with pytest.raises(UserError) as caught:
            with_pairs(ANSWERED[name], source, langs)
        assert told in f"{caught.value.what}\n{caught.value.hint}"
    no_mirror = Sources(None, sources.cache_dir)
    with pytest.raises(UserError, match="no mirror is named"):
        load_items(with_pairs(ANSWERED["ntrex"], None, ["deu"]), "eng-deu", "test", no_mirror)


def test_languages_have_names_and_families() -> None:
    every = {*SIB200_LANGS, *NTREX_LANGS, *ANSWERED["nusax_mt"].options["languages"]}
    every |= {lang for pair in ANSWERED["mafand"].options["directions"] for lang in pair}
    assert [lang for lang in every if title_of(lang) == lang] == []
    assert [lang for lang in every if None in family_and_script(code_with_script(lang))] == []
    assert (title_of("zho_Hant"), title_of("zho-CN"), title_of("nob")) == (
        "Chinese (traditional)",
        "Chinese (simplified)",
        "Norwegian",
    )
    assert len({title_of(lang) for lang in SIB200_LANGS}) >= len(SIB200_LANGS) - 1 and pair_name("a", "b") == "a-b"
