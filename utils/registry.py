"""The known datasets and encoders as plain rows; adding one is adding a row (docs/adding.md)."""

from __future__ import annotations

from collections.abc import Iterable

from utils.api.limits import COHERE_INPUT_TYPE, REQUEST_ITEMS
from utils.languages import (
    MASSIVE_LANGS,
    NOLLYSENTI_LANGS,
    NUSATRANSLATION_LANGS,
    NUSAX_LANGS,
    SAMPLE_CS,
    SAMPLE_LANGS,
    SIB200_LANGS,
    TATOEBA_LANGS,
)
from utils.loaders import (
    API_GENERATOR,
    BUNDLED,
    BUNDLED_GENERATOR,
    CHAR_NGRAM,
    COHERE_EMBEDDINGS,
    OPENAI_EMBEDDINGS,
    SENTENCE_TRANSFORMERS,
    TRANSFORMERS,
)
from utils.schema import DatasetSpec, EncoderSpec, GeneratorSpec

MINERS_COMMIT = "68fec68cb2d3022a14d8f0e5e500f108caa206af"
MINERS_CITATION = "Winata, Zhang and Adelani 2024, arXiv 2406.07424"

MASSIVE_INTENTS = tuple(
    """alarm_query alarm_remove alarm_set audio_volume_down audio_volume_mute audio_volume_other
    audio_volume_up calendar_query calendar_remove calendar_set cooking_query cooking_recipe
    datetime_convert datetime_query email_addcontact email_query email_querycontact email_sendemail
    general_greet general_joke general_quirky iot_cleaning iot_coffee iot_hue_lightchange iot_hue_lightdim
    iot_hue_lightoff iot_hue_lighton iot_hue_lightup iot_wemo_off iot_wemo_on lists_createoradd lists_query
    lists_remove music_dislikeness music_likeness music_query music_settings news_query play_audiobook
    play_game play_music play_podcasts play_radio qa_currency qa_definition qa_factoid qa_maths qa_stock
    recommendation_events recommendation_locations recommendation_movies social_post social_query
    takeaway_order takeaway_query transport_query transport_taxi transport_ticket transport_traffic
    weather_query""".split()
)
SENTIMENTS = ("negative", "neutral", "positive")
TOPICS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")


