"""What the settings of a run can ask of encoders whose rows are not one dense vector for each text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.constants import DENSE, MULTI_VECTOR, SPARSE
from utils.errors import UserError
from utils.settings.retrieval import StsSettings

if TYPE_CHECKING:
    from utils.schema import EncoderSpec
    from utils.settings.base import Settings


def check_kinds(specs: Sequence[EncoderSpec], settings: Settings) -> None:
    """Raise UserError for what a sparse or multi-vector encoder cannot do; notes say how they are compared."""
    others = [spec for spec in specs if spec.kind != DENSE]
    if not others:
        return
    names = ("similarity", "margin", "direction", "demonstrations", "legacy")
    asked = {name: getattr(settings, name, None) for name in names}
    flags = {
        "--margin": asked["margin"] not in (None, "none"),
        "--fuse distance": settings.fuse == "distance",
        "--demonstrations diverse": asked["demonstrations"] == "diverse",
        "--legacy": asked["legacy"],
        "--similarity euclidean": asked["similarity"] == "euclidean",
    }
    for flag, is_asked in flags.items():
        if is_asked:
            require_dense(specs, flag, f"or leave {flag} out")
    if asked["direction"] == "both" and any(spec.has_sides for spec in others):
        raise UserError(
            f"--direction both with {others[0].name}, which encodes queries and documents differently",
            "run --direction forward and --direction backward one after the other",
        )
    _tell(specs, settings, asked["similarity"])


def require_dense(specs: Sequence[EncoderSpec], what: str, instead: str) -> None:
    """Raise UserError where an encoder has not one dense vector for each text, which `what` needs."""
    for spec in specs:
        if spec.kind != DENSE:
            raise UserError(
                f"{what} with {spec.name}, which is a {spec.kind} encoder",
                f"choose an encoder with one dense vector for each text, {instead}",
            )


def _tell(specs: Sequence[EncoderSpec], settings: Settings, similarity: str | None) -> None:
    """Say how sparse rows are compared where it is not their own way, and that MaxSim has a scale of its own."""
    for spec in specs:
        if spec.kind == SPARSE and similarity not in (None, spec.own_similarity):
            print(
                f"note: {spec.name} is compared by --similarity {similarity}; its own similarity is "
                f"{spec.own_similarity}",
                file=sys.stderr,
            )
    is_raw = len(specs) > 1 and settings.fuse == "score" and settings.normalize == "none"
    if is_raw and any(spec.kind == MULTI_VECTOR for spec in specs):
        has_flags = not isinstance(settings, StsSettings)
        scale = ": --normalize zscore or --fuse rank puts the members on one scale" if has_flags else ""
        print(
            f"note: MaxSim is a sum over the vectors of a query, far greater than a cosine{scale}",
            file=sys.stderr,
        )
