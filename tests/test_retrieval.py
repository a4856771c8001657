"""retrieval.py, run as a user runs it: figures by hand, pools, run files, records, and everything that reads them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

from utils.data.judged import load_judged
from utils.data.retrieval_sets import RETRIEVAL
from utils.data.sources import Sources
from utils.encoders.char_ngram import CharNgram

NGRAM = ("--model_checkpoint", "baseline/char_ngram")
PLACE = "logs/save_retrieval{}/sample/baseline/char_ngram/seed_42/eval_{}_{}.json"


def record(folder: Path, subset: str, k: int, run_name: str = "") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / PLACE.format(run_name, subset, k)).read_text(encoding="utf-8"))
    return content


def test_the_figures_are_those_of_a_search_through_everything(run: Run, tmp_path: Path) -> None:
    done = run("retrieval.py", *NGRAM, "--langs", "eng", "swh", "--pool", "same", "--k", "1", "5")
    assert done.returncode == 0, done.stderr
    data = load_judged(RETRIEVAL["sample"], "swh", Sources(None, tmp_path), pool="same")
    encoder = CharNgram().fit(data.passages.texts)
    queries, passages = encoder.encode(data.queries.texts), encoder.encode(data.passages.texts)
    scores = queries.astype(float) @ passages.astype(float).T
    values = []
    for row, name in enumerate(data.queries.ids):
        order = sorted(range(70), key=lambda place: (-np.float32(scores[row, place]), place))
        gains = [data.judgements[name].get(data.passages.ids[place], 0) for place in order]
        ideal = sorted(gains, reverse=True)
        discounts = 1 / np.log2(np.arange(2, 7))
        values.append((gains[:5] @ discounts) / (ideal[:5] @ discounts))
    found = record(tmp_path, "swh", 5, "_same")
    assert found["ndcg"] == pytest.approx(np.mean(values), abs=1e-9) and found["n"] == 42
    assert found["ci95"]["ndcg"][0] < found["ndcg"] < found["ci95"]["ndcg"][1]
    assert "languages" not in found and found["run"]["pool"] == "same" and found["run"]["pool_langs"] is None
    assert f"{100 * found['ndcg']:.2f}" in done.stdout
    stated = json.loads((tmp_path / PLACE.format("_same", "swh", "5_preds")).read_text())
    assert stated["values"]["ndcg"] == pytest.approx(values)
    assert sum(a == b for a, b in zip(stated["gold"], stated["hyp"], strict=True)) == sum(stated["values"]["hit"])


def test_one_pool_of_two_languages(run: Run, tmp_path: Path) -> None:
    flags = (*NGRAM, "--langs", "eng", "swh", "--k", "10")
    assert run("retrieval.py", *flags).returncode == 0
    found = record(tmp_path, "eng", 10, "_eng-swh")
    assert found["run"]["pool_langs"] == "eng swh" and found["run"]["n_passages"] == 140
    bias = found["languages"]
    assert bias["eng"]["answers"] == bias["swh"]["answers"] == 0.5 and bias["eng"]["rank_depth"] == 140
    assert bias["eng"]["first_k"] + bias["swh"]["first_k"] == pytest.approx(1)
    assert bias["eng"]["mean_rank"] < bias["swh"]["mean_rank"]  # English questions share words with English passages
    again = run("retrieval.py", *flags)
    assert "2 of 2 subsets are already logged" in again.stdout


def test_a_figure_at_k_does_not_depend_on_the_other_ks(run: Run, tmp_path: Path) -> None:
    for kind, chosen, other in (("_same", ("--langs", "eng", "--pool", "same"), 250), ("", (), 250)):
        flags = (*NGRAM, *chosen)
        run("retrieval.py", *flags, "--k", "3")
        alone = record(tmp_path, "eng", 3, kind)
        run("retrieval.py", *flags, "--k", "3", str(other), "--overwrite")
        assert {**record(tmp_path, "eng", 3, kind), "run": 0} == {**alone, "run": 0}
        whole = record(tmp_path, "eng", 250, kind)
        assert whole["k"] == 250 and (whole["recall"] == 1) == (kind == "_same")  # with all 70 passages ranked


def test_run_files_are_written_from_the_logs_and_scored_alike(run: Run, tmp_path: Path) -> None:
    flags = ("--langs", "eng", "deu", "--k", "1", "10", "--pool", "same")
    assert run("retrieval.py", *NGRAM, *flags).returncode == 0
    done = run("retrieval.py", *NGRAM, *flags, "--export_run", "runs")
    assert done.returncode == 0 and "2 of 2 subsets are already logged" in done.stdout, done.stderr
    lines = (tmp_path / "runs" / "deu.trec").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 420 and lines[0].split()[:4] == ["q01", "Q0", "deu:s001", "1"]
    assert lines[0].split()[5] == "baseline/char_ngram"
    done = run("retrieval.py", *flags, "--import_run", "runs")
    assert done.returncode == 0, done.stderr
    for subset in ("eng", "deu"):
        scored = next(tmp_path.glob(f"logs/save_retrieval_same_imported_*/**/eval_{subset}_10.json"))
        measures = {**json.loads(scored.read_text()), "run": 0}
        assert measures == {**record(tmp_path, subset, 10, "_same"), "run": 0}
    german = tmp_path / "runs" / "deu.trec"
    german.with_name("deu.trec.gz").write_bytes(gzip.compress(german.read_bytes()))
    german.unlink()
    packed = run("retrieval.py", *flags, "--import_run", "runs")
    assert packed.returncode == 0 and "2 of 2 subsets" not in packed.stdout, packed.stderr
    one = run("retrieval.py", *flags, "--import_run", "runs/eng.trec")
    assert one.returncode == 2 and "is one file for 2 subsets" in one.stderr
    (tmp_path / "runs" / "eng.trec").write_text("q01 Q0 eng:s001 1 x tag\n")
    bad = run("retrieval.py", "--langs", "eng", "--pool", "same", "--import_run", "runs/eng.trec")
    assert bad.returncode == 2 and "the score 'x' is not a number" in bad.stderr


def test_run_files_of_languages_whose_names_are_paths_are_in_the_folder(run: Run, tmp_path: Path) -> None:
    rows = [f"question {place}\tpassage {place}\t{lang}" for place, lang in enumerate(["a b", "a/b", "../e"])]
    (tmp_path / "own.tsv").write_text("\n".join(["query\tpassage\tlang", *rows, ""]))
    flags = ("--dataset", "own.tsv", "--k", "1", "--pool", "all")
    done = run("retrieval.py", *NGRAM, *flags, "--export_run", "runs")
    assert done.returncode == 0, done.stderr
    names = ["_e_30e58a71.trec", "a_b_c14cddc0.trec", "a_b_c8687a08.trec"]
    assert sorted(path.relative_to(tmp_path / "runs").as_posix() for path in tmp_path.rglob("*.trec")) == names
    assert run("retrieval.py", *flags, "--import_run", "runs").returncode == 0


def test_an_ensemble_has_its_members_figures(run: Run, tmp_path: Path) -> None:
    names = ("baseline/char_ngram", "baseline/char_ngram")
    flags = ("--langs", "eng", "--pool", "same", "--k", "10")
    assert run("retrieval.py", "--model_checkpoints", *names, *flags).returncode == 0
    assert run("retrieval.py", *NGRAM, *flags).returncode == 0
    found = json.loads(next(tmp_path.rglob("*weights*/**/eval_eng_10.json")).read_text())
    alone = record(tmp_path, "eng", 10, "_same")
    assert [member["ndcg"] for member in found["members"].values()] == [alone["ndcg"]] * 2


def test_what_reads_records_knows_the_task(run: Run, tmp_path: Path) -> None:
    for encoder, tag in ((NGRAM, "one"), (NGRAM, "two")):
        assert run("retrieval.py", *encoder, "--langs", "eng", "spa", "--tag", tag).returncode == 0
    table = run("script/aggregate/aggregate_retrieval.py", "--format", "json", "--ci")
    assert table.returncode == 0 and "no interval" not in table.stderr, table.stderr
    figures = [record_["ndcg"] for record_ in map(json.loads, (p.read_text() for p in tmp_path.rglob("*_10.json")))]
    mean = sum(figures) / len(figures)
    assert [row["value"] for row in json.loads(table.stdout)] == pytest.approx([mean, mean])
    rows = ("baseline/char_ngram (one)", "baseline/char_ngram (two)")
    compared = run("script/aggregate/compare.py", *rows, "--task", "retrieval")
    assert compared.returncode == 0 and "retrieval, ndcg in %, seed 42, k 10" in compared.stdout, compared.stderr
    for script in ("plot_k.py", "plot_groups.py", "plot_heatmap.py"):
        drawn = run(f"script/plot/{script}", "--task", "retrieval")
        assert drawn.returncode == 0, drawn.stderr
    page = run("script/report.py", "--output", "report.html")
    assert page.returncode == 0 and "no texts of" not in page.stderr, page.stderr


def test_mistakes(run: Run, tmp_path: Path) -> None:
    wrong = run("retrieval.py", "--dataset", "nusax")
    assert wrong.returncode == 2 and "it is one for bitext, classification" in wrong.stderr
    wrong = run("retrieval.py", "--langs", "fra")
    assert wrong.returncode == 2 and "sample has no language 'fra'" in wrong.stderr
    wrong = run("retrieval.py", "--langs", "eng", "--pool", "cross", *NGRAM)
    assert wrong.returncode == 2 and "the pool has no languages" in wrong.stderr
    wrong = run("retrieval.py", "--import_run", "nowhere")
    assert wrong.returncode == 2 and "there is no nowhere\n" in wrong.stderr
    for flags in (("--margin", "csls"), NGRAM, ("--first_stage", "nonsense"), ("--prompt", "x"), ("--pooling", "cls")):
        wrong = run("retrieval.py", "--import_run", "nowhere", *flags)
        assert wrong.returncode == 2 and f"--import_run with {flags[0]}" in wrong.stderr
    (tmp_path / "runs").mkdir()
    wrong = run("retrieval.py", "--import_run", "runs")
    assert wrong.returncode == 2 and "there is no runs/eng.trec" in wrong.stderr
    planned = run("retrieval.py", *NGRAM, "--dry_run", "--langs", "eng", "jpn")
    assert planned.returncode == 0 and "42" in planned.stdout and "140" in planned.stdout
