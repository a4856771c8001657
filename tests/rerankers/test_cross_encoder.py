"""Cross-encoders: scores equal to the library's, each pair scored once, and records of reranked runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from tiny_encoders import edit_json
from tiny_rerankers import save_causal, save_cross_encoder

from utils.data.judged import load_judged
from utils.data.retrieval_sets import RETRIEVAL
from utils.data.sources import Sources
from utils.encoders.char_ngram import CharNgram
from utils.errors import UserError
from utils.evaluation.ranking import ranking_figures
from utils.rerankers.cached import CachedReranker
from utils.rerankers.resolve import RerankOptions, resolve_reranker

PAIRS = [
    ("where is the market", "The market is behind the school."),
    ("where is the market", ""),
    ("why", "because " * 60),
    ("where is the market", "Soko liko nyuma ya shule."),
    ("नमस्ते", "यह एक वाक्य है।"),
] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("cross") / "tiny-cross")


def by_library(folder: Path, pairs: list[tuple[str, str]]) -> Any:
    from sentence_transformers import CrossEncoder

    return CrossEncoder(str(folder), device="cpu").predict(pairs, batch_size=1)


def test_scores_are_those_of_the_library(folder: Path, tmp_path: Path) -> None:
    reranker = CachedReranker(resolve_reranker(str(folder), tmp_path), "cpu", tmp_path)
    found = reranker.score(PAIRS)
    assert np.ptp(found) > 0.01
    np.testing.assert_allclose(found, by_library(folder, PAIRS), atol=1e-6)
    assert reranker.counts == {"hits": 0, "misses": 5}


def test_a_checkpoint_with_modules_is_scored_alike(tmp_path: Path) -> None:
    folder = save_cross_encoder(tmp_path / "with-modules", modules=True)
    found = CachedReranker(resolve_reranker(str(folder), tmp_path), "cpu", tmp_path).score(PAIRS[:5])
    np.testing.assert_allclose(found, by_library(folder, PAIRS[:5]), atol=1e-6)


def test_the_longest_pairs_come_first_and_scores_are_kept_as_they_come(folder: Path, tmp_path: Path) -> None:
    spec = resolve_reranker(str(folder), tmp_path)
    first = CachedReranker(spec, "cpu", tmp_path)
    asked: list[tuple[str, str]] = []

    class Stopped:
        def score(self, pairs: Any) -> Any:
            for place, one in scorer.score(pairs):
                if len(asked) == 3:
                    raise KeyboardInterrupt
                asked.append(pairs[place])
                yield place, one

    first.score(PAIRS[:1])
    scorer, first._scorer = first._scorer, Stopped()
    assert scorer is not None
    with pytest.raises(KeyboardInterrupt):
        first.score(PAIRS)
    assert asked[0] == PAIRS[2]
    second = CachedReranker(spec, "cpu", tmp_path)
    np.testing.assert_allclose(second.score(PAIRS), by_library(folder, PAIRS), atol=1e-6)
    assert second.counts == {"hits": 4, "misses": 1}
    third = CachedReranker(spec, "cpu", tmp_path)
    assert third.score(PAIRS) == second.score(PAIRS) and third._scorer is None  # the model was not even loaded


def test_a_shorter_length_is_another_score(folder: Path, tmp_path: Path) -> None:
    whole = CachedReranker(resolve_reranker(str(folder), tmp_path), "cpu", tmp_path).score(PAIRS[:1])
    cut = resolve_reranker(str(folder), tmp_path, RerankOptions(max_length=8))
    assert CachedReranker(cut, "cpu", tmp_path).score(PAIRS[:1]) != whole


def test_checkpoints_that_are_no_rerankers(tmp_path: Path) -> None:
    three = save_cross_encoder(tmp_path / "three", n_labels=3)
    with pytest.raises(UserError, match="gives 3 scores to a pair"):
        CachedReranker(resolve_reranker(str(three), tmp_path), "cpu", tmp_path).score(PAIRS)
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text('{"architectures": ["BertModel"]}')
    with pytest.raises(UserError, match="is not a reranker: it is BertModel"):
        resolve_reranker(str(tmp_path / "encoder"), tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        resolve_reranker("./nowhere", tmp_path)


def only(folder: Path, pattern: str) -> dict[str, Any]:
    (path,) = folder.glob(pattern)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


NGRAM = ("--first_stage", "char_ngram", "--langs", "swh", "--pool", "same")


def test_a_reranked_run_by_hand(run: Run, tmp_path: Path, folder: Path) -> None:
    flags = (*NGRAM, "--k", "5", "70", "--rerank", str(folder), "--rerank_depth", "12")
    plan = run("retrieval.py", *flags, "--dry_run")
    assert "at most 504 pairs" in plan.stdout, plan.stdout + plan.stderr
    done = run("retrieval.py", *flags)
    assert done.returncode == 0 and "before reranking" in done.stdout, done.stderr
    data = load_judged(RETRIEVAL["sample"], "swh", Sources(None, tmp_path), pool="same")
    encoder = CharNgram().fit(data.passages.texts)
    scores = encoder.encode(data.queries.texts).astype(float) @ encoder.encode(data.passages.texts).astype(float).T
    texts, names = data.passages.texts, data.passages.ids
    before, after = [], []
    for row, query in enumerate(data.queries.texts):
        order = sorted(range(70), key=lambda place: (-np.float32(scores[row, place]), place))
        new = dict(zip(order[:12], by_library(folder, [(query, texts[place]) for place in order[:12]]), strict=True))
        before.append(order)
        after.append([*sorted(order[:12], key=lambda place: (-new[place], place)), *order[12:]])
    falling = np.tile(-np.arange(70, dtype=np.float32), (42, 1))

    def figures(ranking: list[list[int]], k: int) -> dict[str, float]:
        asked = (data.queries.ids, names, data.judgements, k, 42)
        return ranking_figures(np.array(ranking), falling, *asked).metrics

    record = only(tmp_path, "logs/save_retrieval_same_rerank_*_top12/**/eval_swh_5.json")
    assert record["ndcg"] == pytest.approx(figures(after, 5)["ndcg"], abs=1e-9)
    assert record["before_ndcg"] == pytest.approx(figures(before, 5)["ndcg"], abs=1e-9)
    assert record["depth_recall"] == pytest.approx(figures(before, 12)["recall"], abs=1e-9)
    assert record["ndcg"] != record["before_ndcg"]
    assert record["run"]["rerank_depth"] == 12 and record["run"]["reranker"]["kind"] == "cross-encoder"
    deep = only(tmp_path, "logs/save_retrieval_same_rerank_*_top12/**/eval_swh_70.json")
    assert deep["recall"] == deep["before_recall"] == 1  # what is not scored is still ranked
    counts = next(value for name, value in record["run"]["cache"].items() if "tiny-cross" in name)
    assert counts == {"hits": 0, "misses": 504}
    again = run("retrieval.py", *flags, "--overwrite")
    assert again.returncode == 0, again.stderr
    repeated = only(tmp_path, "logs/save_retrieval_same_rerank_*_top12/**/eval_swh_5.json")
    assert {**repeated, "run": 0} == {**record, "run": 0}
    counts = next(value for name, value in repeated["run"]["cache"].items() if "tiny-cross" in name)
    assert counts == {"hits": 504, "misses": 0}


def test_a_depth_beyond_the_pool_and_exports(run: Run, tmp_path: Path, folder: Path) -> None:
    flags = (*NGRAM, "--k", "1", "--rerank", str(folder), "--limit", "3")
    plain = run("retrieval.py", *NGRAM, "--k", "1")
    assert plain.returncode == 0, plain.stderr
    done = run("retrieval.py", *flags, "--export_run", "runs")
    assert done.returncode == 0, done.stderr
    record = only(tmp_path, "logs/debug/**/*rerank*/**/eval_swh_1.json")
    assert record["depth_recall"] == 1 and record["n"] == 3
    assert len((tmp_path / "runs" / "swh.trec").read_text().splitlines()) == 3


def test_bitext_in_both_directions(run: Run, tmp_path: Path, folder: Path) -> None:
    flags = ("--langs", "swh", "--model_checkpoint", "baseline/char_ngram", "--k", "1", "--direction", "both")
    done = run("bitext.py", *flags, "--rerank", str(folder), "--rerank_depth", "4")
    assert done.returncode == 0, done.stderr
    plain = run("bitext.py", *flags)
    assert plain.returncode == 0, plain.stderr
    before = only(tmp_path, "logs/save_bitext_both/**/eval_eng_swh_1.json")
    after = only(tmp_path, "logs/save_bitext_both_rerank_*_top4/**/eval_eng_swh_1.json")
    for name in ("acc", "acc_backward", "f1_mean"):
        assert after[f"before_{name}"] == before[name]
    at_four = run("bitext.py", *flags[:-4], "--k", "4", "--direction", "both")
    assert at_four.returncode == 0, at_four.stderr
    deep = only(tmp_path, "logs/save_bitext_both/**/eval_eng_swh_4.json")
    assert [after["depth_recall"], after["depth_recall_backward"]] == [deep["acc"], deep["acc_backward"]]


def test_tables_name_the_reranker(run: Run, tmp_path: Path, folder: Path) -> None:
    for more in ((), ("--rerank", str(folder)), ("--rerank", str(folder), "--rerank_depth", "10")):
        done = run("retrieval.py", *NGRAM, "--k", "10", *more)
        assert done.returncode == 0, done.stderr
    table = run("script/aggregate/aggregate_retrieval.py", "--pool", "same", "--format", "json")
    rows = [row["model"] for row in json.loads(table.stdout)]
    assert len(set(rows)) == 3, rows
    assert sum("rerank" in name for name in rows) == 2


def test_prefetch_reads_rerankers(run: Run, tmp_path: Path, folder: Path) -> None:
    causal, _, _ = save_causal(tmp_path / "causal")
    done = run("utils/prefetch.py", "--rerank", str(folder), str(causal), "rerank-v3.5", "./nowhere")
    found = done.stdout.splitlines()
    assert [line.split()[0] for line in found] == ["ok", "ok", "ok", "missing"], done.stdout + done.stderr
    assert "cross-encoder, revision sha256:" in found[0] and "base model, revision sha256:" in found[1]
    assert "model of cohere's API" in found[2] and "error: 1 missing: ./nowhere" in done.stderr


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--rerank_depth", "5"), "--rerank_depth without --rerank"),
        (("--rerank", "./none"), "--rerank ./none: no such folder"),
        (("--rerank", "openai:x"), "without --rerank_url"),
        (("--model_checkpoint", "baseline/bm25"), "--first_stage and --model_checkpoint are both given"),
    ],
)
def test_mistakes(run: Run, flags: tuple[str, ...], what: str) -> None:
    done = run("retrieval.py", *NGRAM, *flags)
    assert done.returncode == 2 and what in done.stderr


def test_a_run_file_is_reranked_as_its_encoder_would_be(run: Run, tmp_path: Path, folder: Path) -> None:
    first, rerank = ("--k", "2", "5"), ("--rerank", str(folder), "--rerank_depth", "5")
    direct = run("retrieval.py", *NGRAM, *first, *rerank)
    exported = run("retrieval.py", *NGRAM, *first, "--export_run", "runs")
    assert direct.returncode == exported.returncode == 0, direct.stderr + exported.stderr
    done = run("retrieval.py", *NGRAM[2:], *first, *rerank, "--import_run", "runs")
    assert done.returncode == 0, done.stderr
    direct_record, imported = (
        only(tmp_path, f"logs/save_retrieval_same_{part}rerank_*_top5/**/eval_swh_2.json")
        for part in ("", "imported_*_")
    )
    for name in ("ndcg", "recall", "before_ndcg", "depth_recall"):
        assert imported[name] == direct_record[name]
    lines = (tmp_path / "runs" / "swh.trec").read_text().splitlines()
    first_question = lines[0].split()[0]
    kept = [line for line in lines if line.split()[0] != first_question or " 1 " in line]
    (tmp_path / "runs" / "swh.trec").write_text("\n".join(kept) + "\n")  # one question has one passage only
    ragged = run("retrieval.py", *NGRAM[2:], *first, *rerank, "--import_run", "runs")
    assert ragged.returncode == 0, ragged.stderr


def test_margins_choose_the_candidates_that_are_reranked(run: Run, tmp_path: Path, folder: Path) -> None:
    flags = ("--langs", "swh", "--model_checkpoint", "baseline/char_ngram", "--k", "1", "--rerank", str(folder))
    for margin in ("none", "ratio"):
        for depth in ("70", "2"):
            done = run("bitext.py", *flags, "--margin", margin, "--rerank_depth", depth)
            assert done.returncode == 0, done.stderr
    figures = {
        (margin, depth): only(tmp_path, f"logs/save_bitext{margin}_rerank_*_top{depth}/**/eval_eng_swh_1.json")
        for margin in ("", "_ratio")
        for depth in (70, 2)
    }
    assert figures["", 70]["f1"] == figures["_ratio", 70]["f1"]  # of all candidates the reranker decides alone
    assert figures["", 2]["depth_recall"] != figures["_ratio", 2]["depth_recall"]


def test_rows_of_positives_and_negatives_are_reranked(run: Run, tmp_path: Path, folder: Path) -> None:
    rows = [{"query": f"what is {word}", "pos": [f"{word} is it"], "neg": [f"no {word}"]} for word in ("tea", "sun")]
    rows.append({"query": "tea is it", "pos": ["what tea is"], "neg": ["no sun"]})  # the text of a passage
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    flags = ("--dataset", "rows.jsonl", "--model_checkpoint", "baseline/char_ngram", "--k", "1")
    done = run("retrieval.py", *flags, "--rerank", str(folder))
    assert done.returncode == 0, done.stderr
    passages = list(dict.fromkeys(text for row in rows for text in (*row["pos"], *row["neg"])))
    right = []
    for row in rows:
        asked = [text for text in passages if text != row["query"]]
        scores = by_library(folder, [(str(row["query"]), text) for text in asked])
        right.append(asked[int(np.argmax(scores))] in row["pos"])
    record = only(tmp_path, "logs/save_retrieval_rerank_*/**/eval_all_1.json")
    assert record["hit"] == pytest.approx(np.mean(right)) and record["depth_recall"] == 1
    plain = run("retrieval.py", *flags)
    assert plain.returncode == 0, plain.stderr
    before = only(tmp_path, "logs/save_retrieval/**/eval_all_1.json")
    for name in ("hit", "positive_score", "negative_score", "top1"):
        assert record[f"before_{name}"] == before[name]
    assert "positive_score" not in record and "top1" not in record


@pytest.mark.parametrize(
    ("table", "size", "what"),
    [
        ("token_type", 1, "^the checkpoint 'local/it-.*' cannot score these pairs: IndexError"),  # no second segment
        ("word", 8, "its tokenizer gives .* the number .*, but its model has vectors of the numbers 0 to 7"),
    ],
)
def test_a_model_that_fails_on_pairs_is_told_in_two_lines(
    table: str, size: int, what: str, folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    path = Path(shutil.copytree(folder, tmp_path / "it"))
    edit_json(path / "tokenizer_config.json", model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    edit_json(path / "config.json", **{"vocab_size" if table == "word" else "type_vocab_size": size})
    weights, name = load_file(path / "model.safetensors"), f"bert.embeddings.{table}_embeddings.weight"
    save_file({**weights, name: weights[name][:size].clone()}, path / "model.safetensors", {"format": "pt"})
    reranker = CachedReranker(resolve_reranker(str(path), tmp_path), "cpu", tmp_path)
    with pytest.raises(UserError, match=what) as caught:
        reranker.score(PAIRS)
    assert "\n" not in caught.value.what and caught.value.hint
