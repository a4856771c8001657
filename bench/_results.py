"""Where the figures of a measurement are written."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def write_results(name: str, content: object) -> None:
    """Write figures to bench/results/NAME.json, and print where; what JSON has no form for becomes its text."""
    out = ROOT / "bench" / "results" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=2, default=str) + "\n")
    print(f"wrote {out.relative_to(ROOT)}")
