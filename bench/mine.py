#!/usr/bin/env python3
"""Seconds and memory of a mining by phase, against the way of LASER and stopes with faiss.

    python bench/mine.py
    python bench/mine.py --texts 300000 --share 0.1 --folder /scratch
    python bench/mine.py --texts 1000000 --only ours --cuda

Rows are planted: a common part, topics, and for each source a target near to it, in another order, as the vectors of E5
are. They are stored in float16. `ours` searches and pairs them as mine.py does (ratio, union). `laser` reads the same
rows, searches four neighbours both ways with faiss's flat index, takes the best margins among them, and pairs them
greedily. Each runs in a process of its own; memory is the peak above what the process has when its libraries are
loaded. `laser` needs faiss (pip install faiss-cpu==1.15.1).

A flat search takes the same time for each query, so `--share 0.1` lets `laser` search a tenth of both sides, and takes
ten times its seconds. Its pairs are then not known; the nearest row of each query is compared with the pair of `ours`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._memory import peak_above, start_peak
from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import path, positive, share
from utils.mining.margins import LIST, MarginSearch
from utils.mining.neighbours import SearchPlace, nearest_both_ways
from utils.mining.pairing import pair_up
from utils.mining.row_store import SHARD, RowStore, packed
from utils.progress import Clock

K, DTYPE = 4, "float16"
TOPICS, TOPIC, OWN, NOISE = 300, 0.35, 0.3, 0.12  # topics, and how far rows are from the common part, and pairs apart
Pairs = dict[tuple[int, int], float]


def plant(n: int, dim: int, folder: Path) -> None:
    """Write the rows of both sides in shards, and the order of the targets."""
    draw = np.random.default_rng(0)
    common, topics = draw.normal(0, 1, dim), draw.normal(0, TOPIC, (TOPICS, dim))
    order = draw.permutation(n)
    np.save(folder / "order.npy", order)
    translations = np.empty((n, dim), dtype=np.float16)
    for start in range(0, n, SHARD):
        size = min(SHARD, n - start)
        meaning = common + topics[draw.integers(0, TOPICS, size)] + draw.normal(0, OWN, (size, dim))
        sides = [(meaning + draw.normal(0, NOISE, (size, dim))).astype(np.float32) for _ in range(2)]
        units = [rows / np.linalg.norm(rows, axis=1)[:, None] for rows in sides]
        np.save(folder / f"source-{start:09}.npy", packed(units[0], DTYPE))
        translations[start : start + size] = packed(units[1], DTYPE)
    for start in range(0, n, SHARD):
        np.save(folder / f"target-{start:09}.npy", translations[order[start : start + SHARD]])


def stores(folder: Path) -> tuple[RowStore, RowStore]:
    """Return the planted rows."""
    found = []
    for side in ("source", "target"):
        paths = sorted(folder.glob(f"{side}-*.npy"))
        sizes = [len(np.load(each, mmap_mode="r")) for each in paths]
        found.append(RowStore(tuple(paths), tuple(map(int, np.cumsum([0, *sizes]))), DTYPE))
    return found[0], found[1]


def mine_ours(folder: Path, device: str, clock: Clock) -> Pairs:
    """Return the pairs of mine.py."""
    rows, place = stores(folder), SearchPlace(device, None, folder)
    lists = nearest_both_ways(*rows, LIST, place)
    clock.lap("search")
    best = MarginSearch(rows, lists, "ratio", K).best((0, 1), place)
    clock.lap("search by margin")
    pairs = pair_up(best, "union")
    clock.lap("pair")
    return dict(
        zip(zip(pairs.sources.tolist(), pairs.targets.tolist(), strict=True), pairs.scores.tolist(), strict=True)
    )


def search_laser(folder: Path, part: float) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Return the scores and indices of the neighbours of both sides, of a share of their rows (n, K)."""
    import faiss

    sides = [store.load(0, len(store.paths)) for store in stores(folder)]
    found: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
    for rows in sides:
        faiss.normalize_L2(rows)
    for ours, theirs in (sides, sides[::-1]):
        index = faiss.IndexFlatIP(theirs.shape[1])
        index.add(theirs)
        found.append(index.search(ours[: round(part * len(ours))], K))
    return found


