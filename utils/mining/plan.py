"""What a mining would take (--dry_run): texts, time, disk and memory, estimated from a short trial."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import counted
from utils.mining.bitext import clean_both
from utils.mining.ivf import n_lists
from utils.mining.margins import LIST
from utils.mining.neighbours import BLOCK_BYTES
from utils.mining.row_store import BYTES, SCALE
from utils.retrieval.topk import topk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from utils.mining.neighbours import SearchPlace
    from utils.mining.row_store import LazyEncoder
    from utils.mining.settings import BitextJob, BitextSettings, MiningJob, Settings
    from utils.mining.text_store import TextStore
    from utils.schema import Rows

SAMPLE = 256  # texts that are encoded in the trial
TILE = 2048, 32_768  # queries and candidates that are searched in the trial
LIST_BYTES = 12  # of a neighbour in a list
ROW_NUMBER = 8  # bytes of the number of a row in an index
TEXT_BYTES = 120  # of the arrays in memory that have an entry for each text
FIXED_BYTES = 1 << 30  # of the libraries and a small model


def plan(job: BitextJob, encode: LazyEncoder, place: SearchPlace) -> str:
    """Return the lines of a dry run. The texts are cleaned, and kept as they are for the mining."""
    lines: list[str] = []
    texts = clean_both(job, place.root, lines.append)
    return "\n".join([*lines, *estimate(job, texts, encode, place, work_of_sides(texts, job.settings))])


@dataclass(frozen=True)
class Work:
    """What a mining searches: texts of each side, pairs of texts that are compared, and neighbours in all lists."""

    texts: tuple[int, ...]
    pairs: int
    neighbours: int
    ways: str = "search in both directions"


def work_of_sides(texts: tuple[TextStore, TextStore], settings: BitextSettings) -> Work:
    """Return the work to search two sides in both directions."""
    n, m = map(len, texts)
    return Work((n, m), 2 * n * m, (n + m) * max(LIST, settings.margin_k))


def estimate(
    job: MiningJob[Settings], texts: Sequence[TextStore], encode: LazyEncoder, place: SearchPlace, work: Work
) -> list[str]:
    """Return the lines that tell time, disk and memory, from a trial of the encoder and of the search."""
    rows, per_second = _trial_of_encoder(texts, encode)
    pairs_per_second = _trial_of_search(rows, place)
    n, dimensions, dtype = sum(work.texts), rows.shape[1], job.settings.store_dtype
    stored = n * (dimensions * BYTES[dtype] + (SCALE if dtype == "int8" else 0))
    shard = 4 * dimensions * min(job.settings.shard_size, max(work.texts))
    blocks = sum(min(BLOCK_BYTES[place.device], 4 * dimensions * side) for side in work.texts)
    index, of_index = _index(work, dimensions, place)
    memory = FIXED_BYTES + max(2 * blocks, 3 * shard) + TEXT_BYTES * n + index
    return [
        f"encoder {encode.spec.name}, device {encode.device}: {counted(n, 'text')} to encode at most, "
        f"{dimensions:,} dimensions",
        f"encoding: {_duration(n / per_second)} ({per_second:,.0f} texts a second in the trial)",
        f"{work.ways}: {_duration(work.pairs / pairs_per_second)} "
        f"({pairs_per_second / 1e6:,.0f} million pairs of texts a second)",
        *of_index,
        f"disk: {_size(stored)} of vectors ({dtype}) and {_size(work.neighbours * LIST_BYTES)} of neighbours "
        f"in {place.root}",
        f"memory at the peak: about {_size(memory)}, and more for a large model",
        f"output: {job.output}",
    ]


def _index(work: Work, dimensions: int, place: SearchPlace) -> tuple[int, list[str]]:
    """Return the bytes of an index in memory, and a line about it; none for an exact search."""
    if place.ivf is None:
        return 0, []
    n = max(work.texts)
    size, lists = n * (2 * dimensions + ROW_NUMBER), n_lists(n)
    share = 100 * min(place.ivf.nprobe, lists) / lists
    return size, [f"index: about {share:.1f} % of these pairs are read; it takes {_size(size)} of memory"]


def _trial_of_encoder(texts: Sequence[TextStore], encode: LazyEncoder) -> tuple[Rows, float]:
    """Return the rows of some texts, and how many texts a second are encoded after the first ones."""
    some = [
        text
        for store in texts
        for text in store.texts(np.unique(np.linspace(0, len(store) - 1, SAMPLE // len(texts)).astype(np.int64)))
    ]
    encode(some[:8])  # the model is loaded
    start = time.perf_counter()
    rows = encode(some)
    return rows, len(some) / (time.perf_counter() - start)


def _trial_of_search(rows: Rows, place: SearchPlace) -> float:
    """Return how many pairs of texts a second are searched, from rows like those of the trial."""
    draw = np.random.default_rng(0)
    queries, candidates = (
        rows[draw.integers(len(rows), size=n)] + draw.normal(0, 0.02, (n, rows.shape[1])).astype(np.float32)
        for n in TILE
    )
    topk(queries[:64], candidates, LIST, device=place.device, precision=place.precision)  # rates are measured
    start = time.perf_counter()
    topk(queries, candidates, LIST, device=place.device, precision=place.precision)
    return len(queries) * len(candidates) / (time.perf_counter() - start)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:,.0f} min" if seconds < 6000 else f"about {seconds / 3600:,.1f} h"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:,.1f} GiB"
