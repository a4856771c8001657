"""The registered data sets whose answers are texts, one row each: questions about a text, and translations.

options beside those of utils/data/prompted_sets.py: `measures` are those of the answers, the main one last, and
`max_new_tokens` their length, where they are not the usual ones of the kind (docs/adding.md). `rules` are those of the
normal form that answers are compared in (utils/evaluation/spans.py). `layout` says how parallel sentences lie in their
tables (utils/data/answer_items.py); any two of their `languages` are a pair, or those of `directions`, and their
subsets are those from the pivot. `fallback` has the split that stands in for one that a copy does not have.
"""

from __future__ import annotations

from typing import Any

from utils.data.answer_items import pair_name
from utils.data.languages import NUSAX_LANGS, SIB200_LANGS
from utils.schema import DatasetSpec

PARQUET = "refs/convert/parquet"
XQUAD_LANGS = ("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
MLQA_LANGS = ("ar", "de", "en", "es", "hi", "vi", "zh")
TYDIQA_LANGS = ("ar", "bn", "en", "fi", "id", "ko", "ru", "sw", "te")
NTREX_LANGS = tuple(
    """eng afr amh arb aze-Latn bel ben bul cat ces cym dan deu ell est eus ewe fas fij fil fin fra gle glg guj hau heb
    hin hmn hrv hun hye ibo ind isl ita jpn kan kat kaz khm kin kor lao lit lav mal mar mlg mon mri msa mya nep nld nob
    nso nya orm pan pol por pus ron rus sin slk slv smo sna-Latn snd-Arab som spa sqi srp-Cyrl ssw swa swe tam tat tel
    tgk-Cyrl tha tir ton tsn tuk tur uig ukr urd uzb ven vie wol xho yor zho-CN zul""".split()
)
MAFAND_PAIRS = (
    *(("en", lang) for lang in "amh hau ibo kin lug luo nya pcm sna swa tsn twi xho yor zul".split()),
    *(("fr", lang) for lang in "bam bbj ewe fon mos wol".split()),
)


def pairs_from(source: str, langs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the pairs from a language into the others."""
    return tuple(pair_name(source, lang) for lang in langs if lang != source)


QUESTION_OPTIONS: dict[str, Any] = {
    "kind": "span",
    "template": "answer",
    "fields": {"context": "context", "question": "question"},
    "encoded": ("question",),
    "answer": "answer",
    "id": "id",
    "rules": "mlqa",
}
TRANSLATION_OPTIONS: dict[str, Any] = {
    "kind": "text",
    "template": "translation",
    "fields": {name: name for name in ("source_lang", "source", "target_lang")},
    "encoded": ("source",),
    "answer": "target",
    "id": "id",
}

ANSWERED: dict[str, DatasetSpec] = {
    "xquad": DatasetSpec(
        name="xquad",
        task="prompted",
        kind="hub",
        source="google/xquad",
        revision=PARQUET,
        reader="questions",
        subsets=XQUAD_LANGS,
        main_metric="f1",
        pivot="en",
        licence="CC-BY-SA-4.0",
        citation="Artetxe, Ruder and Yogatama 2020, arXiv 1910.11856",
        options={
            **QUESTION_OPTIONS,
            "config": "xquad.{lang}",
            "splits": {"train": "validation", "test": "validation"},  # there is no other
            "held_out_by": "text",  # all questions of a paragraph, whose number is the same in all languages
        },
    ),
    "mlqa": DatasetSpec(
        name="mlqa",
        task="prompted",
        kind="hub",
        source="facebook/mlqa",
        revision=PARQUET,
        reader="questions",
        subsets=MLQA_LANGS,
        main_metric="f1",
        pivot="en",
        licence="CC-BY-SA-3.0",
        citation="Lewis et al. 2020, arXiv 1910.07475",
        options={
            **QUESTION_OPTIONS,
            "config": "mlqa.{lang}.{prompt_lang}",
            "splits": {"train": "validation"},  # the training split is a machine translation
            "fallback": {"test": "validation"},
            "held_out_by": "text",
        },
    ),
    "tydiqa": DatasetSpec(
        name="tydiqa",
        task="prompted",
        kind="hub",
        source="juletxara/tydiqa_xtreme",
        revision=PARQUET,
        reader="questions",
        subsets=TYDIQA_LANGS,
        main_metric="f1",
        pivot="en",
        licence="Apache-2.0",
        citation="Clark et al. 2020, arXiv 2003.05002",
        options={
            **QUESTION_OPTIONS,
            "rules": "squad",
            "config": "{lang}",
            "splits": {"train": "validation", "test": "validation"},
            "held_out_by": "text",
        },
    ),
    "flores": DatasetSpec(
        name="flores",
        task="prompted",
        kind="hub",
        source="mteb/sib200",  # 1,004 sentences of FLORES-200, aligned by their number
        revision="a74d7350ea12af010cfb1c21e34f1f81fd2e615b",
        reader="parallel",
        subsets=pairs_from("eng_Latn", SIB200_LANGS),
        main_metric="chrf",
        pivot="eng_Latn",
        licence="CC-BY-SA-4.0",
        citation="Goyal et al. 2022, arXiv 2106.03193; Adelani et al. 2024, arXiv 2309.07445",
        options={
            **TRANSLATION_OPTIONS,
            "layout": "rows",
            "languages": SIB200_LANGS,
            "column": "index_id",
            "text": "text",
        },
    ),
    "flores_plus": DatasetSpec(
        name="flores_plus",
        task="prompted",
        kind="hub",
        source="openlanguagedata/flores_plus",
        revision=PARQUET,
        reader="parallel",
        subsets=pairs_from("eng_Latn", SIB200_LANGS),
        main_metric="chrf",
        pivot="eng_Latn",
        licence="CC-BY-SA-4.0",
        citation="NLLB Team 2022, arXiv 2207.04672",
        options={
            **TRANSLATION_OPTIONS,
            "layout": "configs",
            "languages": SIB200_LANGS,
            "config": "{lang}",
            "column": "id",
            "text": "text",
            "splits": {"train": "dev", "validation": "dev", "test": "devtest"},
        },
    ),
    "ntrex": DatasetSpec(
        name="ntrex",
        task="prompted",
        kind="mirror",
        source="microsoft/NTREX-128",
        revision=None,
        reader="parallel",
        subsets=pairs_from("eng", NTREX_LANGS),
        main_metric="chrf",
        pivot="eng",
        licence="CC-BY-SA-4.0",
        citation="Federmann, Kocmi and Xin 2022, sumeval 2022",
        options={
            **TRANSLATION_OPTIONS,
            "layout": "columns",
            "languages": NTREX_LANGS,
            "document": "doc_id",
            "splits": {"train": "test", "validation": "test"},  # there is no other
            "held_out_by": "document",
        },
    ),
    "nusax_mt": DatasetSpec(
        name="nusax_mt",
        task="prompted",
        kind="mirror",
        source="indonlp/NusaX-MT",
        revision=None,
        reader="parallel",
        subsets=pairs_from("eng", NUSAX_LANGS),
        main_metric="chrf",
        pivot="eng",
        licence="CC-BY-SA-4.0",
        citation="Winata et al. 2023, arXiv 2205.15960",
        options={**TRANSLATION_OPTIONS, "layout": "columns", "languages": NUSAX_LANGS},
    ),
    "mafand": DatasetSpec(
        name="mafand",
        task="prompted",
        kind="hub",
        source="masakhane/mafand",
        revision=PARQUET,
        reader="parallel",
        subsets=tuple(pair_name(*pair) for pair in MAFAND_PAIRS if pair[0] == "en"),
        main_metric="chrf",
        pivot="en",
        licence="CC-BY-NC-4.0",
        citation="Adelani et al. 2022, arXiv 2205.02022",
        options={
            **TRANSLATION_OPTIONS,
            "layout": "translation",
            "config": "{src}-{tgt}",
            "configs": MAFAND_PAIRS,
            "directions": (*MAFAND_PAIRS, *((target, source) for source, target in MAFAND_PAIRS)),
            "splits": {"train": "validation"},  # some pairs have no training split
            "fallback": {"validation": "test"},
        },
    ),
}
