"""Every row of the registry is whole, and its names lead somewhere."""

from __future__ import annotations

import dataclasses
import re

import pytest

from utils.api.providers import PROVIDERS, price_of
from utils.constants import DTYPES
from utils.data import classification, instructions, items, judged_readers, registry
from utils.data.bitext import READERS, bitext_pairs
from utils.data.bitext_sets import BITEXT
from utils.data.classification_sets import CLASSIFICATION
from utils.data.languages import family_and_script
from utils.encoders.registry import ENCODERS
from utils.errors import UserError, lookup
from utils.loaders import load_function
from utils.schema import DatasetSpec, EncoderSpec
from utils.tasks import TASKS

ROWS = [spec for rows in registry.DATASETS.values() for spec in rows.values()]


@pytest.mark.parametrize("spec", ROWS, ids=lambda spec: spec.name)
def test_dataset_rows_are_whole(spec: DatasetSpec) -> None:
    assert registry.DATASETS[spec.task][spec.name] is spec
    assert spec.task in registry.DATASETS and spec.subsets
    known = {
        "bitext": READERS,
        "classification": classification.READERS,
        "retrieval": judged_readers.READERS,
        "sts": {"sentence_pairs"},
        "prompted": items.READERS,
        "chat": instructions.READERS,
    }
    assert spec.kind in ("hub", "files", "mirror", "shipped") and spec.reader in known[spec.task]
    assert spec.main_metric in ("acc", "f1", "ndcg", "spearman", "hit", "chrf", "fidelity")
    assert spec.licence and spec.citation
    assert spec.kind == "mirror" or spec.reader not in ("beir_folders", "lexicon", "instruction_files")
    if spec.kind == "hub":
        assert re.fullmatch(r"[0-9a-f]{40}|refs/convert/parquet", spec.revision or "")
    if spec.kind == "files":
        assert re.fullmatch(r"[0-9a-f]{40}", spec.revision or "") and spec.sha256
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in spec.sha256.values())


@pytest.mark.parametrize("spec", BITEXT.values(), ids=lambda spec: spec.name)
def test_the_default_pairs_are_the_subsets_of_the_table(spec: DatasetSpec) -> None:
    assert tuple("_".join(pair) for pair in bitext_pairs(spec, None, None)) == spec.subsets


PUBLISHED_PAIRS = {
    "bucc": 4,
    "nollysenti": 4,
    "nusax": 11,
    "nusatranslation": 11,
    "tatoeba": 112,
    "lince_mt": 1,
    "phinc": 1,
}
PUBLISHED_LABELS = {"massive_intent": 60, "nollysenti": 2, "nusax": 3, "sib200": 7, "fire": 4, "lince_sa": 3}
PUBLISHED_LANGUAGES = {
    "massive_intent": 51,
    "nollysenti": 5,
    "nusax": 12,
    "sib200": 205,
    "fire": 2,
    "lince_sa": 1,
    "mtop_intent": 6,
}


@pytest.mark.parametrize("name", PUBLISHED_PAIRS)
def test_the_bitext_sets_of_the_paper_have_its_pairs_in_known_languages(name: str) -> None:
    subsets = BITEXT[name].subsets
    assert len(subsets) == PUBLISHED_PAIRS[name]
    assert all(None not in family_and_script(lang) for subset in subsets for lang in subset.split("_"))


@pytest.mark.parametrize("spec", ENCODERS.values(), ids=lambda spec: spec.checkpoint)
def test_encoder_rows_are_whole(spec: EncoderSpec) -> None:
    assert ENCODERS[spec.checkpoint] is spec
    assert callable(load_function(spec.loader))
    assert spec.prompt is not None and (spec.prompt == "query: " or "e5" not in spec.checkpoint)
    assert (spec.dtype in DTYPES or spec.provider) and spec.licence
    if spec.provider:
        assert (price_of(spec) or (0, 0))[0] > 0
        assert 0 < spec.batch_size <= PROVIDERS[spec.provider].max_request_items


@pytest.mark.parametrize("spec", CLASSIFICATION.values(), ids=lambda spec: spec.name)
def test_labels_and_languages_stand_once_and_the_pivot_is_one_of_them(spec: DatasetSpec) -> None:
    assert len(set(spec.label_names)) == len(spec.label_names)
    assert spec.pivot in spec.subsets and len(set(spec.subsets)) == len(spec.subsets)


@pytest.mark.parametrize("name", PUBLISHED_LANGUAGES)
def test_the_labelled_sets_of_the_paper_have_its_labels_in_known_languages(name: str) -> None:
    spec = CLASSIFICATION[name]
    assert len(spec.label_names) == PUBLISHED_LABELS.get(name, 0)
    assert len(spec.subsets) == PUBLISHED_LANGUAGES[name]
    assert all(None not in family_and_script(lang) for lang in spec.subsets)


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        ("eng_Latn", ("Indo-European", "Latn")),
        ("kas_Arab", ("Indo-European", "Arab")),
        ("zh-TW", ("Sino-Tibetan", "Hant")),
        ("bul", ("Indo-European", "Cyrl")),
        ("ace", ("Austronesian", "Latn")),
        ("tamil", ("Dravidian", "Latn")),
        ("hinglish", ("Indo-European", "Latn")),
        ("swh", ("Atlantic-Congo", "Latn")),
        ("nowhere", (None, None)),
    ],
)
def test_family_and_script(lang: str, expected: tuple[str | None, str | None]) -> None:
    assert family_and_script(lang) == expected


def test_every_encoder_of_the_paper_is_listed() -> None:
    names = """sentence-transformers/LaBSE sentence-transformers/use-cmlm-multilingual intfloat/multilingual-e5-base
    intfloat/multilingual-e5-large sentence-transformers/paraphrase-multilingual-mpnet-base-v2
    microsoft/Multilingual-MiniLM-L12-H384 cis-lmu/glot500-base FacebookAI/xlm-roberta-base
    FacebookAI/xlm-roberta-large""".split()
    prompts = {name: ENCODERS[name].prompt for name in names}
    assert prompts == {name: "query: " if "e5" in name else "" for name in names}


def test_lookup_names_what_is_near() -> None:
    rows = {"sample": 1, "bucc": 2, "nusax": 3}
    with pytest.raises(UserError) as caught:
        lookup(rows, "nusx")
    assert caught.value.what == "unknown dataset 'nusx'"
    assert "did you mean 'nusax'" in caught.value.hint
    with pytest.raises(UserError) as caught:
        lookup(rows, "zzz")
    assert caught.value.hint == "choose from: sample, bucc, nusax (--list shows all)"


def test_a_row_enters_the_mean_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dataclasses.replace(BITEXT["nusax"], name="made", groups={"bitext": "CS"})
    task = TASKS["bitext"]
    before = registry.group_means(task, task.views[0])
    monkeypatch.setitem(BITEXT, "made", row)
    assert registry.group_means(task, task.views[0]) == {**before, "CS": [*before["CS"], "made"]}
