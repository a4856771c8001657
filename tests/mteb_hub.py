"""Small data sets in the layouts of mteb's on the hub, and a process in which mteb and this suite evaluate them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conftest import ROOT
from forked import base_nursery
from hub_server import LoopbackHub

WORDS = "the cat sat a dog on and".split()


def sentence(number: int, length: int = 6) -> str:
    """A sentence of the words that the tiny encoder knows, another one for each number."""
    return " ".join(
        WORDS[(number * 7 + place * (number % 5 + 1) + number // 5) % len(WORDS)] for place in range(length)
    )


def configured(folder: Path, tables: Mapping[tuple[str, str], Mapping[str, Sequence[Any]]]) -> Path:
    """A repository with a README that names its configurations; a table for each configuration and split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    lines = []
    for config in dict.fromkeys(config for config, _ in tables):
        lines += [f"- config_name: {config}", "  data_files:"]
        for _, split in (key for key in tables if key[0] == config):
            file = folder / config / f"{split}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(dict(tables[config, split])), file)
            lines += [f"  - split: {split}", f"    path: {config}/{split}.parquet"]
    (folder / "README.md").write_text("---\nconfigs:\n" + "\n".join(lines) + "\n---\n")
    return folder


def ntrex(folder: Path) -> Path:
    """NTREX: a column for each language."""
    langs = ("eng_Latn", "deu_Latn", "fra_Latn")
    columns = {lang: [sentence(row, 6 + place * (row % 3)) for row in range(20)] for place, lang in enumerate(langs)}
    return configured(folder, {("default", "test"): columns})


def sts17(folder: Path) -> Path:
    """STS17: one table with a column for the subset."""
    others = "ko-ko ar-ar en-ar en-tr es-en es-es fr-en it-en nl-en".split()
    langs = [*("en-en", "en-de") * 12, *others]
    rows = range(len(langs))
    columns = {
        "sentence1": [sentence(row) for row in rows],
        "sentence2": [sentence(row * 2 + 1) for row in rows],
        "score": [float(row * 5 % 11) / 2 for row in rows],
        "lang": langs,
    }
    return configured(folder, {("default", "test"): columns})


def arguana(folder: Path) -> Path:
    """ArguAna, whose questions stand in the corpus under the same identifiers.

    One question has no answer, one an answer that the corpus lacks, and one passage is blank.
    """
    rows = range(30)
    passages = {
        "_id": [f"t{row}" for row in rows],
        "title": ["" if row % 3 else sentence(row + 50, 2) for row in rows],
        "text": ["" if row == 7 else sentence(row, 4 + row % 3) for row in rows],
    }
    queries = {"_id": [f"t{row}" for row in range(8)], "text": [sentence(row, 4 + row % 3) for row in range(8)]}
    grades = [(f"t{row}", f"t{row + step}", grade) for row in range(8) for step, grade in ((8, 1), (13, 2), (5, 0))]
    grades = [(query, passage, 0 if query == "t3" else grade) for query, passage, grade in grades]
    grades.append(("t5", "elsewhere", 1))
    columns = dict(zip(("query-id", "corpus-id", "score"), map(list, zip(*grades, strict=True)), strict=True))
    tables = {("corpus", "corpus"): passages, ("queries", "queries"): queries, ("default", "test"): columns}
    return configured(folder, tables)


def askubuntu(folder: Path) -> Path:
    """AskUbuntuDupQuestions: each question has candidates of its own, of different numbers."""
    rows, asked = range(40), range(6)
    ranked = [[f"d{(row * 7 + place * 3) % 40}" for place in range(4 + row)] for row in asked]
    grades = [(f"q{row}", name, int(place % 3 == 1)) for row in asked for place, name in enumerate(ranked[row])]
    columns = dict(zip(("query-id", "corpus-id", "score"), map(list, zip(*grades, strict=True)), strict=True))
    tables = {
        ("corpus", "test"): {"_id": [f"d{row}" for row in rows], "text": [sentence(row, 5) for row in rows]},
        ("queries", "test"): {"_id": [f"q{row}" for row in asked], "text": [sentence(row + 11, 6) for row in asked]},
        ("default", "test"): columns,
        ("top_ranked", "test"): {"query-id": [f"q{row}" for row in asked], "corpus-ids": ranked},
    }
    return configured(folder, tables)


def mtop(folder: Path) -> Path:
    """MTOPIntentClassification: a configuration for each language, more texts of some labels than are sampled."""
    tables = {}
    for lang in ("de", "en"):
        for split, n, first in (("train", 60, 0), ("validation", 12, 100), ("test", 16, 200)):
            rows = range(first, first + n)
            labels = [(row * row + row // 3) % 11 % 3 if row % 4 else row % 2 for row in rows]
            texts = [
                " ".join([sentence(row, 4), WORDS[label if row % 3 else row % 5]])
                for row, label in zip(rows, labels, strict=True)
            ]
            tables[lang, split] = {"id": list(rows), "text": texts, "label": labels}
    return configured(folder, tables)


WORKER = """
import json, sys, warnings
warnings.simplefilter("ignore")
tests, root, folder, encoder, commands = sys.argv[1:]
sys.path[:0] = [tests, root]
from pathlib import Path
from script_runner import run_in_process
import os
answers = {}
for key, (script, *words) in json.loads(commands).items():
    if script == "mteb":
        import mteb
        import numpy as np
        from mteb.models.abs_encoder import AbsEncoder
        from mteb.models.model_meta import ModelMeta, ScoringFunction
        from mteb.types import PromptType
        from utils.encoders.cached import load_encoder
        from utils.encoders.resolve import EncodingOptions, resolve

        class Ours(AbsEncoder):
            mteb_model_meta = ModelMeta.create_empty(
                {"name": "local/ours", "revision": "1", "similarity_fn_name": ScoringFunction.COSINE}
            )

            def __init__(self):
                spec = resolve(encoder, Path(folder) / "cache", EncodingOptions())
                self.encoder = load_encoder(spec, "cpu", Path(folder))

            def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
                return self.encoder.encode([text for batch in inputs for text in batch["text"]])

        name, *subsets = words
        task = mteb.get_task(name, hf_subsets=subsets or None)
        (result,) = mteb.evaluate(Ours(), task, cache=None, co2_tracker=False, show_progress_bar=False).task_results
        answers[key] = {split: {one["hf_subset"]: one for one in found} for split, found in result.scores.items()}
    else:
        code, out, err = run_in_process(Path(root) / script, words, Path(folder), dict(os.environ))
        answers[key] = [code, out, err]
Path(folder, "answers.json").write_text(json.dumps(answers, default=float))
"""


def work(
    hub: LoopbackHub, folder: Path, encoder: Path, commands: Mapping[str, Sequence[str]], **env: str
) -> dict[str, Any]:
    """Return what each command answers in one process that reads the loopback hub.

    A command is a script with its arguments, which answers [exit code, output, errors]; or `mteb`, a task and its
    subsets, which mteb itself evaluates with the vectors of the encoder: its scores by split and subset.
    """
    told = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": ""}
    told |= {"MINERS_CACHE_DIR": str(folder / "cache"), "MINERS_DATA_DIR": "", "MTEB_CACHE": str(folder / "mteb")}
    words = ["-c", WORKER, str(ROOT / "tests"), str(ROOT), str(folder), str(encoder), json.dumps(commands)]
    done = base_nursery().run(words, folder, {**os.environ, **told, **env})
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads((folder / "answers.json").read_text())
    return answers
