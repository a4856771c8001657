"""The part of a record's identity that an API endpoint adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from utils.api.providers import where_served

if TYPE_CHECKING:
    from utils.schema import EncoderSpec, GeneratorSpec


def api_identity(spec: EncoderSpec | GeneratorSpec) -> dict[str, Any]:
    """Return the settings that decide an API's answer beside those of every model; empty for a local model."""
    if not spec.provider:
        return {}
    names = [name for name in ("input_type", "dimensions") if hasattr(spec, name)]
    of_encoder = {name: getattr(spec, name) for name in names}
    return {"provider": spec.provider, "model": spec.checkpoint, "served_at": where_served(spec), **of_encoder}


_api_identity = api_identity  # the former name
