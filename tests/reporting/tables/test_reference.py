"""Published figures: copied without a slip, only beside what was published; own files are read or refused."""

from __future__ import annotations

import json
from pathlib import Path

import made_records as made
import pytest
from conftest import Run
from record_files import write_record
from reference_logs import HEADER, SCRIPT, XLMR, nusax, original

from utils.data import registry
from utils.encoders.registry import ENCODERS
from utils.schema import RunRecord


def test_the_figure_and_the_difference(run: Run, tmp_path: Path) -> None:
    nusax(tmp_path / "logs", "intfloat/multilingual-e5-base", 0.617)
    done = run(SCRIPT, "--reference", "paper")
    assert "61.70 (68.01, -6.31)" in done.stdout and "in parentheses: published (mteb)" in done.stdout
    assert "mteb: the result repository of MTEB" in done.stdout and "8,059" not in done.stdout + done.stderr
    row = json.loads(run(SCRIPT, "--reference", "paper", "--format", "json").stdout)[0]
    assert row["published"] == 0.6801 and row["difference"] == pytest.approx(-0.0631) and row["source"] == "mteb"


@pytest.mark.parametrize(
    ("settings", "flags", "reason"),
    [
        ({"k": 5}, ["--k", "5"], "mteb has k 1, this is k 5"),
        ({"margin": "ratio"}, ["--margin", "ratio"], "mteb has margin none, this is ratio"),
        ({"direction": "both"}, ["--direction", "both"], "mteb has direction forward, this is both"),
        ({"similarity": "dot"}, ["--similarity", "dot"], "mteb has similarity cosine, this is dot"),
        ({}, ["--metric", "acc"], "mteb has the metric f1, this is acc"),
    ],
)
def test_other_settings_are_told_and_not_compared(
    settings: dict[str, object], flags: list[str], reason: str, run: Run, tmp_path: Path
) -> None:
    nusax(tmp_path / "logs", "intfloat/multilingual-e5-base", 0.617, **settings)
    done = run(SCRIPT, "--reference", "paper", *flags)
    assert done.returncode == 0 and "61.70" in done.stdout and "68.01" not in done.stdout
    assert f"reference: not compared, {reason}: intfloat/multilingual-e5-base nusax" in done.stderr


def test_rows_that_are_not_unit_length_were_published_with_the_euclidean_distance(run: Run, tmp_path: Path) -> None:
    for model in (made.LABSE, XLMR):
        for dataset in ("lince_mt", "phinc"):
            made.log_bitext(tmp_path / "logs", dataset, model, 10, 20, 42)
            made.log_bitext(tmp_path / "logs", dataset, model, 5, 20, 42, similarity="euclidean")
    cosine = run(SCRIPT, "--reference", "paper")
    assert "50.00 (52.03, -2.03)" in cosine.stdout and "10.61" not in cosine.stdout
    assert f"winata2024 has similarity euclidean, this is cosine: {XLMR} CS" in cosine.stderr
    euclidean = run(SCRIPT, "--reference", "paper", "--similarity", "euclidean")
    assert "25.00 (10.61, +14.39)" in euclidean.stdout and "25.00 (52.03, -27.03)" in euclidean.stdout
    assert "mteb has similarity cosine, this is euclidean" in euclidean.stderr


E5 = "intfloat/multilingual-e5-base"
MEMBER: dict[str, object] = {
    "checkpoint": E5,
    "revision": ENCODERS[E5].revision,
    "prompt": "query: ",
    "max_length": None,
    "dtype": "fp32",
}
NUSAX = {"kind": "hub", "source": "indonlp/NusaX-senti", "revision": "refs/convert/parquet"}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"encoders": [{**MEMBER, "prompt": ""}]}, f"{E5} with the prompt '' instead of 'query: '"),
        ({"encoders": [{**MEMBER, "max_length": 32}]}, f"{E5} with max_length 32"),
        ({"encoders": [{**MEMBER, "dtype": "int8"}]}, f"{E5} in int8"),
        ({"encoders": [{**MEMBER, "revision": "abc"}]}, f"{E5} at the revision abc instead of d128750597"),
        ({"encoders": [MEMBER], "limit": 10}, "limit 10: not all of the texts"),
        ({"source": {**NUSAX, "source": "me/nusax"}}, "data of me/nusax instead of indonlp/NusaX-senti"),
        ({"source": {**NUSAX, "kind": "mirror", "source": "me/x"}}, "data of me/x instead of indonlp/NusaX-senti"),
        ({"source": {**NUSAX, "revision": "abc"}}, "data of indonlp/NusaX-senti at abc instead of refs/convert"),
    ],
)
def test_encoders_and_data_that_are_not_the_registrys_are_not_compared(
    settings: dict[str, object], reason: str, run: Run, tmp_path: Path
) -> None:
    nusax(tmp_path / "logs", E5, 0.617, **settings)
    done = run(SCRIPT, "--reference", "paper")
    assert "61.70" in done.stdout and "68.01" not in done.stdout
    assert f"reference: not compared, {reason}" in done.stderr and f": {E5} (" in done.stderr


