"""Known pairs: figures worked out by hand, the halves of BUCC's protocol, ids in either order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from utils.errors import UserError
from utils.mining.cleaning import Cleaning, cleaned
from utils.mining.collections import Collection
from utils.mining.gold import Figures, Gold, best_of, check_order, evaluate, figures_at, figures_by_threshold, read_gold
from utils.mining.pairing import MinedPairs
from utils.mining.text_store import TextStore

SCORES = np.array([1.5, 1.4, 1.4, 1.2, 1.1], dtype=np.float32)
RIGHT = np.array([True, False, True, True, False])


def test_figures_by_threshold_are_those_worked_out_by_hand() -> None:
    found = figures_by_threshold(SCORES, RIGHT, n_gold=4)
    rows = [(round(f.precision, 4), round(f.recall, 4), round(f.f1, 4), f.pairs, f.right) for f in found]
    assert rows == [
        (100.0, 25.0, 40.0, 1, 1),
        (66.6667, 50.0, 57.1429, 3, 2),  # both pairs of 1.4 together
        (75.0, 75.0, 75.0, 4, 3),
        (60.0, 75.0, 66.6667, 5, 3),
    ]
    assert best_of(found).threshold == np.float32(1.2)
    assert figures_at(1.3, SCORES, RIGHT, 4).pairs == 3
    assert best_of(figures_by_threshold(SCORES[:0], RIGHT[:0], 4)) == Figures(float("inf"), 0.0, 0.0, 0.0, 0, 0)


def test_the_threshold_is_chosen_on_one_half_and_measured_on_the_other() -> None:
    n = 200
    draw = np.random.default_rng(5)
    scores = -np.sort(-draw.normal(1.1, 0.1, n)).astype(np.float32)
    pairs = MinedPairs(draw.permutation(n), np.arange(n), scores)
    known = {(s, t) for s, t in zip(pairs.sources[:120].tolist(), range(120), strict=True) if t % 6}
    gold = Gold(frozenset(known), np.array([*(s for s, _ in sorted(known)), -1, -1]), len(known) + 2)
    report = evaluate(pairs, gold, n, seed=3)
    half = np.zeros(n, dtype=bool)
    half[np.random.default_rng(3).permutation(n)[:100]] = True
    right = np.array([pair in known for pair in zip(pairs.sources.tolist(), range(n), strict=True)])
    ours = half[pairs.sources]
    n_first = sum(half[source] for source, _ in known) + 1  # one of the two that cleaning dropped
    assert report.chosen == best_of(figures_by_threshold(scores[ours], right[ours], n_first))
    at = scores >= np.float32(report.chosen.threshold)
    n_right = int((right & at & ~ours).sum())
    assert report.measured.pairs == int((at & ~ours).sum()) and report.measured.right == n_right
    assert report.measured.recall == pytest.approx(100 * n_right / (gold.n - n_first))
    assert (report.n_gold, report.n_dropped) == (gold.n, 2)
    assert evaluate(pairs, gold, n, seed=4).chosen != report.chosen


@pytest.fixture
def sides(tmp_path: Path) -> tuple[TextStore, TextStore]:
    stores = []
    for name, lines in (("de", ["eins", "zwei", "eins", "", "drei"]), ("en", ["one", "two", "three"])):
        rows = [*enumerate(lines), *[(5, lines[0]), (5, lines[1])]]  # an id of two texts
        (tmp_path / name).write_text("".join(f"{name}-{i}\t{line}\n" for i, line in rows))
        collection = Collection("source", (tmp_path / name,), "2", "1")
        stores.append(cleaned(collection, Cleaning(), tmp_path / "store"))
    return stores[0], stores[1]


def test_either_column_may_be_that_of_the_sources(tmp_path: Path, sides: tuple[TextStore, TextStore]) -> None:
    rows = [("de-2", "en-0"), ("de-1", "en-1"), ("de-3", "en-2")]  # de-2 equals de-0, de-3 is empty
    (tmp_path / "gold.tsv").write_text("".join(f"{a}\t{b}\n\n" for a, b in rows))  # blank lines are no pairs
    parquet.write_table(pa.table({"en": [b for _, b in rows], "de": [a for a, _ in rows]}), tmp_path / "g.parquet")
    for name in ("gold.tsv", "g.parquet"):
        gold = read_gold(tmp_path / name, *sides)
        assert gold.pairs == {(0, 0), (1, 1)} and gold.n == 3 and gold.sources.tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("de-0\ten-9\nde-1\ten-8\n", "has 2 ids that the target collection does not have: en-8, en-9"),
        ("de-0\ten-0\nde-1\ten-1\nde-5\ten-2\n", "1 id of gold.tsv stands for several texts of the source .*: de-5"),
        ("de-0\n", "line 1 has one field"),
        ("", "has no pair"),
    ],
)
def test_wrong_files_are_errors(tmp_path: Path, sides: tuple[TextStore, TextStore], content: str, message: str) -> None:
    (tmp_path / "gold.tsv").write_text(content)
    with pytest.raises(UserError, match=message):
        read_gold(tmp_path / "gold.tsv", *sides)


def test_a_header_is_named(tmp_path: Path, sides: tuple[TextStore, TextStore]) -> None:
    (tmp_path / "gold.tsv").write_text("de\ten\nde-0\ten-0\n")
    with pytest.raises(UserError, match="1 id that the source collection does not have: de") as error:
        read_gold(tmp_path / "gold.tsv", *sides)
    assert error.value.hint == "line 1 looks like a header: remove it"


def test_line_numbers_in_the_wrong_order_are_an_error(tmp_path: Path) -> None:
    stores = []
    for name in ("de", "en"):
        (tmp_path / name).write_text("".join(f"{name} {number}\n" for number in range(60)))
        stores.append(cleaned(Collection("source", (tmp_path / name,)), Cleaning(), tmp_path / "store"))
    partners = (np.arange(60) + 7) % 60
    pairs = MinedPairs(np.arange(60), partners, np.linspace(2, 1, 60, dtype=np.float32))
    rows = [(a + 1, b + 1) for a, b in enumerate(partners.tolist())]
    (tmp_path / "right.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rows))
    (tmp_path / "turned.tsv").write_text("".join(f"{b}\t{a}\n" for a, b in rows))
    (tmp_path / "other.tsv").write_text("".join(f"{a}\t{a}\n" for a, _ in rows))
    for name in ("right.tsv", "other.tsv"):  # few pairs in either order are no sign of a wrong one
        check_order(tmp_path / name, pairs, read_gold(tmp_path / name, *stores), *stores)
    gold = read_gold(tmp_path / "turned.tsv", *stores)
    with pytest.raises(UserError, match="0 of 60 known pairs found, but 60 with its columns exchanged"):
        check_order(tmp_path / "turned.tsv", pairs, gold, *stores)
