"""Records with known numbers, for the tests of the tables of records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

MEMBER = {"checkpoint": "org/a", "revision": "r1", "prompt": "query: ", "max_length": None, "dtype": "fp32"}
BITEXT: dict[str, Any] = {
    "task": "bitext",
    "dataset": "nusax",
    "subset": "eng_ace",
    "model": "org/a",
    "seed": 42,
    "setting": "xl",
    "src_lang": "eng",
    "tgt_lang": "ace",
    "encoders": [{**MEMBER, "weight": 1.0}],
    "similarity": "cosine",
    "margin": "ratio",
    "margin_k": 4,
    "direction": "forward",
    "fuse": "score",
    "limit": None,
    "device": "cpu",
    "started": "2026-11-02T10:00:00+00:00",
    "seconds": {"encode": 1.5, "retrieve": 0.25},
    "git_dirty": False,
    "git_commit": "c0ffee",
    "packages": {"python": "3.11.7", "scikit-learn": "1.9.1"},
    "schema": 1,
    "source": {"kind": "hub", "source": "indonlp/nusax", "revision": "abc"},
    "origin": {"kind": "mirror"},
    "cache": {"org/a": {"hits": 3, "misses": 5}},
    "dimensions": 768,
    "machine": "x86_64",
}
LABELS: dict[str, Any] = {
    "task": "classification",
    "dataset": "sib200",
    "subset": "swh_Latn",
    "model": "org/a",
    "seed": 1,
    "cross": True,
    "src_lang": "eng_Latn",
    "train_lang": "eng_Latn",
    "lang": "swh_Latn",
    "setting": "xl",
    "vote": "weighted",
    "split": "test",
    "legacy": False,
    "encoders": [{**MEMBER, "weight": 1.0}],
    "n_train": 49,
    "n_dropped": {"train": 1, "test": 2},
    "similarity": "cosine",
    "device": "cuda",
}
ICL: dict[str, Any] = {
    **LABELS,
    "task": "icl",
    "cross": False,
    "src_lang": None,
    "train_lang": "swh_Latn",
    "setting": "mono",
    "generator": {"name": "org/g", "revision": "g1", "kind": "base", "dtype": "bf16", "quantization": "8bit"},
    "balance": True,
    "min_percentile": 90,
    "max_percentile": 100,
    "decode": "score",
    "temperature": 0.5,
    "demonstrations": "nearest",
    "order": "nearest_first",
    "length_norm": "token",
    "calibrate": False,
    "api": {"org/g": {"requests": 4, "tokens_in": 100, "models": ["g"], "cost_usd": 0.5}, "b": {"requests": 2}},
}


def write(root: Path, run: dict[str, Any], k: int = 1, *, preds: Any = None, **body: Any) -> Path:
    folder = root / run["task"] / run["dataset"] / run["model"] / f"seed_{run['seed']}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"eval_{run['subset']}_{k}.json"
    usual = {"acc": 0.5, "prec": 0.25, "rec": 0.5, "f1": 0.375, "n": 4, "k": k, "ci95": {"acc": [0.1, 0.9]}}
    path.write_text(json.dumps({**usual, **body, "run": run}))
    if preds is not None:
        path.with_name(f"{path.stem}_preds.json").write_text(json.dumps(preds))
    return path


def only(frame: pd.DataFrame) -> dict[str, Any]:
    """The one row, without what is missing."""
    assert len(frame) == 1
    return {
        name: value for name, value in frame.iloc[0].items() if not (pd.api.types.is_scalar(value) and pd.isna(value))
    }
