"""Checks with mteb itself: it reads what is written, and measures the same."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from forked import Nursery, base_nursery
from mteb_logs import FROM, KNN, NOLLYSENTI, TO, lines, log

from utils.data.mteb_tasks import MAIN_SCORES, MTEB_TASKS, OTHER_TEXTS


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for subset, f1 in NOLLYSENTI.items():
        log(tmp_path / "logs", subset, f1)
    return tmp_path / "logs"


@cache
def nursery() -> Nursery:
    """The process that forks those of the tests: it has imported mteb, where no hub is reached."""
    env = {
        "HF_HUB_OFFLINE": "1",
        "PATH": "",
        "HOME": "/nonexistent",
        "MTEB_CACHE": "/nonexistent",
        "TMPDIR": "/tmp",
        "OMP_NUM_THREADS": "1",
    }
    return Nursery(["mteb"], env, base_nursery())


def in_mteb(code: str, *args: object) -> Any:
    """Run code where mteb is imported and no hub is reached, and return the JSON of its last line."""
    pytest.importorskip("mteb", reason="requirements-dev.txt is not installed")
    head = f"import json, sys, mteb; from pathlib import Path; sys.path.insert(0, {str(ROOT)!r})\n"
    done = nursery().run(["-c", head + code, *map(str, args)], env=nursery().env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


METADATA = """
def asked(one):
    texts = one.get("queries_text_statistics")
    return one.get("num_queries") or texts["unique_texts"] if texts else one["num_samples"]

found = {}
for name in sys.argv[1:]:
    meta = mteb.get_task(name).metadata
    stats = {split: whole.get("hf_subset_descriptive_stats") or {next(iter(meta.eval_langs)): whole}
             for split, whole in meta.descriptive_stats.items()}
    found[name] = {
        "revision": meta.dataset["revision"], "main": meta.main_score, "splits": meta.eval_splits,
        "languages": meta.hf_subsets_to_langscripts,
        "n": {split: {name: asked(one) for name, one in subsets.items()} for split, subsets in stats.items()},
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
        lacking = {row.names.get(name, name.replace("_", "-")) for name in row.lacking} if name == "STS17" else set()
        lacking |= set(meta["languages"]) - set(row.subsets.values()) if name == "MLQARetrieval" else set()
        languages = {row.subsets[subset]: row.languages(subset) for subset in row.subsets}
        assert languages == {subset: langs for subset, langs in meta["languages"].items() if subset not in lacking}
        n = {row.subsets[subset]: row.items(subset) for subset in row.subsets}
        lacking |= {"japanese"} if name == "MrTidyRetrieval" else set()  # mteb tells the number of passages there
        known = {subset: size for subset, size in meta["n"][row.split].items() if subset not in lacking}
        assert {subset: n[subset] for subset in known} == known and (
            set(known) == set(n) - lacking or name == "MLQARetrieval"
        )


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
