"""What records state since a version that reads texts, answers or prompts in another way than earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EARLIER = "of earlier versions"


def traits_of_versions(run: Mapping[str, Any]) -> dict[str, str]:
    """Return, of a record's `run` part, how BM25 read texts, how letters were read, and how options were asked for.

    Only what the record's settings make use of; records of earlier versions, which do not state it, are told apart.
    """
    names = list[str]()
    if run.get("demonstrations") == "bm25":
        names.append("words")
    if (run.get("choices"), run.get("decode")) == ("letter", "generate"):
        names.append("letters")
    generator = run.get("generator")
    kind = generator.get("kind") if isinstance(generator, dict) else None
    if run.get("choices") == "text" and kind != "base" and not run.get("instruction"):
        names.append("ask")
    return {name: str(run.get(name) or EARLIER) for name in names}
