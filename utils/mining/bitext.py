"""Bitext mining: two collections are cleaned, encoded, searched and paired; each step is reused where it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.mining.cleaning import cleaned, describe
from utils.mining.gold import GoldReport, check_order, evaluate, read_gold
from utils.mining.margins import LIST, MarginSearch
from utils.mining.neighbours import nearest_both_ways
from utils.mining.output import write_pairs
from utils.mining.pairing import SIDES_OF, cut_pairs, pair_up
from utils.mining.row_store import encoded
from utils.mining.settings import Mined
from utils.progress import Clock
from utils.retrieval.topk import check_margin_k

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from utils.mining.margins import Best
    from utils.mining.neighbours import SearchPlace
    from utils.mining.pairing import MinedPairs
    from utils.mining.row_store import LazyEncoder
    from utils.mining.settings import BitextJob, BitextSettings, MiningJob, Settings
    from utils.mining.text_store import TextStore


@dataclass(frozen=True)
class MinedBitext(Mined):
    """The pairs that a mining found, and how they compare with known ones."""

    pairs: MinedPairs
    gold: GoldReport | None

    def findings(self) -> dict[str, Any]:
        """Return the comparison with known pairs."""
        return {"gold": self.gold.as_json() if self.gold else None}


def clean_all(job: MiningJob[Settings], root: Path, tell: Callable[[str], object]) -> tuple[TextStore, ...]:
    """Return the cleaned texts of each collection, and tell what was dropped."""
    texts = tuple(
        cleaned(collection, cleaning, root) for collection, cleaning in zip(job.collections, job.cleaning, strict=True)
    )
    for store, collection in zip(texts, job.collections, strict=True):
        tell(describe(store, collection.name))
    return texts


def clean_both(job: BitextJob, root: Path, tell: Callable[[str], object]) -> tuple[TextStore, TextStore]:
    """Return the cleaned texts of both sides; raises UserError where one has fewer than a margin takes neighbours."""
    source, target = clean_all(job, root, tell)
    check_margin_k(job.settings.margin_k, len(source), len(target))
    return source, target


def mine(job: BitextJob, encode: LazyEncoder, place: SearchPlace, tell: Callable[[str], object]) -> MinedBitext:
    """Mine pairs and write them; what a killed process had finished is reused.

    Raises UserError as its steps do; a file of known pairs is checked before anything is encoded.
    """
    clock, settings = Clock(), job.settings
    texts = clean_both(job, place.root, tell)
    gold = read_gold(job.gold, *texts) if job.gold else None
    clock.lap("clean")
    threshold = None if gold else settings.threshold  # known pairs are compared at all thresholds
    wanted = SIDES_OF[settings.direction], threshold
    best, searched = encode_and_search(job, texts, encode, place, clock, wanted)
    everything = pair_up(best, settings.direction, one_to_one=settings.one_to_one)
    pairs = cut_pairs(everything, settings.threshold, settings.top)
    if gold and job.gold:
        check_order(job.gold, everything, gold, *texts)
    clock.lap("pair")
    write_pairs(job.output, job.format, pairs, *texts)
    clock.lap("write")
    report = evaluate(everything, gold, len(texts[0]), settings.seed) if gold else None
    counts = {"sources": len(texts[0]), "targets": len(texts[1]), **searched, "pairs": len(pairs)}
    return MinedBitext(texts, counts, clock.laps, pairs, report)


def encode_and_search(
    job: MiningJob[BitextSettings],
    texts: tuple[TextStore, TextStore],
    encode: LazyEncoder,
    place: SearchPlace,
    clock: Clock,
    wanted: tuple[tuple[int, ...], float | None],
) -> tuple[dict[int, Best], dict[str, int]]:
    """Return the best partners of some sides, and how many texts were searched by margin.

    wanted: the sides, and the threshold below which partners may be others than the best.
    """
    settings = job.settings
    source, target = (
        encoded(store, encode, settings.store_dtype, settings.shard_size, place.root, collection.name, place.workers)
        for store, collection in zip(texts, job.collections, strict=True)
    )
    rows = source, target
    clock.lap("encode")
    lists = nearest_both_ways(*rows, max(LIST, settings.margin_k), place)
    clock.lap("search")
    by_margin = MarginSearch(rows, lists, settings.margin, settings.margin_k)
    best = by_margin.best(wanted[0], place, wanted[1])
    clock.lap("search by margin")
    names = {0: "sources_searched_by_margin", 1: "targets_searched_by_margin"}
    return best, {names[side]: found.n_searched for side, found in best.items()}
