"""Figures from records: numbers worked by hand, files that are what they say, texts that neither touch nor are cut."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from made_records import BITEXT, CLASSIFICATION, ICL
from record_files import write_record

from utils.data import registry
from utils.files import fingerprint
from utils.reporting.charts import plots
from utils.schema import RunRecord

SETTINGS: dict[str, dict[str, Any]] = {
    "bitext": BITEXT,
    "classification": {**CLASSIFICATION, "legacy": False},
    "icl": {**ICL, "generator": {"name": "org/gen", "kind": "base", "quantization": ""}},
}
NOLLY, FIRE = registry.DATASETS["bitext"]["nollysenti"].subsets, registry.DATASETS["classification"]["fire"].subsets


def log(
    root: Path,
    task: str,
    dataset: str,
    model: str,
    subset: str,
    right: int,
    n: int = 10,
    k: int = 1,
    details: dict[str, Any] | None = None,
    **settings: object,
) -> Path:
    """Log a record whose first `right` of n items are right, with its predictions."""
    run = {**SETTINGS[task], "task": task, "seed": 42, "dataset": dataset, "model": model, "subset": subset, **settings}
    gold = list(range(n))
    hyp = [item if item < right else (item + 1) % n for item in gold]
    answers = [gold, hyp] if task == "bitext" else [list(map(str, gold)), list(map(str, hyp))]
    metrics = {"acc": right / n, "f1": right / n}
    record = RunRecord(metrics, {"acc": (0.1, 0.9), "f1": (0.2, 0.8)}, n, k, run, details or {})
    folder = root / "logs" / task / fingerprint(settings) / dataset / model
    return write_record(folder, subset, record, dict(zip(("gold", "hyp"), answers, strict=True)))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_drawn(stem: Path, *formats: str) -> bool:
    begin = {"pdf": b"%PDF-", "png": b"\x89PNG", "svg": b"<?xml"}
    return all(stem.with_name(f"{stem.name}.{name}").read_bytes().startswith(begin[name]) for name in formats)


def test_scores_against_k(run: Run, tmp_path: Path) -> None:
    for k, right in ((1, 5), (5, 8)):
        for subset, more in zip(NOLLY, (0, 1, 2, 1), strict=True):
            log(tmp_path, "bitext", "nollysenti", "org/one", subset, right + more, k=k)
        for subset in NOLLY[:2]:
            log(tmp_path, "bitext", "nollysenti", "org/two", subset, right - 3, k=k)
        log(tmp_path, "bitext", "nollysenti", "org/one", NOLLY[0], 0, k=k, margin="ratio")
    done = run("script/plot/plot_k.py", "--task", "bitext", "--format", "pdf", "svg", "png")
    assert done.returncode == 0, done.stderr
    assert "missing: nollysenti, org/two, k 1 5: 2 of 4 subsets: en400_pcm, en400_yo400" in done.stderr
    stem = tmp_path / "figures" / "plot_k_bitext_nollysenti_one_vs_two"
    assert is_drawn(stem, "pdf", "svg", "png") and f"{stem.name}.csv" in done.stdout
    rows = {(row["model"], row["k"]): row for row in table(stem.with_name(f"{stem.name}.csv"))}
    # (5 + 6 + 7 + 6) / 40 and (8 + 9 + 10 + 9) / 40; of the gap (2 + 2) / 20 and (5 + 6 - ...) / 20
    shown = {key: (row["metric"], float(row["percent"]), row["n"], row["expected"]) for key, row in rows.items()}
    assert shown == {
        ("org/one", "1"): ("f1", 60.0, "4", "4"),
        ("org/one", "5"): ("f1", 90.0, "4", "4"),
        ("org/two", "1"): ("f1", 20.0, "2", "4"),
        ("org/two", "5"): ("f1", 50.0, "2", "4"),
    }
    row = rows["org/one", "1"]  # the interval is the table's
    told = run("script/aggregate/aggregate_bitext_mining.py", "--ci", "--format", "json", "--models", "org/one")
    (cell,) = json.loads(told.stdout)
    assert [float(row["low"]), float(row["high"])] == pytest.approx([100 * bound for bound in cell["ci95"]], abs=1e-4)
    single = run("script/plot/plot_k.py", "--task", "bitext", "--langs", "ha", "--k", "5", "--output", "one.svg")
    assert "only one k" in single.stderr and is_drawn(tmp_path / "one", "svg")
    assert not (tmp_path / "one.pdf").exists()
    assert [(row["low"], row["high"]) for row in table(tmp_path / "one.csv")] == [("20.0", "80.0")] * 2  # its own


def test_pairs_from_another_language_are_no_line_beside_those_from_the_pivot(run: Run, tmp_path: Path) -> None:
    for source, right in (("eng", 3), ("ind", 8)):
        for target in ("ace", "ban"):
            subset = f"{source}_{target}"
            log(tmp_path, "bitext", "nusax", "org/one", subset, right, src_lang=source, tgt_lang=target)
    flags = ("script/plot/plot_k.py", "--task", "bitext", "--output", "k.svg")
    done = run(*flags)
    assert [(row["model"], row["percent"], row["n"]) for row in table(tmp_path / "k.csv")] == [("org/one", "30.0", "2")]
    left = "nusax: 2 records of pairs from other languages left out (--setting src_lang=LANG chooses: ind)"
    assert left in done.stderr
    run(*flags, "--setting", "src_lang=ind")
    (row,) = table(tmp_path / "k.csv")
    assert (row["percent"], row["n"], row["expected"]) == ("80.0", "2", "11")


def test_bands_of_ranks_and_zero_shot(run: Run, tmp_path: Path) -> None:
    for low, right in ((0, 8), (90, 4)):
        for subset, more in zip(FIRE, (0, 1), strict=True):
            log(tmp_path, "icl", "fire", "org/e", subset, right + more, min_percentile=low, max_percentile=low + 10)
    for subset in FIRE:
        log(tmp_path, "icl", "fire", "none", subset, 3, k=0)
        log(tmp_path, "icl", "fire", "org/e", subset, 10)  # of all ranks: not in this figure
    done = run("script/plot/plot_icl_percentile.py", "--dataset", "fire", "--metric", "acc")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    stem = tmp_path / "figures" / "plot_icl_percentile_fire_gen_0-shot_vs_gen+e_1-shot"  # acc is its main metric
    assert is_drawn(stem, "pdf", "png")
    assert [
        (row["model"], row["min_percentile"], row["max_percentile"], float(row["percent"]))
        for row in table(stem.with_name(f"{stem.name}.csv"))
    ] == [
        ("org/gen, 0-shot", "", "", 30.0),
        ("org/gen + org/e, 1-shot", "0", "10", 85.0),
        ("org/gen + org/e, 1-shot", "90", "100", 45.0),
    ]


def test_languages_by_family_and_in_a_heat_map(run: Run, tmp_path: Path) -> None:
    right = {"eng": 9, "spa": 8, "fra": 7, "tur": 6, "swh": 5}
    for lang, count in right.items():
        log(tmp_path, "classification", "mine", "org/one", lang, count)
        log(tmp_path, "classification", "mine", "org/two", lang, count - 1)
    flags = ("--task", "classification", "--dataset", "mine", "--format", "png")
    done = run("script/plot/plot_groups.py", *flags)
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "figures/plot_groups_family_classification_mine_one_vs_two.csv")
    assert {(row["lang"], row["group"], row["percent"]) for row in rows if row["model"] == "org/one"} == {
        *(("eng", "Indo-European", "90.0"), ("spa", "Indo-European", "80.0"), ("fra", "Indo-European", "70.0")),
        *(("tur", "Other families", "60.0"), ("swh", "Other families", "50.0")),
    }
    done = run("script/plot/plot_heatmap.py", *flags, "--sort", "mean", "--models", "org/two", "org/one")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "figures/plot_heatmap_classification_mine_two_vs_one_sort-mean.csv")
    assert [(row["lang"], row["org/two"], row["org/one"]) for row in rows] == [
        (lang, f"{10.0 * (count - 1)}", f"{10.0 * count}") for lang, count in right.items()
    ]
    assert list(rows[0])[-2:] == ["org/two", "org/one"]
    scripts = run("script/plot/plot_groups.py", *flags, "--by", "script", "--langs", "eng", "tur", "--output", "s")
    assert scripts.returncode == 0 and {row["group"] for row in table(tmp_path / "s.csv")} == {"Latn"}


def test_confusions_are_pooled_by_label_and_none_is_a_column(run: Run, tmp_path: Path) -> None:
    first = {"labels": ["a", "b"], "confusion": [[3, 1], [0, 2]]}
    second = {"labels": ["b", "a"], "confusion": [[5, 1, 1], [2, 4, 0]]}  # the last column: no label
    for subset, details in zip(FIRE, (first, second), strict=True):
        log(tmp_path, "icl", "fire", "org/e", subset, 5, details=details)
    done = run("script/plot/plot_confusion.py", "--task", "icl", "--output", "pooled", "--format", "svg")
    assert done.returncode == 0, done.stderr
    found = {(row["gold"], row["predicted"]): (row["count"], row["percent"]) for row in table(tmp_path / "pooled.csv")}
    assert found == {  # by hand: a was called a 3 + 4 times of 10
        ("a", "a"): ("7", "70.0"),
        ("a", "b"): ("3", "30.0"),
        ("a", "(no label)"): ("0", "0.0"),
        ("b", "a"): ("1", "11.1111"),
        ("b", "b"): ("7", "77.7778"),
        ("b", "(no label)"): ("1", "11.1111"),
    }
    done = run("script/plot/plot_confusion.py", "--task", "icl", "--langs", FIRE[0], "--output", "one")
    assert done.returncode == 0, done.stderr
    assert [row["count"] for row in table(tmp_path / "one.csv")] == ["3", "1", "0", "2"]
    assert is_drawn(tmp_path / "one", "pdf", "png")


def test_files_of_other_choices_have_other_names(run: Run, tmp_path: Path) -> None:
    for model, seed, k in (("org/one", 42, 1), ("org/one", 7, 1), ("org/one", 42, 5), ("org/two", 42, 1)):
        for subset in FIRE:
            log(tmp_path, "classification", "fire", model, subset, 5 + k, k=k, seed=seed)
    one = ("--task", "classification", "--models", "org/one", "--format", "svg")
    for flags in ((), ("--k", "5"), ("--seed", "7"), ("--metric", "f1"), ("--by", "script"), ("--langs", FIRE[0])):
        done = run("script/plot/plot_heatmap.py", *one, *flags)
        assert done.returncode == 0, done.stderr
    stem = "plot_heatmap_classification_fire_one"
    ends = ("", "_k5", "_seed7", "_f1", "_by-script", f"_{FIRE[0]}")
    assert {path.stem for path in (tmp_path / "figures").glob("*.svg")} == {stem + end for end in ends}
    told = {end: table(tmp_path / "figures" / f"{stem}{end}.csv")[0] for end in ends}
    assert [(told[end]["k"], told[end]["seed"]) for end in ends[:3]] == [("1", "42"), ("5", "42"), ("1", "7")]


def test_paired_differences(run: Run, tmp_path: Path) -> None:
    for subset, a, b in (("eng_aaa", 30, 10), ("eng_bbb", 20, 20), ("eng_ccc", 11, 12)):
        log(tmp_path, "bitext", "mine", "org/one", subset, a, n=40)
        log(tmp_path, "bitext", "mine", "org/two", subset, b, n=40)
    done = run("script/plot/plot_compare.py", "org/one", "org/two", "--task", "bitext", "--output", "forest")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "forest.csv")
    told = run("script/aggregate/compare.py", "org/one", "org/two", "--task", "bitext", "--format", "json")
    lines = {line["subset"]: line for line in json.loads(told.stdout)["subsets"]}
    assert {(row["model_a"], row["model_b"], row["k"], row["seed"]) for row in rows} == {
        ("org/one", "org/two", "1", "42")
    }
    assert [(row["subset"], float(row["difference"])) for row in rows] == [
        *(("eng_aaa", 50.0), ("eng_bbb", 0.0), ("eng_ccc", -2.5), ("mean", 15.8333)),
    ]
    for row in rows[:-1]:
        assert float(row["p_holm"]) == lines[row["subset"]]["p_holm"]
        assert float(row["low"]) == pytest.approx(100 * lines[row["subset"]]["interval"][0], abs=1e-4)


def test_a_real_run_as_a_user_makes_it(run: Run, tmp_path: Path) -> None:
    few = ("--model_checkpoint", "baseline/char_ngram", "--langs", "spa", "fra", "swh")
    assert run("bitext.py", *few).returncode == 0
    assert run("classification.py", *few).returncode == 0
    flags = ("--dataset", "sample", "--langs", "spa", "fra", "swh")
    assert run("script/plot/plot_k.py", "--task", "bitext", *flags).returncode == 0
    rows = table(tmp_path / "figures/plot_k_bitext_sample_char_ngram_spa-fra-swh.csv")
    folder = tmp_path / "logs/save_bitext/sample/baseline/char_ngram/seed_42"
    for row in rows:
        paths = [folder / f"eval_eng_{lang}_{row['k']}.json" for lang in ("spa", "fra", "swh")]
        logged = [json.loads(path.read_text())["f1"] for path in paths]
        assert float(row["percent"]) == pytest.approx(100 * sum(logged) / 3, abs=1e-4)
        assert row["n"] == row["expected"] == "3"
    done = run("script/plot/plot_confusion.py", "--task", "classification", *flags, "--pooled")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "figures/plot_confusion_classification_sample_char_ngram_spa-fra-swh_pooled.csv")
    assert sum(int(row["count"]) for row in rows) == 3 * 21 and len(rows) == 49


def test_mistakes_are_told_in_two_lines(run: Run, tmp_path: Path) -> None:
    for subset in FIRE:
        log(tmp_path, "classification", "fire", "org/one", subset, 5, vote="majority")
    log(tmp_path, "classification", "nusax", "org/one", "eng", 5)
    k, heat = ("script/plot/plot_k.py", "--task"), ("script/plot/plot_heatmap.py", "--task", "classification")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    cases = [
        ((*k, "bitext"), "no bitext results under logs", "run bitext.py first"),
        ((*k, "bitext", "--logs", "nowhere"), "no folder of logs", "--logs"),
        ((*heat, "--logs", "empty"), "no classification results under empty", ""),
        ((*k, "classification", "--models", "org/ine"), "no classification results of model 'org/ine'", "'org/one'"),
        ((*k, "classification", "--dataset", "fir"), "no results of data set 'fir'", "did you mean 'fire'"),
        ((*k, "classification", "--langs", "tamill"), "no classification results of language", "'tamil'"),
        ((*k, "classification", "--metric", "bleu"), "no record has the metric 'bleu'", "acc, f1"),
        ((*k, "classification", "--k", "7"), "no classification results with k 7; there is 1", "--k"),
        ((*k, "classification", "--setting", "vote=weighted"), "results with vote weighted", "--setting vote=VALUE"),
        ((*k, "classification", "--setting", "colour=red"), "'colour=red' is not a setting", "vote"),
        ((*k, "classification", "--width", "0"), "argument --width", "--help"),
        ((*k, "classification", "--dataset", "fire", "--width", "1", "--height", "1"), "no room in 1.0 x 1.0", "--w"),
        ((*k, "classification", "--dataset", "fire", "--output", "file/x"), "file/x.pdf cannot be written", "--output"),
        (heat, "results of 2 data sets: fire, nusax", "--dataset"),
        (("script/plot/plot_confusion.py", "--task", "classification", "--dataset", "fire"), "2 of 2 records", "again"),
        (("script/plot/plot_icl_percentile.py",), "no icl results", "icl.py"),
        (("script/plot/plot_compare.py", "x", "x", "--task", "bitext"), "A and B are the same", "--setting_b"),
    ]
    for command, what, hint in cases:
        done = run(*command)
        lines = done.stderr.splitlines()
        assert done.returncode == 2 and done.stdout == "", command
        assert what in lines[-2] and hint in lines[-1], (command, done.stderr)


def chosen(tmp_path: Path, *flags: str) -> list[str]:
    parser = plots.parser_of("", "", datasets="+")
    plots.add_model_args(parser)
    args = parser.parse_args(["--logs", str(tmp_path / "logs"), *flags])
    return [result.model for result in plots.choose(args)]


def test_settings_are_never_mixed(tmp_path: Path) -> None:
    for subset, fuse in zip(FIRE, ("score", "rank"), strict=True):
        log(tmp_path, "classification", "fire", "a__b__weights1_1", subset, 5, fuse=fuse)
    names = set(chosen(tmp_path, "--task", "classification"))
    assert names == {"a__b__weights1_1", "a__b__weights1_1 (fuse rank)"}
    assert len(chosen(tmp_path, "--task", "classification", "--setting", "fuse=rank")) == 1
    for subset, prompt in zip(FIRE, ("", "query: "), strict=True):
        encoders = [{"checkpoint": "c", "prompt": prompt, "weight": 1.0}]
        log(tmp_path, "classification", "fire", "org/c", subset, 5, encoders=encoders, vote="weighted")
    names = set(chosen(tmp_path, "--task", "classification", "--setting", "vote=weighted"))
    assert names == {"org/c (no prompt)", 'org/c (prompt "query: ")'}


def test_what_is_no_number_is_missing_or_an_error(run: Run, tmp_path: Path) -> None:
    paths = [log(tmp_path, "classification", "fire", "org/one", subset, 5) for subset in FIRE]
    flags = ("script/plot/plot_k.py", "--task", "classification", "--metric", "acc")
    paths[0].write_text(paths[0].read_text().replace('"acc": 0.5', '"acc": NaN'))
    done = run(*flags)
    assert done.returncode == 0 and "1 of 2 subsets" in done.stderr
    assert f"{paths[0].relative_to(tmp_path)} is not a record and is left out: acc is nan instead of" in done.stderr
    paths[1].write_text(paths[1].read_text().replace('"acc": 0.5', '"acc": NaN'))
    done = run(*flags)
    assert done.returncode == 2 and "no classification results under logs" in done.stderr


def test_the_originals_own_logs_are_drawn(run: Run, tmp_path: Path) -> None:
    for name, k in itertools.product(NOLLY, (1, 5)):
        folder = tmp_path / "theirs" / "save_bitext" / "nollysenti" / "sentence-transformers" / "LaBSE" / "seed_42"
        folder.mkdir(parents=True, exist_ok=True)
        metrics = {"acc": 0.8, "prec": 0.7, "rec": 0.8, "f1": 0.7 + k / 100}
        (folder / f"eval_{name}_{k}.json").write_text(json.dumps(metrics))
    for script in ("plot_k", "plot_heatmap", "plot_groups"):
        done = run(f"script/plot/{script}.py", "--task", "bitext", "--logs", "theirs", "--output", script)
        assert done.returncode == 0 and is_drawn(tmp_path / script, "pdf", "png"), done.stderr
    rows = table(tmp_path / "plot_k.csv")
    assert [(row["percent"], row["low"], row["high"]) for row in rows] == [("71.0", "", ""), ("75.0", "", "")]
