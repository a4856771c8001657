"""The tasks of mteb that have the texts of registered data sets, with mteb's names of their subsets and languages.

The table is that of mteb 2.26.24; a test compares it with mteb's metadata. A task is listed if the number of items, the
lengths of the texts and the number of distinct texts that mteb publishes for each subset equal those of our data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from utils.data.languages import ALIASES, family_and_script
from utils.data.registry import DATASETS
from utils.schema import DatasetSpec

MAIN_SCORES = {  # metric that mteb calls the main score
    "bitext": "f1",
    "classification": "accuracy",
    "retrieval": "ndcg_at_10",
    "sts": "cosine_spearman",
}
OTHER_TEXTS = {  # tasks with a similar name whose texts differ from those of our data set
    "BUCC": "it searches English sentences beside the gold ones; BUCC.v2 has our texts",
    "LinceMTBitextMining": "it has 8,059 pairs, our lince_mt 9,002",
    "XQuADRetrieval": "its passages are the 240 paragraphs of XQuAD, not the sentences of xquad_r",
    "SIB200Classification.v2": "its test split is all of the texts",
    "SIB200Classification.v3": "its test split is all of the texts",
}
SIDES = {"en400": "en", "yo400": "yo", "hinglish": "eng_hin"}  # languages of pairs, with mteb's names
LANGUAGES = {  # names that mteb gives another language code than languages.py
    "btk": "bbc-Latn", "max": "max-Deva", "ber": "ber-Tfng", "zh": "cmn-Hans", "ar": "ara-Arab", "az": "aze-Latn",
    "fa": "fas-Arab", "ko": "kor-Kore", "lv": "lav-Latn", "mn": "mon-Cyrl", "ms": "msa-Latn", "sq": "sqi-Latn",
    "sw": "swa-Latn", "zh-CN": "cmo-Hans", "zh-TW": "cmo-Hant",
}  # fmt: skip


@dataclass(frozen=True)
class MtebTask:
    """A task of mteb with the texts of a registered data set.

    task, dataset: our names. revision: that of mteb's copy of the data. size: number of items of each subset that is
    not in `sizes`. lacking: subsets of ours that mteb does not have, or has with other texts. codes: mteb's languages
    of our subsets, joined by +, where they do not follow from the names. names: mteb's names of subsets, by ours.
    """

    name: str
    task: str
    dataset: str
    revision: str
    split: str
    size: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> DatasetSpec:
        """The registered row of the data set."""
        return DATASETS[self.task][self.dataset]

    @property
    def subsets(self) -> dict[str, str]:
        """Names of the subsets in mteb, by our names; without the subsets that mteb does not have."""
        return {name: self.hf_subset(name) for name in self.spec.subsets if name not in self.lacking}

    def hf_subset(self, subset: str) -> str:
        """Return mteb's name of a subset: eng-ace for eng_ace; a language has the same name in both."""
        if self.task != "bitext":
            return self.names.get(subset, subset)
        return "-".join(SIDES.get(side, side) for side in subset.split("_"))

    def split_of(self, subset: str) -> str:
        """Return the split of a subset, which all have in common."""
        return self.split

    def items(self, subset: str) -> int:
        """Return the number of items that mteb has of a subset of ours."""
        return self.sizes.get(subset, self.size)

    def languages(self, subset: str) -> list[str]:
        """Return the language of a subset, or both languages of a pair, as mteb writes them: eng-Latn."""
        if subset in self.codes:
            return self.codes[subset].split("+")
        return [_language(name) for name in (subset.split("_") if self.task == "bitext" else [subset])]


def _language(name: str) -> str:
    code = name.partition("_")[0]
    if len(code) != 3:  # a two-letter code, or a name that only one data set uses
        code = ALIASES.get(name, name).partition("_")[0]
    return LANGUAGES.get(name) or f"{code}-{family_and_script(name)[1]}"