def _pairs(source: str, targets: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{source}_{target}" for target in targets if target != source)


BITEXT: dict[str, DatasetSpec] = {
    "sample": DatasetSpec(
        name="sample",
        task="bitext",
        kind="shipped",
        source="data/sample/parallel.tsv",
        revision=None,
        reader="parallel_file",
        subsets=_pairs("eng", SAMPLE_LANGS + SAMPLE_CS),
        setting="mono",
        main_metric="f1",
        pivot="eng",
        licence="Apache-2.0",
        citation="this suite",
        options={"languages": SAMPLE_LANGS + SAMPLE_CS, "cs_languages": SAMPLE_CS},
    ),
    "bucc": DatasetSpec(
        name="bucc",
        task="bitext",
        kind="hub",
        source="mteb/bucc-bitext-mining",
        revision="1739dc11ffe9b7bfccd7f3d585aeb4c544fc6677",
        reader="hub_pairs",
        subsets=("de_en", "fr_en", "ru_en", "zh_en"),
        setting="mono",
        main_metric="f1",
        pivot=None,
        licence="not stated",
        citation="Zweigenbaum, Sharoff and Rapp 2017",
        options={"split": "test"},
    ),
    "nollysenti": DatasetSpec(
        name="nollysenti",
        task="bitext",
        kind="files",
        source="gentaiscool/miners",
        revision=MINERS_COMMIT,
        reader="file_columns",
        subsets=_pairs("en400", NOLLYSENTI_LANGS),
        setting="mono",
        main_metric="f1",
        pivot="en400",
        licence="Apache-2.0 (repository)",
        citation="Shode et al. 2023, arXiv 2305.10971",
        options={
            "languages": NOLLYSENTI_LANGS,
            "path": "datasets/nollysenti/{lang}/train.tsv",
            "validation": {"path": "datasets/nollysenti/{lang}/dev.tsv"},
        },
        sha256={
            "datasets/nollysenti/en400/train.tsv": "b98a46478aa18af11fb551c8d1fcd47694121e82998aca2cf811d2b6bc77ce15",
            "datasets/nollysenti/ha/train.tsv": "7ac66e45cc118b4502af8867ee5d53feb2ca5967e0a9ceb3c9d43df787600ee3",
            "datasets/nollysenti/ig/train.tsv": "bfa86767f6b9ff992b6e8ff4aabd786c1114aadc2f462c66d13c13b2b3198b3e",
            "datasets/nollysenti/pcm/train.tsv": "37a83db7cf784791d07c4ced82296414aa9f3333d83478f76e55d69e420fe728",
            "datasets/nollysenti/yo400/train.tsv": "5da174a65efaaa83a4e6ba6d3c5eae41a1c6e6bbd12f4306ed3e92b00baadc58",
            "datasets/nollysenti/en400/dev.tsv": "f97e743f7ead5e5ecd3c458def74918a6e0165460192378a1fddebfabf2bc91b",
            "datasets/nollysenti/ha/dev.tsv": "53206c2294255d3845c151e4df31717661a09f846d51a5d2167cca1688b0e204",
            "datasets/nollysenti/ig/dev.tsv": "d8c1f0527f3bf468b1257e9d45bcbb4fb707e1e201dc54c090b249e6640c646c",
            "datasets/nollysenti/pcm/dev.tsv": "62960f757d592d915b94062c31eec6c3c9b357e58d732cfb373d3c796442efd9",
            "datasets/nollysenti/yo400/dev.tsv": "3e925f04f99c25a11cdc15e6c541ed1a52881d20c2383345996fec0f8a93ef09",
        },
    ),
    "nusax": DatasetSpec(
        name="nusax",
        task="bitext",
        kind="hub",
        source="indonlp/NusaX-senti",
        revision="refs/convert/parquet",
        reader="hub_columns",
        subsets=_pairs("eng", NUSAX_LANGS),
        setting="mono",
        main_metric="f1",
        pivot="eng",
        licence="CC-BY-SA-4.0",
        citation="Winata et al. 2023, arXiv 2205.15960",
        options={"languages": NUSAX_LANGS, "split": "train", "column": "text", "validation": {"split": "validation"}},
    ),
    "nusatranslation": DatasetSpec(
        name="nusatranslation",
        task="bitext",
        kind="hub",
        source="indonlp/nusatranslation_mt",
        revision="refs/convert/parquet",
        reader="hub_configs",
        subsets=_pairs("ind", NUSATRANSLATION_LANGS),
        setting="mono",
        main_metric="f1",
        pivot="ind",
        licence="CC-BY-SA-4.0",
        citation="Cahyawijaya et al. 2023, arXiv 2309.10661",
        options={
            "config": "nusatranslation_mt_{src}_{tgt}_source",
            "split": "train",
            "columns": ("text", "label"),
            "validation": {"split": "validation"},
        },
    ),
    "tatoeba": DatasetSpec(
        name="tatoeba",
        task="bitext",
        kind="hub",
        source="mteb/tatoeba-bitext-mining",
        revision="69e8f12da6e31d59addadda9a9c8a2e601a0e282",
        reader="hub_pairs",
        subsets=tuple(f"{lang}_eng" for lang in TATOEBA_LANGS),
        setting="mono",
        main_metric="f1",
        pivot=None,
        licence="CC-BY-2.0-FR",
        citation="Artetxe and Schwenk 2019, arXiv 1812.10464",
        options={"split": "test"},
    ),
    "lince_mt": DatasetSpec(
        name="lince_mt",
        task="bitext",
        kind="files",
        source="gentaiscool/miners",
        revision=MINERS_COMMIT,
        reader="file_pairs",
        subsets=("eng_hinglish",),
        setting="cs",
        main_metric="f1",
        pivot="eng",
        licence="Apache-2.0 (repository)",
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
        task="bitext",
        kind="files",
        source="gentaiscool/miners",
        revision=MINERS_COMMIT,
        reader="file_pairs",
        subsets=("eng_hinglish",),
        setting="cs",
        main_metric="f1",
        pivot="eng",
        licence="Apache-2.0 (repository)",
        citation="Srivastava and Singh 2020, arXiv 2004.09447",
        options={"paths": ("datasets/phinc/train.tsv",), "quoting": True, "header": True, "columns": (1, 0)},
        sha256={"datasets/phinc/train.tsv": "42ca2f038be2cc01bba2c739b4e057f3dac977a80f4349cf7bb5fdd00a58af3f"},
    ),
}

CLASSIFICATION: dict[str, DatasetSpec] = {
    "sample": DatasetSpec(
        name="sample",
        task="classification",
        kind="shipped",
        source="data/sample/parallel.tsv",
        revision=None,
        reader="labeled_table",
        subsets=SAMPLE_LANGS + SAMPLE_CS,
        setting="mono",
        main_metric="acc",
        pivot="eng",
        licence="Apache-2.0",
        citation="this suite",
        options={"subject": "topic", "label": "topic", "split": "split", "id": "id", "cs_languages": SAMPLE_CS},
        label_names=TOPICS,
    ),
    "massive_intent": DatasetSpec(
        name="massive_intent",
        task="classification",
        kind="hub",
        source="mteb/amazon_massive_intent",
        revision="4672e20407010da34463acc759c162ca9734bca6",
        reader="hub_labels",
        subsets=MASSIVE_LANGS,
        setting="mono",
        main_metric="acc",
        pivot="en",
        licence="CC-BY-4.0",
        citation="FitzGerald et al. 2023, arXiv 2204.08582",
        options={
            "subject": "intent",
            "text": "text",
            "label": "label",
            "lang": "lang",
            "id": "id",
            "underscores_as_blanks": True,
        },
        label_names=tuple(intent.replace("_", " ") for intent in MASSIVE_INTENTS),
    ),
    "nollysenti": DatasetSpec(
        name="nollysenti",
        task="classification",
        kind="files",
        source="gentaiscool/miners",
        revision=MINERS_COMMIT,
        reader="file_labels",
        subsets=("en", "ha", "ig", "pcm", "yo"),
        setting="mono",
        main_metric="acc",
        pivot="en",
        licence="Apache-2.0 (repository)",
        citation="Shode et al. 2023, arXiv 2305.10971",
        options={
            "subject": "sentiment",
            "path": "datasets/nollysenti/{lang}/{split}.tsv",
            "splits": {"validation": "dev"},
            "aligned_splits": ("test",),  # line by line translations; the other splits are not
        },
        sha256={
            "datasets/nollysenti/en/train.tsv": "833f26f4de571e6b8b420e462ce6823c0335578aefcfdf718704f3a6a0c83efd",
            "datasets/nollysenti/en/dev.tsv": "f97e743f7ead5e5ecd3c458def74918a6e0165460192378a1fddebfabf2bc91b",
            "datasets/nollysenti/en/test.tsv": "4b2580df3b9c2e87341ddb86b6a3cc1cf45797a76ed2acd092a58f49709b7189",
            "datasets/nollysenti/ha/train.tsv": "7ac66e45cc118b4502af8867ee5d53feb2ca5967e0a9ceb3c9d43df787600ee3",
            "datasets/nollysenti/ha/dev.tsv": "53206c2294255d3845c151e4df31717661a09f846d51a5d2167cca1688b0e204",
            "datasets/nollysenti/ha/test.tsv": "dfcd7cfa760ba9b4254e0b8e22b259eabfbcddd3706a5f66e579e85fca14b771",
            "datasets/nollysenti/ig/train.tsv": "bfa86767f6b9ff992b6e8ff4aabd786c1114aadc2f462c66d13c13b2b3198b3e",
            "datasets/nollysenti/ig/dev.tsv": "d8c1f0527f3bf468b1257e9d45bcbb4fb707e1e201dc54c090b249e6640c646c",
            "datasets/nollysenti/ig/test.tsv": "461d6dc15b31b90da863345519d81dc221531d37b70188101c2fffabc362a3cb",
            "datasets/nollysenti/pcm/train.tsv": "37a83db7cf784791d07c4ced82296414aa9f3333d83478f76e55d69e420fe728",
            "datasets/nollysenti/pcm/dev.tsv": "62960f757d592d915b94062c31eec6c3c9b357e58d732cfb373d3c796442efd9",
            "datasets/nollysenti/pcm/test.tsv": "64cc3550ccfa15f7a5aedb54ad187a4a14df4c6e95a8bb542c039fe05be9b3c9",
            "datasets/nollysenti/yo/train.tsv": "ff2fd2089ed9a46be53424e647eae842ecf70c57f5f784377b09e172f724848e",
            "datasets/nollysenti/yo/dev.tsv": "3e925f04f99c25a11cdc15e6c541ed1a52881d20c2383345996fec0f8a93ef09",
            "datasets/nollysenti/yo/test.tsv": "5f497b2d5efaef790e4ef90ce4fdabfd173700c0e9d8f186c34ff0e2a6ef5bc9",
        },
        label_names=("negative", "positive"),
    ),
    "nusax": DatasetSpec(
        name="nusax",
        task="classification",
        kind="hub",
        source="indonlp/NusaX-senti",
        revision="refs/convert/parquet",
        reader="hub_labels",
        subsets=NUSAX_LANGS,
        setting="mono",
        main_metric="f1",
        pivot="eng",
        licence="CC-BY-SA-4.0",
        citation="Winata et al. 2023, arXiv 2205.15960",
        options={"subject": "sentiment", "text": "text", "label": "label", "id": "id", "config": "{lang}"},
        label_names=SENTIMENTS,
    ),
    "sib200": DatasetSpec(
        name="sib200",
        task="classification",
        kind="hub",
        source="mteb/sib200",
        revision="a74d7350ea12af010cfb1c21e34f1f81fd2e615b",
        reader="hub_labels",
        subsets=SIB200_LANGS,
        setting="mono",
        main_metric="acc",
        pivot="eng_Latn",
        licence="CC-BY-SA-4.0",
        citation="Adelani et al. 2024, arXiv 2309.07445",
        options={"subject": "topic", "text": "text", "label": "category", "lang": "lang", "id": "index_id"},
        label_names=TOPICS,
    ),
    "fire": DatasetSpec(
        name="fire",
        task="classification",
        kind="files",
        source="gentaiscool/miners",
        revision=MINERS_COMMIT,
        reader="file_labels",
        subsets=("malayalam", "tamil"),
        setting="cs",
        main_metric="acc",
        pivot="tamil",
        licence="Apache-2.0 (repository)",
        citation="Chakravarthi et al. 2020, arXiv 2006.00206, 2006.00210",
        options={
            "subject": "sentiment",
            "path": "datasets/fire_{lang}/{lang}_{split}.tsv",
            "splits": {"validation": "dev"},
            "label_map": {
                "Mixed_feelings": "Mixed",
                "unknown_state": "Unknown",
                "not-malayalam": "Unknown",
                "not-tamil": "Unknown",
                "not-Tamil": "Unknown",
            },
            "legacy": {"extra_labels": ("not-Tamil",)},  # the original overlooks the capital and keeps a fifth label
        },
        sha256={
            "datasets/fire_malayalam/malayalam_train.tsv": "e7bc2e7c068bf4752c3acb8e7a35a2e1d293f2fa425670109c8c0b6df3b3371f",
            "datasets/fire_malayalam/malayalam_dev.tsv": "67738f9abdbedb8c9359e0d5c1e6be3adf820649fad2d9a8aa6df45a0cadda86",
            "datasets/fire_malayalam/malayalam_test.tsv": "97c792d231ce0522350a9d90c47ab5a0536f985786bd3cd1fd3d4e5b878b6f04",
            "datasets/fire_tamil/tamil_train.tsv": "4be61bf29cb68e83d682d33898bf41b2240d960f85e2ccec50e6c4fb8e24e243",
            "datasets/fire_tamil/tamil_dev.tsv": "d4bc37c4d0ccbca7079ea5f5c0c6d3ef0fcca3a084be7af28ec052bc5cdfe5f2",
            "datasets/fire_tamil/tamil_test.tsv": "8047bb44125bbc926d38aafea01e2b342bdbd317b53baee8c4dccaeae58021e1",
        },
        label_names=("Positive", "Negative", "Mixed", "Unknown"),
    ),
    "lince_sa": DatasetSpec(
        name="lince_sa",
        task="classification",
        kind="hub",
        source="lince-benchmark/lince",
        revision="refs/convert/parquet",
        reader="hub_labels",
        subsets=("spaeng",),
        setting="cs",
        main_metric="acc",
        pivot="spaeng",
        licence="not stated",
        citation="Aguilar, Kar and Solorio 2020, arXiv 2005.04322",
        options={
            "subject": "sentiment",
            "text": "words",
            "label": "sa",
            "config": "sa_{lang}",
            "splits": {"test": "validation"},  # the test labels are not published
        },
        label_names=SENTIMENTS,
    ),
    "mtop_intent": DatasetSpec(
        name="mtop_intent",
        task="classification",
        kind="hub",
        source="mteb/MTOPIntentClassification",
        revision="2992d820f31312593c49a4890430aadadb0f0039",
        reader="hub_labels",
        subsets=("de", "en", "es", "fr", "hi", "th"),
        setting="mono",
        main_metric="acc",
        pivot="en",
        licence="CC-BY-SA-4.0",
        citation="Li et al. 2021, arXiv 2008.09335",
        options={
            "subject": "intent",
            "text": "text",
            "label": "label_text",
            "id": "id",
            "config": "{lang}",
            "legacy": {"spaced": True},
        },
    ),
}

DATASETS: dict[str, dict[str, DatasetSpec]] = {
    "bitext": BITEXT,
    "classification": CLASSIFICATION,
}  # task -> name -> row

DEFAULT_ENCODER = "bundled/multilingual-e5-small"


def _api(checkpoint: str, provider: str) -> EncoderSpec:
    return EncoderSpec(
        checkpoint,
        {"openai": OPENAI_EMBEDDINGS, "cohere": COHERE_EMBEDDINGS}[provider],
        prompt="",
        dtype="",
        batch_size=REQUEST_ITEMS[provider],
        licence="API",
        provider=provider,
        input_type=COHERE_INPUT_TYPE if provider == "cohere" else "",
    )


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
        _api("text-embedding-3-large", "openai"),
        _api("text-embedding-3-small", "openai"),
        _api("text-embedding-ada-002", "openai"),
        _api("embed-multilingual-v3.0", "cohere"),
        _api("embed-multilingual-light-v3.0", "cohere"),
        _api("embed-english-v3.0", "cohere"),
        _api("embed-v4.0", "cohere"),
    )
}

