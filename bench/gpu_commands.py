#!/usr/bin/env python3
"""Whole commands on a GPU, on the sample set with checkpoints of random weights, and what they print without memory.

    python bench/gpu_commands.py --out DIR
    python bench/gpu_commands.py --rehearse

Each command is a process of its own, and they run at the same time, since loading the libraries takes most of it: their
seconds are upper bounds. The figures of bitext.py and classification.py are compared with those of the same commands on
the CPU. Two commands run again with too little device memory for their batches, which halves them (bench/_limited.py).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._gpu import Figures, parse
from bench.gpu_models import cross_encoder, decoder, encoder

LIMITED = "bench/_limited.py"
METRICS = ("acc", "f1")
TOLERANCE = 1e-3  # of a figure on the GPU from that on the CPU
COMPARED = ("bitext", "bitext --rerank", "classification --cross")  # with the same on the CPU
FEW = ("--langs", "deu", "jpn", "swh")


def commands_for(small: Path, pairs: Path, large: Path, cuda: Sequence[str]) -> dict[str, list[str]]:
    """Return the commands by their names, those that take longest first; LIMITED takes its folder later."""
    bitext = ["bitext.py", "--model_checkpoint", str(small)]
    classification = ["classification.py", "--cross", "--model_checkpoint", str(small), *FEW]
    rerank = [*bitext, *FEW, "--rerank", str(pairs), "--rerank_depth", "5"]
    icl = ["icl.py", "--model_checkpoint", str(small), "--gen_model_checkpoint", str(large), "--gen_loader", "base"]
    found = {
        "icl without memory": [LIMITED, str(2 * bytes_of(large)), *icl, "--gen_dtype", "fp32", *FEW, *cuda],
        "bitext without memory": [LIMITED, str(bytes_of(small)), *bitext, *cuda],
        "icl": [*icl, *FEW, *cuda],
        "bitext": [*bitext, *cuda],
        "classification --cross": [*classification, *cuda],
        "bitext --rerank": [*rerank, *cuda],
        "bitext on the CPU": bitext,
        "bitext --rerank on the CPU": rerank,
        "classification --cross on the CPU": classification,
    }
    if importlib.util.find_spec("bitsandbytes") and cuda:
        found["icl --load_in_8bit"] = [*icl, "--langs", "deu", "--load_in_8bit", *cuda]
    return found


def bytes_of(folder: Path) -> int:
    """Return the size of a checkpoint's weights."""
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def run(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run a command with a cache and logs in this folder; return its seconds, exit code and the end of its output."""
    places = ["--cache_dir", str(folder / "cache"), "--output_dir", str(folder / "logs")]
    arguments = [LIMITED, str(folder), *command[1:]] if command[0] == LIMITED else [*command, *places]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    found: dict[str, Any] = {"seconds": time.perf_counter() - start, "exit code": done.returncode}
    if command[0] == LIMITED and done.returncode == 0:
        return {**found, **json.loads(done.stdout.splitlines()[-1])}
    return found | {"output": (done.stdout + done.stderr)[-900:]}


def run_all(commands: Mapping[str, Sequence[str]], folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each command and what came of it, as they end."""
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
        running = {pool.submit(run, command, folder / place_of(name)): name for name, command in commands.items()}
        for future in as_completed(running):
            yield running[future], future.result()


def place_of(name: str) -> str:
    """Return the name of a command's folder."""
    return name.replace(" ", "_")


def figures_of(folder: Path) -> dict[str, float]:
    """Return the metrics of all records in a folder, by file and metric."""
    found: dict[str, float] = {}
    for path in sorted(folder.rglob("eval_*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict):
            found |= {f"{path.name} {name}": record[name] for name in METRICS if name in record}
    return found


def compare(name: str, ours: dict[str, float], theirs: dict[str, float], figures: Figures) -> bool:
    """Write how many figures two runs have and how far they are apart; return whether they are the same."""
    apart = max((abs(ours[key] - theirs[key]) for key in ours if key in theirs), default=None)
    same = bool(ours) and set(ours) == set(theirs)
    figures.add(f"{name}: apart", {"figures": len(ours), "the same records": same, "greatest difference": apart})
    return same and apart is not None and apart <= TOLERANCE


def main() -> int:
    """Run all commands and write; return 1 if one fails, or if figures differ that should not."""
    args = parse(__doc__).parse_args()
    figures = Figures("commands", args.out, "cpu" if args.rehearse else "cuda")
    faults = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = encoder(folder, "tiny" if args.rehearse else "e5-small")
        scorer = cross_encoder(folder, "tiny" if args.rehearse else "e5-small")
        large = decoder(folder, "tiny" if args.rehearse else "1b")
        commands = commands_for(small, scorer, large, [] if args.rehearse else ["--cuda"])
        if "icl --load_in_8bit" not in commands:
            figures.add("icl --load_in_8bit", "left out: bitsandbytes is not installed, or there is no GPU")
        for title, about in run_all(commands, folder):
            figures.add(title, about)
            parts = [about, about.get("without memory", {})]
            faults += [title for part in parts if part.get("exit code", 0)]
            if not args.rehearse and parts[1].get("halved") == 0:
                faults.append(f"{title}: no batch was halved")
        pairs = {name: (f"{name}/logs", f"{name} on the CPU/logs") for name in COMPARED}
        pairs |= {f"{name} without memory": _both(name) for name in ("bitext", "icl")}
        for title, places in pairs.items():
            there, here = (figures_of(folder / place_of(place)) for place in places)
            faults += [] if compare(title, there, here, figures) else [f"{title}: figures differ"]
    figures.add("faults", faults)
    return 1 if faults else 0


def _both(name: str) -> tuple[str, str]:
    return f"{name} without memory/halved/logs", f"{name} without memory/whole/logs"


if __name__ == "__main__":
    sys.exit(main())
