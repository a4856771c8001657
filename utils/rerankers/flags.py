"""The flags of rerankers in errors: those of encoders and generators, which rerankers are made of, are other ones."""

from __future__ import annotations

from contextlib import AbstractContextManager

from utils.flags import OtherFlags

RERANKER_FLAGS = OtherFlags(
    prefix="rerank",
    names={
        **dict.fromkeys(("model_checkpoint", "gen_model_checkpoint"), "rerank"),
        **dict.fromkeys(("dtype", "gen_dtype"), "rerank_dtype"),
        "max_length": "rerank_max_length",
    },
    of_memory="use a smaller --rerank_max_length, or another --rerank",
    otherwise="use another --rerank",
)


def reranker_errors() -> AbstractContextManager[None]:
    """Let errors within name the flags of rerankers, which are all that a script has of encoders and generators."""
    return RERANKER_FLAGS.in_errors()