DEFAULT_GENERATOR = "bundled/gemma-3-270m"


def _causal(checkpoint: str, kind: str, licence: str) -> GeneratorSpec:
    return GeneratorSpec(
        checkpoint, TRANSFORMERS, kind, decode="score" if kind == "base" else "generate", licence=licence
    )


def _seq2seq(checkpoint: str) -> GeneratorSpec:
    return GeneratorSpec(checkpoint, TRANSFORMERS, "seq2seq", licence="Apache-2.0")


def _chat_api(checkpoint: str, provider: str) -> GeneratorSpec:
    return GeneratorSpec(checkpoint, API_GENERATOR, "chat", dtype="", licence="API", provider=provider)


GENERATORS: dict[str, GeneratorSpec] = {
    spec.checkpoint: spec
    for spec in (
        GeneratorSpec(DEFAULT_GENERATOR, BUNDLED_GENERATOR, "base", decode="score", licence="Gemma terms"),
        _causal("bigscience/bloomz-560m", "base", "BigScience RAIL 1.0"),
        _causal("bigscience/bloomz-1b7", "base", "BigScience RAIL 1.0"),
        _causal("bigscience/bloomz-3b", "base", "BigScience RAIL 1.0"),
        _seq2seq("bigscience/mt0-xl"),
        _causal("facebook/xglm-564M", "base", "MIT"),
        _causal("facebook/xglm-2.9B", "base", "MIT"),
        _causal("CohereForAI/aya-23-8B", "base", "CC-BY-NC-4.0"),
        _seq2seq("CohereForAI/aya-101"),
        _causal("google/gemma-1.1-7b-it", "chat", "Gemma terms"),
        _causal("google/gemma-2-9b-it", "chat", "Gemma terms"),
        _causal("mistralai/Mistral-7B-Instruct-v0.3", "chat", "Apache-2.0"),
        _causal("meta-llama/Meta-Llama-3-8B-Instruct", "chat", "Llama 3 licence"),
        _causal("meta-llama/Meta-Llama-3.1-8B-Instruct", "chat", "Llama 3.1 licence"),
        _chat_api("gpt-3.5-turbo-0125", "openai"),
        _chat_api("gpt-4o-2024-05-13", "openai"),
        _chat_api("gpt-4o", "openai"),
        _chat_api("gpt-4o-mini", "openai"),
        _chat_api("command-r", "cohere"),
        _chat_api("command-r-08-2024", "cohere"),
    )
}
