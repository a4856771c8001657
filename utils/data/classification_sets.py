"""The registered data sets of labelled texts, one row each."""

from __future__ import annotations

from utils.data.bitext_sets import MINERS_COMMIT
from utils.data.languages import MASSIVE_LANGS, NUSAX_LANGS, SAMPLE_CS, SAMPLE_LANGS, SIB200_LANGS
from utils.schema import DatasetSpec

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
# the means that most data sets enter, by table
ALL_MEANS = {"classification": "Mono", "classification cross": "XL", "icl": "Mono", "icl cross": "XL"}

CLASSIFICATION: dict[str, DatasetSpec] = {
    "sample": DatasetSpec(
        name="sample",
        task="classification",
        kind="shipped",
        source="data/sample/parallel.tsv",
        revision=None,
        reader="labeled_table",
        subsets=SAMPLE_LANGS + SAMPLE_CS,
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
        groups={"classification": "Mono", "classification cross": "XL"},
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
        groups=ALL_MEANS,
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
        groups=ALL_MEANS,
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
        groups=ALL_MEANS,
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
        code_switched=True,
        groups={"classification": "CS", "classification cross": "XL CS", "icl": "CS", "icl cross": "XL CS"},
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
        code_switched=True,
        groups={"classification": "CS", "icl": "CS"},
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
        },
    ),
}
