#!/usr/bin/env python3
"""Whole commands on a GPU, on the sample set with checkpoints of random weights, and what they print without memory.

    python bench/gpu_commands.py --out DIR
    python bench/gpu_commands.py --rehearse

The figures of bitext.py and classification.py are compared with those of the same commands on the CPU. One command runs
again with too little device memory for its batches, which halves them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._gpu import Figures, parse
from bench.gpu_models import decoder, encoder

# Runs a script with a share of the device's memory, and prints the bytes that it had reserved at most
LIMITED = """
import runpy, sys, torch
share = float(sys.argv[1])
if share < 1:
    torch.cuda.set_per_process_memory_fraction(share)
sys.argv = sys.argv[2:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("reserved", torch.cuda.max_memory_reserved(), torch.cuda.get_device_properties(0).total_memory)
"""
METRICS = ("acc", "f1")
SPARE = 0.6  # of the memory that a command reserves, in the run that lacks it


class Commands:
    """Runs scripts with a cache and logs in a folder of their own, and writes what came of each."""

    def __init__(self, folder: Path, figures: Figures) -> None:
        self.folder, self.figures = folder, figures

    def run(self, name: str, command: Sequence[str], share: float | None = None) -> tuple[str, dict[str, float]]:
        """Run a script; return its output, and the main figures of its records by file."""
        where = self.folder / name.replace(" ", "_")
        arguments = [*command, "--cache_dir", str(where / "cache"), "--output_dir", str(where / "logs")]
        limited = [] if share is None else ["-c", LIMITED, str(share)]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *limited, *arguments], capture_output=True, text=True, cwd=ROOT, env=dict(os.environ)
        )
        output = done.stdout + done.stderr
        about = {"seconds": time.perf_counter() - start, "exit code": done.returncode, "output": output[-900:]}
        self.figures.add(name, about)
        return output, figures_of(where / "logs")


def figures_of(folder: Path) -> dict[str, float]:
    """Return the metrics of all records in a folder, by file and metric."""
    found: dict[str, float] = {}
    for path in sorted(folder.rglob("eval_*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict):
            found |= {f"{path.name} {name}": record[name] for name in METRICS if name in record}
    return found


def compare(name: str, ours: dict[str, float], theirs: dict[str, float], figures: Figures) -> None:
    """Write how many figures two runs have, and how far they are apart."""
    same = set(ours) == set(theirs)
    apart = max((abs(ours[key] - theirs[key]) for key in ours if key in theirs), default=None)
    figures.add(f"{name}: apart", {"figures": len(ours), "the same records": same, "greatest difference": apart})


def main() -> None:
    """Run all commands, and write."""
    args = parse(__doc__).parse_args()
    device = "cpu" if args.rehearse else "cuda"
    figures = Figures("commands", args.out, device)
    cuda = [] if args.rehearse else ["--cuda"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = str(encoder(folder, "tiny" if args.rehearse else "e5-small"))
        large = str(decoder(folder, "tiny" if args.rehearse else "1b"))
        commands = Commands(folder, figures)
        icl = ["icl.py", "--model_checkpoint", small, "--gen_model_checkpoint", large, "--gen_loader", "base"]
        commands.run("icl", [*icl, *cuda, "--langs", "deu", "jpn", "swh"])
        if importlib.util.find_spec("bitsandbytes") and device == "cuda":
            commands.run("icl --load_in_8bit", [*icl, *cuda, "--load_in_8bit", "--langs", "deu"])
        else:
            figures.add("icl --load_in_8bit", "left out: bitsandbytes is not installed, or there is no GPU")
        if device == "cuda":
            without_memory(commands, ["bitext.py", "--model_checkpoint", small, *cuda], figures)
        for title, command in {
            "bitext": ["bitext.py", "--model_checkpoint", small],
            "classification --cross": [
                "classification.py",
                "--cross",
                "--model_checkpoint",
                small,
                "--langs",
                "deu",
                "jpn",
                "swh",
            ],
        }.items():
            there = commands.run(title, [*command, *cuda])[1]
            here = commands.run(f"{title} on the CPU", command)[1]
            compare(title, there, here, figures)


def without_memory(commands: Commands, command: Sequence[str], figures: Figures) -> None:
    """Run a command again with too little memory for its batches, and compare its figures."""
    output, whole = commands.run("bitext, memory measured", command, 1.0)
    reserved: list[Any] = [line.split() for line in output.splitlines() if line.startswith("reserved")]
    share = SPARE * int(reserved[-1][1]) / int(reserved[-1][2])
    output, halved = commands.run("bitext without memory", command, share)
    figures.add("batches halved", output.count("is split in halves"))
    compare("bitext without memory", halved, whole, figures)


if __name__ == "__main__":
    main()
