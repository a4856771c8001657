"""What a record tells of the training of its model, where a model was trained for the task."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from utils.constants import CLASSIFIER, LORA_ALPHA, LORA_DROPOUT, LORA_MODULES, LORA_RANK
from utils.records.trait_texts import as_text

LORA = {"rank": LORA_RANK, "alpha": LORA_ALPHA, "dropout": LORA_DROPOUT, "modules": [*LORA_MODULES], "bits": None}
NAMES = ("multilingual", "lora", *CLASSIFIER, *(f"lora_{name}" for name in LORA))  # that a trait can have


def training_traits(run: Mapping[str, Any], langs: Collection[str] = ()) -> dict[str, str]:
    """Return what departs from the plain training, by name, as text; nothing of a record without a training.

    langs: those of the data set; a model that was trained on all of them is `multilingual`, without their names.
    """
    training = run.get("training")
    told: dict[str, str] = {}
    for name, value in training.items() if isinstance(training, dict) else ():
        if name == "langs" and isinstance(value, list):
            of_model = [str(lang) for lang in value]
            told["multilingual"] = "true" if sorted(of_model) == sorted(langs) else " ".join(of_model)
        elif name == "lora" and isinstance(value, dict):
            departing = {f"lora_{key}": as_text(part) for key, part in value.items() if part != LORA.get(key)}
            told |= {"lora": "true", **departing}
        elif value != CLASSIFIER.get(name) and value is not False:
            told[name] = "" if value is None else "true" if value is True else as_text(value)
    return told
