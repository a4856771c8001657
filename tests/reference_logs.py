"""Records beside which published figures stand."""

from __future__ import annotations

import json
from pathlib import Path

import made_records as made
from record_files import write_record

from utils.data import registry
from utils.schema import RunRecord

SCRIPT = "script/aggregate/aggregate_bitext_mining.py"
HEADER = "source,task,k,model,column,metric,value\n"
XLMR = "FacebookAI/xlm-roberta-base"


def nusax(root: Path, model: str, f1: float, **settings: object) -> None:
    for subset in registry.DATASETS["bitext"]["nusax"].subsets:
        run = {**made.BITEXT, "dataset": "nusax", "model": model, "subset": subset, "seed": 42, **settings}
        record = RunRecord({"f1": f1, "acc": f1}, {}, 10, int(str(settings.get("k", 1))), run)
        folder = root / str(sorted(settings.items())) / model
        write_record(folder, subset, record, {"gold": [], "hyp": []})


def original(logs: Path, dataset: str, model: str, f1: float) -> None:
    """Log what the original does: four metrics, and nothing of how they were computed."""
    for subset in registry.DATASETS["bitext"][dataset].subsets:
        path = logs / "save_bitext" / dataset / model / "seed_42" / f"eval_{subset}_1.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict.fromkeys(("acc", "prec", "rec", "f1"), f1)))
