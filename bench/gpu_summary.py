#!/usr/bin/env python3
"""The figures of bench/gpu.sh in one table: python bench/gpu_summary.py DIR."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

WIDTH = 110


def lines_of(path: Path) -> list[str]:
    """Return a line for each figure of a part."""
    content = json.loads(path.read_text(encoding="utf-8"))
    head = f"{content.pop('part')} ({content.pop('machine')}, torch {content.pop('torch')})"
    return [head, *(f"  {name}: {_short(value)}"[:WIDTH] for name, value in content.items())]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(each)}" for name, each in value.items() if name not in ("seconds", "output"))
    return json.dumps(value)


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1])
    for path in sorted(folder.glob("*.json")):
        print("\n".join(lines_of(path)))


if __name__ == "__main__":
    main()
