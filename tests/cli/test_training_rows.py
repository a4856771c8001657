"""The files that pair texts for a training."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import bitext
from utils.cli.arguments import add_place_args
from utils.cli.finetune_eval import Evaluation
from utils.cli.training_rows import TrainingRows, add_row_args, chosen_rows
from utils.data.pair_rows import PairRow
from utils.errors import UserError

MINED = "0.9\tein Haus\ta house\n0.8\tein Hund\ta dog\n"


def rows_of(*argv: str, evaluations: Sequence[Evaluation] = (), patience: int | None = None) -> TrainingRows:
    parser = argparse.ArgumentParser()
    add_row_args(parser)
    add_place_args(parser)
    others = argparse.Namespace(evaluations=evaluations, patience=patience, seed=42)
    return chosen_rows(parser.parse_args([*argv], others))


PAIRS = [PairRow("ein Haus", ["a house"], []), PairRow("ein Hund", ["a dog"], [])]


def test_pairs_of_mine_are_read_as_it_writes_them(tmp_path: Path) -> None:
    (tmp_path / "mined.tsv").write_text(MINED)
    lines = [{"score": 0.9, "source": row.query, "target": row.pos[0], "source_id": "1"} for row in PAIRS]
    (tmp_path / "mined.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for name in ("mined.tsv", "mined.jsonl"):
        found = rows_of("--dataset", str(tmp_path / name))
        assert found.rows == PAIRS and not found.has_sides


def test_pairs_of_named_columns(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("deu\teng\tnote\nein Haus\ta house\tx\nein Hund\ta dog\ty\n")
    found = rows_of("--dataset", str(tmp_path / "own.tsv"), "--columns", "deu", "eng")
    assert found.rows == PAIRS and found.subsets == {"deu_eng": 2}


def test_rows_of_queries(tmp_path: Path) -> None:
    rows = [{"query": "q", "pos": ["a", "b"], "neg": ["c"], "group": 3}, {"query": "r", "pos": "d"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = rows_of("--dataset", str(path))
    assert found.rows == [PairRow("q", ["a", "b"], ["c"], "3"), PairRow("r", ["d"], [])] and found.has_sides
    with pytest.raises(UserError, match="1 row to train on"):
        rows_of("--dataset", str(path), "--limit", "1")


def test_parallel_texts_of_the_suite() -> None:
    found = rows_of("--langs", "swh", "jpn")
    assert list(found.subsets) == ["eng_swh", "eng_jpn"] and sum(found.subsets.values()) == len(found.rows)


def test_rows_with_a_test_text_are_counted_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mined.tsv").write_text(MINED + "0.7\tein Baum\ta tree\n")
    (tmp_path / "test.tsv").write_text("deu\teng\nEin haus!\tone house\n")
    place = ["--dataset", str(tmp_path / "mined.tsv")]
    test = Evaluation("bitext.py", (), bitext.parse(["--dataset", str(tmp_path / "test.tsv")]))
    found = rows_of(*place, evaluations=[test])
    assert len(found.rows) == 3 and found.overlap is not None
    assert found.overlap.counts() == {"test texts": 2, "rows": 3, "exact": 0, "near": 1}
    assert rows_of(*place, "--decontaminate", evaluations=[test]).rows == [
        PAIRS[1],
        PairRow("ein Baum", ["a tree"], []),
    ]
    assert "1 of 3 training rows have one of 2 test texts in them (0 exactly, 1 nearly)" in capsys.readouterr().err
    with pytest.raises(UserError, match="--decontaminate without --eval"):
        rows_of(*place, "--decontaminate")


def test_rows_are_held_out_where_a_patience_asks_for_them(tmp_path: Path) -> None:
    pairs = [f"0.9\ttext {number}\ttranslation {number}" for number in range(20)]
    (tmp_path / "mined.tsv").write_text("\n".join([*pairs, "0.9\ttext 3\tanother"]))
    place = ["--dataset", str(tmp_path / "mined.tsv")]
    assert rows_of(*place).held_out == () and "held_out" not in rows_of(*place).identity()
    found = rows_of(*place, patience=2)
    assert (len(found.rows), len(found.held_out)) == (19, 2) and "held_out" in found.identity()
    assert not {row.query for row in found.rows} & {row.query for row in found.held_out}
    assert len(rows_of(*place, "--validation_share", "0.5").held_out) in (10, 11)
    with pytest.raises(UserError, match="--patience with --validation_share 0"):
        rows_of(*place, "--validation_share", "0", patience=1)


def test_a_mined_row_without_a_text(tmp_path: Path) -> None:
    (tmp_path / "mined.tsv").write_text(MINED + "0.7\tein Baum\t\n")
    with pytest.raises(UserError, match="line 3: there is no target text"):
        rows_of("--dataset", str(tmp_path / "mined.tsv"))
