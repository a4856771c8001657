"""The result files of mteb as a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from mteb_logs import FROM, entries, lines, theirs

from utils.data.mteb_tasks import OF_DATASET


def test_mtebs_files_become_a_reference(run: Run, tmp_path: Path) -> None:
    values = {"en-ha": 0.5, "en-ig": 0.25, "en-pcm": 0.75, "en-yo": 0.1}
    folder = tmp_path / "results" / "org__model" / "abc"
    new = {"mteb_version": "2.1.0", "task_name": "NollySentiBitextMining", "scores": {"train": entries(values, "f1")}}
    theirs(folder, "NollySentiBitextMining", new)
    theirs(folder, "model_meta", {"name": "org/model", "revision": "abc"})
    six = dict(
        zip(("de", "en", "es", "fr", "hi", "th"), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), strict=True)
    )  # the mean is 0.35
    regression = {"test": entries(six, "accuracy"), "validation": entries(dict.fromkeys(six, 0.9), "accuracy")}
    theirs(folder, "MTOPIntentClassification", {"task_name": "MTOPIntentClassification", "scores": regression})
    theirs(folder, "STS12", {"task_name": "STS12", "scores": {"test": []}})
    bucc = {"task_name": "BUCC", "scores": {"test": entries({"de-en": 0.9}, "f1")}}
    theirs(folder, "BUCC", bucc)
    theirs(folder / "experiments" / "dim_64", "NollySentiBitextMining", new)
    done = run(FROM, "results")
    assert lines(done.stdout) == [
        ["mteb 2.1.0 NollySentiBitextMining", "bitext", "1", "org/model", "nollysenti", "f1", "40.000000"],
        [
            *("mteb - MTOPIntentClassification", "classification", "", "org/model", "mtop_intent"),
            *("accuracy (logistic regression)", "35.000000"),
        ],
    ]
    assert (
        "variants of models, under experiments/, left out: 1 file" in done.stderr
        and "BUCC left out: it searches" in done.stderr
    )
    assert "note: other tasks left out: 1 file" in done.stderr


def test_the_format_before_1_11_is_read(run: Run, tmp_path: Path) -> None:
    values = {"en-ha": 0.5, "en-ig": 0.25, "en-pcm": 0.75, "en-yo": 0.1}
    old: dict[str, Any] = {
        "dataset_revision": None,
        "mteb_dataset_name": "NollySentiBitextMining",
        "mteb_version": "1.0.3",
        "train": {"evaluation_time": 3.2, **{name: {"f1": value, "accuracy": 1.0} for name, value in values.items()}},
    }
    path = theirs(tmp_path / "here", "NollySentiBitextMining", old)
    assert "does not name its model" in run(FROM, str(path)).stderr
    assert lines(run(FROM, str(path), "--model", "org/old").stdout) == [
        ["mteb 1.0.3 NollySentiBitextMining", "bitext", "1", "org/old", "nollysenti", "f1", "40.000000"]
    ]
    alone = {"mteb_dataset_name": "PhincBitextMining", "train": {"f1": 0.125, "evaluation_time": 1}}
    theirs(tmp_path / "org__model", "PhincBitextMining", alone)  # of one subset, without its name
    assert lines(run(FROM, "org__model").stdout)[0][3:] == ["org/model", "phinc", "f1", "12.500000"]
    old["train"]["en-ha"]["f1"] = 50.0
    theirs(tmp_path / "here", "NollySentiBitextMining", old)
    done = run(FROM, str(path), "--model", "org/old", "--partial")
    assert "f1 50.0 is not a fraction" in done.stderr and lines(done.stdout)[0][6] == "36.666667"


@pytest.mark.parametrize(
    "content",
    [
        *("[1]", "{", '{"task_name": 3}', '{"task_name": "NusaXBitextMining"}'),
        *('{"task_name": "NusaXBitextMining", "scores": {"train": 3}}', '{"task_name": "NusaX-senti-kNN"}'),
        '{"task_name": "PhincBitextMining", "scores": {"train": [{"hf_subset": "eng-eng_hin", "f1": NaN}, 4]}}',
        '{"task_name": "PhincBitextMining", "scores": {"train": [{"hf_subset": "eng-eng_hin", "f1": "0.5"}]}}',
    ],
)
def test_broken_files_are_named_and_left_out(run: Run, tmp_path: Path, content: str) -> None:
    path = tmp_path / "org__model" / "abc" / "task.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    done = run(FROM, "org__model")
    assert done.returncode == 2 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) > 2


def test_one_revision_of_a_model_counts(run: Run, tmp_path: Path) -> None:
    for revision, value in (("abc", 0.25), ("no_revision_available", 0.5)):
        scores = {"train": entries({"eng-eng_hin": value}, "f1")}
        content = {"task_name": "PhincBitextMining", "scores": scores}
        theirs(tmp_path / "org__model" / revision, "PhincBitextMining", content)
    done = run(FROM, "org__model")
    assert lines(done.stdout)[0][6] == "25.000000" and "repeats" in done.stderr


def test_results_over_other_data_or_without_a_revision_are_told(run: Run, tmp_path: Path) -> None:
    task = OF_DATASET["bitext", "phinc"]
    for model, told in (("a", {"dataset_revision": "old"}), ("b", {}), ("c", {"dataset_revision": task.revision})):
        content = {"task_name": task.name, "scores": {"train": entries({"eng-eng_hin": 0.25}, "f1")}, **told}
        theirs(tmp_path / f"org__{model}", task.name, content)
    done = run(FROM, "org__a", "org__b", "org__c")
    assert [row[3] for row in lines(done.stdout)] == ["org/b", "org/c"]
    assert f"of the data at old and is left out: the suite's texts are those at {task.revision}" in done.stderr
    assert "note: files that name no revision of the data, taken: 1" in done.stderr


@pytest.mark.parametrize(("entry", "figure"), [({"accuracy": 0.5}, None), ({}, "25.000000")])
def test_another_main_score_is_not_taken_for_f1(
    run: Run, tmp_path: Path, entry: dict[str, float], figure: str | None
) -> None:
    scores = {"train": [{"hf_subset": "eng-eng_hin", "main_score": 0.25, **entry}]}
    theirs(tmp_path / "org__a", "PhincBitextMining", {"task_name": "PhincBitextMining", "scores": scores})
    done = run(FROM, "org__a")
    if figure is None:
        assert done.returncode == 2 and "missing: PhincBitextMining, org/a: 1 of 1 subsets" in done.stderr
    else:
        assert lines(done.stdout)[0][6] == figure


def test_main_scores_of_any_task_become_figures_of_its_name(run: Run, tmp_path: Path) -> None:
    ranked = {"ndcg_at_10": 0.5, "map_at_1000": 0.25, "ndcg_at_1": 0.125}
    alike = {"cosine_spearman": -0.125, "cosine_pearson": 0.5}
    labels = {"accuracy": 0.75, "f1": 0.5, "precision": 0.5, "recall": 0.5, "scores_per_experiment": []}
    aligned = {"accuracy": 0.75, "f1": 0.5, "precision": 0.5, "recall": 0.5}
    tasks: dict[str, tuple[dict[str, Any], float]] = {
        "MIRACLRetrieval": (ranked, 0.5),
        "AskUbuntuDupQuestions": (ranked, 0.25),
        "STS12": (alike, -0.125),
        "Banking77Classification": (labels, 0.75),
        "FloresBitextMining": (aligned, 0.5),
        "SomeClustering": ({"v_measure": 0.5}, 0.5),
        "Broken": ({"ndcg_at_10": "0.5"}, 0.5),
        "NusaX-senti-kNN1": (aligned, 0.5),
    }
    for name, (scores, main) in tasks.items():
        found = [{"hf_subset": "de", "main_score": main, **scores}]
        revision = OF_DATASET["retrieval", "miracl"].revision if name == "MIRACLRetrieval" else "abc"
        body = {"task_name": name, "dataset_revision": revision, "mteb_version": "2.1.0", "scores": {"dev": found}}
        theirs(tmp_path / "org__model", name, body)
    done = run(FROM, "org__model")
    expected = {
        "AskUbuntuDupQuestions": ["retrieval", "1000", "map", "25.000000"],
        "Banking77Classification": ["classification", "", "logreg_acc", "75.000000"],
        "FloresBitextMining": ["bitext", "1", "f1", "50.000000"],
        "MIRACLRetrieval": ["retrieval", "10", "ndcg", "50.000000"],
        "STS12": ["sts", "1", "spearman", "-12.500000"],
    }
    assert {row[4]: [row[1], row[2], row[5], row[6]] for row in lines(done.stdout, of_tasks=True)} == {
        f"mteb:{name}": fields for name, fields in expected.items()
    }
    assert lines(done.stdout, of_tasks=True)[0][7:] == ["de.dev", "abc"]
    assert "note: other tasks left out: 2 files" in done.stderr  # the clustering and the broken one


def test_of_two_files_of_a_model_and_task_the_first_counts(run: Run, tmp_path: Path) -> None:
    for revision, value in (("abc", 0.25), ("no_revision_available", 0.5)):
        found = [{"hf_subset": "default", "main_score": value, "ndcg_at_10": value}]
        theirs(tmp_path / "org__model" / revision, "ArguAna", {"task_name": "ArguAna", "scores": {"test": found}})
    done = run(FROM, "org__model")
    assert [row[6] for row in lines(done.stdout, of_tasks=True)] == ["25.000000"] and "repeats" in done.stderr
