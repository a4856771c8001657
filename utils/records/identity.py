"""Which settings decide a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from utils.api.providers import where_served

if TYPE_CHECKING:
    from utils.schema import EncoderSpec, GeneratorSpec


def _api_identity(spec: EncoderSpec | GeneratorSpec) -> dict[str, Any]:
    """Return what decides an API's answer beside the usual settings."""
    if not spec.provider:
        return {}
    names = [name for name in ("input_type", "dimensions") if hasattr(spec, name)]
    told = {name: getattr(spec, name) for name in names}
    return {"provider": spec.provider, "model": spec.checkpoint, "served_at": where_served(spec), **told}
