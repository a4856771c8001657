"""The table of items, and broken files beside good ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frame_records import BITEXT, ICL, LABELS, write
from judged_records import log_judged
from record_files import write_record
from sacrebleu.metrics import CHRF

from utils.evaluation.translation import translation_figures
from utils.records.frames import load
from utils.schema import RunRecord


def test_the_items_of_both_directions(tmp_path: Path) -> None:
    preds = {"gold": [0, 1, 2], "hyp": [0, 2, -1], "backward": {"gold": [0, 1], "hyp": [1, 1]}}
    write(tmp_path, {**BITEXT, "direction": "both"}, preds=preds)
    items = load(tmp_path, preds=True)
    assert items[["side", "item", "gold", "hyp", "correct"]].to_numpy().tolist() == [
        ["forward", 0, 0, 0, True],
        ["forward", 1, 1, 2, False],
        ["forward", 2, 2, -1, False],
        ["backward", 0, 0, 1, False],
        ["backward", 1, 1, 1, True],
    ]
    assert items.gold.dtype == items.hyp.dtype == "Int64" and items.correct.dtype == bool
    assert set(items.subset) == {"eng_ace"} and set(items.margin) == {"ratio"} and set(items.lang) == {"ace"}
    write(tmp_path, {**BITEXT, "direction": "backward"}, preds={"gold": [0], "hyp": [0]})
    assert list(load(tmp_path, preds=True).side) == ["backward"]


def test_the_items_of_labels_are_comparable_and_an_unparsed_answer_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, ICL, preds={"gold": ["yes", "no"], "hyp": ["yes", None]})
    write(tmp_path, LABELS, 10, preds={"gold": ["no"], "hyp": ["maybe"]})
    items = load(tmp_path, preds=True)
    assert list(items.gold.cat.categories) == ["maybe", "no", "yes"] and items.side.isna().all()
    assert (items.gold == items.hyp).tolist() == items.correct.tolist() == [False, True, False]
    assert items.hyp.isna().tolist() == [False, False, True] and items.k.tolist() == [10, 1, 1]
    write(tmp_path, BITEXT, preds={"gold": [0], "hyp": [0]})
    assert load(tmp_path, preds=True).gold.dtype == object


def test_items_have_their_measures_and_pairs_their_scores(tmp_path: Path) -> None:
    log_judged(tmp_path / "logs", "org/a", "eng", [1.0, 0.0, 0.25])
    items = load(tmp_path / "logs", preds=True)
    assert items.ndcg.tolist() == [1.0, 0.0, 0.25] and items.correct.tolist() == [True, False, True]
    run = {"task": "sts", "dataset": "mine", "subset": "eng", "model": "org/a", "seed": 42}
    record = RunRecord({"spearman": 0.5, "pearson": 0.5}, {}, 2, 1, run)
    write_record(tmp_path / "logs/pairs", "eng", record, {"judged": [4.0, 1.0], "scores": [0.9, None]})
    items = load(tmp_path / "logs", preds=True)
    pairs = items[items.task == "sts"]
    assert pairs.judged.tolist() == [4.0, 1.0] and pairs.score.iloc[0] == 0.9 and pairs.score.isna().tolist()[1]
    assert pairs.correct.isna().all() and pairs.ndcg.isna().all() and items.ndcg.sum() == 1.25
    assert items.loc[items.task == "retrieval", "correct"].tolist() == [True, False, True]


def test_translations_have_the_chrf_of_each_sentence(tmp_path: Path) -> None:
    gold, answers = ["ein kleiner Hund", "zwei Katzen"], ["ein Hund", ""]
    found = translation_figures(answers, [[one] for one in gold], {"chrf": CHRF(word_order=2)}, 0)
    counts = {name: rows.tolist() for name, rows in found.statistics.items()}
    preds = {"gold": gold, "hyp": answers, "statistics": counts, "values": {"comet": [0.5, -0.5]}}
    write(tmp_path, {**ICL, "comet": "org/judge"}, preds=preds)
    items = load(tmp_path, preds=True)
    scores = [CHRF(word_order=2).sentence_score(one, [two]).score for one, two in zip(answers, gold, strict=True)]
    assert (100 * items.chrf).tolist() == pytest.approx(scores) and scores[1] == 0 < scores[0]
    assert items.correct.isna().all() and items.comet.tolist() == [0.5, -0.5]
    assert items.comet_model.tolist() == ["org/judge"] * 2  # the setting, which is called as the metric in a record
    run = {**ICL, "comet": "org/judge"}
    write_record(tmp_path / "whole", "de", RunRecord({"comet": -0.25}, {"comet": (-0.5, 0.0)}, 2, 1, run), {})
    (record,) = load(tmp_path / "whole").to_dict("records")
    assert (record["comet"], record["comet_low"], record["comet_model"]) == (-0.25, -0.5, "org/judge")


def test_a_record_has_the_figures_of_the_languages_of_its_pool(tmp_path: Path) -> None:
    bias = {"eng": {"first_k": 0.75, "answers": 0.5, "rank_depth": 200, "mean_rank": 2.0}}
    log_judged(tmp_path / "logs", "org/a", "eng", [1.0], {**bias, "spa": {"first_k": 0.25, "answers": 0.5}})
    (row,) = load(tmp_path / "logs").to_dict("records")
    assert (row["first_k_eng"], row["answers_eng"], row["mean_rank_eng"], row["first_k_spa"]) == (0.75, 0.5, 2.0, 0.25)
    assert "mean_rank_spa" not in row and "rank_depth_eng" not in row


@pytest.mark.parametrize(
    "content",
    [
        *(
            "[1]",
            "{}",
            '{"gold": [1]',
            '{"gold": [1], "hyp": []}',
            '{"gold": [[1]], "hyp": [1]}',
            '{"gold": 1, "hyp": 1}',
        ),
        *('{"gold": [1e400], "hyp": [1]}', '{"gold": ["\\ud800"], "hyp": [1]}'),
        '{"gold": [0], "hyp": [0], "backward": 1}',
        '{"gold": [0], "hyp": [0], "values": {"ndcg": [1, 1]}}',
        '{"judged": [1], "scores": ["x"]}',
    ],
)
def test_broken_predictions_are_said_and_left_out(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, BITEXT, 1, preds={"gold": [0, 1], "hyp": [0, 0]})
    write(tmp_path, BITEXT, 5)
    broken = write(tmp_path, BITEXT, 10).with_name("eval_eng_ace_10_preds.json")
    broken.write_text(content)
    items = load(tmp_path, preds=True)
    assert items.path.tolist() == [str(path)] * 2
    said = capsys.readouterr().err
    assert str(broken) in said and "left out" in said and "1 record without predictions" in said


@pytest.mark.parametrize(
    ("run", "body"),
    [
        ({"encoders": "org/a"}, {}),
        ({"seconds": {"encode": None}}, {}),
        ({"seed": 10**30}, {}),
        ({"margin_k": float("inf")}, {}),
        ({"similarity": "\ud800"}, {}),
        ({"cross": "yes"}, {}),
        ({"packages": {"\ud800": "1"}}, {}),
        ({"packages": {"torch": "\ud800"}}, {}),
        ({"cache": {"a": 1}}, {}),
        ({}, {"ci95": {"acc": [1]}}),
        ({}, {"ci95": {"acc": None}}),
        ({}, {"n": "many"}),
        ({}, {"k": float("inf")}),
    ],
)
def test_a_record_with_wrong_values_is_said_and_left_out(
    run: dict[str, Any], body: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write(tmp_path, BITEXT, 1)
    broken = write(tmp_path, BITEXT, 5)
    content = json.loads(broken.read_text())
    broken.write_text(json.dumps({**content, **body, "run": {**content["run"], **run}}))
    assert load(tmp_path).path.tolist() == [str(whole)]
    assert f"warning: {broken}" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"run": 1}', '{"run": {}}', "[" * 100_000, "\x00"])
def test_a_file_that_is_no_record_is_said_and_left_out(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write(tmp_path, BITEXT)
    (tmp_path / "eval_x_1.json").write_text(content)
    assert load(tmp_path).path.tolist() == [str(whole)]
    assert "eval_x_1.json" in capsys.readouterr().err
