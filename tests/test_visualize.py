"""visualize.py: which texts, where they come to lie, what the numbers beside the picture are, files, errors."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from api_server import ApiServer
from conftest import ROOT, Run
from forked import nursery_of_local_runs
from script_runner import TIMEOUT
from tiny_encoders import bert_config, make_encoder, make_masked_lm

import visualize
from utils.errors import UserError

NGRAM = ("--model_checkpoint", "baseline/char_ngram")
PCA = ("--method", "pca", "--format", "png", *NGRAM)


def test_umap_that_is_not_there_is_told(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['umap'] = None; from utils.cli.main import run; import visualize; run(visualize.main)"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", "--method", "umap"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert done.stderr == "error: --method umap, but umap-learn is not installed\nhint: pip install umap-learn\n"


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("utils.data.points.load_blocks", lambda *_: pytest.fail("texts were loaded"))
    with pytest.raises(UserError, match="cannot be written"):
        visualize.main([*PCA, "--output_dir", "file"])


def test_files_of_the_sample_set(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run("visualize.py", *PCA)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "figures" / "sample" / "baseline" / "char_ngram"
    fields = ("class", "language", "sample", "family", "script")
    expected = {f"pca_{name}.png" for name in fields} | {f"pca.{end}" for end in ("csv", "parquet", "json", "html")}
    assert {path.name for path in folder.iterdir()} == expected
    rows = list(csv.DictReader((folder / "pca.csv").open(encoding="utf-8")))
    assert len(rows) == 14 * 21 and list(rows[0]) == "x y lang family script label sample split text".split()
    assert [rows[21][key] for key in ("lang", "family", "script", "sample", "split")] == [
        *("spa", "Indo-European", "Latn", "s002", "test")
    ]
    record = json.loads((folder / "pca.json").read_text())
    assert record["n"] == 294 and record["dimensions"] == 4096 and record["run"]["split"] == "test"
    assert f"{100 * record['nearest']['language']['share']:.2f}" in done.stdout
    monkeypatch.chdir(tmp_path)
    visualize.main([*PCA, "--color", "class", "--num_color", "2"])
    assert capsys.readouterr().out.startswith("coordinates of ")
    (folder / "pca.parquet").write_bytes(b"PAR1")  # a broken table is made again
    visualize.main([*PCA, "--color", "class"])
    assert not capsys.readouterr().out.startswith("coordinates of ")
    assert pq.read_table(folder / "pca.parquet")["text"].to_pylist() == [row["text"] for row in rows]


def test_both_sides_of_pairs_and_another_setting_in_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pairs = (*PCA, "--task", "bitext", "--langs", "spa", "jpn", "--limit", "9", "--color", "sample")
    visualize.main(pairs)
    folder = tmp_path / "figures" / "sample" / "baseline" / "char_ngram"
    record = json.loads((folder / "pca_bitext_spa-jpn_limit9.json").read_text())
    assert record["n"] == 27 and record["run"]["limit"] == 9 and "class" not in record["nearest"]
    about = {**record["run"], "source": {**record["run"]["source"], "revision": "another one"}}
    (folder / "pca_bitext_spa-jpn_limit9.json").write_text(json.dumps({**record, "run": about}))
    with pytest.raises(UserError, match=r"other settings \(source\.revision"):
        visualize.main([*pairs])
    (folder / "pca_bitext_spa-jpn_limit9.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="--color class: its texts have no labels"):
        visualize.main([*pairs, "--color", "class"])
    assert "translations of the text" in capsys.readouterr().out


def test_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{i % 4},{'xy'[i // 4 % 2]},a text no {i},{['eng', 'fra'][i // 8]},test" for i in range(16)]
    (tmp_path / "own.csv").write_text("\n".join(["id,label,text,lang,split", *lines]))
    visualize.main([*PCA, "--dataset", "own.csv"])
    told = capsys.readouterr().err
    assert "note: not coloured by sample: the id 0 is repeated in eng" in told
    (tmp_path / "pairs.tsv").write_text("de\ten\nein Haus\ta house\nein Baum\ta tree\nein Hund\ta dog\n")
    visualize.main([*PCA, "--dataset", "pairs.tsv", "--dry_run"])
    assert "de                3            3" in capsys.readouterr().out
    visualize.main([*PCA, "--dataset", "pairs.tsv"])
    assert "of the 5 nearest of 6 texts" in capsys.readouterr().out


def test_a_text_without_a_vector_is_left_out(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    lines = [f"{'[filtered]' if i == 3 else 'text'} {i}\tab\teng\ttest" for i in range(9)]
    (tmp_path / "own.tsv").write_text("\n".join(["text\tlabel\tlang\tsplit", *lines]))
    arguments = ["--dataset", "own.tsv", "--model_checkpoint", "openai:m", "--base_url", server.url, "--method", "pca"]
    visualize.main([*arguments, "--cache_dir", str(tmp_path / "cache"), "--format", "png"])
    assert "note: 1 text without a vector left out" in capsys.readouterr().err
    (record,) = tmp_path.rglob("pca.json")
    assert json.loads(record.read_text())["n"] == 8


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--dataset", "nusx"], "unknown dataset 'nusx'"),
        (["--dataset", "xnli"], "xnli is not a data set for classification or bitext"),
        (["--langs", "xyz"], "sample has no language 'xyz'"),
        (["--split", "validation"], "has no rows of the split 'validation'"),
        (["--dataset", "missing.csv"], "no such file"),
        (["--src_lang", "eng"], "--src_lang with the labelled set sample"),
        (["--task", "bitext", "--split", "train"], "--split train, but sample is a set of pairs"),
        (["--perplexity", "5"], "--perplexity with --method pca"),
        (["--langs", "eng", "--color", "sample"], "--color sample: a sample needs two languages"),
        (["--langs", "eng", "--limit", "1"], "1 text for PCA: it needs 2 or more: raise --limit 1"),
        (["--method", "tsne", "--langs", "eng", "--perplexity", "21"], "--perplexity 21, but there are 21 texts"),
        (["--limit", "0"], "0"),
        (["--color", "colour"], "invalid choice"),
        (["--output_dir", "file/below"], "cannot be written"),
    ],
)
def test_errors(arguments: list[str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        visualize.main([*PCA, *arguments])
    assert what in f"{caught.value.what}: {caught.value.hint}" and caught.value.hint


STOPPING = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
import visualize
from utils.cli.main import run
from utils.layers import projection
def project(*args, **settings):
    print("projecting", flush=True)
    time.sleep(3600)
projection.project = project
run(visualize.main, visualize.KEPT)
"""


