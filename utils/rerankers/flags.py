"""The flags of rerankers in errors: those of encoders and generators, which rerankers are made of, are other ones."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from utils.errors import UserError

FLAG = re.compile(r"--([a-z]\w*)")
RENAMED = {
    **dict.fromkeys(("model_checkpoint", "gen_model_checkpoint"), "rerank"),
    **dict.fromkeys(("dtype", "gen_dtype"), "rerank_dtype"),
    "max_length": "rerank_max_length",
}
SHARED = ("cache_dir", "cuda", "data_dir", "max_cost", "strict", "trust_remote_code", "verbose")
OF_MEMORY = ("k", "load_in_8bit")  # flags of hints on memory and on long prompts


@contextlib.contextmanager
def reranker_errors() -> Iterator[None]:
    """Let errors of encoders and generators name the flags of rerankers, which are all that a script has of both.

    A hint with a flag that rerankers lack is replaced.
    """
    try:
        yield
    except UserError as error:
        hint = _renamed(error.hint)
        others = [name for name in FLAG.findall(hint) if not name.startswith("rerank") and name not in SHARED]
        if others:
            fits = any(name in OF_MEMORY for name in others)
            hint = "use a smaller --rerank_max_length, or another --rerank" if fits else "use another --rerank"
        raise UserError(_renamed(error.what), hint) from error


def _renamed(text: str) -> str:
    return FLAG.sub(lambda flag: f"--{RENAMED.get(flag[1], flag[1])}", text)
