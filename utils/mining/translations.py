"""Translations that are mined between two monolingual texts: words first, then sentences, then a threshold.

After El Mekki and Abdul-Mageed 2024 (arXiv 2410.11006), with pairs found by margins (Artetxe and Schwenk 2019) in the
place of translations that a model writes: each sentence, and its translation word by word with the mined words, look
for their partners in the other language.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import fingerprint, write_atomic
from utils.mining.bitext import mine
from utils.mining.cleaning import Cleaning
from utils.mining.collections import Collection
from utils.mining.settings import BitextJob, BitextSettings, WordsJob, WordsSettings
from utils.mining.words import mine_words
from utils.words import words

if TYPE_CHECKING:
    from utils.mining.neighbours import SearchPlace
    from utils.mining.row_store import LazyEncoder

MOST_WORDS = 5000  # the most frequent words of each side that are paired
HOW: dict[str, Any] = {
    "margin": "ratio",
    "margin_k": 4,
    "direction": "intersection",
    "one_to_one": False,
    "threshold": None,
    "top": None,
    "store_dtype": "float32",
    "shard_size": 16_384,
}


@dataclass(frozen=True)
class MinedTranslations:
    """Pairs of the places of a source and a target with their margins, the best first, and what a record states."""

    pairs: tuple[tuple[int, int, float], ...]
    about: dict[str, Any]


def mine_translations(
    sources: Sequence[str], targets: Sequence[str], threshold: float, seed: int, encode: LazyEncoder, place: SearchPlace
) -> MinedTranslations:
    """Return the pairs of two texts with a margin of at least the threshold, each sentence in one pair at most.

    The margin of a pair is the better one of the sentence's and of its translation word by word. sources and targets
    (n,) are shuffled apart by the seed, so that their order tells nothing; `targets[i]` is the translation of
    `sources[i]` for the precision in `about` alone. What an earlier run has mined is used again.
    """
    root = place.root / "translations" / fingerprint({"sources": list(sources), "targets": list(targets), "seed": seed})
    sides = tuple(_write(root / f"{name}.tsv", texts, f"{name} {seed}") for name, texts in _named(sources, targets))
    lexicon = _mined_words(root, sides, seed, encode, place)
    by_words = [" ".join(lexicon.get(word, word) for word in words(text)) or text for text in sources]
    in_words = _write(root / "words.tsv", by_words, f"words {seed}")
    found: dict[tuple[int, int], float] = {}
    views = {}
    for name, source in (("sentences", sides[0]), ("word_by_word", in_words)):
        scored = _mined_pairs(root / f"{name}.jsonl", (source, sides[1]), seed, encode, place)
        views[name] = _counted({pair for pair, score in scored.items() if score >= threshold})
        for pair, score in scored.items():
            found[pair] = max(found.get(pair, score), score)
    kept = _one_to_one(found, threshold)
    counts = _counted({(source, target) for source, target, _ in kept})
    return MinedTranslations(kept, {"words": len(lexicon), **views, **counts, "threshold": threshold})


def _named(sources: Sequence[str], targets: Sequence[str]) -> tuple[tuple[str, Sequence[str]], ...]:
    return ("source", sources), ("target", targets)


def _write(path: Path, texts: Sequence[str], order: str) -> Path:
    """Write a collection in a random order, with the places of the texts as their ids."""
    places = list(range(len(texts)))
    random.Random(order).shuffle(places)
    lines = (f"{place}\t{' '.join(texts[place].split())}\n" for place in places)
    write_atomic(path, f"id\ttext\n{''.join(lines)}".encode())
    return path


def _collections(sides: Sequence[Path]) -> tuple[Collection, ...]:
    return tuple(Collection(name, (path,)) for name, path in zip(("source", "target"), sides, strict=True))


def _mined_words(
    root: Path, sides: Sequence[Path], seed: int, encode: LazyEncoder, place: SearchPlace
) -> dict[str, str]:
    """Return the best translation of each word that has one."""
    settings = WordsSettings(**HOW, seed=seed, max_words=MOST_WORDS, is_list=False)
    output, cleaning = root / "lexicon.jsonl", (Cleaning(), Cleaning())
    mine_words(
        WordsJob("words", _collections(sides), cleaning, None, output, "jsonl", settings), encode, place, _silent
    )
    rows = map(json.loads, output.read_text(encoding="utf-8").splitlines())
    return {row["source"]: row["target"] for row in rows}


def _mined_pairs(
    output: Path, sides: Sequence[Path], seed: int, encode: LazyEncoder, place: SearchPlace
) -> dict[tuple[int, int], float]:
    """Return the margins of the pairs that are the best of both sides, by the places of their texts."""
    settings = BitextSettings(**HOW, seed=seed)
    cleaning = (Cleaning(duplicates="none"), Cleaning(duplicates="none"))
    mine(BitextJob("pairs", _collections(sides), cleaning, None, output, "jsonl", settings), encode, place, _silent)
    rows = map(json.loads, output.read_text(encoding="utf-8").splitlines())
    return {(int(row["source_id"]), int(row["target_id"])): float(row["score"]) for row in rows}


def _silent(line: str) -> None:
    """Tell nothing: the record has the counts."""


def _one_to_one(found: dict[tuple[int, int], float], threshold: float) -> tuple[tuple[int, int, float], ...]:
    """Return the pairs of at least the threshold by descending margin, without those of texts that are paired."""
    kept, used = list[tuple[int, int, float]](), (set[int](), set[int]())
    for (source, target), score in sorted(found.items(), key=lambda one: (-one[1], one[0])):
        if score >= threshold and source not in used[0] and target not in used[1]:
            kept.append((source, target, score))
            used[0].add(source)
            used[1].add(target)
    return tuple(kept)


def _counted(pairs: set[tuple[int, int]]) -> dict[str, Any]:
    """Return how many pairs there are, and how many of them are translations of each other."""
    right = sum(source == target for source, target in pairs)
    return {"pairs": len(pairs), "right": right, "precision": right / len(pairs) if pairs else None}
