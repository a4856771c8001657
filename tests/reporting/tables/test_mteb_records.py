"""Records as mteb's results, read by mteb's own loader; mteb's results as a reference, without mteb."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run

from utils.data.mteb_tasks import MAIN_SCORES, MTEB_TASKS, OF_DATASET, OTHER_TEXTS
from utils.records import store
from utils.schema import RunRecord

TO, FROM = "script/aggregate/to_mteb.py", "script/aggregate/from_mteb.py"
NOLLYSENTI = {"en400_ha": 0.5, "en400_ig": 0.25, "en400_pcm": 0.75, "en400_yo400": 0.1}  # the mean is 0.4
ENCODER = {"checkpoint": "org/model", "revision": "abc", "prompt": "query: ", "max_length": 512, "weight": 1.0}
PLAIN: dict[str, Any] = {
    "task": "bitext",
    "seed": 42,
    "similarity": "cosine",
    "margin": "none",
    "direction": "forward",
    "limit": None,
    "encoders": [ENCODER],
    "dimensions": 384,
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": {"encode": 1.5, "retrieve": 0.5},
}
KNN = {"task": "classification", "cross": False, "vote": "majority", "split": "test", "legacy": False}


def log(root: Path, subset: str, f1: float, *, k: int = 1, n: int = 410, **settings: Any) -> Path:
    """Log a record; its accuracy is f1 + 0.01, its precision f1 - 0.01."""
    run = {**PLAIN, "dataset": "nollysenti", "model": "org/model", "subset": subset, **settings}
    folder = root / f"{len(list(root.rglob('*.json')))}" / run["dataset"] / run["model"] / "seed_42"
    metrics = {"acc": f1 + 0.01, "prec": f1 - 0.01, "rec": f1 + 0.01, "f1": f1}
    return store.write_record(folder, subset, RunRecord(metrics, {}, n, k, run), {"gold": [0], "hyp": [0]})


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for subset, f1 in NOLLYSENTI.items():
        log(tmp_path / "logs", subset, f1)
    return tmp_path / "logs"


def written(tmp_path: Path, name: str = "org__model/abc/NollySentiBitextMining.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "mteb_cache" / "results" / name).read_text(encoding="utf-8"))
    return content


def lines(text: str) -> list[list[str]]:
    header, *rows = csv.reader(io.StringIO(text))
    assert header == ["source", "task", "k", "model", "column", "metric", "value"]
    return rows


def in_mteb(code: str, *args: object, timeout: int = 120) -> Any:
    """Run code where mteb is imported and no hub is reached, and return the JSON of its last line."""
    pytest.importorskip("mteb", reason="requirements-dev.txt is not installed")
    env = {
        "HF_HUB_OFFLINE": "1",
        "PATH": "",
        "HOME": "/nonexistent",
        "MTEB_CACHE": "/nonexistent",
        "TMPDIR": "/tmp",
        "OMP_NUM_THREADS": "1",
    }
    head = f"import json, sys, mteb; from pathlib import Path; sys.path.insert(0, {str(ROOT)!r})\n"
    command = [sys.executable, "-c", head + code, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


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
    assert sorted(done.stderr.splitlines()) == [
        "note: 1 record left out: direction both",
        "note: 1 record left out: figures that are missing or not fractions",
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
    assert read.returncode == 2 and "3 of 4 subsets" in read.stderr and "--partial" in read.stderr
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
        ((TO, "--seed", "7"), "measures what mteb measures (bitext)"),
        ((FROM, "nowhere"), "no file or folder at nowhere"),
        ((FROM, "logs"), "no figure of one of the suite's data sets"),
        ((FROM,), "required: PATH"),
    ],
)
def test_mistakes_end_in_two_lines(run: Run, logs: Path, args: Sequence[str], message: str) -> None:
    done = run(*args)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")


def theirs(folder: Path, name: str, content: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def entries(values: dict[str, float], metric: str) -> list[dict[str, Any]]:
    return [{"hf_subset": name, metric: value, "main_score": value} for name, value in values.items()]


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
        "variants of models, under experiments/, left out: 1 files" in done.stderr
        and "BUCC left out: it searches" in done.stderr
    )
    assert "note: other tasks left out: 1 files" in done.stderr


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


def test_records_of_other_data_are_no_figure_of_mtebs_revision(run: Run, tmp_path: Path, logs: Path) -> None:
    source = {"kind": "mirror", "source": "indonlp/NusaX-senti", "revision": "refs/convert/parquet"}
    log(logs, "eng_ace", 0.3, n=500, dataset="nusax", source={**source, "source": "me/nusax"})
    log(logs, "eng_ban", 0.3, n=500, dataset="nusax", source=source)
    done = run(TO)
    assert "note: 1 record left out: nusax: data of me/nusax instead of indonlp/NusaX-senti" in done.stderr
    content = written(tmp_path, "org__model/abc/NusaXBitextMining.json")
    assert [entry["hf_subset"] for entry in content["scores"]["train"]] == ["eng-ban"]


METADATA = """
found = {}
for name in sys.argv[1:]:
    meta = mteb.get_task(name).metadata
    stats = {split: whole.get("hf_subset_descriptive_stats") or {next(iter(meta.eval_langs)): whole}
             for split, whole in meta.descriptive_stats.items()}
    found[name] = {
        "revision": meta.dataset["revision"], "main": meta.main_score, "splits": meta.eval_splits,
        "languages": meta.hf_subsets_to_langscripts,
        "n": {split: {name: one["num_samples"] for name, one in subsets.items()} for split, subsets in stats.items()},
    }
