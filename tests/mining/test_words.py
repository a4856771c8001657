"""Word translations: lists counted by hand, a dictionary in either order, mutual neighbours by CSLS, the lexicon."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import Run
from other_encoders import save_static
from planted_rows import WORDS
from pyarrow import parquet

from utils.errors import UserError
from utils.mining.cleaning import Cleaning, cleaned
from utils.mining.collections import Collection
from utils.mining.lexicon import LexiconReport, compare, in_order, read_dictionary, word_list
from utils.mining.margins import Best
from utils.mining.pairing import MinedPairs
from utils.mining.text_store import TextStore

TEXTS = ["Der Hund und die Katze.", "Der Hund 2024, der!", "Die Äpfel: 5"]


def words_of(tmp_path: Path, lines: list[str], most: int = 99, *, is_list: bool = False) -> TextStore:
    (tmp_path / "a.txt").write_text("".join(f"{line}\n" for line in lines))
    texts = cleaned(Collection("source", (tmp_path / "a.txt",)), Cleaning(), tmp_path / "store")
    return word_list(texts, most, tmp_path / "store", "source", is_list=is_list)


def test_the_most_frequent_words_come_first_and_numbers_are_none(tmp_path: Path) -> None:
    found = words_of(tmp_path, TEXTS)
    assert found.texts(slice(None)) == ["der", "hund", "die", "und", "katze", "äpfel"]
    assert found.ids([0, 5]) == ["1", "6"]
    assert words_of(tmp_path, TEXTS, 2).texts(slice(None)) == ["der", "hund"]
    assert words_of(tmp_path, ["New  York", "Haus", "2"], 2, is_list=True).texts(slice(None)) == ["New York", "Haus"]
    with pytest.raises(UserError, match="the source texts have no word"):
        words_of(tmp_path, ["1 2", "3"])


def test_dictionaries_are_read_in_the_layouts_of_muse(tmp_path: Path) -> None:
    expected = {"waves": {"welle", "wellen"}, "okay": {"ok"}}
    rows = [("Waves", "welle"), ("waves", "Wellen"), ("okay", "ok")]
    (tmp_path / "a.txt").write_text("".join(f"{a} {b}\n" for a, b in rows))
    (tmp_path / "b.txt").write_text("".join(f"{a}\t{b}\n" for a, b in rows))
    table = {"source": [a for a, _ in rows], "target": [b for _, b in rows], "pos": ["n"] * 3}
    parquet.write_table(pa.table(table), tmp_path / "c.parquet")
    assert [read_dictionary(tmp_path / name) for name in ("a.txt", "b.txt", "c.parquet")] == [expected] * 3
    (tmp_path / "bad.txt").write_text("one\n")
    with pytest.raises(UserError, match="line 1 has one word"):
        read_dictionary(tmp_path / "bad.txt")


def test_figures_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    lists = words_of(tmp_path, ["one two three four"]), words_of(tmp_path, ["eins zwei drei vier"])
    gold = {"one": {"eins"}, "two": {"zwei", "zwo"}, "three": {"tri"}, "four": {"vier"}, "five": {"fünf"}}
    best = Best(np.array([0, 1, 2, 2]), np.ones(4, dtype=np.float32))
    pairs = MinedPairs(np.array([0, 2]), np.array([0, 2]), np.ones(2, dtype=np.float32))
    report = compare(gold, lists, best, pairs)
    assert report == LexiconReport(words=5, in_list=4, covered=3, right=2, kept=2, kept_right=1)
    assert "P@1: 66.67 % of the covered words, 40.00 % of all" in report.lines()[1]
    few = "P@1 is of 3 covered words only, fewer than 100: its 95 % interval is 21 to 94 %"
    assert report.lines()[2] == few
    assert len(replace(report, covered=100).lines()) == len(replace(report, covered=0).lines()) == 3
    turned = {"eins": {"one"}, "zwei": {"two"}}
    assert in_order(turned, lists) == {"one": {"eins"}, "two": {"zwei"}}
    assert in_order(gold, lists) == gold
    with pytest.raises(UserError, match="no word of the dictionary is in either list"):
        in_order({"x": {"y"}}, lists)


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two texts of which each word is spelled alike in both, so that its best partner is itself."""
    folder = tmp_path_factory.mktemp("words")
    save_static(folder / "model")
    draw = np.random.default_rng(2)
    for name in "ab":
        lines = [" ".join(draw.choice(WORDS, 6)) for _ in range(60)]
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    (folder / "gold.txt").write_text("cat cat\ndog dog\nhouse mouse\n")
    sides = ("--source", str(folder / "a.txt"), "--target", str(folder / "b.txt"), "--gold", str(folder / "gold.txt"))
    return ["--mode", "words", *sides, "--model_checkpoint", str(folder / "model"), "--store", "store"]


