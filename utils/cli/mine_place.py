"""Where a mining is computed, in this process or on a Ray cluster, and how neighbours are searched."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from utils.cluster.joining import OWN, import_extra
from utils.errors import UserError, counted
from utils.mining.ivf import NPROBE, Ivf
from utils.mining.neighbours import SearchPlace
from utils.mining.row_store import LazyEncoder
from utils.mining.work import Desk

MEANING = (
    "neighbours are approximate; their cosines are exact. Means and best partners are those of the neighbours found, "
    "so a pair that the index missed is missing in every direction"
)


@contextmanager
def opened_place(args: argparse.Namespace, encoder: LazyEncoder, root: Path) -> Iterator[SearchPlace]:
    """Yield where texts are encoded and rows are searched; the workers of --ray end with it.

    Raises UserError where the cluster cannot be used.
    """
    precision, ivf = "plain" if args.exact_float32 else None, chosen_index(args)
    if args.ray is None or args.dry_run:
        yield SearchPlace(encoder.device, precision, root, ivf=ivf)
        return
    from utils.cluster.workers import RayWorkers

    own = LazyEncoder(encoder.spec, encoder.device, encoder.cache_dir.absolute())  # without what only APIs need
    with RayWorkers(args.ray, encoder.device, root, Desk(own)) as workers:
        if args.ray == OWN:
            told = counted(len(workers), "worker")
            print(f"note: --ray names no cluster: one was started on this machine, with {told}", file=sys.stderr)
        yield SearchPlace(encoder.device, precision, root.absolute(), workers, ivf)


def chosen_index(args: argparse.Namespace) -> Ivf | None:
    """Return how approximate neighbours are searched, None for an exact search.

    Raises UserError where faiss is missing, and for --nprobe without the index.
    """
    if args.index == "exact":
        if args.nprobe is not None:
            raise UserError("--nprobe without --index ivf", "add --index ivf, or leave it out")
        return None
    import_extra("faiss")
    return Ivf(args.nprobe or NPROBE, args.seed)


def told_index(place: SearchPlace) -> list[str]:
    """Return a line for each direction in which neighbours were searched approximately."""
    lines = []
    for way, about in place.index.items():
        name = next(key for key in reversed(about) if key.startswith("recall@"))
        lines.append(
            f"index ({way}): {about['lists_read']:,} of {about['lists']:,} lists read; {name} {about[name]:.2f}, "
            f"recall@1 {about['recall@1']:.2f} ({counted(about['sample'], 'text')} searched exactly)"
        )
    return lines


def as_json(place: SearchPlace) -> dict[str, Any]:
    """Return what the manifest tells of the index, nothing for an exact search."""
    return {"index": {"kind": "ivf", "meaning": MEANING, **place.index}} if place.ivf is not None else {}
