"""The registered data sets that prompts show by a template, one row each: pairs of texts, and questions with choices.

options: `kind` is how an item is answered, and `template` names a file of data/templates. `fields` has the column of
each field of an item, `encoded` the fields that are encoded (default: all), `answer` the column of the answer, and
`choices` those of the options, or the one that has a list of them. `splits` has the split that stands in for another
one. `elsewhere` has the languages that are in other data sets, and `beside` those that only some copies have
(docs/adding.md).
"""

from __future__ import annotations

from utils.schema import DatasetSpec

PARQUET = "refs/convert/parquet"
XNLI_LANGS = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
PAWS_LANGS = ("de", "en", "es", "fr", "ja", "ko", "zh")
XCOPA_LANGS = ("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh")
AMERICAS_LANGS = ("aym", "bzd", "cni", "gn", "hch", "nah", "oto", "quy", "shp", "tar")
LANGS_20 = tuple("en zh de fr es it nl ja ru sv sl pl bg no ms is hi th sw bn".split())
XCSQA_LANGS = tuple("en zh de es fr it jap nl pl pt ru ar vi hi sw ur".split())
BELEBELE_LANGS = tuple(
    """acm_Arab afr_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng azj_Latn
    bam_Latn ben_Beng ben_Latn bod_Tibt bul_Cyrl cat_Latn ceb_Latn ces_Latn ckb_Arab dan_Latn deu_Latn ell_Grek
    eng_Latn est_Latn eus_Latn fin_Latn fra_Latn fuv_Latn gaz_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr
    hin_Deva hin_Latn hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan
    kac_Latn kan_Knda kat_Geor kaz_Cyrl kea_Latn khk_Cyrl khm_Khmr kin_Latn kir_Cyrl kor_Hang lao_Laoo lin_Latn
    lit_Latn lug_Latn luo_Latn lvs_Latn mal_Mlym mar_Deva mkd_Cyrl mlt_Latn mri_Latn mya_Mymr nld_Latn nob_Latn
    npi_Deva npi_Latn nso_Latn nya_Latn ory_Orya pan_Guru pbt_Arab pes_Arab plt_Latn pol_Latn por_Latn ron_Latn
    rus_Cyrl shn_Mymr sin_Latn sin_Sinh slk_Latn slv_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srp_Cyrl
    ssw_Latn sun_Latn swe_Latn swh_Latn tam_Taml tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tsn_Latn tso_Latn
    tur_Latn ukr_Cyrl urd_Arab urd_Latn uzn_Latn vie_Latn war_Latn wol_Latn xho_Latn yor_Latn zho_Hans zho_Hant
    zsm_Latn zul_Latn""".split()
)
NLI = ("entailment", "neutral", "contradiction")
NLI_OPTIONS = {
    "kind": "pair",
    "template": "nli",
    "fields": {"premise": "premise", "hypothesis": "hypothesis"},
    "answer": "label",
}
PARAPHRASE_OPTIONS = {
    "kind": "pair",
    "template": "paraphrase",
    "fields": {"first": "sentence1", "second": "sentence2"},
    "answer": "label",
}
LEARNERS = "Shimao-Zhang/LLM-Multilingual-Learner"
OF_LEARNERS = "Zhang et al. 2024, arXiv 2405.13816"

