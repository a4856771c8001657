"""The registered data sets of sentence pairs with judged similarity, one row each; options: `score` is the column."""

from __future__ import annotations

from utils.schema import DatasetSpec

STS17_PAIRS = tuple(
    tuple(pair.split("-"))
    for pair in "ar-ar en-ar en-en en-tr es-en es-es ko-ko en-de fr-en it-en nl-en".split()
)  # fmt: skip
STSB_LANGS = ("en", "de", "es", "fr", "it", "nl", "pl", "pt", "ru", "zh")

STS: dict[str, DatasetSpec] = {
    "sts17": DatasetSpec(
        name="sts17",
        task="sts",
        kind="hub",
        source="mteb/sts17-crosslingual-sts",
        revision="faeb762787bd10488a50c8b5be4a3b82e411949c",
        reader="sentence_pairs",
        subsets=tuple("_".join(pair) for pair in STS17_PAIRS),
        main_metric="spearman",
        pivot=None,
        licence="CC-BY-SA-4.0",
        citation="Cer et al. 2017, arXiv 1708.00055",
        options={"pairs": STS17_PAIRS, "split": "test", "score": "score"},
    ),
    "stsb_multi": DatasetSpec(
        name="stsb_multi",
        task="sts",
        kind="hub",
        source="PhilipMay/stsb_multi_mt",
        revision="refs/convert/parquet",
        reader="sentence_pairs",
        subsets=STSB_LANGS,
        main_metric="spearman",
        pivot=None,
        licence="CC-BY-SA-4.0 and others",
        citation="May 2021, https://github.com/PhilipMay/stsb-multi-mt",
        options={"split": "test", "score": "similarity_score"},
    ),
}