_TATOEBA = """
amh 168 ang 134 arq 911 arz 477 ast 127 awa 231 bos 354 ceb 600 cha 137 csb 253 cym 575 dsb 479 fao 262 fry 173
gla 829 gsw 117 hsb 483 hye 742 jav 205 kat 746 kaz 575 khm 722 kur 410 mal 687 max 284 mon 440 nov 257 orv 835
pms 525 slv 823 swg 112 swh 390 tam 307 tel 234 tha 548 tuk 203 tzl 104 uzb 428 xho 142 yid 848""".split()
TATOEBA_SIZES = {f"{lang}_eng": int(size) for lang, size in zip(_TATOEBA[::2], _TATOEBA[1::2], strict=True)}
_SIB200_LACKING = ("ace_Arab", "arb_Arab", "bjn_Arab", "kas_Arab", "knc_Arab", "min_Arab", "taq_Latn", "zho_Hans")


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split())


_STS17 = """
ko_ko:kor-Hang en_de:eng-Latn+deu-Latn en_en:eng-Latn en_tr:eng-Latn+tur-Latn es_en:spa-Latn+eng-Latn es_es:spa-Latn
fr_en:fra-Latn+eng-Latn it_en:ita-Latn+eng-Latn nl_en:nld-Latn+eng-Latn"""
_STSB = """
en:eng-Latn de:deu-Latn es:spa-Latn fr:fra-Latn it:ita-Latn nl:nld-Latn pl:pol-Latn pt:por-Latn ru:rus-Cyrl
zh:cmn-Hans"""
_MIRACL = """
ar:ara-Arab bn:ben-Beng de:deu-Latn en:eng-Latn es:spa-Latn fa:fas-Arab fi:fin-Latn fr:fra-Latn hi:hin-Deva id:ind-Latn
ja:jpn-Jpan ko:kor-Kore ru:rus-Cyrl sw:swa-Latn te:tel-Telu th:tha-Thai yo:yor-Latn zh:zho-Hans"""
_MIRACL_SIZES = """
ar:2896 bn:411 de:305 en:799 es:648 fa:632 fi:1271 fr:343 hi:350 id:960 ja:860 ko:213 ru:1252 sw:482 te:828 th:733
yo:119 zh:393"""
_MRTYDI = """
bengali:ben-Beng english:eng-Latn finnish:fin-Latn russian:rus-Cyrl korean:kor-Kore japanese:jpn-Jpan telugu:tel-Telu
thai:tha-Thai swahili:swa-Latn arabic:ara-Arab indonesian:ind-Latn"""
_MRTYDI_SIZES = """
bengali:111 english:744 finnish:1254 russian:995 korean:421 japanese:720 telugu:646 thai:1190 swahili:670 arabic:1081
indonesian:829"""
_MLQA = _pairs("ar:ara-Arab de:deu-Latn en:eng-Latn es:spa-Latn hi:hin-Deva vi:vie-Latn zh:zho-Hans")
_MLQA_SIZES = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}  # of questions
_MLQA_PAIRS = [name.split("_") for name in DATASETS["retrieval"]["mlqa_r"].subsets]


def _sizes(text: str) -> dict[str, int]:
    return {name: int(size) for name, size in _pairs(text).items()}


