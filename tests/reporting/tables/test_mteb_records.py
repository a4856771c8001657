"""Records as mteb's results, read by mteb's own loader; mteb's results as a reference, without mteb."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Run
from judged_records import log_judged
from mteb_logs import ENCODER, FROM, KNN, NOLLYSENTI, TO, lines, log, written

from utils.data.mteb_tasks import OF_DATASET
from utils.reporting.tables.mteb_models import model_meta


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for subset, f1 in NOLLYSENTI.items():
        log(tmp_path / "logs", subset, f1)
    return tmp_path / "logs"


def test_a_task_is_written_as_mteb_has_it(run: Run, tmp_path: Path, logs: Path) -> None:
    done = run(TO)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == "wrote mteb_cache/results/org__model/abc/NollySentiBitextMining.json\n"
    content = written(tmp_path)
    scores = content.pop("scores")
    assert list(scores) == ["train"]
    assert content == {
        "dataset_revision": "77d807ea44797c4663a3e0aca353d630c62d85cf",
        "task_name": "NollySentiBitextMining",
        "mteb_version": None,
        "evaluation_time": 8.0,  # four subsets of two seconds
        "kg_co2_emissions": None,
        "date": 1767323045.0,
        "evaluated_by": "miners-suite",
    }
    assert scores["train"][3] == {
        "accuracy": pytest.approx(0.11),
        "f1": 0.1,
        "precision": pytest.approx(0.09),
        "recall": pytest.approx(0.11),
        "main_score": 0.1,
        "hf_subset": "en-yo",
        "languages": ["eng-Latn", "yor-Latn"],
    }
    meta = written(tmp_path, "org__model/abc/model_meta.json")
    assert (meta["name"], meta["revision"], meta["embed_dim"], meta["max_tokens"]) == ("org/model", "abc", 384, 512)
    assert meta["use_instructions"] and meta["loader_kwargs"] == {"encoders": [ENCODER]}
    assert meta["similarity_fn_name"] == "cosine"
    late = {"encoders": [{**ENCODER, "kind": "multi-vector"}], "similarity": "cosine"}
    assert model_meta(("a", "b"), late)["similarity_fn_name"] == "MaxSim"


def test_what_is_another_measure_is_left_out_and_counted(run: Run, tmp_path: Path, logs: Path) -> None:
    log(logs, "en400_ha", 0.9, k=5)
    log(logs, "en400_ig", 0.9, k=5)
    for settings in ({"margin": "ratio"}, {"similarity": "dot"}, {"direction": "both"}, {"limit": 400}, {"n": 400}):
        log(logs, "en400_ha", 0.9, **settings)  # type: ignore[arg-type]
    log(logs, "en400_ha", 0.9, seed=7)
    log(logs, "ha_ig", 0.9)
    log(logs, "eng_hinglish", 0.9, dataset="lince_mt", n=9002)
    log(logs, "en400_ha", float(2))
    original = logs / "save_bitext" / "nollysenti" / "org" / "other" / "seed_42" / "eval_en400_ha_1.json"
    original.parent.mkdir(parents=True)
    original.write_text('{"acc": 0.5, "prec": 0.5, "rec": 0.5, "f1": 0.5}')
    done = run(TO)
    assert done.returncode == 0
    broken, *notes = sorted(done.stderr.splitlines(), key=lambda line: not line.startswith("warning: "))
    assert broken.endswith(" is not a record and is left out: acc is 2.01 instead of a fraction from 0 to 1")
    assert sorted(notes) == [
        "note: 1 record left out: direction both",
        "note: 1 record left out: limit 400",
        "note: 1 record left out: lince_mt: mteb has no bitext task with its texts",
        "note: 1 record left out: margin ratio",
        "note: 1 record left out: no provenance, as in the original's logs",
        "note: 1 record left out: nollysenti: not as many texts as NollySentiBitextMining has",
        "note: 1 record left out: nollysenti: subsets that NollySentiBitextMining does not have",
        "note: 1 record left out: seed 7",
        "note: 1 record left out: similarity dot",
        "note: 2 records left out: k above 1",
    ]
    assert [entry["f1"] for entry in written(tmp_path)["scores"]["train"]] == [0.5, 0.25, 0.75, 0.1]


def test_an_incomplete_task_names_what_it_lacks(run: Run, tmp_path: Path) -> None:
    log(tmp_path / "logs", "en400_pcm", 0.75)
    done = run(TO)
    assert (
        done.stderr == "missing: NollySentiBitextMining, org/model: 3 of 4 subsets: en400_ha, en400_ig, en400_yo400\n"
    )
    assert [entry["hf_subset"] for entry in written(tmp_path)["scores"]["train"]] == ["en-pcm"]
    read = run(FROM, "mteb_cache")
    assert read.returncode == 0 and "3 of 4 subsets" in read.stderr and lines(read.stdout) == []
    assert "means that lack subsets, left out: 1 (--partial takes them)" in read.stderr
    (alone,) = lines(read.stdout, of_tasks=True)
    assert alone[4:8] == ["mteb:NollySentiBitextMining", "f1", "75.000000", "en-pcm.train"]
    rows = lines(run(FROM, "mteb_cache", "--partial").stdout)
    assert rows == [
        ["miners-suite NollySentiBitextMining (1/4)", "bitext", "1", "org/model", "nollysenti", "f1", "75.000000"]
    ]


def test_encoders_asked_otherwise_are_not_mixed(run: Run, tmp_path: Path, logs: Path) -> None:
    log(logs, "eng_ace", 0.3, n=500, dataset="nusax", encoders=[{**ENCODER, "prompt": ""}])
    done = run(TO)
    assert "has other encoders[0].prompt than" in done.stderr and "NusaX" not in done.stdout
    log(logs, "eng_ace", 0.3, n=500, dataset="nusax", encoders=[{**ENCODER, "revision": "def"}])
    assert "org__model/def/NusaXBitextMining.json" in run(TO).stdout


def test_prompts_of_passages_part_records_of_retrieval_only(run: Run, tmp_path: Path, logs: Path) -> None:
    asked = {"dataset": "mlqa_r", "encoders": [{**ENCODER, "passage_prompt": "passage: "}]}
    log_judged(logs, "org/model", "ar_ar", [0.5] * 517, **asked)
    done = run(TO)
    assert "left out" not in done.stderr and "org__model/abc/NollySentiBitextMining.json" in done.stdout
    assert "org__model/abc/MLQARetrieval.json" in done.stdout
    meta = json.loads((tmp_path / "mteb_cache/results/org__model/abc/model_meta.json").read_text())
    assert meta["loader_kwargs"]["encoders"][0]["passage_prompt"] == "passage: "
    asked["encoders"] = [{**ENCODER, "passage_prompt": "text: "}]
    log_judged(logs, "org/model", "de_de", [0.5] * 512, **asked)
    assert "has other encoders[0].passage_prompt than" in run(TO).stderr


def test_ensembles_and_models_without_an_owner_have_names_that_mteb_takes(run: Run, tmp_path: Path) -> None:
    members = [{**ENCODER, "weight": weight} for weight in (3.0, 1.0)]
    ensemble = {"model": "a__b__weights3.0_1.0", "encoders": members, "fuse": "rank"}
    api = {"model": "text-embedding-3-small", "encoders": [{**ENCODER, "revision": None, "provider": "openai"}]}
    for subset in NOLLYSENTI:
        log(tmp_path / "logs", subset, 0.5, **ensemble)
        log(tmp_path / "logs", subset, 0.25, **api)
    tuned = {"model": "a__b__weights_tuned", "tuned": {}}
    log(tmp_path / "logs", "en400_ha", 0.5, **tuned, encoders=members)
    log(tmp_path / "logs", "eng_ace", 0.5, n=500, **tuned, encoders=members[::-1], dataset="nusax")  # other weights
    assert "+weights_tuned/no_revision_available/NusaXBitextMining.json" in run(TO).stdout
    found = sorted(str(path.parent) for path in (tmp_path / "mteb_cache" / "results").rglob("model_meta.json"))
    assert [Path(name).relative_to(tmp_path / "mteb_cache" / "results").as_posix() for name in found] == [
        "ensemble__a+b+weights3.0_1.0+rank/no_revision_available",
        "ensemble__a+b+weights_tuned/no_revision_available",
        "openai__text-embedding-3-small/no_revision_available",
    ]
    assert [(row[3], row[6]) for row in lines(run(FROM, "mteb_cache").stdout)] == [
        ("ensemble/a+b+weights3.0_1.0+rank", "50.000000"),
        ("openai/text-embedding-3-small", "25.000000"),
    ]


def test_a_vote_of_neighbours_is_no_task_of_mteb(run: Run, tmp_path: Path, logs: Path) -> None:
    for k, f1 in ((1, 0.5), (5, 0.6)):
        for lang in OF_DATASET["classification", "nusax"].subsets:
            log(logs, lang, f1, k=k, n=400, **KNN, dataset="nusax")
    log(logs, "ace", 0.9, n=400, **{**KNN, "cross": True}, dataset="nusax")
    assert "NusaX" not in run(TO).stdout
    done = run(TO, "--classification")
    assert "note: 1 record left out: cross True" in done.stderr
    content = written(tmp_path, "org__model/abc/NusaX-senti-kNN5.json")
    assert content["task_name"] == "NusaX-senti-kNN5" and list(content["scores"]) == ["test"]
    assert content["scores"]["test"][0] == {
        "accuracy": 0.61,
        "f1": 0.6,
        "precision": 0.59,
        "recall": 0.61,
        "main_score": 0.61,
        "hf_subset": "ace",
        "languages": ["ace-Latn"],
    }
    assert lines(run(FROM, "mteb_cache").stdout)[1:] == [
        ["miners-suite NusaX-senti", "classification", "1", "org/model", "nusax", "acc", "51.000000"],
        ["miners-suite NusaX-senti", "classification", "5", "org/model", "nusax", "acc", "61.000000"],
    ]


def test_the_same_logs_are_written_again_but_nothing_else_is_replaced(run: Run, tmp_path: Path, logs: Path) -> None:
    assert run(TO).returncode == run(TO).returncode == 0
    path = tmp_path / "mteb_cache" / "results" / "org__model" / "abc" / "NollySentiBitextMining.json"
    path.write_text(json.dumps({"task_name": "NollySentiBitextMining", "mteb_version": "2.0.0"}))
    done = run(TO)
    assert (
        done.returncode == 2 and "was not written by this suite" in done.stderr and "mteb_version" in path.read_text()
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((TO, "--logs", "nowhere"), "no folder of logs at nowhere"),
        ((TO, "--models", "org/modle"), "no record of model 'org/modle'"),
        ((TO, "--seed", "7"), "measures what mteb measures (bitext, retrieval, sts)"),
        ((FROM, "nowhere"), "no file or folder at nowhere"),
        ((FROM, "logs"), "no figure of one of the suite's data sets"),
        ((FROM,), "required: PATH"),
    ],
)
def test_mistakes_end_in_two_lines(run: Run, logs: Path, args: Sequence[str], message: str) -> None:
    done = run(*args)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")


def test_records_of_other_data_are_no_figure_of_mtebs_revision(run: Run, tmp_path: Path, logs: Path) -> None:
    source = {"kind": "mirror", "source": "indonlp/NusaX-senti", "revision": "refs/convert/parquet"}
    log(logs, "eng_ace", 0.3, n=500, dataset="nusax", source={**source, "source": "me/nusax"})
    log(logs, "eng_ban", 0.3, n=500, dataset="nusax", source=source)
    done = run(TO)
    assert "note: 1 record left out: nusax: data of me/nusax instead of indonlp/NusaX-senti" in done.stderr
    content = written(tmp_path, "org__model/abc/NusaXBitextMining.json")
    assert [entry["hf_subset"] for entry in content["scores"]["train"]] == ["eng-ban"]
