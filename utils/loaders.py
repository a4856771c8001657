"""Loaders: the id of each kind of model, the function that loads it, and its name in the keys of caches."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

SENTENCE_TRANSFORMERS = "sentence_transformers"
BUNDLED = "bundled"
CHAR_NGRAM = "char_ngram"
BM25 = "bm25"
OTHER_KIND = "other_kind"
API_ENCODER = "api_encoder"
TRANSFORMERS = "transformers"
BUNDLED_GENERATOR = "bundled_generator"
VLLM = "vllm"
API_GENERATOR = "api_generator"
CROSS_ENCODER_RERANKER = "cross_encoder"
LLM_RERANKER = "llm_reranker"
API_RERANKER = "api_reranker"

# loader id -> module and function; a module may move, its id does not change
LOADERS: dict[str, tuple[str, str]] = {
    SENTENCE_TRANSFORMERS: ("utils.encoders.sentence_transformer", "load_sentence_transformer"),
    BUNDLED: ("utils.encoders.bundled", "load_bundled"),
    CHAR_NGRAM: ("utils.encoders.char_ngram", "load_char_ngram"),
    BM25: ("utils.encoders.bm25", "load_bm25"),
    OTHER_KIND: ("utils.encoders.other_kinds", "load_other_kind"),
    API_ENCODER: ("utils.encoders.api", "ApiEncoder"),
    TRANSFORMERS: ("utils.generators.transformers_model", "load_language_model"),
    BUNDLED_GENERATOR: ("utils.generators.bundled", "load_bundled"),
    VLLM: ("utils.generators.vllm_model", "load_vllm"),
    API_GENERATOR: ("utils.generators.api", "ApiGenerator"),
    CROSS_ENCODER_RERANKER: ("utils.rerankers.cross_encoder", "load_cross_encoder"),
    LLM_RERANKER: ("utils.rerankers.llm", "load_llm_reranker"),
    API_RERANKER: ("utils.rerankers.api", "ApiReranker"),
}
# loader id -> its name in the keys of caches where that is not the id: version 0.1 used the module paths of its time
CACHE_NAMES = {
    SENTENCE_TRANSFORMERS: "utils.sentence_models:load_sentence_transformer",
    BUNDLED: "utils.bundled:load_bundled",
    CHAR_NGRAM: "utils.encoders:load_char_ngram",
    TRANSFORMERS: "utils.language_models:load_language_model",
    BUNDLED_GENERATOR: "utils.bundled_generator:load_bundled",
    API_GENERATOR: "utils.api_generators:ApiGenerator",
}
MOST_KEPT = 2  # models of one loader that stay in memory: a model may have one form for queries, and one for passages
_kept: dict[str, OrderedDict[Hashable, Any]] | None = None  # None: nothing is kept


@contextmanager
def kept_models() -> Iterator[None]:
    """Keep the models that `load_model` returns, so that several commands in this process load each of them once."""
    global _kept
    before, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = before


def load_model(loader: str, spec: Hashable, *how: Hashable) -> Any:
    """Return the model that a loader's function returns for a spec; within `kept_models` it is loaded once."""
    load = load_function(loader)
    if _kept is None:
        return load(spec, *how)
    models = _kept.setdefault(loader, OrderedDict())
    key = (spec, *how)
    if key not in models:
        while len(models) >= MOST_KEPT:
            models.popitem(last=False)
        models[key] = load(spec, *how)
    models.move_to_end(key)
    return models[key]


def load_function(loader: str) -> Callable[..., Any]:
    """Return the function of a loader id, or of `module:function` for a loader without an id."""
    module, function = LOADERS.get(loader) or loader.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def cache_name(loader: str) -> str:
    """Return the name of a loader in the keys of caches. A change of it makes cached vectors and answers unfindable."""
    return CACHE_NAMES.get(loader, loader)
