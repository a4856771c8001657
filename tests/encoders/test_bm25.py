"""baseline/bm25 ranks as bm25s does, by cosine and by dot product, in every script that searches."""

from __future__ import annotations

from pathlib import Path

import bm25s
import numpy as np
import pytest
from conftest import ROOT, Run

from utils.data.tables import read_table
from utils.encoders.bm25 import Bm25Encoder
from utils.encoders.registry import ENCODERS
from utils.retrieval.topk import topk
from utils.words import words

SPEC = ENCODERS["baseline/bm25"]


@pytest.mark.parametrize("lang", ["eng", "hin", "jpn"])
def test_the_products_are_the_librarys_scores(lang: str) -> None:
    texts = read_table(ROOT / "data" / "sample" / "parallel.tsv")[lang]
    asked = read_table(ROOT / "data" / "sample" / "questions.tsv")[lang]
    queries, candidates = Bm25Encoder(SPEC).embed(asked, texts)
    retriever = bm25s.BM25()
    retriever.index([words(text) for text in texts], show_progress=False)
    dot, cosine = (topk(queries, candidates, 70, similarity=name) for name in ("dot", "cosine"))
    for row, text in enumerate(asked):
        known = [word for word in words(text) if word in retriever.vocab_dict]
        expected = retriever.get_scores(known)
        assert dot.scores[row] == pytest.approx(np.sort(expected)[::-1], rel=1e-5)
        assert expected[cosine.indices[row]] == pytest.approx(expected[dot.indices[row]], rel=1e-5)


def test_texts_without_words_score_nothing() -> None:
    queries, candidates = Bm25Encoder(SPEC).embed(["zzz", "!"], ["one two", "...", "two"])
    assert topk(queries, candidates, 3).scores.tolist() == [[0, 0, 0], [0, 0, 0]]
    queries, candidates = Bm25Encoder(SPEC).embed(["zzz"], ["...", "?"])
    assert topk(queries, candidates, 2).indices.tolist() == [[0, 1]]


def test_it_runs_in_the_scripts(run: Run, tmp_path: Path) -> None:
    flags = ("--model_checkpoint", "baseline/bm25")
    done = run("retrieval.py", *flags, "--langs", "eng", "--pool", "same")
    assert done.returncode == 0 and "note: baseline" not in done.stderr, done.stderr
    assert run("bitext.py", *flags, "--langs", "spanglish", "--direction", "backward").returncode == 0
    assert run("classification.py", *flags, "--langs", "eng").returncode == 0
    both = ("--model_checkpoints", "baseline/bm25", "baseline/char_ngram", "--langs", "eng", "--fuse", "rank")
    done = run("retrieval.py", *both)
    assert done.returncode == 0, done.stderr
