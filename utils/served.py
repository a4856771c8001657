"""Which names stand for models of an API, and where each is served."""

from __future__ import annotations

import sys

from utils.api.providers import _label, base_url_of, split_name
from utils.data import registry
from utils.errors import UserError
from utils.loaders import API_GENERATOR
from utils.schema import GeneratorSpec


def api_generator(name: str, base_url: str | None, kind: str | None) -> GeneratorSpec | None:
    """Return the full spec of an API's generator, or None where the name stands for a local one."""
    provider, bare = split_name(name)
    row = registry.GENERATORS.get(bare)
    provider = provider or (row.provider if row else "") or ("openai" if base_url else "")
    if not provider:
        return None
    url = base_url_of(provider, base_url)
    if kind is None:  # a server may hold the very model of the registry
        kind = row.kind if row is not None and row.kind != "seq2seq" else "chat"
        if row is None or not row.provider:
            how = "chat completions (--gen_loader base: text completions)" if kind == "chat" else "text completions"
            print(f"note: {bare} is asked for {how}", file=sys.stderr)
    if kind == "seq2seq":
        raise UserError("--gen_loader seq2seq with an API", "give chat (chat completions) or base (text completions)")
    if kind == "base" and provider == "cohere":
        raise UserError("--gen_loader base with Cohere", "it has chat models alone: leave --gen_loader out")
    return GeneratorSpec(
        bare,
        API_GENERATOR,
        kind,
        decode="score" if kind == "base" else "generate",
        dtype="",
        licence="API",
        label=_label(bare, url) if url else "" if row is not None and row.provider else f"{provider}/{bare}",
        provider=provider,
        base_url=url,
    )
