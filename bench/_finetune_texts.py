"""The texts that bench/finetune.py trains on: labelled texts, and pairs of texts."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETS = ("short", "varied")  # of the sample set, which needs no other data
SENTENCES = 0.9, 0.8  # of a varied text: log-normal, as lengths of reviews are; mean and deviation of the logarithm
LONGEST = 14  # sentences
CACHE = Path("~/.cache/miners").expanduser()


def labelled_texts(name: str, n: int, data_dir: Path | None) -> tuple[list[str], list[str]]:
    """Return up to n texts and their labels: `short` or `varied` ones, or those of a set of the suite, DATASET:LANG."""
    if name in SETS:
        rows = [(text, topic) for column in _columns() for topic, text in column]
        random.Random(0).shuffle(rows)
        texts, labels = [text for text, _ in rows], [label for _, label in rows]
        return (texts if name == "short" else _joined(texts))[:n], labels[:n]
    from utils.data.classification import load_labeled
    from utils.data.registry import DATASETS
    from utils.data.sources import Sources

    dataset, _, lang = name.partition(":")
    found = load_labeled(DATASETS["classification"][dataset], lang, "train", Sources(data_dir, CACHE))
    order = random.Random(0).sample(range(len(found.texts)), min(n, len(found.texts)))
    return [found.texts[place] for place in order], [found.labels[place] for place in order]


def pairs_of_texts(name: str, n: int, data_dir: Path | None) -> list[tuple[str, str]]:
    """Return up to n pairs: `short` or `varied` ones, or questions with a passage of a set of the suite, DATASET:LANG.

    Each text is in one pair only, so that neither side of the benchmark has a positive among its negatives, which
    finetune.py would leave out and the other would not.
    """
    if name in SETS:
        columns = [[text for _, text in column] for column in _columns()]
        sides = zip(columns[::2], columns[1::2], strict=False)
        pairs = [pair for first, second in sides for pair in zip(first, second, strict=True)]
        random.Random(0).shuffle(pairs)
        short = [first for first, _ in pairs]
        return list(zip(short, [second for _, second in pairs] if name == "short" else _joined(short), strict=True))[:n]
    from utils.data.judged import load_judged
    from utils.data.registry import DATASETS
    from utils.data.sources import Sources

    dataset, _, lang = name.partition(":")
    data = load_judged(DATASETS["retrieval"][dataset], lang, Sources(data_dir, CACHE))
    passages = dict(zip(data.passages.ids, data.passages.texts, strict=True))
    asked = dict(zip(data.queries.ids, data.queries.texts, strict=True))
    first: dict[str, str] = {}
    for question, grades in data.judgements.items():
        for passage in itertools.islice((name for name, grade in grades.items() if grade > 0), 1):
            first.setdefault(passage, question)
    return [(asked[question], passages[passage]) for passage, question in first.items()][:n]


def _columns() -> list[list[tuple[str, str]]]:
    """Return the sample set by language: topics and texts."""
    lines = (ROOT / "data" / "sample" / "parallel.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    return [[(row[2], row[column]) for row in rows] for column in range(3, len(rows[0]))]


def _joined(texts: list[str]) -> list[str]:
    """Return as many texts of varied lengths: each begins with one of the texts, others follow."""
    draw = random.Random(1)
    counts = [min(LONGEST, max(1, round(draw.lognormvariate(*SENTENCES)))) for _ in texts]
    return [" ".join([text, *draw.sample(texts, count - 1)]) for text, count in zip(texts, counts, strict=True)]