PROMPTED: dict[str, DatasetSpec] = {
    "xnli": DatasetSpec(
        name="xnli",
        task="prompted",
        kind="hub",
        source="facebook/xnli",
        revision=PARQUET,
        reader="hub_items",
        subsets=(*XNLI_LANGS, "my", "ko"),
        main_metric="acc",
        pivot="en",
        licence="CC-BY-NC-4.0",
        citation="Conneau et al. 2018, arXiv 1809.05053; my: Htet and Dras 2024; ko: Ham et al. 2020, arXiv 2004.03289",
        options={
            **NLI_OPTIONS,
            "config": "{lang}",
            "splits": {"train": "validation"},  # the training split is a machine translation
            "elsewhere": {
                "my": {
                    "source": "akhtet/myXNLI",
                    "config": "my",
                    "fields": {"premise": "sentence1_my", "hypothesis": "sentence2_my"},
                },
                "ko": {"source": "kakaobrain/kor_nli", "config": "xnli"},
            },
        },
        label_names=NLI,
    ),
    "paws_x": DatasetSpec(
        name="paws_x",
        task="prompted",
        kind="hub",
        source="google-research-datasets/paws-x",
        revision=PARQUET,
        reader="hub_items",
        subsets=PAWS_LANGS,
        main_metric="acc",
        pivot="en",
        licence="free for any purpose",
        citation="Yang et al. 2019, arXiv 1908.11828",
        options={
            **PARAPHRASE_OPTIONS,
            "config": "{lang}",
            "splits": {"train": "validation"},  # the training split is a machine translation
            "id": "id",
        },
        label_names=("different", "same"),
    ),
    "americas_nli": DatasetSpec(
        name="americas_nli",
        task="prompted",
        kind="hub",
        source="nala-cub/americas_nli",
        revision=PARQUET,
        reader="hub_items",
        subsets=AMERICAS_LANGS,
        main_metric="acc",
        pivot=None,
        licence="CC-BY-SA-4.0",
        citation="Ebrahimi et al. 2022, arXiv 2104.08726",
        options={**NLI_OPTIONS, "config": "{lang}", "splits": {"train": "validation"}},
        label_names=NLI,
    ),
    "snli_20": DatasetSpec(
        name="snli_20",
        task="prompted",
        kind="mirror",
        source=LEARNERS,
        revision=None,
        reader="hub_items",
        subsets=LANGS_20,
        main_metric="acc",
        pivot="en",
        licence="CC-BY-SA-4.0",
        citation=OF_LEARNERS,
        options={**NLI_OPTIONS, "config": "snli/{lang}", "splits": {"train": "test"}, "id": "idx"},
        label_names=NLI,
    ),
    "paws_20": DatasetSpec(
        name="paws_20",
        task="prompted",
        kind="mirror",
        source=LEARNERS,
        revision=None,
        reader="hub_items",
        subsets=LANGS_20,
        main_metric="acc",
        pivot="en",
        licence="free for any purpose",
        citation=OF_LEARNERS,
        options={**PARAPHRASE_OPTIONS, "config": "paws/{lang}", "splits": {"train": "test"}, "id": "idx"},
        label_names=("different", "same"),
    ),
    "polarity_20": DatasetSpec(
        name="polarity_20",
        task="prompted",
        kind="mirror",
        source=LEARNERS,
        revision=None,
        reader="hub_items",
        subsets=LANGS_20,
        main_metric="acc",
        pivot="en",
        licence="not stated",
        citation=OF_LEARNERS,
        options={
            "kind": "label",
            "template": "polarity",
            "fields": {"text": "input"},
            "answer": "label",
            "config": "ap_emotion/{lang}",
            "splits": {"train": "test"},
            "id": "idx",
        },
        label_names=("positive", "negative"),
    ),
    "xcopa": DatasetSpec(
        name="xcopa",
        task="prompted",
        kind="hub",
        source="cambridgeltl/xcopa",
        revision=PARQUET,
        reader="hub_items",
        subsets=XCOPA_LANGS,
        main_metric="acc",
        pivot="it",
        licence="CC-BY-4.0",
        citation="Ponti et al. 2020, arXiv 2005.00333",
        options={
            "kind": "choice",
            "template": "copa",
            "fields": {"premise": "premise", "question": "question"},
            "encoded": ("premise",),
            "choices": ("choice1", "choice2"),
            "answer": "label",
            "config": "{lang}",
            "beside": ("en",),  # that of COPA, which some copies have in the same layout
            "splits": {"train": "validation"},
        },
        label_names=("1", "2"),
    ),
    "belebele": DatasetSpec(
        name="belebele",
        task="prompted",
        kind="hub",
        source="facebook/belebele",
        revision=PARQUET,
        reader="hub_items",
        subsets=BELEBELE_LANGS,
        main_metric="acc",
        pivot="eng_Latn",
        licence="CC-BY-SA-4.0",
        citation="Bandarkar et al. 2024, arXiv 2308.16884",
        options={
            "kind": "choice",
            "template": "reading",
            "fields": {"passage": "flores_passage", "question": "question"},
            "choices": ("mc_answer1", "mc_answer2", "mc_answer3", "mc_answer4"),
            "answer": "correct_answer_num",
            "config": "{lang}",
            "splits": {"train": "test"},
            "held_out_by": "link",  # all questions of a text, whose address is the same in all languages
        },
        label_names=("1", "2", "3", "4"),
    ),
    "xcsqa": DatasetSpec(
        name="xcsqa",
        task="prompted",
        kind="hub",
        source="INK-USC/xcsr",
        revision=PARQUET,
        reader="hub_items",
        subsets=XCSQA_LANGS,
        main_metric="acc",
        pivot="en",
        licence="MIT",
        citation="Lin et al. 2021, arXiv 2106.06937",
        options={
            "kind": "choice",
            "template": "question",
            "fields": {"question": "question.stem"},
            "choices": "question.choices.text",
            "answer": "answerKey",
            "label_map": dict(zip("ABCDE", "12345", strict=True)),
            "config": "X-CSQA-{lang}",
            "splits": {"train": "validation", "test": "validation"},  # the test labels are not published
            "id": "id",
        },
        label_names=("1", "2", "3", "4", "5"),
    ),
}