def test_half_precision_and_a_mirror_are_compared_and_the_first_is_told(run: Run, tmp_path: Path) -> None:
    mirror = {**NUSAX, "kind": "mirror", "revision": None}
    nusax(tmp_path / "logs", E5, 0.617, encoders=[{**MEMBER, "dtype": "fp16"}], source=mirror)
    done = run(SCRIPT, "--reference", "paper")
    assert "61.70 (68.01, -6.31)" in done.stdout and f"\ncomputed in fp16: {E5} (fp16)\n" in done.stdout
    nusax(tmp_path / "full", E5, 0.617, encoders=[MEMBER], source=NUSAX)
    full = run(SCRIPT, "--reference", "paper", "--logs", "full").stdout
    assert "61.70 (68.01, -6.31)" in full and "computed in" not in full


def test_the_originals_logs_are_euclidean(run: Run, tmp_path: Path) -> None:
    mpnet = "sentence-transformers/paraphrase-multilingual-mpnet-base-v2"
    for dataset in ("nusax", "phinc", "lince_mt"):
        original(tmp_path / "logs", dataset, mpnet, 0.25)
    done = run(SCRIPT, "--reference", "paper")
    assert "25.00 (25.87, -0.87)" in done.stdout  # the paper's CS, of the same distance
    assert "38.50" not in done.stdout and "40.02" not in done.stdout
    assert f"not compared, mteb has similarity cosine, this is euclidean: {mpnet} nusax, {mpnet} phinc" in done.stderr


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"instruction": "Say it."}, "has instruction 'Generate a sentiment label for a given input.\\nPlease"),
        ({"temperature": 0.7}, "has temperature 0 or None, this is 0.7"),
        ({"decode": "constrained"}, "has decode score, this is constrained"),
        ({"decode": "generate"}, "has decode score, this is generate"),  # BLOOMZ's labels are scored
        (
            {
                "temperature": 0.0,
                "instruction": "Generate a sentiment label for a given input.\nPlease only output the label.",
            },
            "",
        ),
    ],
)
def test_prompts_and_decoding_that_are_not_the_originals_are_not_compared(
    settings: dict[str, object], reason: str, run: Run, tmp_path: Path
) -> None:
    for dataset in ("fire", "lince_sa"):
        for lang in registry.DATASETS["classification"][dataset].subsets:
            names = {"dataset": dataset, "model": made.E5, "subset": lang, "seed": 42}
            how = {"generator": {"name": "bigscience/bloomz-560m", "kind": "base", "quantization": ""}, **settings}
            record = RunRecord({"acc": 0.5}, {}, 10, 1, {**made.ICL, **names, **how})
            write_record(tmp_path / "logs" / dataset, lang, record, {"gold": [], "hyp": []})
    done = run("script/aggregate/aggregate_icl.py", "--reference", "paper")
    assert done.returncode == 0 and ("50.00 (54.25, -4.25)" in done.stdout) is (reason == "")
    assert (reason and f"not compared, winata2024 {reason}") in done.stderr


def test_data_sets_with_other_texts_are_shown_but_not_compared(run: Run, tmp_path: Path) -> None:
    for dataset in ("lince_mt", "phinc"):
        made.log_bitext(tmp_path / "logs", dataset, made.LABSE, 10, 20, 42)
    done = run(SCRIPT, "--reference", "paper")
    assert "33.62" not in done.stdout and "50.00 (69.70, -19.70)" in done.stdout and "(52.03, -2.03)" in done.stdout
    reason = "mteb has other texts (8,059 rows there, 9,002 here)"
    assert f"not compared, {reason}: {made.LABSE} lince_mt" in done.stderr
    rows = run(SCRIPT, "--reference", "paper", "--reference_rows").stdout
    assert "(33.62)" in rows and "mteb: lince_mt: 8,059 rows there, 9,002 here, not compared" in rows


@pytest.mark.parametrize(
    ("settings", "flags", "reason"),
    [
        ({"direction": "both"}, ["--direction", "both"], "mteb has direction forward, this is both"),
        ({"margin": "ratio"}, ["--margin", "ratio"], "mteb has margin none, this is ratio"),
        ({}, ["--langs", "ind", "ace"], "only a part of the subsets was asked for"),
        ({}, ["--common"], "only a part of the subsets was asked for"),
        ({"src_lang": "ind"}, ["--src_lang", "ind", "--dataset", "nusax"], "mteb has the pivot language, this is ind"),
    ],
)
def test_rows_of_other_settings_are_left_out(
    settings: dict[str, object], flags: list[str], reason: str, run: Run, tmp_path: Path
) -> None:
    nusax(tmp_path / "logs", "org/mine", 0.617, **settings)
    done = run(SCRIPT, "--reference", "paper", "--reference_rows", *flags)
    assert done.returncode == 0 and "(published)" not in done.stdout and "61.70" in done.stdout
    assert f"left out, {reason}" in done.stderr


