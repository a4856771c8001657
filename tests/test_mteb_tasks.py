"""`--dataset mteb:TASK`: mteb's loaders read a loopback hub, and the figures are those of mteb on the same vectors."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, once
from hub_server import LoopbackHub
from mteb_hub import arguana, askubuntu, mtop, ntrex, sts17, work
from tiny_encoders import make_masked_lm

pytestmark = [
    pytest.mark.slow,  # mteb takes seconds to import
    pytest.mark.skipif(importlib.util.find_spec("mteb") is None, reason="requirements-mteb.txt is not installed"),
]

REPOSITORIES = {
    "mteb/NTREXBitextMining": (ntrex, "66b8b27efc99658903127730575e9fa0cb9f075c"),
    "mteb/sts17-crosslingual-sts": (sts17, "faeb762787bd10488a50c8b5be4a3b82e411949c"),
    "mteb/arguana": (arguana, "c22ab2a51041ffd869aaddef7af8d8215647e41a"),
    "mteb/AskUbuntuDupQuestions": (askubuntu, "c5691e3c48741d5f83b5cc8e630653d7a8cfc048"),
    "mteb/MTOPIntentClassification": (mtop, "2992d820f31312593c49a4890430aadadb0f0039"),
    "mteb/stsbenchmark-sts": (ntrex, "b0fddb56ed78048fa8b90373c8a3cfc37b684831"),  # not its layout
}
RANKED = {"ndcg": "ndcg", "map": "map", "recall": "recall", "mrr": "mrr", "hit": "hit_rate"}  # by mteb's names
REVISIONS = {name: revision for name, (_, revision) in REPOSITORIES.items()}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackHub]:
    server, folder = LoopbackHub(), tmp_path_factory.mktemp("repos")
    for name, (make, revision) in REPOSITORIES.items():
        server.add("datasets", name, make(folder / name), revision, "main")
    yield server
    server.close()


@pytest.fixture(scope="module")
def folder(shared_dir: Path) -> Path:
    return shared_dir / "mteb_tasks"


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Path:
    return Path(once(folder / "encoder.json", lambda: str(make_masked_lm(folder / "tiny"))))


def make_told(folder: Path) -> Path:
    """A checkpoint with a prompt for queries that tells the task, and one for sentence similarity."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(make_masked_lm(folder / "body")), device="cpu")
    model.prompts = {"query": "Instruct: Find an answer\nQuery: ", "document": "passage: ", "STS": "query : "}
    model.save_pretrained(str(folder / "told"))
    return folder / "told"


