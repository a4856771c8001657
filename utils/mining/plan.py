"""What a mining would take (--dry_run): texts, time, disk and memory, estimated from a short trial."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import counted
from utils.mining.bitext import clean_both
from utils.mining.ivf import ITERATIONS, PER_LIST, n_lists
from utils.mining.margins import LIST
from utils.mining.neighbours import BLOCK_BYTES, block_rows
from utils.mining.pairing import SIDES_OF
from utils.mining.row_store import BYTES, SCALE
from utils.progress import duration, size
from utils.retrieval.topk import topk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from utils.mining.ivf import Ivf
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
SEARCH_BYTES = 200 << 20  # of tiles in a search, whatever it searches
LISTS_AT_ONCE = 5  # copies of the lists of a block
FIXED_BYTES = 1 << 30  # of the libraries and a small model
DOUBTFUL = 0.17  # share of the texts that were searched by margin in docs/mining.md
MERGING = 0.12 / (65_536 * 16)  # seconds of a core for a neighbour each time that its list is merged and written
CHOOSING = 0.21e-3  # seconds of a core for a text whose positives and negatives are chosen
# rates of an index in those of the exact search of the same core (docs/scale.md): k-means, filling, and searching
KMEANS, FILLING, READING = 36 / 114, 19 / 114, 6.3 / 114


def plan(job: BitextJob, encode: LazyEncoder, place: SearchPlace) -> str:
    """Return the lines of a dry run. The texts are cleaned, and kept as they are for the mining."""
    lines: list[str] = []
    texts = clean_both(job, place.root, lines.append)
    return "\n".join([*lines, *estimate(job, texts, encode, place, work_of_sides(texts, job))])


@dataclass(frozen=True)
class Work:
    """What a mining searches: texts of each side, pairs of texts that are compared, and neighbours in all lists.

    by_margin: pairs of texts in the search by margin. chosen: texts whose positives and negatives are chosen.
    """

    texts: tuple[int, ...]
    pairs: int
    neighbours: int
    ways: str = "search in both directions"
    by_margin: float = 0
    chosen: int = 0


def work_of_sides(texts: tuple[TextStore, TextStore], job: MiningJob[BitextSettings]) -> Work:
    """Return the work to search two sides in both directions, and by margin what the lists are likely to leave."""
    n, m = map(len, texts)
    settings = job.settings
    certain = settings.threshold is not None and settings.threshold >= (settings.margin == "ratio")
    spared = settings.margin == "absolute" or (certain and not job.gold)
    by_margin = 0 if spared else DOUBTFUL * n * m * len(SIDES_OF[settings.direction])
    return Work((n, m), 2 * n * m, (n + m) * max(LIST, settings.margin_k), by_margin=by_margin)


def estimate(
    job: MiningJob[Settings], texts: Sequence[TextStore], encode: LazyEncoder, place: SearchPlace, work: Work
) -> list[str]:
    """Return the lines that tell time, disk and memory, from a trial of the encoder and of the search."""
    rows, per_second = _trial_of_encoder(texts, encode)
    n, dimensions, dtype = sum(work.texts), rows.shape[1], job.settings.store_dtype
    stored = n * (dimensions * BYTES[dtype] + (SCALE if dtype == "int8" else 0))
    of_texts = sum(file.stat().st_size for store in texts for file in store.folder.iterdir())
    block = block_rows(dimensions, job.settings.shard_size, BLOCK_BYTES[place.device])
    index = max(work.texts) * (2 * dimensions + ROW_NUMBER) if place.ivf else 0
    memory = FIXED_BYTES + memory_beyond(work, dimensions, block, job.settings.shard_size, index)
    return [
        f"encoder {encode.spec.name}, device {encode.device}: {counted(n, 'text')} to encode at most, "
        f"{dimensions:,} dimensions",
        f"encoding: {duration(n / per_second)} ({per_second:,.0f} texts a second in the trial)",
        *(_of_index(work, rows, place.ivf, index) if place.ivf else _of_search(work, rows, place, block)),
        *([f"choosing: {duration(work.chosen * CHOOSING)}"] if work.chosen else []),
        f"disk: {size(of_texts)} of texts, {size(stored)} of vectors ({dtype}) and "
        f"{size(work.neighbours * LIST_BYTES)} of neighbours in {place.root}",
        f"memory at the peak: about {size(memory)}, and more for a large model",
        f"output: {job.output}",
    ]


def memory_beyond(work: Work, dimensions: int, block: int, shard: int, index: int) -> int:
    """Return the bytes at the peak of a mining beyond libraries and model, for blocks and shards of so many rows.

    index: the bytes of an index, 0 where all pairs are compared. The rows of a shard are there three times when they
    are encoded, those of a block of each side twice when they are searched, and its lists five times when they are
    merged: what was found in both directions, the lists so far, the merged ones, and their file.
    """
    largest = max(work.texts)
    row = 4 * dimensions
    encoding = 3 * row * min(shard, largest)
    if index:
        sample = row * min(largest, PER_LIST * n_lists(largest))
        searching = max(sample, index + row * min(block, largest))
    else:
        searching = 2 * sum(row * min(block, side) for side in work.texts)
    lists = LISTS_AT_ONCE * LIST_BYTES * min(block, largest) * work.neighbours // sum(work.texts)
    return max(encoding, SEARCH_BYTES + searching + lists) + TEXT_BYTES * sum(work.texts)


def _of_search(work: Work, rows: Rows, place: SearchPlace, block: int) -> list[str]:
    """Return the lines about an exact search in blocks of so many rows."""
    rate = _trial_of_search(rows, place.device, place.precision)
    others = work.texts[::-1]  # those of a single collection are compared with themselves
    merged = sum(ours * -(-theirs // block) for ours, theirs in zip(work.texts, others, strict=True))
    length = work.neighbours / sum(work.texts)
    doubtful = f"search by margin of the texts that the lists leave in doubt: {duration(work.by_margin / rate)}, "
    return [
        f"{work.ways}: {duration(work.pairs / rate)} ({rate / 1e6:,.0f} million pairs of texts a second)",
        f"merging of the lists, in the process of the command: {duration(merged * length * MERGING)}",
        *([f"{doubtful}if they are {DOUBTFUL:.0%} of all"] if work.by_margin else []),
    ]


def _of_index(work: Work, rows: Rows, ivf: Ivf, n_bytes: int) -> list[str]:
    """Return the lines about a search in an index of so many bytes: that of the other side for each direction."""
    rate = _trial_of_search(rows, "cpu", None)
    making = searching = 0.0
    for ours, theirs in zip(work.texts, work.texts[::-1], strict=True):
        lists = n_lists(theirs)
        read = min(ivf.nprobe, lists)
        making += PER_LIST * ITERATIONS * lists**2 / (KMEANS * rate) + theirs * lists / (FILLING * rate)
        searching += ours * (lists + read * theirs / lists) / (READING * rate)
    lists = n_lists(max(work.texts))
    return [
        f"index: {duration(making)} to make; it takes {size(n_bytes)} of memory",
        f"search in the index: {duration(searching)}; {100 * min(ivf.nprobe, lists) / lists:.1f} % of the pairs "
        f"are read",
    ]


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


def _trial_of_search(rows: Rows, device: str, precision: str | None) -> float:
    """Return how many pairs of texts a second are searched, from rows like those of the trial."""
    draw = np.random.default_rng(0)
    queries, candidates = (
        rows[draw.integers(len(rows), size=n)] + draw.normal(0, 0.02, (n, rows.shape[1])).astype(np.float32)
        for n in TILE
    )
    topk(queries[:64], candidates, LIST, device=device, precision=precision)  # rates are measured
    start = time.perf_counter()
    topk(queries, candidates, LIST, device=device, precision=precision)
    return len(queries) * len(candidates) / (time.perf_counter() - start)