_ROWS = (
    MtebTask(
        name="BUCC.v2",
        task="bitext",
        dataset="bucc",
        revision="1739dc11ffe9b7bfccd7f3d585aeb4c544fc6677",
        split="test",
        sizes={"de_en": 9580, "fr_en": 9086, "ru_en": 14435, "zh_en": 1899},
    ),
    MtebTask(
        name="NollySentiBitextMining",
        task="bitext",
        dataset="nollysenti",
        revision="77d807ea44797c4663a3e0aca353d630c62d85cf",
        split="train",
        size=410,
    ),
    MtebTask(
        name="NusaXBitextMining",
        task="bitext",
        dataset="nusax",
        revision="6db681bd37d6827f8d132590429ce33a2af4c96e",
        split="train",
        size=500,
    ),
    MtebTask(
        name="NusaTranslationBitextMining",
        task="bitext",
        dataset="nusatranslation",
        revision="d08eca02c75a0b2ea9bfaaed1e42b7679588fa59",
        split="train",
        size=6600,
        sizes={f"ind_{lang}": 1000 for lang in ("abs", "bhp", "mui", "rej")},
    ),
    MtebTask(
        name="Tatoeba",
        task="bitext",
        dataset="tatoeba",
        revision="69e8f12da6e31d59addadda9a9c8a2e601a0e282",
        split="test",
        size=1000,
        sizes=TATOEBA_SIZES,
    ),
    MtebTask(
        name="PhincBitextMining",
        task="bitext",
        dataset="phinc",
        revision="3321d2863453fc96d50e6d861761c323e889f310",
        split="train",
        size=13738,
    ),
    MtebTask(
        name="MassiveIntentClassification",
        task="classification",
        dataset="massive_intent",
        revision="4672e20407010da34463acc759c162ca9734bca6",
        split="test",
        size=2974,
    ),
    MtebTask(
        name="NusaX-senti",
        task="classification",
        dataset="nusax",
        revision="7b2ff4facde8a6473f667a38edef1d03ce9ca0dc",
        split="test",
        size=400,
    ),
    MtebTask(
        name="SIB200Classification",
        task="classification",
        dataset="sib200",
        revision="a74d7350ea12af010cfb1c21e34f1f81fd2e615b",
        split="test",
        size=204,
        lacking=_SIB200_LACKING,
    ),
    MtebTask(
        name="MTOPIntentClassification",
        task="classification",
        dataset="mtop_intent",
        revision="2992d820f31312593c49a4890430aadadb0f0039",
        split="test",
        sizes={"de": 3549, "en": 4386, "es": 2998, "fr": 3193, "hi": 2789, "th": 2765},
    ),
    MtebTask(
        name="STS17",
        task="sts",
        dataset="sts17",
        revision="faeb762787bd10488a50c8b5be4a3b82e411949c",
        split="test",
        size=250,
        sizes={"ko_ko": 2846},
        lacking=("ar_ar", "en_ar"),  # mteb publishes other lengths of their Arabic texts
        codes=_pairs(_STS17),
        names={name: name.replace("_", "-") for name in _pairs(_STS17)},
    ),
    MtebTask(
        name="STSBenchmarkMultilingualSTS",
        task="sts",
        dataset="stsb_multi",
        revision="29afa2569dcedaaa2fe6a3dcfebab33d28b82e8c",
        split="test",
        size=1379,
        codes=_pairs(_STSB),
    ),
    MtebTask(
        name="MIRACLRetrieval",
        task="retrieval",
        dataset="miracl",
        revision="9c09abc13478308c27598f350e31d8f06b9b5481",
        split="dev",
        sizes=_sizes(_MIRACL_SIZES),
        codes=_pairs(_MIRACL),
    ),
    MtebTask(
        name="MrTidyRetrieval",
        task="retrieval",
        dataset="mrtydi",
        revision="fc24a3ce8f09746410daee3d5cd823ff7a0675b7",
        split="test",
        sizes=_sizes(_MRTYDI_SIZES),
        codes=_pairs(_MRTYDI),
    ),
    MtebTask(
        name="MLQARetrieval",
        task="retrieval",
        dataset="mlqa_r",
        revision="5bef8b6e2601af974fb1a1cca03fd702229be4b6",
        split="validation",
        sizes={f"{asked}_{told}": min(_MLQA_SIZES[asked], _MLQA_SIZES[told]) for asked, told in _MLQA_PAIRS},
        codes={f"{asked}_{told}": f"{_MLQA[told]}+{_MLQA[asked]}" for asked, told in _MLQA_PAIRS},
        names={f"{asked}_{told}": f"{_MLQA[told][:3]}-{_MLQA[asked][:3]}" for asked, told in _MLQA_PAIRS},
    ),
)
MTEB_TASKS = {row.name: row for row in _ROWS}
OF_DATASET = {(row.task, row.dataset): row for row in _ROWS}
