"""Run files of TREC: what is written is read again, and what is no ranking is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from utils.data.subsets import Texts
from utils.data.trec_runs import read_run, run_tag, write_run
from utils.errors import UserError
from utils.schema import TopK

QUERIES = Texts(("q1", "q 2"), ("?", "?"), ("eng", "eng"))
PASSAGES = Texts(("d3", "d2", "d1"), ("c", "b", "a"), ("eng", "eng", "eng"))


def test_a_run_is_written_and_read(tmp_path: Path) -> None:
    found = TopK(np.array([[2, 0], [1, -1]]), np.array([[0.5, 0.25], [0.1, 0.0]], dtype=np.float32))
    write_run(tmp_path / "a.trec", QUERIES, PASSAGES, found, "my model")
    assert (tmp_path / "a.trec").read_text() == (
        "q1 Q0 d1 1 0.5 my_model\nq1 Q0 d3 2 0.25 my_model\nq_2 Q0 d2 1 0.1 my_model\n"
    )
    again = read_run(tmp_path / "a.trec", QUERIES, PASSAGES)
    assert again.indices.tolist() == found.indices.tolist() and again.scores.tolist() == found.scores.tolist()
    assert run_tag(tmp_path / "a.trec") == "my_model"


def test_ties_go_to_the_last_identifier_whatever_the_order_of_the_lines(tmp_path: Path) -> None:
    (tmp_path / "a.trec").write_text("q1 Q0 d1 1 2 x\nq1 Q0 d2 2 2 x\nq1 Q0 d3 3 2.5 x\nother Q0 z 1 1 x\n")
    found = read_run(tmp_path / "a.trec", QUERIES, PASSAGES)
    assert found.indices.tolist() == [[0, 1, 2], [-1, -1, -1]]


def test_what_a_run_lacks_or_has_beside_the_questions_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.trec"
    path.write_text("q1 Q0 d1 1 2 x\nother Q0 z 1 1 x\nother Q0 y 1 1 y\n")
    read_run(path, QUERIES, PASSAGES)
    assert capsys.readouterr().err.splitlines() == [
        f"note: {path}: 1 of 2 questions are not ranked and count as 0, such as 'q_2'",
        f"note: {path}: 1 question that the set does not ask left out, such as 'other'",
        f"note: {path}: the lines have 2 tags (x, y); the first one names the records",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1 Q0 d1 1 0.5\n", "line 1 has 5 columns, expected 6"),
        ("q1 Q0 d1 1 high x\n", "line 1: the score 'high' is not a number"),
        ("q1 Q0 d1 1 nan x\n", "line 1: the score 'nan' is not a number"),
        ("q1 Q0 d1 1 1e300 x\n", "line 1: the score '1e300' is too large"),
        ("q1 Q0 d9 1 1 x\n", "line 1: unknown passage 'd9'"),
        ("q1 Q0 d1 1 1 x\nq1 Q0 d1 2 1 x\n", "line 2: 'd1' is ranked twice"),
        ("q9 Q0 d1 1 1 x\n", "ranks nothing for any question"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.trec").write_text(content)
    with pytest.raises(UserError) as caught:
        read_run(tmp_path / "a.trec", QUERIES, PASSAGES)
    assert message in caught.value.what


def test_identifiers_that_become_the_same_are_refused_in_both_directions(tmp_path: Path) -> None:
    found = TopK(np.array([[0], [1]]), np.array([[0.5], [0.25]], dtype=np.float32))
    twins = Texts(("d_1", "d 1", "d2"), ("c", "b", "a"), ("eng", "eng", "eng"))
    (tmp_path / "a.trec").write_text("q1 Q0 d_1 1 1 x\n")
    asked = Texts(("q 2", "q_2"), ("?", "?"), ("eng", "eng"))
    for queries, passages, message in ((QUERIES, twins, "'d_1' and 'd 1' have"), (asked, PASSAGES, "'q 2' and 'q_2'")):
        with pytest.raises(UserError, match=message):
            write_run(tmp_path / "b.trec", queries, passages, found, "x")
        with pytest.raises(UserError, match=message):
            read_run(tmp_path / "a.trec", queries, passages)


def test_a_tag_that_no_folder_can_be_named_by_is_refused(tmp_path: Path) -> None:
    for tag, size in (("x" * 5000, "5,000"), ("\u8a9e" * 86, "258")):
        (tmp_path / "a.trec").write_text(f"q1 Q0 d1 1 1 {tag}\n")
        with pytest.raises(UserError, match=f"the tag in the sixth column has {size} bytes"):
            run_tag(tmp_path / "a.trec")
    (tmp_path / "a.trec").write_text(f"q1 Q0 d1 1 1 {'x' * 255}\n")  # as the longest names of ensembles
    assert run_tag(tmp_path / "a.trec") == "x" * 255
