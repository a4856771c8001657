"""What the vectors of one layer tell of languages and classes: directions, shares of the variance, linear probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from utils.evaluation.separation import probe_accuracy, variance_between

if TYPE_CHECKING:
    from utils.schema import Rows

MEASURED = ("language", "class")  # the fields whose shares and probes are figures


def separation_at(
    rows: Rows, columns: Mapping[str, Sequence[str | None]], sentences: Sequence[str], seed: int
) -> dict[str, float]:
    """Return the figures of a row for texts with vectors (n, d), given the language and the class of each.

    language_variance, class_variance: the share of the variance between languages, or classes (`variance_between`).
    language_probe, class_probe: the accuracy of a linear probe (`probe_accuracy`), where each value has two sentences;
    language_share, class_share: the share of the most frequent value, which a probe that knows nothing reaches.
    A field with one value, or with texts that have none, has no figures. sentences: equal for translations.
    """
    row: dict[str, float] = {}
    for name in MEASURED:
        values = columns[name]
        if len(set(values)) < 2 or None in values:
            continue
        found = {"variance": variance_between(rows, values, sentences)}
        if probe := probe_accuracy(rows, values, sentences, seed):
            found["probe"] = probe
            row[f"{name}_share"] = max(map(list(values).count, set(values))) / len(values)
        for what, (value, low, high) in found.items():
            row |= {f"{name}_{what}": value, f"{name}_{what}_low": low, f"{name}_{what}_high": high}
    return row
