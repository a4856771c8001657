"""Mining of training rows: the neighbours of each text of a collection become its positives and negatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError, counted, note
from utils.mining.bitext import clean_all
from utils.mining.choosing import Mates, PairRow, Thresholds, choose_rows, masks
from utils.mining.margins import AT_ONCE, cosines_of
from utils.mining.neighbours import nearest_within
from utils.mining.pair_output import write_rows
from utils.mining.ranking import ranked
from utils.mining.relations import relations_of
from utils.mining.row_store import encoded
from utils.mining.score_counts import ScoreCounts
from utils.mining.settings import Mined
from utils.progress import Clock, bar
from utils.retrieval.rows import row_norms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from utils.mining.neighbours import NeighbourLists, SearchPlace
    from utils.mining.ranking import Ranked
    from utils.mining.relations import Relations
    from utils.mining.row_store import LazyEncoder, RowStore
    from utils.mining.settings import PairsJob, PairsSettings
    from utils.mining.text_store import TextStore

    Ints = npt.NDArray[np.int64]

LARGE_GROUPS = 10  # times --max_pos: groups of more texts are hardly translations of each other


@dataclass(frozen=True)
class MinedRows(Mined):
    """The distribution of the cosines, and the bounds that percentiles became."""

    scores: ScoreCounts
    bounds: Thresholds

    def findings(self) -> dict[str, Any]:
        """Return the bounds and the histogram."""
        return {"bounds": asdict(self.bounds), "histogram": self.scores.rows()}


@dataclass(frozen=True)
class Searched:
    """A collection whose neighbours are found."""

    store: RowStore
    lists: NeighbourLists
    relations: Relations
    settings: PairsSettings

    def parts(self, what: str = "choosing") -> Iterator[tuple[Ranked, Mates]]:
        """Yield the neighbours by rank, and the mates, of some texts at a time; a bar says what is done with them."""
        near = self.relations.near
        with bar(len(self.store), what, "texts") as advance:
            for some in ranked(self.lists, self.relations, self.settings.depth):
                texts, mates = self.relations.mate_pairs(some.start, some.stop)
                others = near[texts] != near[mates]
                pairs = texts[others], mates[others]
                yield some, Mates(*pairs, near_cosines(pairs, self.store))
                advance(some.stop - some.start)


def near_cosines(pairs: tuple[Ints, Ints], store: RowStore) -> npt.NDArray[np.float64]:
    """Return the float64 cosines of pairs within a store (s,), each summed by itself; only their own rows are read.

    This is for few pairs, some of which are in memory at a time: reading all blocks for them would take much longer.
    """
    cosines = np.empty(len(pairs[0]))
    for start in range(0, len(cosines), AT_ONCE):
        ours, theirs = (side[start : start + AT_ONCE] for side in pairs)
        numbers, places = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
        rows = store.rows(numbers)
        both = rows, 1 / row_norms(rows)
        cosines[start : start + AT_ONCE] = cosines_of(both, both, places[: len(ours)], places[len(ours) :])
    return cosines


def clean_one(job: PairsJob, root: Path, tell: Callable[[str], object]) -> tuple[TextStore, Relations]:
    """Return the cleaned texts and their groups. Raises UserError where no row can come of them."""
    (texts,) = clean_all(job, root, tell)
    if len(texts) < 2:
        raise UserError(f"the {job.collections[0].name} collection has one text", "rows are mined from two at least")
    relations = relations_of(texts)
    if not (job.settings.has_positive_rule or relations.has_groups):
        column = job.collections[0].group_column
        what = f"the column {column!r} has no value" if column else "nothing says which texts are positives"
        hint = "add --pos_ranks, --pos_min or --pos_percentile, or name the column of translations by --group_column"
        raise UserError(what, hint)
    mean, most = relations.mean_mates(), job.settings.max_pos
    if mean > LARGE_GROUPS * most:
        column = job.collections[0].group_column
        told = (
            f"a text shares its group with {mean:,.0f} others on average, of which --max_pos keeps the {most:,} nearest"
        )
        note(f"{told}: where {column!r} tells languages or topics, name the column of translations")
    return texts, relations


def list_length(relations: Relations, settings: PairsSettings) -> int:
    """Return how many neighbours are searched: the ranks that are looked at, and what is left out of them."""
    return min(settings.depth + relations.most_related() + 1, len(relations.near))


def mine_rows(job: PairsJob, encode: LazyEncoder, place: SearchPlace, tell: Callable[[str], object]) -> MinedRows:
    """Mine rows and write them; the distribution of the cosines, and what the rules keep, is told before.

    What a killed process had finished is reused. Raises UserError as its steps do.
    """
    clock, settings = Clock(), job.settings
    texts, relations = clean_one(job, place.root, tell)
    length = list_length(relations, settings)
    clock.lap("clean")
    name = job.collections[0].name
    store = encoded(texts, encode, settings.store_dtype, settings.shard_size, place.root, name, place.workers)
    clock.lap("encode")
    searched = Searched(store, nearest_within(store, length, place), relations, settings)
    clock.lap("search")
    scores = _count_scores(searched)
    tell(f"cosines to the {settings.depth:,} nearest texts of each, without its group and its near-duplicates;")
    tell("what a threshold would keep: the pairs with at least this cosine, and the texts with at least one of them")
    tell(scores.table(mates=relations.has_groups))
    bounds = bounds_of(settings, scores)
    for line in _tell_rules(searched, bounds):
        tell(line)
    clock.lap("count")
    counts: Counter[str] = Counter(rows=0, positives=0, positives_of_groups=0, negatives=0)
    write_rows(job.output, job.format, _rows(searched, bounds, counts), texts, with_scores=settings.with_scores)
    clock.lap("write")
    return MinedRows((texts,), {"texts": len(texts), **counts}, clock.laps, scores, bounds)


def bounds_of(settings: PairsSettings, scores: ScoreCounts) -> Thresholds:
    """Return the bounds of the settings, with the cosine of each percentile."""
    low, high = settings.pos_min, settings.neg_max
    if settings.pos_percentile is not None:
        low = scores.percentile(settings.pos_percentile)
    if settings.neg_percentile is not None:
        high = scores.percentile(settings.neg_percentile, upper=True)
    return Thresholds(low, high)


def _count_scores(searched: Searched) -> ScoreCounts:
    scores = ScoreCounts()
    for some, mates in searched.parts("counting cosines"):
        scores.add(some, mates.scores)
    return scores


def _tell_rules(searched: Searched, bounds: Thresholds) -> Iterator[str]:
    """Yield what the rules of positives and negatives keep before margins and numbers limit them."""
    settings = searched.settings
    n_pairs, n_texts = [0, 0, 0], [0, 0, 0]
    for some, mates in searched.parts("applying the rules"):
        for number, mask in enumerate(masks(some, settings, bounds)):
            n_pairs[number] += int(mask.sum())
            n_texts[number] += int(mask.any(axis=1).sum())
        n_pairs[2] += len(mates.texts)
        n_texts[2] += len(np.unique(mates.texts))
    if searched.relations.has_groups:
        yield f"positives of the same group: {counted(n_pairs[2], 'pair')} of {counted(n_texts[2], 'text')}"
    rules = (
        ("positives", settings.pos_ranks, bounds.pos_min, settings.pos_max),
        ("negatives", settings.neg_ranks, settings.neg_min, bounds.neg_max),
    )
    for number, rule in enumerate(rules):
        if number or settings.has_positive_rule:
            kept = f"{counted(n_pairs[number], 'pair')} of {counted(n_texts[number], 'text')}"
            yield f"{_described(*rule)}: {kept}{' before margins' if number else ''}"


def _described(name: str, ranks: list[int] | None, low: float | None, high: float | None) -> str:
    """Return a rule in words."""
    parts = [f"ranks {ranks[0]:,} to {ranks[1]:,}"] if ranks else []
    parts += [f"cosine of at least {low:.4f}"] if low is not None else []
    parts += [f"cosine of at most {high:.4f}"] if high is not None else []
    return f"{name} by {', '.join(parts)}"


def _rows(searched: Searched, bounds: Thresholds, counts: Counter[str]) -> Iterator[list[PairRow]]:
    """Yield the rows of some texts at a time."""
    for some, mates in searched.parts():
        yield list(choose_rows(some, mates, searched.relations, searched.settings, bounds, counts))
