"""The known datasets and encoders as plain rows; adding one is adding a row (docs/adding.md)."""

from __future__ import annotations

from utils.api.limits import COHERE_INPUT_TYPE, REQUEST_ITEMS
from utils.data.bitext_sets import BITEXT
from utils.data.classification_sets import CLASSIFICATION
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

MINERS_CITATION = "Winata, Zhang and Adelani 2024, arXiv 2406.07424"


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
