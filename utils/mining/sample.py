"""Collections of the shipped sample set: sentences of two languages in random orders, and of three with their items."""

from __future__ import annotations

import random
from pathlib import Path

from utils.data.tables import read_table
from utils.files import write_atomic

LANGUAGES = ("eng", "deu")
GROUPED = ("eng", "deu", "swh")
UNPAIRED = 10  # sentences at either end of the file that only one of the collections has
PARALLEL = Path(__file__).resolve().parents[2] / "data" / "sample" / "parallel.tsv"


def sample_collections(root: Path) -> tuple[Path, Path, Path]:
    """Write the English and the German collection, with ids, and the file of the pairs; returns the three paths."""
    table = read_table(PARALLEL)
    n = len(table["id"])
    spans = range(n - UNPAIRED), range(UNPAIRED, n)
    ids, paths = [], []
    for language, span in zip(LANGUAGES, spans, strict=True):
        order = list(span)
        random.Random(language).shuffle(order)
        ids.append({row: f"{language}-{place:03d}" for place, row in enumerate(order)})
        lines = (f"{ids[-1][row]}\t{table[language][row]}\n" for row in order)
        paths.append(root / "sample" / f"{language}.tsv")
        write_atomic(paths[-1], f"id\ttext\n{''.join(lines)}".encode())
    gold = root / "sample" / "gold.tsv"
    both = [row for row in spans[1] if row in spans[0]]
    write_atomic(gold, "".join(f"{ids[0][row]}\t{ids[1][row]}\n" for row in both).encode())
    return paths[0], paths[1], gold


def sample_groups(root: Path) -> Path:
    """Write a collection of sentences in three languages whose column `item` names their translations."""
    table = read_table(PARALLEL)
    lines = [
        f"{language}-{key}\t{table[language][row]}\t{key}\n"
        for row, key in enumerate(table["id"])
        for language in GROUPED
    ]
    path = root / "sample" / "sample.tsv"
    write_atomic(path, f"id\ttext\titem\n{''.join(lines)}".encode())
    return path
