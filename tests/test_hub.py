"""The hub path, end to end over HTTP on loopback: every layout that the registry names, a checkpoint, and faults."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT
from forked import Nursery, base_nursery
from hub_server import Fault, LoopbackHub

from utils.data import registry
from utils.data.classification_sets import SENTIMENTS

pytestmark = pytest.mark.slow  # each run is a process: the hub's libraries read their settings when imported
NGRAM = ("--model_checkpoint", "baseline/char_ngram")
Command = Callable[..., subprocess.CompletedProcess[str]]


def parquet(path: Path, **columns: list) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def class_label(path: Path, names: tuple[str, ...], **columns: list) -> None:
    """Write a parquet file whose label column is a ClassLabel, as a conversion has it."""
    from datasets import ClassLabel, Dataset

    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(columns).cast_column("label", ClassLabel(names=list(names))).to_parquet(str(path))


def pairs_repo(folder: Path, n: int = 12) -> Path:
    """Tatoeba's layout: a default configuration of a table with a lang column."""
    texts = [f"Satz {number}" for number in range(n)]
    parquet(
        folder / "test" / "a.parquet",
        sentence1=texts,
        sentence2=[f"sentence {i}" for i in range(n)],
        lang=["deu-eng"] * n,
    )
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: test/*.parquet\n---\n"
    )
    return folder


def converted_repo(folder: Path, label: str = "class") -> Path:
    """NusaX's layout: a parquet conversion, a folder per configuration and split."""
    for lang in ("eng", "ind"):
        for split, n in (("train", 12), ("test", 6)):
            texts = [f"{lang} {split} text {i}" for i in range(n)]
            columns = {"id": [str(i) for i in range(n)], "text": texts, "label": [i % 3 for i in range(n)]}
            file = folder / lang / split / "0000.parquet"
            if label == "class":
                class_label(file, SENTIMENTS, **columns)
            else:
                parquet(file, **{**columns, "label": [label] * n})
    return folder


def six_languages(folder: Path) -> Path:
    return configured_repo(folder, ("de", "en", "es", "fr", "hi", "th"))


def configured_repo(folder: Path, langs: tuple[str, ...] = ("de", "en")) -> Path:
    """MTOP's layout: a configuration per language in the README, string labels beside their numbers."""
    lines = []
    for lang in langs:
        lines += [f"- config_name: {lang}", "  data_files:"]
        for split in ("train", "test"):
            texts = [f"{lang} call number {i}" for i in range(12)]
            labels = ["CALL" if i % 2 else "ALARM" for i in range(12)]
            parquet(folder / lang / f"{split}.parquet", text=texts, label_text=labels, label=[i % 2 for i in range(12)])
            lines += [f"  - split: {split}", f"    path: {lang}/{split}.parquet"]
    (folder / "README.md").write_text("---\nconfigs:\n" + "\n".join(lines) + "\n---\n")
    return folder


@pytest.fixture(scope="module")
def served() -> Iterator[LoopbackHub]:
    server = LoopbackHub()
    yield server
    server.close()


@pytest.fixture
def hub(served: LoopbackHub) -> LoopbackHub:
    """A hub without repositories and faults; each worker has one address, which its nurseries were told."""
    served.repos.clear()
    served.fault = None
    return served


@pytest.fixture(scope="module")
def nursery(served: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Nursery]:
    """The process that forks the runs: the hub's libraries read their settings when imported, so each has its own."""
    home = tmp_path_factory.mktemp("hub") / "hf"

    @cache
    def nursery_of(offline: str, *modules: str) -> Nursery:
        env = {**os.environ, "HF_ENDPOINT": served.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
        return Nursery(["utils.cli.main", *modules], {**env, "HF_HUB_OFFLINE": offline}, base_nursery())

    return nursery_of


@pytest.fixture
def command(nursery: Callable[..., Nursery], hub: LoopbackHub, tmp_path: Path) -> Command:
    """Run a script of the project against the loopback hub, with caches of its own."""
    return commands(nursery, tmp_path, "datasets")


@pytest.fixture
def model_command(nursery: Callable[..., Nursery], hub: LoopbackHub, tmp_path: Path) -> Command:
    """The same for runs that load a model: the libraries that do are imported before."""
    return commands(nursery, tmp_path, "datasets", "sentence_transformers")


def commands(nursery: Callable[..., Nursery], folder: Path, *modules: str) -> Command:
    def run(script: str, *args: str, **extra: str) -> subprocess.CompletedProcess[str]:
        own = "--check" in args  # it sets HF_HUB_OFFLINE, before it imports the libraries that read it
        forks = nursery(extra.pop("HF_HUB_OFFLINE", ""), *(() if own else modules))
        env = {**forks.env, "MINERS_CACHE_DIR": str(folder / "cache"), "MINERS_DATA_DIR": "", **extra}
        return forks.run([script if script == "-m" else str(ROOT / script), *args], folder, env)

    home = Path(nursery("", *modules).env["HF_HOME"])
    if home.exists():
        shutil.rmtree(home)
    return run


def revision_of(task: str, name: str) -> str:
    return registry.DATASETS[task][name].revision or ""


def test_every_layout_is_read_and_the_record_names_hub_and_revision(
    hub: LoopbackHub, command: Command, tmp_path: Path
) -> None:
    hub.add("datasets", "mteb/tatoeba-bitext-mining", pairs_repo(tmp_path / "a"), revision_of("bitext", "tatoeba"))
    commit = hub.add("datasets", "indonlp/NusaX-senti", converted_repo(tmp_path / "b"), "refs/convert/parquet")
    mtop = revision_of("classification", "mtop_intent")
    hub.add("datasets", "mteb/MTOPIntentClassification", configured_repo(tmp_path / "c"), mtop)
    for words in (
        ("bitext.py", "--dataset", "tatoeba", "--langs", "deu"),
        ("bitext.py", "--dataset", "nusax", "--langs", "ind"),
        ("classification.py", "--dataset", "nusax", "--langs", "ind"),
        ("classification.py", "--dataset", "mtop_intent", "--langs", "de", "en"),
    ):
        done = command(*words, *NGRAM)
        assert done.returncode == 0, done.stderr
    body = json.loads(next((tmp_path / "logs/save_classification/nusax").rglob("eval_ind_1.json")).read_text())
    assert body["run"]["origin"] == {"kind": "hub", "source": "indonlp/NusaX-senti", "revision": commit}
    assert set(body["per_label"]) == set(SENTIMENTS)
    offline = command(
        "classification.py", "--dataset", "mtop_intent", "--langs", "de", *NGRAM, "--overwrite", HF_HUB_OFFLINE="1"
    )
    assert offline.returncode == 0, offline.stderr


def test_a_checkpoint_is_downloaded_pinned_and_used_offline(
    hub: LoopbackHub, model_command: Command, tmp_path: Path
) -> None:
    from tiny_encoders import make_masked_lm

    commit = hub.add("models", "somebody/tiny-encoder", make_masked_lm(tmp_path / "model"))
    flags = ("--model_checkpoint", "somebody/tiny-encoder", "--langs", "spa")
    done = model_command("bitext.py", *flags)
    assert done.returncode == 0, done.stderr
    assert "not in the registry; it is loaded from the hub as a sentence-transformers checkpoint" in done.stderr
    body = json.loads(next((tmp_path / "logs").rglob("eval_eng_spa_1.json")).read_text())
    encoder = body["run"]["encoders"][0]
    assert (encoder["checkpoint"], encoder["revision"], encoder["prompt"]) == ("somebody/tiny-encoder", commit, None)
    offline = model_command("bitext.py", *flags, "--overwrite", "--cache_dir", "fresh", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0 and "the last downloaded revision of" in offline.stderr
    missing = model_command("bitext.py", "--model_checkpoint", "somebody/else")
    assert missing.returncode == 2 and "'somebody/else' is not on the hub, or is private (404)" in missing.stderr


def test_a_generator_is_downloaded_pinned_and_used_offline(
    hub: LoopbackHub, model_command: Command, tmp_path: Path
) -> None:
    from tiny_models import make_model

    commit = hub.add("models", "somebody/tiny-chat", make_model(tmp_path / "model", "llama", chat=True))
    name = ("--gen_model_checkpoint", "somebody/tiny-chat")
    flags = (*name, "--langs", "spa", "--k", "0", "--limit", "3", "--max_new_tokens", "4")
    done = model_command("icl.py", *flags)
    assert done.returncode == 0, done.stderr
    assert "somebody/tiny-chat is used as a chat model" in done.stderr
    folder = tmp_path / "logs/debug/save_icl_max_new_tokens_4/sample/somebody/tiny-chat/none/seed_42"
    body = json.loads((folder / "eval_spa_0.json").read_text())
    assert (body["run"]["generator"]["revision"], body["run"]["decode"]) == (commit, "generate")
    assert "Options:" in json.loads((folder / "eval_spa_0_prompts.json").read_text())["prompts"][0]
    offline = model_command("icl.py", *flags, "--cache_dir", "fresh", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0 and "the last downloaded revision of" in offline.stderr, offline.stderr
    missing = model_command("icl.py", "--gen_model_checkpoint", "somebody/else", "--k", "0")
    assert missing.returncode == 2 and "'somebody/else' is not on the hub, or is private (404)" in missing.stderr
    prefetch = ("-m", "utils.prefetch", "--gen_model_checkpoints", "somebody/tiny-chat")
    fetched = model_command(*prefetch, PYTHONPATH=str(ROOT))
    assert fetched.returncode == 0 and f"chat model, revision {commit[:20]}" in fetched.stdout, fetched.stderr
    checked = model_command(*prefetch, "--check", PYTHONPATH=str(ROOT))
    assert checked.returncode == 0, checked.stderr


def test_prefetch_downloads_checks_and_names_what_is_missing(
    hub: LoopbackHub, model_command: Command, tmp_path: Path
) -> None:
    from tiny_encoders import make_masked_lm

    hub.add(
        "datasets",
        "mteb/MTOPIntentClassification",
        six_languages(tmp_path / "c"),
        revision_of("classification", "mtop_intent"),
    )
    hub.add("models", "somebody/tiny-encoder", make_masked_lm(tmp_path / "model"))
    flags = ("--datasets", "mtop_intent", "--model_checkpoints", "somebody/tiny-encoder", "baseline/char_ngram")
    before = model_command("-m", "utils.prefetch", *flags, "--check", PYTHONPATH=str(ROOT))
    assert (
        before.returncode == 2
        and "error: 2 missing: mtop_intent, classification; somebody/tiny-encoder" in before.stderr
    )
    fetched = model_command("-m", "utils.prefetch", *flags, PYTHONPATH=str(ROOT))
    assert fetched.returncode == 0, fetched.stderr
    assert "6 subsets, 144 texts (hub)" in fetched.stdout and "16 dimensions" in fetched.stdout
    after = model_command("-m", "utils.prefetch", *flags, "--check", PYTHONPATH=str(ROOT))
    assert after.returncode == 0, after.stderr
    assert model_command("-m", "utils.prefetch", PYTHONPATH=str(ROOT)).returncode == 2


FAULTS = {
    "401": (Fault("/datasets/mteb", 401), "answered with status 401", "set HF_TOKEN"),
    "403 gated": (Fault("/datasets/mteb", 403, {"X-Error-Code": "GatedRepo"}), "is gated (403)", "accept its terms"),
    "404": (Fault("/datasets/mteb", 404, {"X-Error-Code": "RepoNotFound"}), "is not on the hub", "check the name"),
    "429": (
        Fault("/datasets/mteb", 429, {"Retry-After": "0"}),
        "answered with status 429",
        "wait some minutes",
    ),
    "503": (Fault("/datasets/mteb", 503, {"Retry-After": "0"}), "answered with status 503", "try again later"),
    "cut connection": (Fault(".parquet", cut=True), "the download was interrupted", "the same command again"),
    "truncated file": (Fault(".parquet", truncate=True), "", "the same command again"),
    "missing revision": (
        Fault("/datasets/mteb", 404, {"X-Error-Code": "RevisionNotFound"}),
        "its pinned revision",
        "pin",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_hub_is_said_and_the_next_run_succeeds(
    name: str, hub: LoopbackHub, command: Command, tmp_path: Path
) -> None:
    fault, what, hint = FAULTS[name]
    hub.add("datasets", "mteb/tatoeba-bitext-mining", pairs_repo(tmp_path / "a"), revision_of("bitext", "tatoeba"))
    words = ("bitext.py", "--dataset", "tatoeba", "--langs", "deu", *NGRAM)
    hub.fault = fault
    broken = command(*words)
    assert broken.returncode == 2 and "Traceback" not in broken.stderr, broken.stderr
    error, hinted = [line for line in broken.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    assert "mteb/tatoeba-bitext-mining" in error and what in error and hint in hinted, broken.stderr
    hub.fault = None
    again = command(*words)
    assert again.returncode == 0, again.stderr


def rename_column(folder: Path) -> None:
    for file in folder.rglob("*.parquet"):
        import pyarrow.parquet as pq

        table = pq.read_table(file).replace_schema_metadata()
        pq.write_table(
            table.rename_columns(["sentence" if name == "text" else name for name in table.column_names]), file
        )


def empty_split(folder: Path) -> None:
    import pyarrow.parquet as pq

    for file in folder.rglob("test/*.parquet"):
        pq.write_table(pq.read_table(file).slice(0, 0), file)


DATA_FAULTS = {
    "renamed column": (rename_column, "has no column 'text'; it has", "utils/data/classification_sets.py"),
    "empty split": (empty_split, "a split has no rows", "empty"),
    "label outside the set": (
        lambda folder: converted_repo(folder, label="angry"),
        "has the label 'angry', expected",
        "version",
    ),
    "unknown configuration": (
        lambda folder: __import__("shutil").rmtree(folder / "ind"),
        "does not load",
        "configuration",
    ),
}


@pytest.mark.parametrize("name", DATA_FAULTS)
def test_a_fault_of_the_data_is_said_and_the_mended_set_loads(
    name: str, hub: LoopbackHub, command: Command, tmp_path: Path
) -> None:
    damage, what, hint = DATA_FAULTS[name]
    broken = converted_repo(tmp_path / "broken")
    damage(broken)
    hub.add("datasets", "indonlp/NusaX-senti", broken, "refs/convert/parquet")
    words = ("classification.py", "--dataset", "nusax", "--langs", "ind", *NGRAM)
    done = command(*words)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    error, hinted = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    assert what in error and hint in hinted, done.stderr
    hub.add("datasets", "indonlp/NusaX-senti", converted_repo(tmp_path / "whole"), "refs/convert/parquet")
    assert command(*words).returncode == 0
