"""Where a mining is computed: in this process, or on a Ray cluster."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.mining.neighbours import SearchPlace
from utils.mining.row_store import LazyEncoder
from utils.mining.work import Desk


@contextmanager
def opened_place(args: argparse.Namespace, encoder: LazyEncoder, root: Path) -> Iterator[SearchPlace]:
    """Yield where texts are encoded and rows are searched; the workers of --ray end with it.

    Raises UserError where the cluster cannot be used.
    """
    precision = "plain" if args.exact_float32 else None
    if args.ray is None or args.dry_run:
        yield SearchPlace(encoder.device, precision, root)
        return
    from utils.cluster.workers import RayWorkers

    own = LazyEncoder(encoder.spec, encoder.device, encoder.cache_dir.absolute())  # without what only APIs need
    with RayWorkers(args.ray, encoder.device, root, Desk(own)) as workers:
        yield SearchPlace(encoder.device, precision, root.absolute(), workers)
