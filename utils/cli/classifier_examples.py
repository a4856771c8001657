"""The texts that a classifier is trained on, with the test texts among them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from utils.data.train_test import joined, load_to_train, part_of
from utils.errors import UserError
from utils.training.overlap import Overlap, TestTexts, find_overlap

if TYPE_CHECKING:
    from utils.data.sources import Sources
    from utils.data.subsets import LabeledTexts
    from utils.schema import DatasetSpec


class Examples(NamedTuple):
    """The texts of a training: drawn says whether those of validation were, overlap which are test texts as well."""

    train: LabeledTexts
    validation: LabeledTexts
    drawn: bool
    overlap: Overlap


def load_examples(
    dataset: DatasetSpec,
    langs: Sequence[str],
    sources: Sources,
    seed: int,
    tests: Iterable[LabeledTexts],
    *,
    decontaminate: bool,
) -> Examples:
    """Return the training and validation texts of some languages as one.

    tests: what the classifier is tested on; exact and near duplicates of it are counted, and with `decontaminate` left
    out. Raises UserError where there is nothing to learn, or nothing to choose an epoch by.
    """
    found = [load_to_train(dataset, lang, sources, seed) for lang in langs]
    both = [joined([part.train for part in found]), joined([part.validation for part in found])]
    known = TestTexts(text for part in tests for text in part.texts)
    overlaps = [find_overlap([[text] for text in part.texts], known) for part in both]
    if decontaminate:
        both = [part_of(part, overlap.clean) for part, overlap in zip(both, overlaps, strict=True)]
    _check(f"{dataset.name} {' '.join(langs)}", *both)
    return Examples(both[0], both[1], any(part.drawn for part in found), overlaps[0])


def _check(place: str, train: LabeledTexts, validation: LabeledTexts) -> None:
    if not train.texts or not validation.texts:
        raise UserError(
            f"{place}: no {'validation' if train.texts else 'training'} text is left that is no test text",
            "leave --decontaminate out, or give other texts",
        )
    if len(set(train.labels)) < 2:
        raise UserError(
            f"{place}: all training texts have the label {train.labels[0]!r}",
            "a classifier needs texts with two labels or more",
        )


def digest_of(part: LabeledTexts) -> str:
    """Return the SHA-256 of a split's texts and labels, by which a training knows its data."""
    return hashlib.sha256(json.dumps([part.texts, part.labels], ensure_ascii=False).encode()).hexdigest()
