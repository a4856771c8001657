"""The texts of a picture as one table: an even sample of every language, with translations kept together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.data.languages import family_and_script
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.data.sources import Sources
    from utils.schema import DatasetSpec

FIELDS = ("class", "language", "sample", "family", "script")  # the fields that a picture can be coloured by


@dataclass(frozen=True)
class Block:
    """Texts of one language; translations share an id. Labels and ids are empty where the data have none."""

    lang: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Points:
    """Texts by column, None for unknown values; `not_parallel` says why there are no samples."""

    texts: tuple[str, ...]
    langs: tuple[str, ...]
    labels: tuple[str | None, ...]
    samples: tuple[str | None, ...]
    not_parallel: str

    def columns(self) -> dict[str, tuple[str | None, ...]]:
        """Return the values of each field, one per point."""
        known = {lang: family_and_script(lang) for lang in set(self.langs)}
        families = tuple(known[lang][0] for lang in self.langs)
        scripts = tuple(known[lang][1] for lang in self.langs)
        return dict(zip(FIELDS, (self.labels, self.langs, self.samples, families, scripts), strict=True))

    def only(self, rows: Sequence[int]) -> Points:
        """Return the points at these indices."""
        return Points(
            tuple(self.texts[row] for row in rows),
            tuple(self.langs[row] for row in rows),
            tuple(self.labels[row] for row in rows),
            tuple(self.samples[row] for row in rows),
            self.not_parallel,
        )

    def missing(self, field: str) -> str:
        """Return why the points cannot be coloured by a field; empty where they can."""
        if any(value is not None for value in self.columns()[field]):
            return ""
        if field == "sample":
            return self.not_parallel
        return {"class": "its texts have no labels"}.get(field, f"no {field} is known of its languages")


def load_blocks(
    dataset: DatasetSpec, where: Sources, langs: Sequence[str] | None, src_lang: str | None, split: str
) -> list[Block]:
    """Load the texts of some languages (None: all), one block per language, or per side of a pair.

    Raises UserError for a source language of a labelled set, and for the training split of a set of pairs.
    """
    from utils.data.bitext import bitext_pairs
    from utils.data.classification import chosen_langs

    if dataset.task == "classification":
        if src_lang:
            raise UserError(f"--src_lang with the labelled set {dataset.name}", "add --task bitext, or use --langs")
        return labeled_blocks(dataset, chosen_langs(dataset, langs), split, where)
    if split == "train":
        raise UserError(f"--split train, but {dataset.name} is a set of pairs", "leave it out, or take validation")
    return bitext_blocks(dataset, bitext_pairs(dataset, src_lang, langs), where, validation=split == "validation")


def labeled_blocks(spec: DatasetSpec, langs: Sequence[str], split: str, where: Sources) -> list[Block]:
    """Load one split of a labelled set, one block per language."""
    from utils.data.classification import load_labeled

    loaded = ((lang, load_labeled(spec, lang, split, where)) for lang in langs)
    return [Block(lang, found.texts, found.labels, found.ids) for lang, found in loaded]


def bitext_blocks(
    spec: DatasetSpec, pairs: Sequence[tuple[str, str]], where: Sources, *, validation: bool = False
) -> list[Block]:
    """Load both sides of language pairs, one block per side; a source side that all pairs share is loaded once.

    A shared side is recognised by its texts; the index of a text is then the id of all its translations.
    """
    from utils.data.bitext import load_bitext

    subsets = [load_bitext(spec, *pair, where, validation=validation) for pair in pairs]
    one_source = len({(subset.src_lang, subset.sources) for subset in subsets}) == 1
    blocks = []
    for place, subset in enumerate(subsets):
        ids = tuple(str(row) if one_source else f"{subset.name}:{row}" for row in range(len(subset.sources)))
        if place == 0 or not one_source:
            blocks.append(Block(subset.src_lang, subset.sources, (), ids))
        of_targets = dict(zip(subset.gold, ids, strict=True))
        blocks.append(
            Block(subset.tgt_lang, subset.targets, (), tuple(of_targets[i] for i in range(len(subset.targets))))
        )
    return blocks


def to_points(
    blocks: Sequence[Block],
    limit: int | None,
    max_points: int,
    seed: int,
    note: Callable[[str], object],
    flag: str = "--max_points",
) -> Points:
    """Draw up to `limit` texts of each block, fewer where the total would exceed `max_points`, and join them.

    Raises UserError where `max_points` leaves less than one text per block. `note` is called with what was left out.
    flag: what the number is called where it is told.
    """
    not_parallel = why_not_parallel(blocks)
    sizes = [min(len(block.texts), limit or len(block.texts)) for block in blocks]
    share = even_share(sizes, max_points)
    if not share:
        raise UserError(f"{flag} {max_points} for {len(blocks)} languages", f"give {len(blocks)} or more")
    kept = [_thin(block, min(size, share), seed) for block, size in zip(blocks, sizes, strict=True)]
    total = sum(len(block.texts) for block in kept)
    if total < sum(sizes):
        note(f"{total:,} of {sum(sizes):,} texts drawn, up to {share:,} per language ({flag} {max_points})")
    return Points(
        tuple(text for block in kept for text in block.texts),
        tuple(block.lang for block in kept for _ in block.texts),
        tuple(label for block in kept for label in block.labels or [None] * len(block.texts)),
        tuple(None if not_parallel else name for block in kept for name in block.ids or [None] * len(block.texts)),
        not_parallel,
    )


def even_share(sizes: Sequence[int], most: int) -> int:
    """Return the greatest c for which the sum of min(size, c) is at most `most`."""
    left = most
    for place, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - place)
        if size > share:
            return share
        left -= size
    return max(sizes, default=0)


def _thin(block: Block, n: int, seed: int) -> Block:
    """Keep the n rows of lowest hash, in their order.

    Blocks with the same ids keep the same rows, and a greater n adds rows to those of a smaller one.
    """
    keys = block.ids or tuple(map(str, range(len(block.texts))))
    ranked = sorted(range(len(keys)), key=lambda row: (seeded(keys[row], seed), row))
    rows = sorted(ranked[:n])
    return Block(block.lang, *(tuple(part[row] for row in rows) if part else () for part in _parts(block)))


def _parts(block: Block) -> tuple[tuple[str, ...], ...]:
    return block.texts, block.labels, block.ids


def seeded(name: str, seed: int) -> bytes:
    """Return the key by which names are ranked in a random draw: a hash of seed and name."""
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()


def why_not_parallel(blocks: Sequence[Block]) -> str:
    """Return why texts with the same id are not known to be translations of one another; empty where they are.

    Two languages must share ids, no id may repeat in a language, and texts with one id must have the same label.
    """
    if not all(block.ids for block in blocks):
        return "its rows have no ids that languages share, and equal row numbers do not imply translations"
    for block in blocks:
        if len(set(block.ids)) < len(block.ids):
            twice = Counter(block.ids).most_common(1)[0][0]
            return f"the id {twice} is repeated in {block.lang}"
    counts = Counter(name for block in blocks for name in block.ids)
    if len(blocks) < 2 or max(counts.values(), default=0) < 2:
        return "a sample needs two languages that share rows"
    return _differing_labels(blocks)


def _differing_labels(blocks: Sequence[Block]) -> str:
    labels: dict[str, str] = {}
    differing = set()
    for block in blocks:
        of_block: Mapping[str, str] = dict(zip(block.ids, block.labels, strict=False))
        differing |= {name for name, label in of_block.items() if labels.setdefault(name, label) != label}
    if not differing:
        return ""
    return f"{len(differing)} of its {len(labels)} ids have texts of different labels: they are not translations"
