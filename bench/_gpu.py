"""What the scripts of bench/gpu.sh share: figures that are written as they come, times, and the card's peak."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


class Figures:
    """The figures of one part, in FOLDER/<part>.json, which is written again after each of them."""

    def __init__(self, part: str, folder: Path, device: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{part}.json"
        self.content: dict[str, Any] = {"part": part, "machine": machine_name(device), "torch": torch.__version__}

    def add(self, name: str, value: Any) -> None:
        """Write a figure under its name, and print it."""
        self.content[name] = value
        self.path.write_text(json.dumps(self.content, indent=1) + "\n")
        print(f"{name}: {json.dumps(value)}", flush=True)


def parse(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the flags that every part has: --out and --rehearse."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench/results/gpu"), metavar="DIR")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on the CPU")
    return parser


def machine_name(device: str) -> str:
    """Return the name of the card, or how many threads the CPU's products use."""
    return torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def synchronize(device: str) -> None:
    """Wait until the device has done its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], device: str, repeats: int = 3, *, warm: bool = True) -> list[float]:
    """Return the seconds of each repeat, after one that is not counted."""
    times = []
    for repeat in range(repeats + warm):
        synchronize(device)
        start = time.perf_counter()
        work()
        synchronize(device)
        if repeat >= warm:
            times.append(time.perf_counter() - start)
    return times


def peak_flops(device: str, size: int) -> float:
    """Return the floating-point operations per second of a large matrix product of random numbers in bfloat16."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty(size, size, device=device, dtype=torch.bfloat16)
    return 2 * size**3 / statistics.median(seconds_of(lambda: torch.mm(a, b, out=out), device, 10))


def tiles(rows: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Return the rows in parts of this size; the last may be smaller."""
    return [rows[at : at + size] for at in range(0, len(rows), size)]
