"""Pairs of sentences whose likeness people have judged (semantic textual similarity): data sets and reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from utils.data.hub_tables import read_hub_table
from utils.data.mteb_rows import KIND
from utils.data.mteb_texts import mteb_sentences
from utils.data.own_data import named_row, own_path
from utils.data.registry import DATASETS
from utils.data.sources import Sources
from utils.data.tables import is_blank
from utils.errors import UserError
from utils.schema import DatasetSpec, SentencePairs


def find_sts(name: str, columns: Sequence[str] | None, *, no_header: bool = False) -> DatasetSpec:
    """Return the row of a registered data set; raises UserError for another name, and for one's own files."""
    path: Path | None = own_path(name, "sts", columns, no_header=no_header)
    if path is not None:
        raise UserError(f"--dataset {name} is a path", f"only {', '.join(DATASETS['sts'])} are read by sts.py")
    return named_row(name, "sts")


def load_sts(spec: DatasetSpec, subset: str, sources: Sources) -> SentencePairs:
    """Return the pairs of one language or of two; raises UserError for scores that are not numbers, and blank texts."""
    if spec.kind == KIND:
        return mteb_sentences(spec, subset)
    columns = ("sentence1", "sentence2", spec.options["score"])
    table, origin = read_hub_table(spec, sources, columns, subset.replace("_", "-"))
    rows = list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))
    for number, (first, second, score) in enumerate(rows, start=1):
        if is_blank(first) or is_blank(second) or not isinstance(score, int | float) or not math.isfinite(score):
            what = f"{spec.source} {subset}: row {number} has {first!r}, {second!r} and the score {score!r}"
            raise UserError(what, "it needs two texts and a number")
    langs = subset.split("_")
    first, second, scores = zip(*rows, strict=True)
    return SentencePairs(subset, langs[0], langs[-1], first, second, tuple(map(float, scores)), origin)
