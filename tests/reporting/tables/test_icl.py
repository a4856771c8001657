"""The tables of in-context learning: golden text, k = 0 included, bands, and the original's own logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run
from made_records import ICL
from record_files import write_record

from utils.data import registry
from utils.schema import RunRecord

BLOOMZ = {"name": "bigscience/bloomz-560m", "kind": "base", "quantization": ""}
LLAMA = {"name": "meta-llama/Meta-Llama-3-8B-Instruct", "kind": "chat", "quantization": "8bit"}
E5 = "intfloat/multilingual-e5-base"


def log(
    root: Path, dataset: str, value: float, k: int = 1, encoder: str = E5, n: int | None = None, **run: object
) -> None:
    settings = {**ICL, "seed": 42, "generator": BLOOMZ, **run}
    for name in registry.DATASETS["classification"][dataset].subsets[:n]:
        if name == settings.get("train_lang"):
            continue
        about = {**settings, "dataset": dataset, "model": encoder if k else "none", "subset": name}
        folder = root / str(abs(hash(str(settings)))) / dataset / encoder
        record = RunRecord({"acc": value, "f1": value}, {}, 10, k, about)
        write_record(folder, name, record, {"gold": [], "hyp": []})


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    root = tmp_path / "logs"
    for dataset, zero, one in (
        *(("nollysenti", 0.5, 0.75), ("nusax", 0.25, 0.5), ("sib200", 0.125, 0.625)),
        *(("fire", 0.375, 0.5), ("lince_sa", 0.375, 0.5)),
    ):
        log(root, dataset, zero, k=0)
        log(root, dataset, one)
    log(root, "nusax", 0.9, n=3, generator=LLAMA, decode="generate", length_norm=None)
    log(root, "nusax", 0.1, balance=True)
    for low, value in ((0, 0.6), (50, 0.4), (90, 0.3)):
        log(root, "nusax", value, min_percentile=low, max_percentile=low + 10)
    log(root, "nusax", 0.45, cross=True, train_lang="eng")
    log(root, "fire", 0.35, cross=True, train_lang="tamil")
    return root


def squeeze(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if not line.startswith("-")]


GOLDEN = """\
model nollysenti nusax sib200 fire lince_sa Mono CS avg
bigscience/bloomz-560m, 0-shot 50.00 25.00 12.50 37.50 37.50 29.17 37.50 33.33
bigscience/bloomz-560m + intfloat/multilingual-e5-base, 1-shot 75.00 50.00 62.50 50.00 50.00 62.50 50.00 56.25
meta-llama/Meta-Llama-3-8B-Instruct (8bit) + intfloat/multilingual-e5-base, 1-shot - 90.00 (3/12) - - - - - -

