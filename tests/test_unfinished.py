"""A run that ends in an error prints the scores of the subsets that are finished, in every script with subsets."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Run
from tiny_models import make_model

NGRAM = ("--model_checkpoint", "baseline/char_ngram", "--k", "1")
TEXTS = ["a red house", "the blue sea", "a small dog", "two old cats", "green trees", "cold rain"]
LABELS = ["a", "b", "c"]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror that has two languages of NusaX, two of XQuAD-R and two pairs of STS17."""
    root = tmp_path / "mirror"

    def write(path: str, **columns: list[object]) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), root / path)

    for lang in ("eng", "ace"):
        texts: list[object] = [f"{text} {lang}" for text in TEXTS]
        for split in ("train", "validation", "test"):
            place = f"indonlp/NusaX-senti/{lang}/{split}/0000.parquet"
            write(place, id=[str(row) for row in range(6)], text=texts, label=[0, 1, 2, 0, 1, 2])
    for lang in ("ar", "de"):
        folder, ids = f"google-research-datasets/xquad-r/{lang}", [f"{lang}{row}" for row in range(6)]
        write(f"{folder}/corpus.parquet", _id=ids, text=list(TEXTS))
        write(f"{folder}/queries.parquet", _id=["q1", "q2"], text=["red house", "dog"])
        qrels: dict[str, list[object]] = {"query-id": ["q1", "q2"], "corpus-id": [ids[0], ids[2]], "score": [1, 1]}
        write(f"{folder}/qrels/test.parquet", **qrels)
    for pair in ("en-en", "es-es"):
        place = f"mteb/sts17-crosslingual-sts/{pair}/test.parquet"
        write(place, sentence1=TEXTS[:3], sentence2=["a red house", "the sea", "cats"], score=[5.0, 3.0, 0.0])
    return root


@pytest.mark.parametrize(
    ("command", "finished", "error"),
    [
        (("bitext.py", "--dataset", "nusax", "--langs", "ace", "ban"), "eng_ace", "NusaX-senti has no ban"),
        (("classification.py", "--dataset", "nusax", "--langs", "ace", "ban"), "ace", "NusaX-senti has no ban"),
        (
            ("retrieval.py", "--dataset", "xquad_r", "--pool", "same", "--langs", "ar", "de", "el"),
            "ar",
            "no folder google-research-datasets/xquad-r/el in the mirror",
        ),
        (("sts.py", "--langs", "en", "es"), "en_en", "sts17-crosslingual-sts has no es-en"),
    ],
)
def test_finished_subsets_are_printed_before_the_error(
    run: Run, mirror: Path, command: tuple[str, ...], finished: str, error: str
) -> None:
    flags = NGRAM[:2] if command[0] == "sts.py" else NGRAM
    done = run(*command, *flags, "--data_dir", str(mirror))
    assert done.returncode == 2 and error in done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.split()[:1] == [finished] for line in lines), done.stdout
    n = 2 if command[0] == "retrieval.py" else 1
    of = {"retrieval.py": 3, "sts.py": 3}.get(command[0], 2)
    assert lines[-1] == f"not finished: the table has {n} of {of} subsets"


def test_without_a_finished_subset_there_is_no_table(run: Run, mirror: Path) -> None:
    done = run("bitext.py", "--dataset", "nusax", "--langs", "ban", *NGRAM, "--data_dir", str(mirror))
    assert (done.returncode, done.stdout) == (2, "") and "NusaX-senti has no ban" in done.stderr


def test_in_context_learning_shows_the_ks_that_are_finished(run: Run, mirror: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "tiny", "gemma3_long")
    flags = ("--gen_model_checkpoint", str(model), "--data_dir", str(mirror), "--model_checkpoint", NGRAM[1])
    done = run("icl.py", "--dataset", "nusax", "--langs", "ace", "--k", "0", "9", *flags)
    assert done.returncode == 2 and "--k 9, but ace has 6 candidates" in done.stderr, done.stderr
    assert (
        done.stdout.splitlines()[0].split()[-1] == "0" and "not finished: the table has 1 of 1 subsets" in done.stdout
    )