def mine_laser(folder: Path, part: float, clock: Clock) -> Pairs:
    """Return the pairs of LASER's mine_bitexts (ratio, max), by flat indexes of faiss.

    Of a share of the rows they are the nearest rows of the sources and of the targets.
    """
    found = search_laser(folder, part)
    clock.lap("search")
    if part < 1:
        clock.laps["search"] /= part
        (scores, indices), (back, queries) = found
        near = {(row, int(indices[row, 0])): float(scores[row, 0]) for row in range(len(indices))}
        return near | {(int(queries[row, 0]), row): float(back[row, 0]) for row in range(len(queries))}
    means = [scores.mean(axis=1) for scores, _ in found]
    best = []
    for side, (scores, indices) in enumerate(found):
        margins = scores / ((means[side][:, None] + means[1 - side][indices]) / 2)
        chosen = np.arange(len(margins)), margins.argmax(axis=1)
        pair = [chosen[0], indices[chosen]]
        best.append((*(pair if side == 0 else pair[::-1]), margins[chosen]))
    sources, targets, scores = (np.concatenate(each) for each in zip(*best, strict=True))
    clock.lap("margins")
    taken: tuple[set[int], set[int]] = set(), set()
    pairs: Pairs = {}
    for at in np.argsort(-scores, kind="stable"):
        source, target = int(sources[at]), int(targets[at])
        if source not in taken[0] and target not in taken[1]:
            taken[0].add(source)
            taken[1].add(target)
            pairs[source, target] = float(scores[at])
    clock.lap("pair")
    return pairs


def work(role: str, folder: Path, device: str, part: float) -> None:
    """Mine in this process, write the pairs, and print the seconds of each phase and the peak memory."""
    if role == "laser":
        import faiss  # noqa: F401
    else:
        import torch  # noqa: F401
    before, clock = start_peak(), Clock()
    pairs = mine_ours(folder, device, clock) if role == "ours" else mine_laser(folder, part, clock)
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = {"total": sum(clock.laps.values()), "of the processor": round(used.ru_utime + used.ru_stime, 1)}
    print(json.dumps({"seconds": clock.laps, **seconds, "MiB": peak_above(before)}))
    rows = [(*pair, score) for pair, score in pairs.items()]
    np.save(folder / f"pairs-{role}.npy", np.array(rows))


def measure(args: argparse.Namespace) -> None:
    """Print the figures of each way, and write them to bench/results/."""
    figures: dict[str, Any] = {}
    found: list[set[tuple[int, int]]] = []
    if args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
    if args.folder is not None:
        args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        plant(args.texts, args.dim, folder)
        stored = sum(file.stat().st_size for file in folder.glob("*-*.npy")) / 2**20
        order = np.load(folder / "order.npy")
        for role in args.only:
            command = [
                sys.executable,
                __file__,
                "--role",
                role,
                "--folder",
                str(folder),
                "--share",
                str(args.share),
                *(["--cuda"] if args.cuda else []),
            ]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            pairs = np.load(folder / f"pairs-{role}.npy")
            found.append({(int(source), int(target)) for source, target, _ in pairs})
            right = order[pairs[:, 1].astype(np.int64)] == pairs[:, 0]
            figures[role] = {**json.loads(done.stdout), "pairs": len(pairs), "planted pairs found": int(right.sum())}
            print(f"{role}: {json.dumps(figures[role])}", flush=True)
    print(f"{args.texts:,} x {args.texts:,} texts, {args.dim} dimensions, {stored:,.0f} MiB of stored rows")
    if len(figures) == 2:
        both = len(found[0] & found[1])
        print(f"pairs that both ways found: {both:,} of {len(found[0]):,} and {len(found[1]):,}")
        print(f"time over that of LASER's way: {figures['ours']['total'] / figures['laser']['total']:.2f}")
    write_results(f"mine_{args.texts}x{args.dim}", figures)


def main(argv: Sequence[str]) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Seconds and memory of a mining, against LASER's way.")
    parser.add_argument("--texts", type=positive, default=100_000, help="of each side (default: %(default)s)")
    parser.add_argument("--dim", type=positive, default=384)
    parser.add_argument("--only", nargs="+", choices=("ours", "laser"), default=("ours", "laser"))
    parser.add_argument("--folder", type=path, help="where temporary files are written (default: the system's folder)")
    parser.add_argument("--share", type=share, default=1.0, help="of the rows that laser searches (default: all)")
    parser.add_argument("--cuda", action="store_true", help="search on the GPU (ours only)")
    parser.add_argument("--role", choices=("ours", "laser"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.role:
        work(args.role, args.folder, "cuda" if args.cuda else "cpu", args.share)
    else:
        measure(args)


if __name__ == "__main__":
    run(main)
