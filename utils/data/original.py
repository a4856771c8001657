"""How the published code of MINERS reads labelled texts where it differs from this suite (`--legacy`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from utils.schema import DatasetSpec

# labels that it adds to the label set: its map of FIRE's labels overlooks the capital letter of not-Tamil
EXTRA_LABELS = {"fire": ("not-Tamil",)}
# texts whose characters it separates by blanks: it joins every text of MTOP as if it were a list of words
SEPARATED = ("mtop_intent",)


def as_published(spec: DatasetSpec, texts: Sequence[Any]) -> tuple[DatasetSpec, list[Any]]:
    """Return the row of a labelled data set and its texts as the published code has them."""
    labels = (*spec.label_names, *EXTRA_LABELS.get(spec.name, ()))
    if spec.name in SEPARATED:
        texts = [" ".join(text) if isinstance(text, str) else text for text in texts]
    return dataclasses.replace(spec, label_names=labels), list(texts)
