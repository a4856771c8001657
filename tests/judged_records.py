"""Small records of retrieval whose figures can be worked by hand, for the tests of what reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from record_files import write_record

from utils.schema import RunRecord

RETRIEVAL: dict[str, Any] = {"task": "retrieval", "similarity": "cosine", "margin": "none", "pool": "usual", "seed": 42}
Bias = dict[str, dict[str, float]]


def log_judged(
    root: Path, model: str, subset: str, values: Sequence[float], bias: Bias | None = None, k: int = 10, **run: Any
) -> Path:
    """Log a record, of `mine` or another data set, whose questions have these values of every measure.

    bias: the figures of the languages of its pool.
    """
    names = ("ndcg", "recall", "mrr", "map", "hit")
    mean, n = sum(values) / len(values), len(values)
    about = {**RETRIEVAL, "dataset": "mine", **run, "model": model, "subset": subset}
    details = {"languages": bias} if bias else {}
    record = RunRecord(dict.fromkeys(names, mean), {}, n, k, about, details)
    predictions = {
        "gold": list(range(n)),
        "hyp": [place if value else -1 for place, value in enumerate(values)],
        "questions": [f"q{place}" for place in range(n)],
        "values": {name: list(values) for name in names},
    }
    settings = hashlib.sha256(repr(sorted(run.items())).encode()).hexdigest()[:8]
    folder = root / settings / str(about["dataset"]) / model / "seed_42"
    return write_record(folder, subset, record, predictions)
