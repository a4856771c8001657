"""Bilingual lexicons: what is asked and answered, P@k and CSLS by hand, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Run

from utils.data.judged import load_judged
from utils.data.registry import DATASETS
from utils.data.sources import Sources
from utils.errors import UserError
from utils.retrieval.ensemble import Ensemble

SPEC = DATASETS["retrieval"]["muse"]
NGRAM = ("--model_checkpoint", "baseline/char_ngram")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror" / SPEC.source / "en-de"
    folder.mkdir(parents=True)
    table = {"source": ["hand", "house", "house", "six", "six"], "target": ["hand", "haus", "heim", "sechs", "sechs"]}
    pq.write_table(pa.table(table), folder / "test.parquet")
    return tmp_path / "mirror"


def test_words_are_questions_and_all_translations_answers(mirror: Path, tmp_path: Path) -> None:
    data = load_judged(SPEC, "en_de", Sources(mirror, tmp_path))
    assert data.queries.texts == ("hand", "house", "six") and data.queries.langs == ("en",) * 3
    assert set(data.passages.texts) == {"hand", "haus", "heim", "sechs"} and set(data.passages.langs) == {"de"}
    assert [len(grades) for grades in data.judgements.values()] == [1, 2, 1]
    with pytest.raises(UserError, match="no mirror is named, which has its folder"):
        load_judged(SPEC, "en_de", Sources(None, tmp_path))


def test_csls_by_hand() -> None:
    queries = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    words = np.array([[0.8, 0.6], [0, 1]], dtype=np.float32)  # cosines 0.8, 0 and 0.96, 0.8
    found = Ensemble([], [1.0]).search_by_margin([(queries, words)], 2, "csls", 1)
    # r of the queries 0.8 and 0.96, of the words 0.96 and 0.8: 2a - r - r
    assert found.indices.tolist() == [[0, 1], [0, 1]]
    assert found.scores.tolist() == [pytest.approx([-0.16, -1.6], abs=1e-6), pytest.approx([0, -0.16], abs=1e-6)]


def test_the_script(run: Run, tmp_path: Path, mirror: Path) -> None:
    flags = ("--dataset", "muse", "--langs", "en", "de", "--data_dir", str(mirror), *NGRAM, "--pairs", "cross")
    pq.write_table(pq.read_table(mirror / SPEC.source / "en-de" / "test.parquet"), _folder(mirror) / "test.parquet")
    done = run("retrieval.py", *flags, "--k", "1")
    assert done.returncode == 0 and "muse: hit at k" in done.stdout, done.stderr
    done = run("retrieval.py", *flags, "--k", "1", "--margin", "csls", "--margin_k", "2")
    assert done.returncode == 0, done.stderr
    found = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("logs/**/eval_en_de_1.json"))]
    assert {record["run"]["margin"] for record in found} == {"none", "csls"}
    assert all(0 < record["hit"] <= 1 and record["n"] == 3 for record in found)
    table = run("script/aggregate/aggregate_retrieval.py", "--margin", "csls", "--k", "1")
    assert table.returncode == 0 and "char_ngram" in table.stdout, table.stderr
    wrong = run("retrieval.py", *flags, "--pool", "all")
    assert wrong.returncode == 2 and "--pool all with muse, where each pair of languages has its own" in wrong.stderr
    wrong = run("retrieval.py", *flags, "--margin", "csls", "--similarity", "dot")
    assert wrong.returncode == 2 and "--margin csls with --similarity dot" in wrong.stderr


def _folder(mirror: Path) -> Path:
    folder = mirror / SPEC.source / "de-en"
    folder.mkdir()
    return folder
