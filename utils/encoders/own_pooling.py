"""The pooling that a checkpoint has of its own, as its files say: it gives the vectors that naming it gives."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from utils.checkpoints import checkpoint_file, checkpoint_json
from utils.encoders.decoders import MODES
from utils.errors import UserError
from utils.loaders import BUNDLED
from utils.schema import EncoderSpec

BOOLEANS = {  # keys of older configurations, one for each mode
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def own_pooling(spec: EncoderSpec) -> str:
    """Return the pooling of a checkpoint as --pooling names it; empty where its files do not say it for sure."""
    if spec.loader == BUNDLED:
        return "mean"
    return _own_pooling(spec.checkpoint, spec.revision, is_folder=bool(spec.label))


@lru_cache
def _own_pooling(checkpoint: str, revision: str | None, *, is_folder: bool) -> str:
    """Return what `own_pooling` does; the revision of a folder is the hash of its content."""
    revision = None if is_folder else revision
    try:
        rows = json.loads(checkpoint_file(checkpoint, revision, "modules.json") or b"[]")
        kinds = [str(row["type"]) for row in rows]
        is_usual = all(kind.startswith("sentence_transformers.") for kind in kinds)
        kinds = [kind.rpartition(".")[2] for kind in kinds]
        if not is_usual or kinds[:2] != ["Transformer", "Pooling"] or "Pooling" in kinds[2:]:
            return ""
        config = checkpoint_json(checkpoint, revision, f"{rows[1]['path']}/config.json")
    except (UserError, OSError, ValueError, LookupError, TypeError, RecursionError):  # whoever loads it says why
        return ""
    modes = _modes(config)
    names = [ours for ours, librarys in MODES.items() if [librarys] == modes]
    return names[0] if names else ""


def _modes(config: dict[str, Any]) -> list[str]:
    """Return the modes of a pooling, of which several are joined; none where it has no configuration."""
    found = config.get("pooling_mode")
    if found is not None:
        return [found] if isinstance(found, str) else list(found)
    return [mode for key, mode in BOOLEANS.items() if config.get(key)]