def test_a_lexicon_is_mined_and_read_by_retrieval(run: Run, tmp_path: Path, flags: list[str]) -> None:
    for name in ("o.tsv", "o.parquet"):
        done = run("mine.py", *flags, "--output", name)
        assert done.returncode == 0, done.stderr
    n = len(WORDS)
    assert f"source: {n} words" in done.stdout and f"{n} pairs of words" in done.stdout
    assert "3 words of the dictionary: 3 are in the list of the sources, 2 with" in done.stdout
    assert "P@1: 100.00 % of the covered words, 66.67 % of all" in done.stdout
    lines = [line.split("\t") for line in (tmp_path / "o.tsv").read_text().splitlines()]
    assert lines[0] == ["source", "target", "score"] and {(a, b) for a, b, _ in lines[1:]} == {(w, w) for w in WORDS}
    assert parquet.read_table(tmp_path / "o.parquet").column("source").to_pylist() == [line[0] for line in lines[1:]]
    manifest = json.loads((tmp_path / "o.tsv.manifest.json").read_text())
    assert (
        manifest["run"]["settings"]["margin"] == "csls" and manifest["run"]["settings"]["direction"] == "intersection"
    )
    assert manifest["gold"]["right"] == 2 and manifest["counts"]["pairs"] == n
    model = flags[flags.index("--model_checkpoint") : -2]
    read = run("retrieval.py", "--dataset", "o.tsv", "--columns", "source", "target", *model, "--k", "1")
    assert read.returncode == 0 and "100.00" in read.stdout, read.stderr
    layout = tmp_path / "mirror" / "facebookresearch" / "MUSE-dictionaries" / "en-af"
    layout.mkdir(parents=True)
    (tmp_path / "o.parquet").rename(layout / "test.parquet")
    read = run("retrieval.py", "--dataset", "muse", "--langs", "en", "af", "--data_dir", "mirror", *model, "--k", "1")
    assert read.returncode == 0, read.stderr


def test_a_dry_run_counts_words(run: Run, flags: list[str]) -> None:
    done = run("mine.py", *flags, "--max_words", "12", "--dry_run")
    assert done.returncode == 0 and "24 texts to encode" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--max_words", "3"), "--margin_k 10, but the smaller side has 3 texts"),
        (("--gold", "none.txt"), "--gold none.txt: no such file"),
        (("--max_words", "0"), "--max_words: '0'"),
        (("--neg_max", "0.5"), "--neg_max with --mode words"),
        (("--mode", "bitext", "--word_lists"), "--word_lists with --mode bitext"),
        (("--mode", "bitext", "--max_words", "7"), "--max_words with --mode bitext"),
    ],
)
def test_mistakes_are_errors_in_two_lines(run: Run, flags: list[str], more: tuple[str, ...], message: str) -> None:
    done = run("mine.py", *flags, *more)
    what, hint = done.stderr.splitlines()[-2:]
    assert done.returncode == 2 and message in what and len(hint) > len("hint: "), done.stderr
