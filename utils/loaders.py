"""Loaders: the stable id of each kind of model, the function that loads it, and its name in the keys of caches."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

SENTENCE_TRANSFORMERS = "sentence_transformers"
BUNDLED = "bundled"
CHAR_NGRAM = "char_ngram"
OPENAI_EMBEDDINGS = "openai"
COHERE_EMBEDDINGS = "cohere"
TRANSFORMERS = "transformers"
BUNDLED_GENERATOR = "bundled_generator"
API_GENERATOR = "api_generator"

# loader id -> module and function; a module may move, its id stays
LOADERS: dict[str, tuple[str, str]] = {
    SENTENCE_TRANSFORMERS: ("utils.encoders.sentence_transformer", "load_sentence_transformer"),
    BUNDLED: ("utils.encoders.bundled", "load_bundled"),
    OPENAI_EMBEDDINGS: ("utils.api.embedding_requests", "openai_vectors"),
    COHERE_EMBEDDINGS: ("utils.api.embedding_requests", "cohere_vectors"),
    TRANSFORMERS: ("utils.generators.transformers_model", "load_language_model"),
    BUNDLED_GENERATOR: ("utils.generators.bundled", "load_bundled"),
    API_GENERATOR: ("utils.generators.api", "ApiGenerator"),
}
# loader id -> its name in the keys of caches where that is not the id: version 0.1 used the module paths of its day
CACHE_NAMES = {
    SENTENCE_TRANSFORMERS: "utils.sentence_models:load_sentence_transformer",
    BUNDLED: "utils.bundled:load_bundled",
    CHAR_NGRAM: "utils.encoders:load_char_ngram",
    OPENAI_EMBEDDINGS: "utils.vector_requests:openai_vectors",
    COHERE_EMBEDDINGS: "utils.vector_requests:cohere_vectors",
    TRANSFORMERS: "utils.language_models:load_language_model",
    BUNDLED_GENERATOR: "utils.bundled_generator:load_bundled",
    API_GENERATOR: "utils.api_generators:ApiGenerator",
}


def load_function(loader: str) -> Callable[..., Any]:
    """Return the function behind a loader id, or behind the `module:function` of a new kind of model."""
    module, function = LOADERS.get(loader) or loader.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def cache_name(loader: str) -> str:
    """Return the name of a loader in the keys of caches. It must never change: what is cached would be lost."""
    return CACHE_NAMES.get(loader, loader)
