"""Training rows against a plain loop over all texts, and against sentence-transformers; groups, seeds, errors."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet
import pytest
from conftest import Run
from other_encoders import save_static
from planted_rows import WORDS, clustered, stored

from utils.errors import UserError
from utils.mining import neighbours
from utils.mining.choosing import Mates, PairRow, Thresholds, choose_rows
from utils.mining.cleaning import Cleaning, cleaned
from utils.mining.collections import Collection
from utils.mining.margins import pair_cosines
from utils.mining.neighbours import SearchPlace, nearest_within
from utils.mining.pairs import Searched, list_length, near_cosines
from utils.mining.ranking import Ranked
from utils.mining.relations import Relations, relations_of
from utils.mining.score_counts import ScoreCounts
from utils.mining.settings import PairsSettings

Floats = npt.NDArray[np.float64]
N = 240
NOTHING = Thresholds(None, None)


def settings(**more: Any) -> PairsSettings:
    usual: dict[str, Any] = dict.fromkeys(PairsSettings.__dataclass_fields__)
    numbers = {"neg_ranks": [10, 40], "max_pos": 3, "max_neg": 4, "sampling": "top", "seed": 1, "shard_size": 64}
    return PairsSettings(**{**usual, **numbers, "store_dtype": "float32", "with_scores": False, **more})


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Floats, Relations]:
    """Rows in shards, their cosines, groups of three texts (two of 90 groups share one), and near-duplicates."""
    rows = np.concatenate(clustered(160, 80))
    store = stored(tmp_path_factory.mktemp("planted") / "rows", rows, "float32", 50)
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1)[:, None]
    near = np.arange(N)
    near[[7, 9, 100]] = 3
    groups = np.sort(np.append(np.arange(180) % 60, [61, 61]))
    places = np.concatenate([np.flatnonzero(np.arange(180) % 60 == number) for number in range(60)] + [[0, 200]])
    return store, unit @ unit.T, Relations(near, places, groups)


def plain(cosines: Floats, relations: Relations, how: PairsSettings, text: int) -> tuple[list[int], list[int]]:
    """Return the positives and the negatives of a text by the definitions in docs/mining.md, one text after another."""
    near, own = relations.near, set(relations.mates([text]).tolist()) - {text}
    others = [x for x in range(N) if x != text and x not in own and near[x] != near[text]]
    order = sorted(others, key=lambda x: (-np.float32(cosines[text, x]), x))
    within = [(rank, x, np.float32(cosines[text, x])) for rank, x in enumerate(order, start=1) if rank <= how.depth]
    low, high = how.pos_ranks or (1, N)
    positive = [
        x
        for rank, x, score in within
        if how.has_positive_rule
        and low <= rank <= high
        and (how.pos_min is None or score >= np.float32(how.pos_min))
        and (how.pos_max is None or score <= np.float32(how.pos_max))
    ]
    mates = sorted((x for x in own if near[x] != near[text]), key=lambda x: (-cosines[text, x], x))
    chosen: list[int] = []
    for x in [*mates, *positive]:
        if len(chosen) < how.max_pos and near[x] not in near[chosen]:
            chosen.append(x)
    if not chosen:
        return [], []
    lowest = min(cosines[text, x] for x in chosen)
    related = {int(x) for y in [text, *mates, *positive] for x in [y, *relations.mates([y]).tolist()]}
    negatives: list[int] = []
    for rank, x, score in within:
        if (
            how.neg_ranks[0] <= rank <= how.neg_ranks[1]
            and x not in positive
            and near[x] not in near[[*related, *negatives]]
            and (how.neg_max is None or score <= np.float32(how.neg_max))
            and (how.relative_margin is None or score <= lowest - abs(lowest) * how.relative_margin)
            and (how.absolute_margin is None or score <= lowest - how.absolute_margin)
            and len(negatives) < how.max_neg
        ):
            negatives.append(x)
    return chosen, negatives


def rows_of(planted: tuple[Any, Floats, Relations], how: PairsSettings, root: Path) -> list[PairRow]:
    store, _, relations = planted
    place = SearchPlace("cpu", None, root)
    lists = nearest_within(store, list_length(relations, how), place, block_bytes=4 * 24 * 130)
    searched, counts = Searched(store, lists, relations, how), Counter[str]()
    bounds = Thresholds(how.pos_min, how.neg_max)
    return [row for part in searched.parts() for row in choose_rows(*part, relations, how, bounds, counts)]


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_cosines_of_single_pairs_are_those_of_whole_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    store = stored(tmp_path / "rows", np.concatenate(clustered(160, 80)), dtype, 50)
    draw, blocks = np.random.default_rng(1), neighbours.blocks_of(store, 4 * 24 * 100)
    pairs = draw.integers(0, N, 500), draw.integers(0, N, 500)
    monkeypatch.setattr("utils.mining.pairs.AT_ONCE", 64)
    assert (near_cosines(pairs, store) == pair_cosines(pairs, (store, store), (blocks, blocks))).all()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pos_ranks": [1, 5], "neg_ranks": [4, 30]},
        {"pos_min": 0.95, "pos_max": 0.99, "max_pos": 9, "neg_max": 0.93},
        {"relative_margin": 0.01, "neg_ranks": [1, 40]},
        {"pos_ranks": [2, 3], "absolute_margin": 0.02, "neg_ranks": [1, 300], "max_neg": 50},
    ],
)
def test_rows_are_those_of_a_plain_loop(
    planted: tuple[Any, Floats, Relations], tmp_path: Path, more: dict[str, Any]
) -> None:
    how = settings(**more)
    found = {row.query: (row.pos.tolist(), row.neg.tolist()) for row in rows_of(planted, how, tmp_path)}
    expected = {text: plain(planted[1], planted[2], how, text) for text in range(N)}
    ties = {237, 238, 239}  # three texts with equal vectors
    for text, (positives, negatives) in expected.items():
        row = found.get(text, ([], []))
        wanted = (positives, negatives) if positives and negatives else ([], [])
        if not ties & {text, *positives, *negatives, *row[0], *row[1]}:
            assert row == wanted, text
    assert len(found) > 2


def test_random_draws_follow_the_seed_and_not_the_order_of_the_work(
    planted: tuple[Any, Floats, Relations], tmp_path: Path
) -> None:
    draws = [
        [row.neg.tolist() for row in rows_of(planted, settings(sampling="random", seed=seed), tmp_path)]
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
    near = planted[2].near
    top = [row.neg.tolist() for row in rows_of(planted, settings(max_neg=31), tmp_path)]
    assert all({*near[some]} <= {*near[every]} for some, every in zip(draws[0], top, strict=True))


def test_a_text_has_the_groups_of_its_duplicates_and_near_duplicates_share_a_number(tmp_path: Path) -> None:
    lines = ["thanks\t1", "danke\t1", "asante\t2", "thanks\t2", "Danke!\t", "other\t"]
    (tmp_path / "a.txt").write_text("".join(f"{line}\n" for line in lines))
    texts = cleaned(Collection("source", (tmp_path / "a.txt",), "1", None, "2"), Cleaning(), tmp_path / "store")
    relations = relations_of(texts)
    assert texts.texts(slice(None)) == ["thanks", "danke", "asante", "Danke!", "other"]
    assert relations.mate_pairs(0, 5)[0].tolist() == [0, 0, 1, 2]
    assert relations.mate_pairs(0, 5)[1].tolist() == [1, 2, 0, 0]  # "danke" and "asante" share no group
    assert relations.near.tolist() == [0, 1, 2, 1, 4] and relations.most_related() == 2
    assert (
        relations_of(cleaned(Collection("source", (tmp_path / "a.txt",), "1"), Cleaning(), tmp_path / "s"))
        .mates([0])
        .tolist()
        == []
    )


def test_groups_and_duplicates_that_are_too_many_are_named() -> None:
    many = np.arange(1002)
    with pytest.raises(UserError, match="shares its groups with 1,001 others"):
        Relations(many, many, np.zeros(1002, dtype=np.int64)).most_related()
    with pytest.raises(UserError, match="1,001 near-duplicates"):
        Relations(np.zeros(1002, dtype=np.int64), many[:0], many[:0]).most_related()


def test_the_histogram_and_percentiles_are_those_counted_by_hand() -> None:
    scores = ScoreCounts()
    values = np.array([[0.9, 0.85, 0.8], [0.7, 0.5, -np.inf]], dtype=np.float32)
    indices = np.array([[1, 2, 3], [0, 2, -1]])
    scores.add(Ranked(0, indices, values), np.array([0.95, 1.0]))
    rows = scores.rows()
    assert [row["cosine"] for row in rows] == [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5]
    assert [row["kept_pairs"] for row in rows] == [0, 0, 1, 2, 3, 3, 4, 4, 4, 4, 5]
    assert [row["kept_texts"] for row in rows] == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert [row["kept_mates"] for row in rows] == [1] + [2] * 10
    assert [scores.percentile(percent) for percent in (0, 20, 60, 80, 100)] == [-1.0, 0.5, 0.8, 0.85, 0.9]
    assert scores.percentile(60, upper=True) == 0.8001
    assert ScoreCounts().rows() == [] and "cosine" in ScoreCounts().table(mates=False)


def test_margins_are_relative_to_the_lowest_positive_also_below_zero() -> None:
    near = np.arange(5)
    relations = Relations(near, near[:0], near[:0])
    values = np.array([[-0.1, -0.102, -0.106, -0.2]], dtype=np.float32)
    some = Ranked(0, np.array([[1, 2, 3, 4]]), values)
    nothing = Mates(near[:0], near[:0], np.empty(0))
    how = settings(pos_ranks=[1, 1], neg_ranks=[1, 9], relative_margin=0.05)
    (row,) = choose_rows(some, nothing, relations, how, NOTHING, Counter())
    assert row.pos.tolist() == [1] and row.neg.tolist() == [3, 4]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a static encoder and 120 texts of which two each have an item; no two have the same words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("corpus")
    words = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    save_static(folder / "model", words)
    sets = list(combinations(WORDS, 5))
    chosen = np.random.default_rng(3).choice(len(sets), 120, replace=False)
    rows = [{"text": " ".join(sets[number]), "item": place // 2} for place, number in enumerate(chosen)]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def flags(corpus: Path, *more: str) -> list[str]:
    usual = ("--mode", "pairs", "--source", str(corpus / "c.jsonl"), "--model_checkpoint", str(corpus / "model"))
    return [*usual, "--shard_size", "32", "--store", "store", "--store_dtype", "float32", *more]


def mined(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_hard_negatives_are_those_of_sentence_transformers(run: Run, tmp_path: Path, corpus: Path) -> None:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    more = ("--group_column", "item", "--relative_margin", "0.05", "--neg_ranks", "1-200", "--max_neg", "3")
    done = run("mine.py", *flags(corpus, *more, "--output", "o.jsonl"))
    assert done.returncode == 0, done.stderr
    ours = {row["query"]: (row["pos"], row["neg"]) for row in mined(tmp_path / "o.jsonl")}
    texts = [row["text"] for row in mined(corpus / "c.jsonl")]
    partner = {text: texts[place ^ 1] for place, text in enumerate(texts)}
    theirs: dict[str, list[str]] = {}
    found = mine_hard_negatives(
        Dataset.from_dict({"anchor": texts, "positive": [partner[text] for text in texts]}),
        SentenceTransformer(str(corpus / "model"), device="cpu"),
        corpus=texts,
        relative_margin=0.05,
        num_negatives=3,
        range_max=119,
        verbose=False,
    )
    for row in found:
        assert row["positive"] == partner[row["anchor"]]
        theirs.setdefault(row["anchor"], []).append(row["negative"])
    assert {query: neg for query, (_, neg) in ours.items()} == theirs
    assert all(pos == [partner[query]] for query, (pos, _) in ours.items()) and len(ours) > 100


def test_retrieval_reads_the_rows_and_parquet_has_the_same(run: Run, tmp_path: Path, corpus: Path) -> None:
    more = ("--pos_percentile", "98", "--neg_max", "0.6", "--with_scores")
    for name in ("o.jsonl", "o.parquet"):
        done = run("mine.py", *flags(corpus, *more, "--output", name))
        assert done.returncode == 0, done.stderr
    rows, table = mined(tmp_path / "o.jsonl"), pyarrow.parquet.read_table(tmp_path / "o.parquet").to_pylist()
    manifest = json.loads((tmp_path / "o.jsonl.manifest.json").read_text())
    low = manifest["bounds"]["pos_min"]
    assert rows and [row["pos"] for row in rows] == [row["pos"] for row in table]
    assert f"positives by cosine of at least {low:.4f}" in done.stdout
    assert done.stdout.index("pairs kept") < done.stdout.index(" rows with ")
    for row in rows:
        assert min(row["pos_scores"]) >= low - 1e-6 and max(row["neg_scores"]) <= 0.6
        assert 1 <= len(row["pos"]) <= 5 and 1 <= len(row["neg"]) <= 7 and not {*row["pos"]} & {*row["neg"]}
    assert (tmp_path / "o.jsonl.histogram.png").is_file() and manifest["counts"]["rows"] == len(rows)
    for name in ("o.jsonl", "o.parquet"):
        read = run("retrieval.py", "--dataset", name, "--model_checkpoint", str(corpus / "model"))
        assert read.returncode == 0, read.stderr


def test_an_interrupted_mining_goes_on_and_writes_the_same_bytes(
    run: Run, tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = flags(corpus, "--pos_ranks", "1-2", "--sampling", "random", "--output", "o.jsonl")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(neighbours, "write_atomic", interrupt)
        assert run("mine.py", *argv).returncode == 130 and not (tmp_path / "o.jsonl").exists()
    shards = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").glob("rows/*/*.npy")}
    assert len(shards) == 4 and run("mine.py", *argv).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in shards} == shards
    whole = [*argv[:-1], "w.jsonl"]
    whole[whole.index("--store") + 1] = "other"
    assert run("mine.py", *whole).returncode == 0
    assert (tmp_path / "o.jsonl").read_bytes() == (tmp_path / "w.jsonl").read_bytes() != b""
    assert run("mine.py", *argv).returncode == 0  # the same mining may be run again
    assert run("mine.py", *argv, "--seed", "7").returncode == 2


def test_a_dry_run_estimates_one_collection(run: Run, tmp_path: Path, corpus: Path) -> None:
    done = run("mine.py", *flags(corpus, "--group_column", "item", "--dry_run"))
    assert done.returncode == 0, done.stderr
    assert "120 texts to encode" in done.stdout and "search of 102 neighbours" in done.stdout
    assert not (tmp_path / "mined").exists()


def test_groups_that_are_no_translations_are_noted(run: Run, tmp_path: Path, corpus: Path) -> None:
    rows = [{**row, "lang": "ab"[number % 2]} for number, row in enumerate(mined(corpus / "c.jsonl"))]
    (tmp_path / "l.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = "note: a text shares its group with 59 others on average, of which --max_pos keeps the 5 nearest"
    for more, is_noted in ((("--group_column", "lang"), True), (("--group_column", "lang", "--max_pos", "6"), False)):
        done = run("mine.py", *flags(corpus, "--source", "l.jsonl", *more, "--dry_run"))
        assert done.returncode == 0 and (told in done.stderr) == is_noted, done.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "nothing says which texts are positives"),
        (("--group_column", "none"), "c.jsonl has no column 'none'"),
        (("--group_column", "empty"), "the column 'empty' has no value"),
        (("--pos_ranks", "5-1"), "'5-1' is not a range of ranks"),
        (("--pos_ranks", "0-3"), "'0-3' is not a range of ranks"),
        (("--pos_percentile", "101"), "'101' is not from 0 to 100"),
        (("--pos_min", "0.8", "--pos_percentile", "99"), "--pos_min and --pos_percentile are both given"),
        (("--pos_min", "1.5"), "--pos_min 1.5"),
        (("--pos_min", "0.9", "--pos_max", "0.8"), "--pos_min 0.9 --pos_max 0.8"),
        (("--pos_max", "0.8"), "--pos_max without a rule of positives"),
        (("--pos_ranks", "1", "--format", "tsv"), "--format tsv with --mode pairs"),
        (("--pos_ranks", "1", "--target", "x"), "--target with --mode pairs"),
        (("--pos_ranks", "1", "--language_id", "en", "de"), "--language_id has 2 codes"),
        (("--pos_ranks", "1", "--text_column", "a", "b"), "--text_column has 2 values"),
        (("--pos_ranks", "1", "--source", "one.txt"), "the source collection has one text"),
        (("--pos_ranks", "1", "--source", "empty.txt"), "the source collection has no text"),
        (("--relative_margin", "5"), "'5' is not from 0 to 1"),
        (("--absolute_margin", "-1"), "'-1' is not from 0 to 2"),
        (("--mode", "bitext", "--pos_ranks", "1"), "--pos_ranks with --mode bitext"),
    ],
)
def test_mistakes_are_errors_in_two_lines(
    run: Run, tmp_path: Path, corpus: Path, more: tuple[str, ...], message: str
) -> None:
    (tmp_path / "one.txt").write_text("a\n")
    (tmp_path / "empty.txt").write_text("\n")
    if "empty" in more:
        rows = "".join(json.dumps({**row, "empty": ""}) + "\n" for row in mined(corpus / "c.jsonl"))
        (tmp_path / "c.jsonl").write_text(rows)
        more = (*more, "--source", "c.jsonl")
    done = run("mine.py", *flags(corpus, *more))
    what, hint = done.stderr.splitlines()[-2:]
    assert done.returncode == 2 and message in what and len(hint) > len("hint: ")
