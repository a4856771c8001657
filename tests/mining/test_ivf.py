"""mine.py --index ivf: neighbours of an inverted file, their exact cosines, and the recall that is measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from planted_rows import clustered, stored

from utils.mining.ivf import Ivf, n_lists, recall_of
from utils.mining.neighbours import SearchPlace, nearest_both_ways
from utils.retrieval.topk import topk
from utils.schema import TopK


def test_there_are_four_lists_for_the_root_of_the_rows_and_39_rows_for_each() -> None:
    assert [n_lists(n) for n in (1, 39, 1000, 100_000, 1_000_000)] == [1, 1, 25, 1264, 4000]


def test_recall_counts_those_that_score_as_the_last_exact_one() -> None:
    exact = TopK(np.array([[0, 1], [2, 3]]), np.array([[0.9, 0.8], [0.7, 0.6]], dtype=np.float32))
    found = TopK(np.array([[0, 7], [3, 9]]), np.array([[0.9, 0.8], [0.6, 0.5]], dtype=np.float32))  # 7 equals 1
    assert recall_of(found, exact) == {"recall@1": 50.0, "recall@2": 75.0}


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_all_lists_give_the_exact_neighbours_and_few_a_recall_that_is_right(tmp_path: Path, dtype: str) -> None:
    pytest.importorskip("faiss")
    sides = clustered(500, 800)
    stores = tuple(
        stored(tmp_path / f"{name}-{dtype}", rows, dtype, 170) for name, rows in zip("ab", sides, strict=True)
    )
    rows = [store.load(0, len(store.paths)) for store in stores]
    for nprobe in (99, 2, 1):
        place = SearchPlace("cpu", None, tmp_path / dtype, ivf=Ivf(nprobe, 42))
        both = nearest_both_ways(stores[0], stores[1], 16, place, block_bytes=4 * rows[0].shape[1] * 340)
        for way, lists in enumerate(both):
            found = [each for _, each in lists.complete()]
            indices = np.concatenate([each.indices for each in found])
            scores = np.concatenate([each.scores for each in found])
            exact = topk(rows[way], rows[1 - way], 16)
            told = place.index[("forward", "backward")[way]]
            if nprobe == 99:
                assert (indices == exact.indices).all() and (scores == exact.scores).all()
                assert told["recall@16"] == told["recall@1"] == 100 and told["sample"] == (500, 800)[way]
                assert told["lists_read"] == told["lists"] == (20, 12)[way]
            else:
                assert (indices >= 0).all()  # a text whose lists have too few rows reads all
                kept = (indices[:, :, None] == exact.indices[:, None]).any(axis=1)  # no two rows are equal here
                assert told["recall@16"] == pytest.approx(100 * kept.mean(), abs=1e-4) and 20 < told["recall@16"] < 100
                assert told["recall@1"] == pytest.approx(100 * (indices[:, 0] == exact.indices[:, 0]).mean(), abs=1e-4)


def test_the_manifest_tells_the_recall_and_the_same_command_writes_the_same_bytes(
    run: Run, tmp_path: Path, sides: list[str]
) -> None:
    pytest.importorskip("faiss")
    first = run("mine.py", *sides, "--index", "ivf", "--nprobe", "1", "--output", "one.tsv")
    assert first.returncode == 0, first.stderr
    told = [line for line in first.stdout.splitlines() if line.startswith("index (")]
    assert len(told) == 2 and told[0].startswith("index (forward): 1 of 2 lists read; recall@16 ")
    again = [*sides[:-4], "--store", "other", *sides[-2:]]
    assert run("mine.py", *again, "--index", "ivf", "--nprobe", "1", "--output", "two.tsv").returncode == 0
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "two.tsv").read_bytes() != b""
    manifest = json.loads((tmp_path / "one.tsv.manifest.json").read_text())
    assert manifest["run"]["index"] == {"nprobe": 1, "seed": 42} and "approximate" in manifest["index"]["meaning"]
    assert manifest["index"]["forward"]["sample"] == 90 and 0 < manifest["index"]["backward"]["recall@1"] <= 100
    assert manifest["counts"]["sources_searched_by_margin"] == 0
    for broken in (tmp_path / "other").glob("index/*/*"):
        broken.write_bytes(b"broken")
    for lists in (tmp_path / "other").glob("neighbours/*/*.npz"):
        lists.unlink()
    repaired = run("mine.py", *again, "--index", "ivf", "--nprobe", "1", "--output", "two.tsv")
    assert repaired.stderr.count("is broken; this part of the index is made again") == 2 + 2 * 4
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "two.tsv").read_bytes()
    planned = run("mine.py", *sides, "--index", "ivf", "--nprobe", "1", "--dry_run")
    assert "index: about 1 s to make; it takes 0 MiB of memory" in planned.stdout
    assert "search in the index: about 1 s; 50.0 % of the pairs are read" in planned.stdout
    refused = run("mine.py", *sides, "--output", "one.tsv")  # the exact pairs are others
    assert refused.returncode == 2 and "other settings" in refused.stderr
    whole = run("mine.py", *sides, "--index", "ivf", "--margin", "absolute", "--output", "whole.tsv")  # all of 2 lists
    assert whole.returncode == 0 and "recall@16 100.00, recall@1 100.00" in whole.stdout
    assert run("mine.py", *sides, "--margin", "absolute", "--output", "exact.tsv").returncode == 0
    assert (tmp_path / "whole.tsv").read_bytes() == (tmp_path / "exact.tsv").read_bytes()


def test_what_is_missing_is_named(run: Run, sides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("mine.py", *sides, "--nprobe", "4")
    assert done.returncode == 2 and done.stderr.splitlines()[-2] == "error: --nprobe without --index ivf"
    monkeypatch.setitem(sys.modules, "faiss", None)
    done = run("mine.py", *sides, "--index", "ivf")
    assert done.returncode == 2 and done.stderr.splitlines()[-2:] == [
        "error: the package faiss is not installed",
        "hint: pip install -r requirements-cluster.txt",
    ]
