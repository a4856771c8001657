"""Mining of word translations: the most frequent words of two texts are encoded and paired as sentences are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.mining.bitext import clean_all, encode_and_search
from utils.mining.lexicon import LexiconReport, compare, in_order, read_dictionary, word_list
from utils.mining.output import write_pairs
from utils.mining.pairing import SIDES_OF, cut_pairs, pair_up
from utils.mining.settings import Mined
from utils.progress import Clock
from utils.retrieval.topk import check_margin_k

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from utils.mining.neighbours import SearchPlace
    from utils.mining.row_store import LazyEncoder
    from utils.mining.settings import WordsJob
    from utils.mining.text_store import TextStore


@dataclass(frozen=True)
class MinedWords(Mined):
    """How many pairs of words a mining found, and how they compare with a dictionary."""

    n_pairs: int
    gold: LexiconReport | None

    def findings(self) -> dict[str, Any]:
        """Return the comparison with the dictionary."""
        return {"gold": self.gold.as_json() if self.gold else None}


def word_lists(
    job: WordsJob, root: Path, tell: Callable[[str], object]
) -> tuple[tuple[TextStore, ...], tuple[TextStore, TextStore]]:
    """Return the cleaned texts and the word lists of both sides, and tell how many words there are."""
    texts, settings = clean_all(job, root, tell), job.settings
    source, target = (
        word_list(store, settings.max_words, root, collection.name, is_list=settings.is_list)
        for store, collection in zip(texts, job.collections, strict=True)
    )
    for store, collection in ((source, job.collections[0]), (target, job.collections[1])):
        tell(f"{collection.name}: {len(store):,} words")
    check_margin_k(settings.margin_k, len(source), len(target))
    return texts, (source, target)


def mine_words(job: WordsJob, encode: LazyEncoder, place: SearchPlace, tell: Callable[[str], object]) -> MinedWords:
    """Mine pairs of words and write them; what a killed process had finished is reused.

    Raises UserError as its steps do; a dictionary is read before anything is encoded.
    """
    clock, settings = Clock(), job.settings
    gold = read_dictionary(job.gold) if job.gold else None
    texts, lists = word_lists(job, place.root, tell)
    gold = in_order(gold, lists) if gold else None
    clock.lap("clean")
    sides = (0, 1) if gold else SIDES_OF[settings.direction]
    threshold = None if gold else settings.threshold  # P@1 needs the best target of each word
    best, searched = encode_and_search(job, lists, encode, place, clock, (sides, threshold))
    pairs = pair_up(best, settings.direction, one_to_one=settings.one_to_one)
    pairs = cut_pairs(pairs, settings.threshold, settings.top)
    clock.lap("pair")
    write_pairs(job.output, job.format, pairs, *lists, is_lexicon=True)
    clock.lap("write")
    report = compare(gold, lists, best[0], pairs) if gold else None
    counts = {"source_words": len(lists[0]), "target_words": len(lists[1]), **searched, "pairs": len(pairs)}
    return MinedWords(texts, counts, clock.laps, len(pairs), report)
