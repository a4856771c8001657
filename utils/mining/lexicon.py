"""Word lists of two monolingual texts, and how mined word translations compare with a dictionary."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError, counted
from utils.evaluation.stats import wilson
from utils.files import build_folder, fingerprint
from utils.mining.cleaning import Cleaning, cleaned
from utils.mining.collections import Collection
from utils.mining.gold_files import read_pairs
from utils.mining.text_store import TextStore
from utils.progress import bar
from utils.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from utils.mining.margins import Best
    from utils.mining.pairing import MinedPairs

LIST, SIZE = "words.tsv", "bytes"  # the list, and the number of its bytes
VERSION = 1  # of the word lists
FEW = 100  # covered words below which P@1 says little
AT_ONCE = 65_536  # texts whose words are counted at once


@dataclass(frozen=True)
class LexiconReport:
    """Mined words against a dictionary, in words of its source side.

    covered: those that are in the list of the sources and have a translation in that of the targets. right: those of
    them whose best target is a translation. kept and kept_right: mined pairs whose source is in the dictionary.
    """

    words: int
    in_list: int
    covered: int
    right: int
    kept: int
    kept_right: int

    def lines(self) -> list[str]:
        """Return what is printed."""
        coverage, share = _percent(self.covered, self.words), _percent(self.right, self.covered)
        return [
            f"{self.words:,} words of the dictionary: {self.in_list:,} are in the list of the sources, "
            f"{self.covered:,} with a translation in that of the targets (coverage {coverage})",
            f"P@1: {share} of the covered words, {_percent(self.right, self.words)} of all",
            *self._doubts(),
            f"mined pairs with a word of the dictionary: {self.kept:,}, right {_percent(self.kept_right, self.kept)}",
        ]

    def _doubts(self) -> Iterator[str]:
        """Yield a line where P@1 is of few words, with its 95 % interval."""
        if 0 < self.covered < FEW:
            low, high = (100 * bound for bound in wilson(self.right, self.covered))
            words_of = counted(self.covered, "covered word")
            yield f"P@1 is of {words_of} only, fewer than {FEW}: its 95 % interval is {low:.0f} to {high:.0f} %"

    def as_json(self) -> dict[str, int]:
        """Return the numbers."""
        return asdict(self)


def word_list(texts: TextStore, most: int, root: Path, name: str, *, is_list: bool) -> TextStore:
    """Return the most frequent words of texts, at most `most`, the most frequent first; ties as they first occur.

    Words are those of BM25 (`utils.words`) that have a letter. is_list: each text is a word, and the first are taken.
    Raises UserError where there is none.
    """
    settings = {"version": VERSION, "texts": texts.folder.name, "most": most, "is_list": is_list}
    folder = root / "words" / fingerprint(settings)
    build_folder(folder, LIST, lambda part: _write_list(part / LIST, texts, most, name, is_list=is_list), _is_sound)
    return cleaned(Collection(f"{name} word", (folder / LIST,)), Cleaning(), root)


def _is_sound(folder: Path) -> bool:
    """Return whether a list has the size that it was written with; those of earlier versions do not tell it."""
    size = folder / SIZE
    return not size.is_file() or size.read_text() == str((folder / LIST).stat().st_size)


def _write_list(path: Path, texts: TextStore, most: int, name: str, *, is_list: bool) -> None:
    """Write a table of words with their ranks and counts."""
    counts: Counter[str] = Counter()
    with bar(len(texts), "counting words", "texts") as advance:
        for start in range(0, len(texts), AT_ONCE):
            some = texts.texts(slice(start, start + AT_ONCE))
            for text in some:
                counts.update([" ".join(text.split())] if is_list else words(text))
            advance(len(some))
            if is_list and len(counts) >= most:
                break
    chosen = [pair for pair in counts.most_common() if is_list or any(map(str.isalpha, pair[0]))][:most]
    if not chosen:
        raise UserError(f"the {name} texts have no word", "a word has a letter: check the files")
    lines = [f"{rank}\t{word}\t{count}\n" for rank, (word, count) in enumerate(chosen, start=1)]
    content = f"id\ttext\tcount\n{''.join(lines)}".encode("utf-8", "surrogatepass")
    path.write_bytes(content)
    path.with_name(SIZE).write_text(str(len(content)))


def read_dictionary(path: Path) -> dict[str, set[str]]:
    """Return the translations of each word of a dictionary such as MUSE's: two columns of Parquet, or of lines.

    The words of a line are separated by a tab, or by blanks where there is none. Raises UserError for other lines.
    """
    what, hint = "one word, expected a word and its translation", "separate them by a tab or a blank"
    rows = read_pairs(path, lambda line: line.split("\t") if "\t" in line else line.split(), what, hint)
    found: dict[str, set[str]] = {}
    for source, target in rows:
        found.setdefault(_plain(source), set()).add(_plain(target))
    if not found:
        raise UserError(f"{path.name} has no pair", "give a word and its translation in each line")
    return found


def in_order(gold: dict[str, set[str]], lists: tuple[TextStore, TextStore]) -> dict[str, set[str]]:
    """Return a dictionary from the sources to the targets: the other way round where more of its words fit so.

    Raises UserError where no word is in the list of its side.
    """
    turned: dict[str, set[str]] = {}
    for source, targets in gold.items():
        for target in targets:
            turned.setdefault(target, set()).add(source)
    known = [{_plain(word) for word in store.texts(slice(None))} for store in lists]
    usual, other = (
        len(side.keys() & known[0]) + len(back.keys() & known[1]) for side, back in ((gold, turned), (turned, gold))
    )
    if not usual and not other:
        raise UserError("no word of the dictionary is in either list", "check --gold, and the languages of the texts")
    return gold if usual >= other else turned


def compare(
    gold: dict[str, set[str]], lists: tuple[TextStore, TextStore], best: Best, pairs: MinedPairs
) -> LexiconReport:
    """Return how the best target of each source, and the mined pairs, compare with a dictionary."""
    sources, targets = ([_plain(word) for word in store.texts(slice(None))] for store in lists)
    known, first = set(targets), dict[str, int]()
    for place, word in enumerate(sources):
        first.setdefault(word, place)
    covered = [word for word, translations in gold.items() if word in first and translations & known]
    right = sum(targets[int(best.index[first[word]])] in gold[word] for word in covered)
    kept = [
        targets[target] in gold[sources[source]]
        for source, target in zip(pairs.sources.tolist(), pairs.targets.tolist(), strict=True)
        if sources[source] in gold
    ]
    in_list = sum(word in first for word in gold)
    return LexiconReport(len(gold), in_list, len(covered), right, len(kept), sum(kept))


def _plain(word: str) -> str:
    """Return a word as it is compared: composed letters in lower case."""
    return unicodedata.normalize("NFC", word.strip().lower())


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "undefined"