@pytest.mark.slow
def test_an_interruption_says_what_is_kept(tmp_path: Path, run: Run) -> None:
    model = str(make_masked_lm(tmp_path / "model"))
    flags = ("--model_checkpoint", model, "--cache_dir", "cache", "--langs", "eng", "cmn")
    process = nursery_of_local_runs("sentence_transformers").start(["-c", STOPPING, *flags], tmp_path)
    assert any(line == "projecting\n" for line in process.stdout), process.communicate()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130 and said.endswith(
        "interrupted: embeddings are kept; run the same command again to continue\n"
    )
    plan = run("visualize.py", *flags, "--dry_run").stdout
    assert [line.split()[-1] for line in plan.splitlines() if line.startswith(("eng ", "cmn "))] == ["0", "0"]


def test_pictures_of_two_layers_stand_beside_each_other(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_encoder(tmp_path / "a", bert_config())
    flags = [
        "--method",
        "pca",
        "--format",
        "png",
        "--color",
        "class",
        "--langs",
        "eng",
        "--model_checkpoint",
        str(model),
    ]
    flags += ["--cache_dir", str(cache_dir)]
    for more in ((), ("--layer", "1"), ("--layer", "0", "--pooling", "last")):
        visualize.main([*flags, *more])
    (plain,) = tmp_path.rglob("pca_eng.json")
    names = {path.name for path in plain.parent.glob("*.json")}
    assert names == {"pca_eng.json", "pca_eng_layer_1.json", "pca_eng_pooling_last_layer_0.json"}
    titles = {path.name: path.read_text() for path in plain.parent.glob("*.html")}
    assert f"sample, {json.loads(plain.read_text())['run']['model']} (layer 1): PCA" in titles["pca_eng_layer_1.html"]
    xy = [pq.read_table(path)["x"].to_pylist() for path in sorted(plain.parent.glob("*.parquet"))]
    assert len(xy) == 3 and xy[0] != xy[1] != xy[2]
    # those of an earlier version, whose name did not tell the layer, are continued
    for path in plain.parent.glob("pca_eng_layer_1*"):
        path.rename(path.with_name(path.name.replace("_layer_1", "")))
    record = json.loads(plain.read_text())
    plain.write_text(json.dumps({**record, "run": {**record["run"], "subset": "pca_eng"}}))
    capsys.readouterr()
    visualize.main([*flags, "--layer", "1"])
    assert capsys.readouterr().out.startswith(f"coordinates of {plain.relative_to(tmp_path)}")
