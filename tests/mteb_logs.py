"""Records that mteb measures as well, and files as mteb writes them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from record_files import write_record

from utils.schema import RunRecord

TO = "script/aggregate/to_mteb.py"
FROM = "script/aggregate/from_mteb.py"
NOLLYSENTI = {"en400_ha": 0.5, "en400_ig": 0.25, "en400_pcm": 0.75, "en400_yo400": 0.1}  # the mean is 0.4
ENCODER = {"checkpoint": "org/model", "revision": "abc", "prompt": "query: ", "max_length": 512, "weight": 1.0}
PLAIN: dict[str, Any] = {
    "task": "bitext",
    "seed": 42,
    "similarity": "cosine",
    "margin": "none",
    "direction": "forward",
    "limit": None,
    "encoders": [ENCODER],
    "dimensions": 384,
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": {"encode": 1.5, "retrieve": 0.5},
}
KNN = {"task": "classification", "cross": False, "vote": "majority", "split": "test", "legacy": False}


def log(root: Path, subset: str, f1: float, *, k: int = 1, n: int = 410, **settings: Any) -> Path:
    """Log a record; its accuracy is f1 + 0.01, its precision f1 - 0.01."""
    run = {**PLAIN, "dataset": "nollysenti", "model": "org/model", "subset": subset, **settings}
    folder = root / f"{len(list(root.rglob('*.json')))}" / run["dataset"] / run["model"] / "seed_42"
    metrics = {"acc": f1 + 0.01, "prec": f1 - 0.01, "rec": f1 + 0.01, "f1": f1}
    return write_record(folder, subset, RunRecord(metrics, {}, n, k, run), {"gold": [0], "hyp": [0]})


def written(tmp_path: Path, name: str = "org__model/abc/NollySentiBitextMining.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "mteb_cache" / "results" / name).read_text(encoding="utf-8"))
    return content


def lines(text: str, *, of_tasks: bool = False) -> list[list[str]]:
    """Return the lines of a reference: those of registered data sets, or all fields of those of `mteb:TASK`."""
    header, *rows = csv.reader(io.StringIO(text))
    assert header == ["source", "task", "k", "model", "column", "metric", "value", "subset", "revision"]
    return [row if of_tasks else row[:-2] for row in rows if bool(row[-2]) == of_tasks]


def theirs(folder: Path, name: str, content: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def entries(values: dict[str, float], metric: str) -> list[dict[str, Any]]:
    return [{"hf_subset": name, metric: value, "main_score": value} for name, value in values.items()]
