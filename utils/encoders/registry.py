"""The known encoders, one row each."""

from __future__ import annotations

import dataclasses

from utils.api.providers import PROVIDERS
from utils.constants import DEFAULT_ENCODER, SPARSE
from utils.loaders import API_ENCODER, BM25, BUNDLED, CHAR_NGRAM, SENTENCE_TRANSFORMERS
from utils.schema import EncoderSpec


def api_spec(checkpoint: str, provider: str) -> EncoderSpec:
    """Return the spec of a provider's model, at the provider's own service."""
    known = PROVIDERS[provider]
    return EncoderSpec(
        checkpoint,
        API_ENCODER,
        prompt="",
        dtype="",
        batch_size=known.request_items,
        licence="API",
        provider=provider,
        input_type=known.default_input_type,
    )


def _hub(checkpoint: str, revision: str | None, prompt: str = "", licence: str = "") -> EncoderSpec:
    return EncoderSpec(checkpoint, SENTENCE_TRANSFORMERS, revision, prompt, licence=licence)


def _e5(size: str, revision: str) -> EncoderSpec:
    row = _hub(f"intfloat/multilingual-e5-{size}", revision, "query: ", "MIT")
    return dataclasses.replace(row, passage_prompt="passage: ")


ENCODERS: dict[str, EncoderSpec] = {
    spec.checkpoint: spec
    for spec in (
        EncoderSpec(DEFAULT_ENCODER, BUNDLED, None, "query: ", licence="MIT", passage_prompt="passage: "),
        EncoderSpec(
            "baseline/bm25",
            BM25,
            "1",
            "",
            fitted=True,
            licence="Apache-2.0",
            kind=SPARSE,
            own_similarity="cosine",
            has_sides=True,
        ),
        EncoderSpec("baseline/char_ngram", CHAR_NGRAM, "1", "", fitted=True, licence="Apache-2.0"),
        _hub("sentence-transformers/LaBSE", "836121a0533e5664b21c7aacc5d22951f2b8b25b", licence="Apache-2.0"),
        _hub("sentence-transformers/use-cmlm-multilingual", None, licence="Apache-2.0"),
        _e5("small", "fd1525a9fd15316a2d503bf26ab031a61d056e98"),
        _e5("base", "d128750597153bb5987e10b1c3493a34e5a4502a"),
        _e5("large", "ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb"),
        _hub(
            "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
            "79f2382ceacceacdf38563d7c5d16b9ff8d725d6",
            licence="Apache-2.0",
        ),
        _hub("microsoft/Multilingual-MiniLM-L12-H384", None, licence="MIT"),
        _hub("cis-lmu/glot500-base", None, licence="Apache-2.0"),
        _hub("FacebookAI/xlm-roberta-base", "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089", licence="MIT"),
        _hub("FacebookAI/xlm-roberta-large", "c23d21b0620b635a76227c604d44e43a9f0ee389", licence="MIT"),
        api_spec("text-embedding-3-large", "openai"),
        api_spec("text-embedding-3-small", "openai"),
        api_spec("text-embedding-ada-002", "openai"),
        api_spec("embed-multilingual-v3.0", "cohere"),
        api_spec("embed-multilingual-light-v3.0", "cohere"),
        api_spec("embed-english-v3.0", "cohere"),
        api_spec("embed-v4.0", "cohere"),
    )
}