in %: acc (nollysenti, sib200, fire, lince_sa), f1 (nusax); seed 42, similarity cosine
"""


def test_the_golden_table(run: Run, logs: Path) -> None:
    done = run("script/aggregate/aggregate_icl.py")
    assert done.returncode == 0, done.stderr
    assert squeeze(done.stdout) == GOLDEN.splitlines()
    only = run("script/aggregate/aggregate_icl.py", "--k", "0")
    assert squeeze(only.stdout)[:-2] == GOLDEN.splitlines()[:2]
    balanced = run("script/aggregate/aggregate_icl.py", "--balance")
    assert "10.00" in balanced.stdout and "0-shot" not in balanced.stdout


def test_translations_from_another_language_than_the_pivot_are_a_row_of_their_own(run: Run, tmp_path: Path) -> None:
    for src_lang, tgt_lang, value in (
        *(("en", "hau", 0.5), ("en", "ibo", 0.25), ("fr", "wol", 0.125), ("fr", "ewe", 0.375), ("hau", "en", 0.75)),
    ):
        subset = f"{src_lang}-{tgt_lang}"
        about = {**ICL, "seed": 42, "generator": BLOOMZ, "dataset": "mafand", "model": "none", "subset": subset}
        about |= {"src_lang": src_lang, "tgt_lang": tgt_lang, "decode": "generate", "length_norm": None}
        record = RunRecord({"chrf": value}, {}, 10, 0, about)
        write_record(tmp_path / "logs" / "x", subset, record, {"gold": [], "hyp": []})
    done = run("script/aggregate/aggregate_icl.py")
    assert squeeze(done.stdout)[:4] == [
        "model mafand",
        "bigscience/bloomz-560m (generate), 0-shot 37.50 (2/15)",
        "bigscience/bloomz-560m (generate), 0-shot (src_lang fr) 25.00 (2/6)",
        "bigscience/bloomz-560m (generate), 0-shot (src_lang hau) 75.00",
    ]
    assert "left out" not in done.stderr and "4 of 6 subsets: fr-bam, fr-bbj, fr-fon, fr-mos" in done.stderr
    both = ("bigscience/bloomz-560m (generate), 0-shot", "bigscience/bloomz-560m (generate), 0-shot (src_lang fr)")
    named = run("script/aggregate/aggregate_icl.py", "--models", *both)
    assert len(squeeze(named.stdout)) == 5 and named.returncode == 0, named.stderr


def test_the_cross_lingual_table(run: Run, logs: Path) -> None:
    done = run("script/aggregate/aggregate_icl_cross.py")
    assert squeeze(done.stdout) == [
        "model nusax fire XL CS",
        "bigscience/bloomz-560m + intfloat/multilingual-e5-base, 1-shot 45.00 35.00 35.00",
        "",
        "in %: f1 (nusax), acc (fire); seed 42, similarity cosine, trained on the pivot language",
    ]


def test_the_percentile_table(run: Run, logs: Path) -> None:
    done = run("script/aggregate/aggregate_icl_percentile.py", "--format", "csv")
    assert done.stdout == (
        "model,0-10 %,0-10 %_n,0-10 %_expected,50-60 %,50-60 %_n,50-60 %_expected,"
        "90-100 %,90-100 %_n,90-100 %_expected\n"
        '"bigscience/bloomz-560m + intfloat/multilingual-e5-base, 1-shot, nusax",60.00,12,12,40.00,12,12,30.00,12,12\n'
    )
    none = run("script/aggregate/aggregate_icl_percentile.py", "--dataset", "fire")
    assert none.returncode == 2 and "no icl results with min_percentile and max_percentile" in none.stderr


def test_bands_are_marked_among_the_rows_of_a_data_set(run: Run, logs: Path) -> None:
    for dataset, k, value in (("nusax", 2, 0.5), ("fire", 1, 0.2)):
        log(logs, dataset, value, k=k, min_percentile=0, max_percentile=10)
    done = run("script/aggregate/aggregate_icl_percentile.py", "--bold", "best", "--format", "json")
    marks = {row["model"].rsplit(" + ")[1]: row["bold"] for row in json.loads(done.stdout) if row["column"] == "0-10 %"}
    assert marks == {f"{E5}, 1-shot, nusax": True, f"{E5}, 2-shot, nusax": False, f"{E5}, 1-shot, fire": True}


def test_the_originals_own_logs(run: Run, tmp_path: Path) -> None:
    body = {"acc": 0.5, "prec": 0.5, "rec": 0.5, "f1": 0.25}
    for run_name in ("save_icl", "save_icl_8bit_cross_eng", "save_icl_percentile/0_10"):
        for lang in registry.DATASETS["classification"]["nusax"].subsets:
            if lang == "eng" and "cross" in run_name:
                continue
            folder = tmp_path / "logs" / run_name / "nusax" / BLOOMZ["name"] / E5 / "seed_42"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"eval_{lang}_1.json").write_text(json.dumps(body))
    row = f"{BLOOMZ['name']} + {E5}, 1-shot"
    plain = run("script/aggregate/aggregate_icl.py")
    assert squeeze(plain.stdout)[1].startswith(f"{row} 25.00"), plain.stderr
    crossed = run("script/aggregate/aggregate_icl_cross.py")
    assert squeeze(crossed.stdout)[1].startswith(f"{BLOOMZ['name']} (8bit) + {E5}, 1-shot 25.00")
    banded = run("script/aggregate/aggregate_icl_percentile.py")
    assert squeeze(banded.stdout)[1] == f"{row}, nusax 25.00"


def test_nothing_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    done = run("script/aggregate/aggregate_icl.py")
    assert done.returncode == 2 and "run icl.py first" in done.stderr
