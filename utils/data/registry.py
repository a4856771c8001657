"""The known datasets and encoders as plain rows; adding one is adding a row (docs/adding.md)."""

from __future__ import annotations

from utils.data.bitext_sets import BITEXT
from utils.data.classification_sets import CLASSIFICATION
from utils.schema import DatasetSpec

MINERS_CITATION = "Winata, Zhang and Adelani 2024, arXiv 2406.07424"


DATASETS: dict[str, dict[str, DatasetSpec]] = {
    "bitext": BITEXT,
    "classification": CLASSIFICATION,
}  # task -> name -> row
