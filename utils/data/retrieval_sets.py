"""The registered data sets of questions and judged passages, one row each.

options: `usual_pool` is the pool of passages unless --pool names one (`same`: each subset has its own); `parallel` says that a question has the same
identifier in all languages, so that it is judged against the passages of each; `pairs` are the languages of a question
and of its passages, where the data set consists of such pairs.
"""

from __future__ import annotations

from utils.schema import DatasetSpec

SAMPLE_QUESTIONS = ("eng", "spa", "deu", "hin", "swh", "jpn")
XQUAD_LANGS = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
MLQA_PAIRS = (
    *(("ar", "ar"), ("de", "de"), ("en", "en"), ("es", "es"), ("hi", "hi"), ("vi", "vi"), ("zh", "zh")),
    *(pair for lang in ("ar", "de", "es", "hi", "vi", "zh") for pair in (("en", lang), (lang, "en"))),
)  # the language of the question, that of the passages
TYDIQA_LANGS = ("ar", "bn", "en", "fi", "id", "ko", "ru", "sw", "te")
MIRACL_LANGS = tuple("ar bn de en es fa fi fr hi id ja ko ru sw te th yo zh".split())
MRTYDI_LANGS = tuple("arabic bengali english finnish indonesian japanese korean russian swahili telugu thai".split())

RETRIEVAL: dict[str, DatasetSpec] = {
    "sample": DatasetSpec(
        name="sample",
        task="retrieval",
        kind="shipped",
        source="data/sample/questions.tsv",
        revision=None,
        reader="sample_questions",
        subsets=SAMPLE_QUESTIONS,
        main_metric="ndcg",
        pivot=None,
        licence="Apache-2.0",
        citation="this suite",
        options={"usual_pool": "all", "parallel": True, "passages": "data/sample/parallel.tsv"},
    ),
    "xquad_r": DatasetSpec(
        name="xquad_r",
        task="retrieval",
        kind="mirror",
        source="google-research-datasets/xquad-r",
        revision=None,
        reader="beir_folders",
        subsets=XQUAD_LANGS,
        main_metric="ndcg",
        pivot=None,
        licence="CC-BY-SA-4.0",
        citation="Roy et al. 2020, arXiv 2004.05484",
        options={"usual_pool": "all", "parallel": True},
    ),
    "mlqa_r": DatasetSpec(
        name="mlqa_r",
        task="retrieval",
        kind="hub",
        source="facebook/mlqa",
        revision="refs/convert/parquet",
        reader="reading_comprehension",
        subsets=tuple("_".join(pair) for pair in MLQA_PAIRS),
        main_metric="ndcg",
        pivot=None,
        licence="CC-BY-SA-3.0",
        citation="Lewis et al. 2020, arXiv 1910.07475",
        options={
            "usual_pool": "same",
            "pairs": MLQA_PAIRS,
            "config": "mlqa.{passages}.{questions}",
            "split": "validation",
        },
    ),
    "tydiqa_r": DatasetSpec(
        name="tydiqa_r",
        task="retrieval",
        kind="hub",
        source="juletxara/tydiqa_xtreme",
        revision="refs/convert/parquet",
        reader="reading_comprehension",
        subsets=TYDIQA_LANGS,
        main_metric="ndcg",
        pivot=None,
        licence="Apache-2.0",
        citation="Clark et al. 2020, arXiv 2003.05002",
        options={"usual_pool": "same", "config": "{questions}", "split": "validation"},
    ),
    "miracl": DatasetSpec(
        name="miracl",
        task="retrieval",
        kind="hub",
        source="mteb/MIRACLRetrieval",
        revision="9c09abc13478308c27598f350e31d8f06b9b5481",
        reader="beir_configs",
        subsets=MIRACL_LANGS,
        main_metric="ndcg",
        pivot=None,
        licence="CC-BY-SA-4.0",
        citation="Zhang et al. 2023, doi 10.1162/tacl_a_00595",
        options={"usual_pool": "same", "splits": {"corpus": "dev", "queries": "dev", "qrels": "dev"}},
    ),
    "mrtydi": DatasetSpec(
        name="mrtydi",
        task="retrieval",
        kind="hub",
        source="mteb/mrtidy",
        revision="fc24a3ce8f09746410daee3d5cd823ff7a0675b7",
        reader="beir_configs",
        subsets=MRTYDI_LANGS,
        main_metric="ndcg",
        pivot=None,
        licence="CC-BY-SA-3.0",
        citation="Zhang et al. 2021, arXiv 2108.08787",
        options={"usual_pool": "same", "splits": {"corpus": "train", "queries": "test", "qrels": "test"}},
    ),
}