@pytest.fixture(scope="module")
def answers(hub: LoopbackHub, encoder: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of the logs, and what each command answers: scripts of this suite, and mteb itself."""
    place = folder / "work"

    def answer() -> dict[str, Any]:
        place.mkdir(exist_ok=True)
        return work(hub, place, encoder, commands_of(encoder, make_told(folder)))

    return place, once(folder / "answers.json", answer)


def commands_of(encoder: Path, told: Path) -> dict[str, tuple[str, ...]]:
    model = ("--model_checkpoint", str(encoder))
    bitext = ("bitext.py", "--dataset", "mteb:NTREXBitextMining", "--langs", "eng_Latn-deu_Latn", *model)
    ranked = ("--dataset", "mteb:AskUbuntuDupQuestions")
    return {
        "bitext planned": (*bitext, "--dry_run"),
        "bitext": bitext,
        "bitext again": bitext,
        "bitext by mteb": ("mteb", "NTREXBitextMining", "eng_Latn-deu_Latn"),
        "sts": ("sts.py", "--dataset", "mteb:STS17", "--langs", "en-en", "en-de", *model),
        "sts by mteb": ("mteb", "STS17", "en-en", "en-de"),
        "retrieval": ("retrieval.py", "--dataset", "mteb:ArguAna", *model),
        "retrieval by mteb": ("mteb", "ArguAna"),
        "reranking planned": ("retrieval.py", *ranked, *model, "--dry_run"),
        "reranking": ("retrieval.py", *ranked, *model),
        "reranking by letters": ("retrieval.py", *ranked, "--model_checkpoint", "baseline/char_ngram"),
        "compared": (
            *("script/aggregate/compare.py", label_of(encoder), "baseline/char_ngram", "--task", "retrieval"),
            *(*ranked, "--metric", "map", "--k", "1000", "--format", "json"),
        ),
        "reranking by mteb": ("mteb", "AskUbuntuDupQuestions"),
        "pool": ("retrieval.py", "--dataset", "mteb:ArguAna", "--pool", "all"),
        "margin": ("retrieval.py", "--dataset", "mteb:ArguAna", "--margin", "ratio", *model),
        "classification": ("classification.py", "--dataset", "mteb:MTOPIntentClassification", "--langs", "de", *model),
        "classification by mteb": ("mteb", "MTOPIntentClassification", "de"),
        "cross": ("classification.py", "--dataset", "mteb:MTOPIntentClassification", "--cross", "--src_lang", "de"),
        "validation": ("classification.py", "--dataset", "mteb:MTOPIntentClassification", "--split", "validation"),
        "regression": ("script/aggregate/aggregate_classification.py", "--metric", "logreg_acc"),
        "told sts": ("sts.py", "--dataset", "mteb:STS17", "--langs", "en-en", "--model_checkpoint", str(told)),
        "told retrieval": ("retrieval.py", "--dataset", "mteb:ArguAna", "--k", "10", "--model_checkpoint", str(told)),
        "own prompt": (
            *("retrieval.py", "--dataset", "mteb:ArguAna", "--k", "1", "--model_checkpoint", str(told)),
            *("--query_prompt", "a: ", "--output_dir", "own"),
        ),
        "picture": ("visualize.py", "--dataset", "mteb:STS17"),
        "exported": ("script/aggregate/to_mteb.py", "--models", label_of(encoder)),
        "fetched": ("utils/prefetch.py", "--datasets", "mteb:STS17"),
        "listed": ("sts.py", "--list"),
        "table": ("script/aggregate/aggregate_bitext_mining.py",),
        "page": ("script/report.py", "--output", "report.html"),
        "wrong script": ("bitext.py", "--dataset", "mteb:STS17"),
        "no script": ("sts.py", "--dataset", "mteb:TwentyNewsgroupsClustering"),
        "unknown": ("bitext.py", "--dataset", "mteb:NTREXBitextMinin"),
        "unknown subset": ("sts.py", "--dataset", "mteb:STS17", "--langs", "en-eng"),
        "src_lang": (*bitext, "--src_lang", "eng_Latn"),
        "columns": ("sts.py", "--dataset", "mteb:STS17", "--columns", "a", "b"),
        "not on the hub": ("bitext.py", "--dataset", "mteb:BornholmBitextMining", *model),
        "other layout": ("sts.py", "--dataset", "mteb:STSBenchmark", *model),
    }


def label_of(checkpoint: Path) -> str:
    from utils.checkpoints import local_digest, local_label

    return local_label(checkpoint, local_digest(checkpoint, checkpoint.parent))


def record(folder: Path, subset: str, k: int, dataset: str = "*") -> dict[str, Any]:
    (path,) = folder.glob(f"logs/**/{dataset}/local/tiny-*/**/eval_{subset}_{k}.json")
    body: dict[str, Any] = json.loads(path.read_text())
    return body


def test_bitext_mining_is_mtebs(answers: tuple[Path, dict[str, Any]]) -> None:
    folder, found = answers
    code, out, err = found["bitext"]
    assert code == 0 and "mteb:NTREXBitextMining: f1 at k" in out, err
    body, theirs = record(folder, "eng_Latn-deu_Latn", 1), found["bitext by mteb"]["test"]["eng_Latn-deu_Latn"]
    ours = {"f1": "f1", "accuracy": "acc", "precision": "prec", "recall": "rec", "main_score": "f1"}
    assert {name: body[own] for name, own in ours.items()} == pytest.approx({name: theirs[name] for name in ours})
    assert 0.1 < body["f1"] < 0.9
    run = body["run"]
    assert (run["dataset"], run["src_lang"], run["tgt_lang"]) == ("mteb:NTREXBitextMining", "eng_Latn", "deu_Latn")
    pinned = {"kind": "mteb", "source": "mteb/NTREXBitextMining", "revision": REVISIONS["mteb/NTREXBitextMining"]}
    assert run["origin"] == pinned and run["source"] == {**pinned, "version": version("mteb")}
    assert "1 of 1 subsets are already logged" in found["bitext again"][1]
    assert found["bitext planned"][0] == 0 and "20" in found["bitext planned"][1]


def test_sentence_similarity_is_mtebs(answers: tuple[Path, dict[str, Any]]) -> None:
    folder, found = answers
    assert found["sts"][0] == 0, found["sts"]
    for subset in ("en-en", "en-de"):
        body, theirs = record(folder, subset, 1), found["sts by mteb"]["test"][subset]
        assert body["spearman"] == pytest.approx(theirs["main_score"], abs=1e-6)
        assert body["pearson"] == pytest.approx(theirs["cosine_pearson"], abs=1e-6)
    assert record(folder, "en-de", 1)["run"]["setting"] == "xl"


def test_retrieval_is_mtebs_without_identical_identifiers(answers: tuple[Path, dict[str, Any]]) -> None:
    folder, found = answers
    assert found["retrieval"][0] == 0 and "mteb:ArguAna: ndcg at k" in found["retrieval"][1], found["retrieval"]
    theirs = found["retrieval by mteb"]["test"]["default"]
    for k in (1, 10):
        body = record(folder, "default", k, "mteb_ArguAna")
        for ours, name in RANKED.items():
            assert round(body[ours], 5) == pytest.approx(round(theirs[f"{name}_at_{k}"], 5), abs=1e-6), (ours, k)
    assert body["n"] == 8 and 0.1 < body["ndcg"] < 0.9
    (path,) = folder.glob("logs/**/mteb_ArguAna/local/tiny-*/**/eval_default_10_preds.json")
    said = json.loads(path.read_text())
    assert said["gold"][3] == -2 and all(
        own != first for own, first in zip(said["questions"], said["first"], strict=True)
    )


def test_reranking_is_mtebs(answers: tuple[Path, dict[str, Any]]) -> None:
    folder, found = answers
    assert found["reranking"][0] == 0 and "map at k" in found["reranking"][1], found["reranking"]
    assert found["reranking planned"][0] == 0, found["reranking planned"]
    theirs = found["reranking by mteb"]["test"]["default"]
    for k in (1, 10, 1000):
        body = record(folder, "default", k, "mteb_AskUbuntuDupQuestions")
        for ours, name in RANKED.items():
            assert round(body[ours], 5) == pytest.approx(round(theirs[f"{name}_at_{k}"], 5), abs=1e-6), (ours, k)
    assert round(body["map"], 5) == pytest.approx(theirs["main_score"], abs=1e-6) and 0.1 < body["map"] < 0.9


def test_the_main_score_is_compared_by_items(answers: tuple[Path, dict[str, Any]]) -> None:
    folder, found = answers
    code, out, err = found["compared"]
    assert code == 0, err
    (subset,) = json.loads(out)["subsets"]
    (path,) = folder.glob("logs/**/mteb_AskUbuntuDupQuestions/baseline/char_ngram/**/eval_default_1000.json")
    theirs = found["reranking by mteb"]["test"]["default"]["main_score"]
    assert (subset["dataset"], subset["n"]) == ("mteb:AskUbuntuDupQuestions", 6)
    assert subset["a"] == pytest.approx(theirs, abs=6e-6) and subset["b"] == json.loads(path.read_text())["map"]
    assert subset["difference"] == pytest.approx(subset["a"] - subset["b"], abs=1e-12) and 0 < subset["p"] <= 1


def test_logistic_regression_is_mtebs_beside_the_vote(answers: tuple[Path, dict[str, Any]]) -> None:
    folder, found = answers
    code, out, err = found["classification"]
    assert code == 0 and "de.validation" in out and "logistic regression" in out, err
    for split in ("validation", "test"):
        body, theirs = record(folder, f"de.{split}", 5), found["classification by mteb"][split]["de"]
        assert body["logreg_acc"] == pytest.approx(theirs["accuracy"], abs=1e-6)
        assert body["logreg_f1"] == pytest.approx(theirs["f1"], abs=1e-6)
        assert 0.2 < body["logreg_acc"] < 0.95 and body["run"]["family"] == "Indo-European"
    assert found["regression"][0] == 0 and "logreg_acc" in found["regression"][1], found["regression"]


def test_prompts_are_mtebs_unless_given(answers: tuple[Path, dict[str, Any]]) -> None:
    folder, found = answers
    claim = "Instruct: Given a claim, find documents that refute the claim\nQuery: "
    places = {
        "told sts": ("logs/save_sts*/**/told-*/**/eval_en-en_1.json", ("query : ", None)),
        "told retrieval": ("logs/save_retrieval*/**/told-*/**/eval_default_10.json", (claim, "passage: ")),
        "own prompt": ("own/**/eval_default_1.json", ("a: ", "passage: ")),
    }
    for key, (place, prompts) in places.items():
        assert found[key][0] == 0, found[key]
        (path,) = folder.glob(place)
        (member,) = json.loads(path.read_text())["run"]["encoders"]
        assert (member["prompt"], member.get("passage_prompt")) == prompts
    assert "as mteb has it for ArguAna (--prompt TEXT for another)" in found["told retrieval"][2]


def test_records_export_under_their_tasks_names(answers: tuple[Path, dict[str, Any]]) -> None:
    import mteb

    folder, found = answers
    assert found["exported"][0] == 0, found["exported"]
    evaluated = {
        "NTREXBitextMining": "bitext by mteb",
        "STS17": "sts by mteb",
        "ArguAna": "retrieval by mteb",
        "AskUbuntuDupQuestions": "reranking by mteb",
        "MTOPIntentClassification": "classification by mteb",
    }
    (place,) = folder.glob("mteb_cache/results/*/*")
    assert {path.stem for path in place.glob("*.json")} == {*evaluated, "model_meta"}
    for name, key in evaluated.items():
        written = mteb.TaskResult.from_disk(place / f"{name}.json")
        assert set(written.scores) == set(found[key])
        for split, entries in written.scores.items():
            assert {one["hf_subset"] for one in entries} == set(found[key][split])
            for one in entries:
                theirs = found[key][split][one["hf_subset"]]
                assert one["main_score"] == pytest.approx(theirs["main_score"], abs=6e-6)
                assert one["languages"] == theirs["languages"]


def test_results_of_mteb_stand_beside_our_figures(
    answers: tuple[Path, dict[str, Any]], encoder: Path, run: Run, tmp_path: Path
) -> None:
    import mteb

    folder, found = answers
    names = {"STS17": "sts", "AskUbuntuDupQuestions": "reranking", "MTOPIntentClassification": "classification"}
    for name, key in names.items():
        scores = {split: list(of.values()) for split, of in found[f"{key} by mteb"].items()}
        revision = mteb.get_task(name).metadata.dataset["revision"]
        body = {"task_name": name, "mteb_version": "2", "dataset_revision": revision, "scores": scores}
        (tmp_path / f"{name}.json").write_text(json.dumps(body))
    done = run("script/aggregate/from_mteb.py", ".", "--model", label_of(encoder), "--output", "mteb.csv")
    assert done.returncode == 0, done.stderr
    common = ("--reference", "mteb.csv", "--logs", str(folder / "logs"), "--models", label_of(encoder))
    logreg = ("--metric", "logreg_acc", "--k", "5")
    for script, flags in (("sts", ()), ("retrieval", ("--metric", "map", "--k", "1000")), ("classification", logreg)):
        shown = run(f"script/aggregate/aggregate_{script}.py", *common, *flags, "--format", "json")
        (row,) = [row for row in json.loads(shown.stdout) if row["column"].startswith("mteb:")]
        assert row["difference"] == pytest.approx(0, abs=6e-6) and row["source"].startswith("mteb 2 "), shown.stderr


def test_records_enter_tables_and_the_page(answers: tuple[Path, dict[str, Any]]) -> None:
    found = answers[1]
    assert found["table"][0] == 0 and "mteb:NTREXBitextMining" in found["table"][1], found["table"]
    assert "mteb:TASK" in found["listed"][1]
    assert found["fetched"][0] == 0 and "ok       mteb:STS17" in found["fetched"][1], found["fetched"]
    assert "lack" not in found["table"][2] and found["page"][0] == 0, found["page"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "wrong script",
            "mteb:STS17 is a task of STS, not one for bitext\nhint: give it to sts.py: --dataset mteb:STS17",
        ),
        ("no script", "mteb:TwentyNewsgroupsClustering is a task of Clustering, which no script evaluates"),
        ("unknown", "mteb has no task 'NTREXBitextMinin'\nhint: did you mean 'NTREXBitextMining'"),
        ("unknown subset", "mteb:STS17 has no subset 'en-eng'\nhint: did you mean"),
        ("src_lang", "--src_lang with mteb:NTREXBitextMining\nhint: choose mteb's subsets by their names: --langs"),
        ("pool", "--pool all with mteb:ArguAna\nhint: mteb has one pool for each subset"),
        ("picture", "--dataset mteb:STS17 is not a task of classification"),
        ("cross", "--cross with mteb:MTOPIntentClassification"),
        ("validation", "mteb:MTOPIntentClassification has no validation split beside those"),
        ("margin", "--margin with mteb:ArguAna\nhint: its questions have passages of their own"),
        ("columns", "--columns with the registered data set mteb:STS17"),
        ("not on the hub", "the data set 'mteb/BornholmBitextMining' of mteb:BornholmBitextMining"),
        ("other layout", "(subset 'default', split 'test') does not load: Column 'sentence1' doesn't exist"),
    ],
)
def test_mistakes(answers: tuple[Path, dict[str, Any]], key: str, message: str) -> None:
    code, out, err = answers[1][key]
    assert (code, out) == (2, "") and message in err, err
    assert len([line for line in err.splitlines() if not line.startswith("note: ")]) == 2, err


def test_texts_of_questions_and_passages_are_those_that_mteb_encodes() -> None:
    import datasets
    import mteb
    from mteb._create_dataloaders import create_dataloader
    from mteb.types import PromptType

    from utils.data.mteb_texts import _passages, _questions

    metadata = mteb.get_task("ArguAna").metadata
    turns = [
        [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Yes?"}],
        [{"role": "user", "content": "No"}],
    ]
    asked: list[dict[str, Any]] = [
        {"text": ["one ", "two"]},
        {"text": ["one", "two"], "instruction": ["Find it.", "Say so."]},
        {"text": [["Hi", "And you?"], ["No"]]},
        {"text": turns},
        {"text": turns, "instruction": ["Find it.", "Say so."]},
    ]
    told: list[dict[str, Any]] = [{"text": [" one ", "two"]}, {"text": ["one", " two "], "title": ["", " First"]}]
    for build, kind, tables in ((_questions, PromptType.query, asked), (_passages, PromptType.document, told)):
        for table in tables:
            rows = datasets.Dataset.from_dict({"id": ["a", "b"], **table})
            loader = create_dataloader(rows, task_metadata=metadata, prompt_type=kind)
            theirs = [text for batch in loader for text in batch["text"]]
            assert build(rows) == list(zip(["a", "b"], theirs, strict=True)), table


def test_without_a_network_what_was_read_is_read_again(
    answers: tuple[Path, dict[str, Any]], hub: LoopbackHub, encoder: Path
) -> None:
    model = ("--model_checkpoint", str(encoder), "--overwrite", "--dry_run")
    commands = {
        "again": ("sts.py", "--dataset", "mteb:STS17", "--langs", "en-en", *model),
        "other": ("bitext.py", "--dataset", "mteb:Tatoeba", "--langs", "deu-eng", *model),
    }
    found = work(hub, answers[0], encoder, commands, HF_HUB_OFFLINE="1")
    assert found["again"][0] == 0 and "en-en" in found["again"][1], found["again"]
    code, _, err = found["other"]
    assert code == 2 and "is not in the cache, and the hub cannot be reached" in err, err


def test_mteb_is_optional(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "mteb" else usual(name, *rest))
    done = run("sts.py", "--dataset", "mteb:STS17")
    assert done.returncode == 2 and "mteb is not installed\nhint: pip install -r requirements-mteb.txt" in done.stderr