def test_pairs_from_another_language_are_not_compared_with_those_from_the_pivot(run: Run, tmp_path: Path) -> None:
    for subset in registry.DATASETS["bitext"]["nusax"].subsets:
        target = subset.split("_")[1].replace("ind", "eng")
        made.log_bitext(tmp_path / "logs", "nusax", made.LABSE, 10, 20, 42, subset=f"ind_{target}", src_lang="ind")
    done = run(SCRIPT, "--reference", "paper", "--src_lang", "ind")
    assert "50.00" in done.stdout and "(77.89" not in done.stdout
    assert "mteb has pairs from eng, this is ind" in done.stderr


def test_rows_of_the_data_sets_asked_for(run: Run, tmp_path: Path) -> None:
    nusax(tmp_path / "logs", "org/mine", 0.617)
    done = run(SCRIPT, "--reference", "paper", "--reference_rows", "--dataset", "nusax")
    assert done.stdout.splitlines()[0].split() == ["model", "nusax"] and "(77.89)" in done.stdout
    pivot = run(SCRIPT, "--reference", "paper", "--reference_rows", "--dataset", "nusax", "--src_lang", "eng")
    assert "(77.89)" in pivot.stdout


@pytest.mark.parametrize(("style", "sign"), [("latex", "% "), ("md", ""), ("plain", "")])
def test_what_must_be_known_is_in_the_file(style: str, sign: str, run: Run, tmp_path: Path) -> None:
    made.log_bitext(tmp_path / "logs", "phinc", made.LABSE, 10, 20, 42)
    (tmp_path / "my.csv").write_text(HEADER + f"theirs,bitext,,{made.LABSE},phinc,main,10\n")
    flags = ["--reference", "my.csv", "paper", "--reference_rows", "--format", style, "--output", "table.txt"]
    done = run(SCRIPT, *flags)
    told = [line.rstrip() for line in (tmp_path / "table.txt").read_text().splitlines()]
    euclidean = [name for name in ENCODERS if any(part in name for part in ("mpnet", "MiniLM", "glot", "xlm-r"))]
    for text in (
        "theirs: the publication does not give k; shown beside k 1",
        "mteb: lince_mt: 8,059 rows there, 9,002 here, not compared",
        f"winata2024: published with similarity euclidean: {', '.join(euclidean)}",
    ):
        assert sign + text in told and f"note: {text}" in done.stderr.splitlines()
    assert any(line.startswith(f"{sign}winata2024: published with fuse distance: LaBSE__") for line in told)


def test_a_mean_that_lacks_subsets_is_compared_with_none(run: Run, tmp_path: Path) -> None:
    nusax(tmp_path / "logs", E5, 0.617)
    (tmp_path / "my.csv").write_text(HEADER + f"mteb 2 NusaX (3/11),bitext,1,{E5},nusax,f1,50\n")
    done = run(SCRIPT, "--reference", "my.csv")
    assert "50.00" not in done.stdout and "mteb 2 NusaX (3/11) is a mean over 3 of 11 subsets" in done.stderr
    rows = run(SCRIPT, "--reference", "my.csv", "--reference_rows").stdout
    assert "(50.00)" in rows and "a mean over 3 of 11 subsets, compared with none" in rows


def test_names_are_no_formulas_of_a_spreadsheet(run: Run, tmp_path: Path) -> None:
    made.log_bitext(tmp_path / "logs", "phinc", "=HYPERLINK(1)", 10, 20, 42)
    (tmp_path / "my.csv").write_text(HEADER + "@theirs,bitext,1,=HYPERLINK(1),phinc,f1,70\n")
    lines = run(SCRIPT, "--reference", "my.csv", "--format", "csv").stdout.splitlines()
    assert lines[1].startswith("'=HYPERLINK(1),") and "50.00,1,1,70.00,-20.00,'@theirs" in lines[1]


