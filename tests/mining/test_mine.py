"""mine.py: the sample set, resumption after a kill to the byte, formats, manifests, and errors in two lines."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from api_server import ApiServer
from conftest import ROOT, Run
from forked import nursery_of_local_runs
from planted_rows import KILLED

from utils.cli.mine_arguments import default_output
from utils.mining.collections import Collection
from utils.mining.neighbours import block_rows
from utils.mining.plan import Work, memory_beyond, work_of_sides
from utils.mining.settings import BitextJob, BitextSettings, MiningJob


@pytest.mark.slow
def test_without_arguments_the_sample_set_is_mined(run: Run, tmp_path: Path, bundled: str) -> None:
    done = run("mine.py")
    assert done.returncode == 0, done.stderr
    assert "52 pairs: mined/eng_deu.tsv" in done.stdout and "97.03" in done.stdout
    lines = (tmp_path / "mined" / "eng_deu.tsv").read_text().splitlines()
    scores = [float(line.split("\t")[0]) for line in lines]
    assert len(lines) == 52 and scores == sorted(scores, reverse=True)
    manifest = json.loads((tmp_path / "mined" / "eng_deu.tsv.manifest.json").read_text())
    assert manifest["counts"]["pairs"] == 52 and manifest["gold"]["n_gold"] == 50
    assert {path.name for path in (tmp_path / "mined").iterdir()} == {
        *("eng_deu.tsv", "eng_deu.tsv.manifest.json", "eng_deu.tsv.gold.png", "eng_deu.tsv.gold.pdf")
    }


@pytest.mark.slow
def test_a_killed_mining_goes_on_and_writes_the_same_bytes(run: Run, tmp_path: Path, sides: list[str]) -> None:
    assert run("mine.py", *sides, "--output", "whole.tsv").returncode == 0
    argv = [*sides[:-4], "--store", "killed", *sides[-2:], "--output", "killed.tsv"]
    for module, name, after in (("row_store", "write_atomic", 3), ("neighbours", "write_atomic", 1)):
        code = KILLED.format(root=str(ROOT), module=module, name=name, after=after, argv=argv)
        done = nursery_of_local_runs("sentence_transformers").run(["-c", code], tmp_path)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not (tmp_path / "killed.tsv").exists()
        n_shards = len(list((tmp_path / "killed").glob("rows/*/*.npy")))
        assert n_shards == (3 if module == "row_store" else 8)
    assert run("mine.py", *argv).returncode == 0
    assert (tmp_path / "killed.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()


def test_formats_have_the_same_pairs_and_the_others_ids(run: Run, tmp_path: Path, sides: list[str]) -> None:
    for name in ("p.tsv", "p.jsonl", "p.parquet"):
        done = run("mine.py", *sides, "--direction", "forward", "--top", "7", "--output", name)
        assert done.returncode == 0, done.stderr
    tsv = [line.split("\t") for line in (tmp_path / "p.tsv").read_text().splitlines()]
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    table = pyarrow.parquet.read_table(tmp_path / "p.parquet").to_pylist()
    assert len(tsv) == len(lines) == len(table) == 7
    texts = [(tmp_path / f"{name}.txt").read_text().splitlines() for name in "ab"]
    for row, line, cells in zip(tsv, lines, table, strict=True):
        assert row[1:] == [line["source"], line["target"]] == [cells["source"], cells["target"]]
        assert float(row[0]) == pytest.approx(line["score"], abs=1e-6) and np.float32(line["score"]) == cells["score"]
        assert texts[0][int(line["source_id"]) - 1] == line["source"]
        assert texts[1][int(cells["target_id"]) - 1] == cells["target"]


def test_pairs_of_other_settings_are_kept(run: Run, tmp_path: Path, sides: list[str]) -> None:
    assert run("mine.py", *sides).returncode == 0
    assert run("mine.py", *sides, "--shard_size", "40").returncode == 0  # the same mining
    manifest = tmp_path / "mined" / "a_b.tsv.manifest.json"
    content = json.loads(manifest.read_text())
    content["run"]["settings"]["shard_size"] = 40  # as earlier versions wrote it
    manifest.write_text(json.dumps(content))
    assert run("mine.py", *sides).returncode == 0
    refused = run("mine.py", *sides, "--margin", "csls")
    assert refused.returncode == 2 and "mined/a_b.tsv is there, and other settings" in refused.stderr
    assert run("mine.py", *sides, "--margin", "csls", "--overwrite").returncode == 0


def test_known_pairs_are_compared_before_pairs_are_cut(run: Run, tmp_path: Path, sides: list[str]) -> None:
    (tmp_path / "gold.tsv").write_text("".join(f"{number}\t{number}\n" for number in range(1, 91)))
    told = {}
    for name, flags in (("all", ()), ("none", ("--threshold", "9")), ("top", ("--top", "3"))):
        done = run("mine.py", *sides, "--gold", "gold.tsv", *flags, "--output", f"{name}.tsv")
        assert done.returncode == 0, done.stderr
        manifest = json.loads((tmp_path / f"{name}.tsv.manifest.json").read_text())
        told[name] = manifest["gold"]
        kept = len((tmp_path / f"{name}.tsv").read_text().splitlines())
        assert kept == manifest["counts"]["pairs"] == {"none": 0, "top": 3}.get(name, kept) and told[name]["curve"]
    assert told["none"] == told["all"] == told["top"]


def test_each_output_has_a_manifest_and_those_of_earlier_versions_count(
    run: Run, tmp_path: Path, sides: list[str]
) -> None:
    for name in ("o.tsv", "o.jsonl", "o.tsv"):
        done = run("mine.py", *sides, "--output", name)
        assert done.returncode == 0, done.stderr
    (tmp_path / "o.tsv.manifest.json").rename(tmp_path / "o.manifest.json")
    assert run("mine.py", *sides, "--output", "o.tsv").returncode == 0
    (tmp_path / "o.tsv.manifest.json").unlink()
    (tmp_path / "o.jsonl.manifest.json").replace(tmp_path / "o.manifest.json")  # that of another output
    done = run("mine.py", *sides, "--output", "o.tsv")
    assert done.returncode == 2 and "o.tsv is there, and other settings" in done.stderr


def test_an_output_of_files_that_have_changed_is_kept(run: Run, tmp_path: Path, sides: list[str]) -> None:
    assert run("mine.py", *sides, "--output", "o.tsv").returncode == 0
    before = (tmp_path / "o.tsv").read_bytes()
    with (tmp_path / "b.txt").open("a") as file:
        file.write("the old cat\n")
    done = run("mine.py", *sides, "--output", "o.tsv")
    assert done.returncode == 2 and "o.tsv is there, and b.txt has changed since" in done.stderr
    assert (tmp_path / "o.tsv").read_bytes() == before
    assert run("mine.py", *sides, "--output", "o.tsv", "--overwrite").returncode == 0


def test_the_vectors_of_an_api_are_requested_once(
    run: Run, tmp_path: Path, sides: list[str], server: ApiServer
) -> None:
    flags = [*sides[:-2], "--model_checkpoint", "openai:m", "--base_url", server.url, "--cache_dir", "cache"]
    first = run("mine.py", *flags, "--output", "one.tsv", env={"OPENAI_API_KEY": "x"})
    assert first.returncode == 0, first.stderr
    n_requests = server.n_requests
    again = run("mine.py", *flags, "--output", "two.tsv", "--store", "other", env={"OPENAI_API_KEY": "x"})
    assert again.returncode == 0 and server.n_requests == n_requests > 0
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "two.tsv").read_bytes() != b""


def test_the_memory_of_a_plan_is_near_to_what_was_measured() -> None:
    def told(n: int, k: int = 16, index: int = 0) -> int:
        work = Work((n, n), 2 * n * n, 2 * n * k)
        return memory_beyond(work, 384, 65_536, 65_536, index) // 2**20

    assert [told(10_000), told(100_000)] == [270, 666]  # bench/mine.py: 248 and 636
    assert told(100_000, 100) - told(100_000) == 315  # MiB: 5 copies of 84 more neighbours of 65,536 texts, 12 bytes
    assert told(1_000_000, index=776_000_000) - told(1_000_000) == 452  # 740 and a block, for four times a block


def test_a_plan_counts_the_search_by_margin_and_merging_in_each_pair_of_blocks() -> None:
    settings = BitextSettings("ratio", 4, "union", False, None, None, "float16", 65_536, 1)
    job: BitextJob = MiningJob("bitext", (), (), None, Path("o"), "tsv", settings)
    assert counted_work(job).by_margin == pytest.approx(2 * 0.17 * 400_000 * 200_000)
    forward = replace(job, settings=replace(settings, direction="forward"))
    assert counted_work(forward).by_margin == pytest.approx(1.36e10)
    for spared in ({"threshold": 1.0}, {"margin": "absolute"}, {"margin": "csls", "threshold": 0.0}):
        assert counted_work(replace(job, settings=replace(settings, **spared))).by_margin == 0
    known = replace(job, gold=Path("gold"), settings=replace(settings, threshold=1.0))
    assert counted_work(known).by_margin > 0  # figures at all thresholds need it
    # whole shards: two of 65,536 rows of 384 dimensions exceed 128 MiB, of 1,024 dimensions one does
    sizes = [block_rows(d, 65_536, bytes_) for d, bytes_ in ((384, 128 << 20), (384, 1 << 30), (1024, 128 << 20))]
    assert sizes == [65_536, 10 * 65_536, 65_536] and block_rows(384, 1000, 128 << 20) == 87_000


def counted_work(job: BitextJob) -> Work:
    return work_of_sides((range(400_000), range(200_000)), job)  # type: ignore[arg-type]


def test_a_dry_run_tells_time_disk_and_memory(run: Run, tmp_path: Path, sides: list[str]) -> None:
    done = run("mine.py", *sides, "--dry_run")
    assert done.returncode == 0, done.stderr
    told = ("source: 90 texts read, 90 kept", "180 texts to encode", "encoding: about", "MiB of texts", "memory at the")
    for line in (*told, "search by margin of the texts that", "merging of the lists"):
        assert line in done.stdout
    assert "of this machine" not in done.stdout
    spared = run("mine.py", *sides, "--threshold", "1.05", "--ray", "10.0.0.1:1", "--dry_run").stdout
    assert "search by margin" not in spared and "no cluster was asked" in spared
    assert not (tmp_path / "mined").exists()


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("news.de.txt.gz", "news.en.txt.gz"), "news.de_news.en.tsv"),
        (("wiki/de/part.0", "wiki/sw/part.0"), "de_sw.tsv"),
        (("de/wiki/a.jsonl", "sw/wiki/a.parquet"), "de_sw.tsv"),
        (("a.txt", "a.txt"), "a_a.tsv"),
        (("tweets.2024.jsonl.zst",), "tweets.2024.tsv"),
    ],
)
def test_outputs_are_named_by_what_tells_the_files_apart(files: tuple[str, ...], name: str) -> None:
    collections = [Collection("source", (Path(file),)) for file in files]
    assert default_output(collections, "tsv") == Path("mined") / name


def test_the_help_has_the_flags_that_do_something(run: Run) -> None:
    shown = run("mine.py", "--help").stdout
    for flag in ("--data_dir", "--model_checkpoints", "--weights", "--embedding_precision"):
        assert flag not in shown
    assert "search:\n  --exact_float32" in shown
    for flags, told in (
        (("--data_dir", "."), "unrecognized arguments: --data_dir ."),
        (("--model_checkpoints", "a", "b"), "it mines with one encoder"),
    ):
        done = run("mine.py", *flags)
        assert done.returncode == 2 and told in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--target", "none.txt"), "--target none.txt: no such file or folder"),
        (("--target", "empty.txt"), "the target collection has no text"),
        (("--threshold", "1", "--top", "5"), "--threshold and --top are both given"),
        (("--one_to_one",), "--one_to_one with --direction union"),
        (("--text_column", "sentence"), "a.txt has lines without names of columns: there is no 'sentence'"),
        (("--margin_k", "91"), "--margin_k 91, but the smaller side has 90 texts"),
        (("--margin", "absolute", "--margin_k", "4"), "--margin_k 4 with --margin absolute"),
        (("--gold", "gold.tsv"), "gold.tsv has 1 id that the target collection does not have: 99"),
        (("--gold", "none.tsv"), "--gold none.tsv: no such file"),
        (("--model_checkpoint", "baseline/char_ngram"), "mining with baseline/char_ngram"),
        (("--model_checkpoint", "baseline/bm25"), "mining with baseline/bm25, which is a sparse encoder"),
        (("--embedding_precision", "int8"), "--embedding_precision int8 with mine.py"),
        (("--dimensions", "99"), "--dimensions 99, but"),
        (("--output", "."), "--output . is a folder"),
        (("--output", "b.txt", "--overwrite"), "--output b.txt: b.txt is an input of this mining"),
        (("--output", "link.tsv", "--overwrite"), "--output link.tsv: link.tsv is an input"),
        (("--gold", "gold.tsv", "--output", "gold.tsv"), "--output gold.tsv: gold.tsv is an input"),
        (("--target", "v.tsv.manifest.json", "--output", "v.tsv"), "v.tsv.manifest.json would be its manifest, and is"),
        (("--output", "n" * 241 + ".tsv"), "cannot be written (File name too long)"),
        (("--output", "n" * 300 + ".tsv"), "cannot be written (File name too long)"),
        (("--output", "pairs.csv"), "--output pairs.csv: no .csv is written"),
        (("--output", "pairs.jsonl", "--format", "tsv"), "--format tsv with --output pairs.jsonl"),
        (("--output", "/dev/null"), "--output /dev/null is no file"),
        (("--output", "a.txt/pairs.tsv"), "a.txt/pairs.tsv cannot be written"),
        (("--threshold", "nan"), "'nan' is not a number"),
        (("--min_chars", "9", "--max_chars", "3"), "--min_chars 9 --max_chars 3"),
    ],
)
def test_mistakes_are_errors_in_two_lines(
    run: Run, tmp_path: Path, sides: list[str], flags: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "gold.tsv").write_text("1\t1\n2\t99\n")
    (tmp_path / "v.tsv.manifest.json").write_text('{"text": "a"}\n')
    (tmp_path / "link.tsv").symlink_to("a.txt")
    before = (tmp_path / "a.txt").read_text(), (tmp_path / "b.txt").read_text()
    done = run("mine.py", *sides, *flags)
    assert ((tmp_path / "a.txt").read_text(), (tmp_path / "b.txt").read_text()) == before
    assert done.returncode == 2 and done.stdout.count("error") == 0
    what, hint = done.stderr.splitlines()[-2:]
    assert message in what and what.startswith("error: ") and len(hint) > len("hint: ")


def test_one_collection_is_not_enough_and_packages_that_are_missing_are_named(
    run: Run, sides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("mine.py", *sides[:2])
    assert done.returncode == 2 and "--target is missing" in done.stderr
    monkeypatch.setitem(sys.modules, "pycld2", None)
    done = run("mine.py", *sides, "--language_id", "en", "de")
    assert done.returncode == 2 and "pip install -r requirements-cluster.txt" in done.stderr
