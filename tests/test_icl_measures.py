"""Which measures written answers have: those that a row names, of an own file's language, and of a model of COMET."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from conftest import Run
from sacrebleu.metrics import CHRF
from tiny_models import make_model
from written_mirror import write_table

from utils.data.registry import DATASETS
from utils.evaluation.spans import span_scores
from utils.schema import DatasetSpec

NEWS = DatasetSpec(
    name="news",
    task="prompted",
    kind="hub",
    source="somebody/news",
    revision="0" * 40,
    reader="hub_items",
    subsets=("de",),
    main_metric="chrf",
    pivot="de",
    licence="CC-BY-4.0",
    citation="Somebody 2026",
    options={
        "kind": "text",
        "template": "translation",
        "fields": {"source": "article", "source_lang": "from", "target_lang": "into"},
        "encoded": ("source",),
        "answer": "summary",
        "config": "{lang}",
        "splits": {"train": "test"},
        "measures": ("f1", "chrf"),
        "max_new_tokens": 5,
    },
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measures")
    make_model(folder / "tiny", "gemma3_long")
    rows = [
        {"article": f"Lange Nachricht {n}.", "from": "News", "into": "Summary", "summary": ["Kurz."] * (1 + n % 2)}
        for n in range(10)
    ]
    rows[0]["summary"] = ["", "Kurz."]  # a blank reference is none
    write_table(folder / "mirror/somebody/news/de/test.parquet", rows)
    return folder


@pytest.fixture
def ask(run: Run, place: Path) -> Any:
    model = ("--gen_model_checkpoint", str(place / "tiny"), "--data_dir", str(place / "mirror"), "--k", "0")
    return lambda *flags: run("icl.py", *model, *flags)


def read(logs: Path, name: str) -> dict[str, Any]:
    (path,) = logs.rglob(name)
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_a_row_names_its_measures_and_the_length_of_its_answers(
    ask: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS["prompted"], "news", NEWS)
    done = ask("--dataset", "news")
    assert done.returncode == 0 and "news: chrf at k" in done.stdout and "spBLEU" not in done.stderr, done.stderr
    body, preds = read(tmp_path / "logs", "eval_de_0.json"), read(tmp_path / "logs", "eval_de_0_preds.json")
    assert body["run"]["measures"] == ["f1", "chrf"] and body["run"]["max_new_tokens"] == 5
    assert {"em", "bleu", "spbleu", "acc"}.isdisjoint(body) and set(body["ci95"]) == {"f1", "chrf"}
    second = [known[1] if len(known) > 1 else None for known in preds["references"]]
    expected = CHRF(word_order=2).corpus_score(preds["hyp"], [preds["gold"], second])
    assert 100 * body["chrf"] == pytest.approx(expected.score, abs=1e-9)
    assert body["f1"] == pytest.approx(span_scores(preds["hyp"], preds["references"], "de")["f1"].mean())
    assert "1 of 1 subsets are already logged" in ask("--dataset", "news").stdout
    table = run("script/aggregate/aggregate_icl.py").stdout
    assert "max_new_tokens" not in table and "news" in table, table
    wrong = ask("--dataset", "news", "--bleu_tokenize", "13a")
    assert wrong.returncode == 2 and "--bleu_tokenize with news, which is not measured by BLEU" in wrong.stderr
    assert ask("--dataset", "news", "--src_lang", "de").returncode == 2


def test_questions_of_an_own_file_are_compared_in_the_language_that_is_named(ask: Any, tmp_path: Path) -> None:
    rows = [{"context": f"{n} cats", "question": f"How many {n}?", "answer": f"the {n}"} for n in range(10)]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flags = ("--dataset", "own.jsonl", "--template", "answer", "--max_new_tokens", "2")
    told = "own.jsonl has no column of languages, so that no articles are left out"
    done = ask(*flags)
    assert done.returncode == 0 and told in done.stderr, done.stderr
    named = ask(*flags, "--langs", "en", "--output_dir", "named")
    assert named.returncode == 0 and told not in named.stderr, named.stderr
    preds = read(tmp_path / "named", "eval_en_0_preds.json")
    assert preds["values"]["f1"] == span_scores(preds["hyp"], [[gold] for gold in preds["gold"]], "en")["f1"].tolist()
    several = ask(*flags, "--langs", "en", "de")
    assert several.returncode == 2 and "has no language 'en'" in several.stderr


def test_a_file_of_comet_counts_by_its_content(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, loaded = ModuleType("comet"), list[str]()  # stands in for the package, which the tests do not install
    package.__spec__ = ModuleSpec("comet", None)

    def load(path: str) -> Any:
        loaded.append(path)
        return SimpleNamespace(predict=lambda rows, **_: SimpleNamespace(scores=[0.5] * len(rows)))

    vars(package).update(load_from_checkpoint=load)
    monkeypatch.setitem(sys.modules, "comet", package)
    monkeypatch.setitem(DATASETS["prompted"], "news", NEWS)
    for folder, content in (("a", "one"), ("b", "one"), ("a", "two")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "m.ckpt").write_text(content)
        done = ask("--dataset", "news", "--comet", f"{folder}/m.ckpt")
        assert done.returncode == 0, done.stderr
        assert ("already logged" in done.stdout) == (folder == "b")
    assert loaded == ["a/m.ckpt"] * 2
    names = {json.loads(path.read_text())["run"]["comet"] for path in (tmp_path / "logs").rglob("eval_de_0.json")}
    assert len(names) == 2 and all(name.startswith("m.ckpt-") and len(name) == 15 for name in names)
