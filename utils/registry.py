"""The known datasets and encoders as plain rows; adding one is adding a row (docs/adding.md)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from utils.schema import DatasetSpec, EncoderSpec, UserError

T = TypeVar("T")

MINERS_COMMIT = "68fec68cb2d3022a14d8f0e5e500f108caa206af"
MINERS_CITATION = "Winata, Zhang and Adelani 2024, arXiv 2406.07424"

SAMPLE_LANGS = ("eng", "spa", "fra", "deu", "rus", "tur", "ara", "hin", "ind", "swh", "cmn", "jpn")
SAMPLE_CS = ("hinglish", "spanglish")
NUSAX_LANGS = ("ace", "ban", "bbc", "bjn", "bug", "eng", "ind", "jav", "mad", "min", "nij", "sun")
NUSATRANSLATION_LANGS = ("abs", "btk", "bew", "bhp", "jav", "mad", "mak", "min", "mui", "rej", "sun")
NOLLYSENTI_LANGS = ("en400", "ha", "ig", "pcm", "yo400")
TATOEBA_LANGS = tuple(
    """afr amh ang ara arq arz ast awa aze bel ben ber bos bre bul cat cbk ceb ces cha cmn cor csb cym dan deu
    dsb dtp ell epo est eus fao fin fra fry gla gle glg gsw heb hin hrv hsb hun hye ido ile ina ind isl ita jav
    jpn kab kat kaz khm kor kur kzj lat lfn lit lvs mal mar max mhr mkd mon nds nld nno nob nov oci orv pam pes
    pms pol por ron rus slk slv spa sqi srp swe swg swh tam tat tel tgl tha tuk tur tzl uig ukr urd uzb vie war
    wuu xho yid yue zsm""".split()
)


def _pairs(source: str, targets: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{source}_{target}" for target in targets if target != source)


DATASETS: dict[str, DatasetSpec] = {
    "sample": DatasetSpec(
        name="sample",
        tasks=("bitext",),
        kind="shipped",
        source="data/sample/parallel.tsv",
        revision=None,
        reader="parallel_file",
        subsets={"bitext": _pairs("eng", SAMPLE_LANGS + SAMPLE_CS)},
        setting="mono",
        main_metric="f1",
        pivot="eng",
        licence="Apache-2.0",
        citation="this suite",
        options={"languages": SAMPLE_LANGS + SAMPLE_CS, "cs_languages": SAMPLE_CS},
    ),
    "bucc": DatasetSpec(
        name="bucc",
        tasks=("bitext",),
        kind="hub",
        source="mteb/bucc-bitext-mining",
        revision="1739dc11ffe9b7bfccd7f3d585aeb4c544fc6677",
        reader="hub_pairs",
        subsets={"bitext": ("de_en", "fr_en", "ru_en", "zh_en")},
        setting="mono",
        main_metric="f1",
        pivot=None,
        licence="not stated",
        citation="Zweigenbaum, Sharoff and Rapp 2017",
        options={"split": "test"},
    ),
    "nollysenti": DatasetSpec(
        name="nollysenti",
        tasks=("bitext",),
        kind="files",
        source="gentaiscool/miners",
        revision=MINERS_COMMIT,
        reader="file_columns",
        subsets={"bitext": _pairs("en400", NOLLYSENTI_LANGS)},
        setting="mono",
        main_metric="f1",
        pivot="en400",
        licence="CC-BY-4.0",
        citation="Shode et al. 2023, arXiv 2305.10971",
        options={"languages": NOLLYSENTI_LANGS, "path": "datasets/nollysenti/{lang}/train.tsv"},
        sha256={
            "datasets/nollysenti/en400/train.tsv": "b98a46478aa18af11fb551c8d1fcd47694121e82998aca2cf811d2b6bc77ce15",
            "datasets/nollysenti/ha/train.tsv": "7ac66e45cc118b4502af8867ee5d53feb2ca5967e0a9ceb3c9d43df787600ee3",
            "datasets/nollysenti/ig/train.tsv": "bfa86767f6b9ff992b6e8ff4aabd786c1114aadc2f462c66d13c13b2b3198b3e",
            "datasets/nollysenti/pcm/train.tsv": "37a83db7cf784791d07c4ced82296414aa9f3333d83478f76e55d69e420fe728",
            "datasets/nollysenti/yo400/train.tsv": "5da174a65efaaa83a4e6ba6d3c5eae41a1c6e6bbd12f4306ed3e92b00baadc58",
        },
    ),
    "nusax": DatasetSpec(
        name="nusax",
        tasks=("bitext",),
        kind="hub",
        source="indonlp/NusaX-senti",
        revision="refs/convert/parquet",
        reader="hub_columns",
        subsets={"bitext": _pairs("eng", NUSAX_LANGS)},
        setting="mono",
        main_metric="f1",
        pivot="eng",
        licence="CC-BY-SA-4.0",
        citation="Winata et al. 2023, arXiv 2205.15960",
        options={"languages": NUSAX_LANGS, "split": "train", "column": "text"},
    ),
    "nusatranslation": DatasetSpec(
        name="nusatranslation",
        tasks=("bitext",),
        kind="hub",
        source="indonlp/nusatranslation_mt",
        revision="refs/convert/parquet",
        reader="hub_configs",
        subsets={"bitext": _pairs("ind", NUSATRANSLATION_LANGS)},
        setting="mono",
        main_metric="f1",
        pivot="ind",
        licence="CC-BY-SA-4.0",
        citation="Cahyawijaya et al. 2023, arXiv 2309.10661",
        options={"config": "nusatranslation_mt_{src}_{tgt}_source", "split": "train", "columns": ("text", "label")},
    ),
    "tatoeba": DatasetSpec(
        name="tatoeba",
        tasks=("bitext",),
        kind="hub",
        source="mteb/tatoeba-bitext-mining",
        revision="69e8f12da6e31d59addadda9a9c8a2e601a0e282",
        reader="hub_pairs",
        subsets={"bitext": tuple(f"{lang}_eng" for lang in TATOEBA_LANGS)},
        setting="mono",
        main_metric="f1",
        pivot=None,
        licence="CC-BY-2.0-FR",
        citation="Artetxe and Schwenk 2019, arXiv 1812.10464",
        options={"split": "test"},
    ),
    "lince_mt": DatasetSpec(
        name="lince_mt",
        tasks=("bitext",),
        kind="files",
        source="gentaiscool/miners",
        revision=MINERS_COMMIT,
        reader="file_pairs",
        subsets={"bitext": ("eng_hinglish",)},
        setting="cs",
        main_metric="f1",
        pivot="eng",
        licence="not stated",
        citation="Aguilar, Kar and Solorio 2020, arXiv 2005.04322",
        options={
            "paths": ("datasets/lince_mt_eng_hinglish/train.txt", "datasets/lince_mt_eng_hinglish/dev.txt"),
            "quoting": False,
            "header": False,
            "columns": (0, 1),
        },
        sha256={
            "datasets/lince_mt_eng_hinglish/train.txt": "b6a7a043288e51b1361f40623a55e2ab6e05c318b4f25c627aa5c260d9738bfa",
            "datasets/lince_mt_eng_hinglish/dev.txt": "bccfb812b3bb30ead2e2fcbace57302d8e60ce1b5e14dc6b9768a245be7b24b5",
        },
    ),
    "phinc": DatasetSpec(
        name="phinc",
        tasks=("bitext",),
        kind="files",
        source="gentaiscool/miners",
        revision=MINERS_COMMIT,
        reader="file_pairs",
        subsets={"bitext": ("eng_hinglish",)},
        setting="cs",
        main_metric="f1",
        pivot="eng",
        licence="CC-BY-4.0",
        citation="Srivastava and Singh 2020, arXiv 2004.09447",
        options={"paths": ("datasets/phinc/train.tsv",), "quoting": True, "header": True, "columns": (1, 0)},
        sha256={"datasets/phinc/train.tsv": "42ca2f038be2cc01bba2c739b4e057f3dac977a80f4349cf7bb5fdd00a58af3f"},
    ),
}

SENTENCE_TRANSFORMERS = "utils.encoders:load_sentence_transformer"
BUNDLED = "utils.bundled:load_bundled"
CHAR_NGRAM = "utils.encoders:load_char_ngram"
DEFAULT_ENCODER = "bundled/multilingual-e5-small"


def _hub(checkpoint: str, revision: str | None, prompt: str = "", licence: str = "") -> EncoderSpec:
    return EncoderSpec(checkpoint, SENTENCE_TRANSFORMERS, revision, prompt, licence=licence)


ENCODERS: dict[str, EncoderSpec] = {
    spec.checkpoint: spec
    for spec in (
        EncoderSpec(DEFAULT_ENCODER, BUNDLED, None, "query: ", licence="MIT"),
        EncoderSpec("baseline/char_ngram", CHAR_NGRAM, "1", "", fitted=True, licence="Apache-2.0"),
        _hub("sentence-transformers/LaBSE", "836121a0533e5664b21c7aacc5d22951f2b8b25b", licence="Apache-2.0"),
        _hub("sentence-transformers/use-cmlm-multilingual", None, licence="Apache-2.0"),
        _hub("intfloat/multilingual-e5-small", "fd1525a9fd15316a2d503bf26ab031a61d056e98", "query: ", "MIT"),
        _hub("intfloat/multilingual-e5-base", "d128750597153bb5987e10b1c3493a34e5a4502a", "query: ", "MIT"),
        _hub("intfloat/multilingual-e5-large", "ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb", "query: ", "MIT"),
        _hub(
            "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
            "79f2382ceacceacdf38563d7c5d16b9ff8d725d6",
            licence="Apache-2.0",
        ),
        _hub("microsoft/Multilingual-MiniLM-L12-H384", None, licence="MIT"),
        _hub("cis-lmu/glot500-base", None, licence="Apache-2.0"),
        _hub("FacebookAI/xlm-roberta-base", "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089", licence="MIT"),
        _hub("FacebookAI/xlm-roberta-large", "c23d21b0620b635a76227c604d44e43a9f0ee389", licence="MIT"),
    )
}


def lookup(rows: Mapping[str, T], name: str, kind: str) -> T:
    """Return the row of exactly this name, or raise UserError with the closest names."""
    if name in rows:
        return rows[name]
    raise UserError(f"unknown {kind} {name!r}", f"{suggest(name, rows)}; --list shows all")


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known names are near to a mistaken one, or list them where none is (at most 20)."""
    names = list(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.6)]
    if close:
        return f"did you mean {' or '.join(repr(match) for match in close)}?"
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"choose from: {shown}"