def test_own_files_fill_what_the_first_lacks(run: Run, tmp_path: Path) -> None:
    made.log_bitext(tmp_path / "logs", "phinc", made.LABSE, 10, 20, 42)
    made.log_bitext(tmp_path / "logs", "lince_mt", "org/mine", 10, 20, 42)
    (tmp_path / "my.csv").write_text(
        HEADER + f"theirs,bitext,,{made.LABSE},phinc,main,10\nlast year,bitext,1,org/mine,lince_mt,f1,51.25\n"
        "theirs,icl,,org/mine,nusax,main,1\ntheirs,bitext,5,org/other,phinc,f1,3\ntheirs,bitext,1,org/new,phinc,f1,3\n"
    )
    both = run(SCRIPT, "--reference", "paper", "my.csv").stdout
    assert "50.00 (69.70, -19.70)" in both and "50.00 (51.25, -1.25)" in both and "org/new" not in both
    own = run(SCRIPT, "--reference", "my.csv", "--reference_rows", "--format", "csv")
    assert "org/new (published),,,,,,,,,,3.00,,theirs" in own.stdout and "org/other" not in own.stdout
    assert "note: theirs: the publication does not give k; shown beside k 1" in own.stderr
    assert "last year" in own.stdout and "10.00,+40.00,theirs" in own.stdout


def test_cross_lingual_figures_belong_to_their_training_language(run: Run, tmp_path: Path) -> None:
    script = "script/aggregate/aggregate_classification_cross.py"
    for train, test in (("tamil", "malayalam"), ("malayalam", "tamil")):
        settings = {**made.CLASSIFICATION, "cross": True, "train_lang": train, "legacy": False}
        record = RunRecord(
            {"acc": 0.5}, {}, 10, 1, {**settings, "dataset": "fire", "model": made.LABSE, "subset": test, "seed": 42}
        )
        write_record(tmp_path / train / "x", test, record, {"gold": [], "hyp": []})
    right = run(script, "--logs", "tamil", "--reference", "paper")
    assert "50.00 (41.10, +8.90)" in right.stdout and "the publication does not give k" in right.stdout
    assert "winata2024: XL CS: fire had a fifth label" in right.stdout
    other = run(script, "--logs", "malayalam", "--reference", "paper")
    assert "41.10" not in other.stdout and "has train_lang tamil, this is malayalam" in other.stderr


def test_means_over_groups_of_languages_have_no_reference(run: Run, tmp_path: Path) -> None:
    made.log_languages(tmp_path / "logs")
    flags = ["--dataset", "mine", "--by", "lang", "--reference", "paper"]
    done = run("script/aggregate/aggregate_classification.py", *flags)
    assert done.returncode == 2 and "--reference with --by" in done.stderr


def log_sts17(root: Path, model: str, subset: str, value: float) -> None:
    """Log a subset of `mteb:STS17`, as mteb's loaders read it."""
    about = {"subset": subset, "split": "test", "languages": ["eng-Latn"], "main_score": "cosine_spearman"}
    run = {"task": "sts", "dataset": "mteb:STS17", "model": model, "subset": subset, "seed": 42, "mteb": about}
    run |= {"similarity": "cosine", "source": {"kind": "mteb", "source": "mteb/sts17", "revision": "abc"}}
    record = RunRecord({"spearman": value, "pearson": value}, {}, 10, 1, run)
    write_record(root / model / "seed_42", subset, record, {"judged": [], "scores": []})


def test_figures_of_subsets_are_compared_over_those_of_the_row(run: Run, tmp_path: Path) -> None:
    table = "script/aggregate/aggregate_sts.py"
    for subset, value in (("en-en", 0.75), ("en-de", -0.25)):
        log_sts17(tmp_path / "logs", "org/a", subset, value)
    log_sts17(tmp_path / "logs", "org/b", "en-en", 0.5)
    head = HEADER.replace("\n", ",subset,revision\n")
    figures = [("org/a", "en-en", 80), ("org/a", "en-de", -10), ("org/a", "ko-ko", 99), ("org/c", "en-en", 40)]
    figures += [("org/b", "ko-ko", 70), ("org/c", "en-de", 20), ("org/c", "ko-ko", 60)]
    lines = [f"mteb 2,sts,1,{name},mteb:STS17,spearman,{value},{of}.test,abc\n" for name, of, value in figures]
    (tmp_path / "mteb.csv").write_text(head + "".join(lines))
    done = run(table, "--reference", "mteb.csv", "--reference_rows")
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("org/")}
    assert rows["org/a"] == "25.00 (35.00, -10.00)" and rows["org/b"] == "50.00 (1/2)"
    assert rows["org/c"].split() == ["(published)", "(30.00)"], rows  # the mean over the subsets of the column
    assert "reference: not compared, mteb 2 has no figure of en-en.test: org/b mteb:STS17" in done.stderr
    (tmp_path / "mteb.csv").write_text(head + "".join(lines).replace(",abc", ",xyz"))
    done = run(table, "--reference", "mteb.csv")
    assert "mteb 2 is of the data at xyz, this at abc" in done.stderr and "35.00" not in done.stdout
    (tmp_path / "mteb.csv").write_text(head + lines[0] + lines[0])
    done = run(table, "--reference", "mteb.csv")
    assert done.returncode == 2 and "two figures of org/a on mteb:STS17, subset en-en.test" in done.stderr
