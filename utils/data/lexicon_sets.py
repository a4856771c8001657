"""The registered bilingual lexicons, one row each: words of a language are asked, those of another are the pool."""

from __future__ import annotations

from collections.abc import Sequence

from utils.schema import DatasetSpec

MUSE_PAIRS = """
ar-en bg-en bn-en de-en de-es de-fr en-af en-ar en-bg en-bn en-ca en-cs en-da en-de en-el en-es
en-et en-fa en-fi en-fr en-he en-hi en-hr en-hu en-it en-ja en-ko en-lt en-lv en-mk en-ms en-nl
en-no en-pl en-pt en-ro en-ru en-sk en-sl en-sq en-sv en-ta en-th en-tl en-uk en-vi en-zh es-en
es-pt fa-en fi-en fr-en fr-es fr-it hi-en id-en ja-en ko-en ta-en th-en tr-en vi-en zh-en""".split()
PANLEX_PAIRS = """
bg-eu bg-id bg-ko ca-eu ca-id ca-ko eo-eu eo-id eo-ko et-eu et-id et-ko eu-id eu-ko fi-eu fi-id
fi-ko he-eu he-id he-ko hu-eu hu-id hu-ko id-eu id-ko ka-eu ka-id ka-ko ko-eu ko-id lt-eu lt-id
lt-ko no-eu no-id no-ko th-eu th-id th-ko tr-eu tr-id tr-ko""".split()
XLING_PAIRS = """
de-fi de-fr de-hr de-it de-ru de-tr en-de en-fi en-fr en-hr en-it en-ru en-tr fi-fr fi-hr fi-it
fi-ru hr-fr hr-it hr-ru it-fr ru-fr ru-it tr-fi tr-fr tr-hr tr-it tr-ru""".split()


def _lexicon(name: str, source: str, pairs: Sequence[str], licence: str, citation: str) -> DatasetSpec:
    """Return the row of word pairs of some language pairs, each written as `en-de`."""
    return DatasetSpec(
        name=name,
        task="retrieval",
        kind="mirror",
        source=source,
        revision=None,
        reader="lexicon",
        subsets=tuple(pair.replace("-", "_") for pair in pairs),
        main_metric="hit",
        pivot=None,
        licence=licence,
        citation=citation,
        options={"usual_pool": "same", "pairs": [pair.split("-") for pair in pairs], "split": "test", "ks": (1, 5, 10)},
    )


LEXICONS: dict[str, DatasetSpec] = {
    row.name: row
    for row in (
        _lexicon(
            "muse",
            "facebookresearch/MUSE-dictionaries",
            MUSE_PAIRS,
            "CC-BY-NC-4.0",
            "Conneau et al. 2018, arXiv 1710.04087",
        ),
        _lexicon(
            "panlex",
            "cambridgeltl/panlex-bli",
            PANLEX_PAIRS,
            "Apache-2.0",
            "Vulic et al. 2019, arXiv 1909.01638",
        ),
        _lexicon(
            "xling",
            "codogogo/xling-eval",
            XLING_PAIRS,
            "none stated",
            "Glavas et al. 2019, arXiv 1902.00508",
        ),
    )
}