print(json.dumps(found))
"""


@pytest.mark.slow
def test_the_table_is_mtebs_metadata() -> None:
    found = in_mteb(METADATA, *MTEB_TASKS, *OTHER_TEXTS)
    assert set(found) == {*MTEB_TASKS, *OTHER_TEXTS}
    for name, row in MTEB_TASKS.items():
        meta = found[name]
        assert (row.revision, MAIN_SCORES[row.task]) == (meta["revision"], meta["main"]) and row.split in meta["splits"]
        assert {row.subsets[subset]: row.languages(subset) for subset in row.subsets} == meta["languages"]
        assert {row.subsets[subset]: row.items(subset) for subset in row.subsets} == meta["n"][row.split]


LOADED = """
root = Path(sys.argv[1])
files = {path.name: path for path in root.rglob("*.json")}
from mteb.models.model_meta import ModelMeta
meta = ModelMeta.model_validate_json_resolved(files.pop("model_meta.json").read_text())
results = {name: mteb.TaskResult.from_disk(path) for name, path in files.items()}
cache = mteb.ResultCache(root)
known = mteb.get_tasks(tasks=["NollySentiBitextMining", "NusaXBitextMining"])
loaded = cache.load_results(tasks=known, validate_and_filter=True)
frame = cache.load_results().to_dataframe()
print(json.dumps({
    "model": [meta.name, meta.revision, meta.similarity_fn_name.value],
    "path": str(cache.get_task_result_path("NollySentiBitextMining", meta).relative_to(root)),
    "scores": {name: result.get_score() for name, result in results.items()},
    "hausa": results["NollySentiBitextMining.json"].get_score(languages=["hau"]),
    "missing": results["NollySentiBitextMining.json"].get_missing_evaluations(known[0]),
    "filtered": [result.get_score() for result in loaded.model_results[0].task_results],
    "frame": dict(zip(frame["task_name"], frame[meta.name])),
}))
"""


@pytest.mark.slow
def test_mteb_loads_what_was_written(run: Run, tmp_path: Path, logs: Path) -> None:
    log(logs, "ace", 0.6, n=400, **KNN, dataset="nusax")
    assert run(TO, "--classification").returncode == 0
    loaded = in_mteb(LOADED, tmp_path / "mteb_cache")
    assert loaded["model"] == ["org/model", "abc", "cosine"]
    assert loaded["path"] == "results/org__model/abc/NollySentiBitextMining.json"
    scores = {"NollySentiBitextMining": 0.4, "NusaX-senti-kNN1": 0.61}
    assert loaded["scores"] == pytest.approx({f"{name}.json": value for name, value in scores.items()}, abs=1e-12)
    assert loaded["frame"] == pytest.approx(scores, abs=1e-12)
    assert loaded["filtered"] == pytest.approx([0.4], abs=1e-12)
    assert loaded["hausa"] == 0.5 and loaded["missing"] == {}


OWN = """
import numpy as np
from datasets import Dataset, DatasetDict, load_dataset
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction
from mteb.tasks.bitext_mining.multilingual.nusa_x_bitext_mining import NusaXBitextMining
from utils.encoders.char_ngram import CharNgram
written, mirror, *subsets = sys.argv[1:]

def texts(lang):
    return list(load_dataset(f"{mirror}/indonlp/NusaX-senti", lang, split="train")["text"])

class Local(NusaXBitextMining):
    def load_data(self, num_proc=None, **kwargs):
        pairs = {name: {"sentence1": texts("eng"), "sentence2": texts(name[4:])} for name in subsets}
        self.dataset = {name: DatasetDict(train=Dataset.from_dict(pair)) for name, pair in pairs.items()}
        self.data_loaded = True

class Ngrams(AbsEncoder):
    meta = {"name": "baseline/char_ngram", "revision": "1", "similarity_fn_name": ScoringFunction.COSINE}
    mteb_model_meta = ModelMeta.create_empty(meta)

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
        fitted = CharNgram().fit(task.dataset[hf_subset][hf_split]["sentence2"])
        return np.asarray(fitted.encode([text for batch in inputs for text in batch["text"]]))

task = Local()
task.hf_subsets = subsets
(result,) = mteb.evaluate(Ngrams(), task, cache=None, co2_tracker=False, show_progress_bar=False).task_results
print(json.dumps([mteb.TaskResult.from_disk(Path(written)).scores["train"], result.scores["train"]]))
"""


@pytest.mark.slow
def test_mtebs_own_evaluation_gives_our_figures(run: Run, mirror: Path, tmp_path: Path) -> None:
    usual = ("--model_checkpoint", "baseline/char_ngram", "--data_dir", str(mirror))
    assert run("bitext.py", "--dataset", "nusax", "--langs", "ace", "--k", "1", *usual).returncode == 0
    assert run(TO).returncode == 0
    path = tmp_path / "mteb_cache" / "results" / "baseline__char_ngram" / "1" / "NusaXBitextMining.json"
    ((ours,), (theirs,)) = in_mteb(OWN, path, mirror, "eng-ace")
    names = ("main_score", "f1", "accuracy", "precision", "recall")
    assert {name: ours[name] for name in names} == pytest.approx({name: theirs[name] for name in names}, abs=1e-9)
    assert theirs["f1"] == pytest.approx(0.3135354384177914, abs=1e-9)
    assert (ours["hf_subset"], ours["languages"]) == (theirs["hf_subset"], theirs["languages"])
    (row,) = lines(run(FROM, "mteb_cache", "--partial").stdout)
    assert row[3:6] == ["baseline/char_ngram", "nusax", "f1"] and float(row[6]) == pytest.approx(
        100 * ours["f1"], abs=1e-6
    )
