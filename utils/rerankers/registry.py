"""Rerankers that --list names: their kinds and licences. Any other one works too."""

from __future__ import annotations

from utils.rerankers.spec import CROSS_ENCODER, LLM

RERANKERS = {  # hub id -> kind, licence
    "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1": (CROSS_ENCODER, "Apache-2.0"),
    "BAAI/bge-reranker-v2-m3": (CROSS_ENCODER, "Apache-2.0"),
    "Qwen/Qwen3-Reranker-0.6B": (LLM, "Apache-2.0"),
}
