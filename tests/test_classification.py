"""classification.py end to end, its data, its quirks and its tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from utils.data.classification import load_labeled
from utils.data.classification_sets import CLASSIFICATION
from utils.data.own_labeled import find_labeled
from utils.data.sources import Sources
from utils.errors import UserError

NGRAM = ("--model_checkpoint", "baseline/char_ngram")
TABLE = "script/aggregate/aggregate_classification.py"
CROSS = "script/aggregate/aggregate_classification_cross.py"


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def folder(tmp_path: Path, run: str, dataset: str = "sample", model: str = "baseline/char_ngram") -> Path:
    return tmp_path / "logs" / run / dataset / model / "seed_42"


def test_topics_of_the_sample(run: Run, tmp_path: Path) -> None:
    done = run("classification.py", *NGRAM, "--langs", "eng", "hin", "hinglish")
    assert done.returncode == 0, done.stderr
    body = read(folder(tmp_path, "save_classification") / "eval_hin_5.json")
    assert body["n"] == 21 and body["random_acc"] == pytest.approx(1 / 7) and len(body["per_label"]) == 7
    assert np.sum(body["confusion"]) == 21 and np.trace(body["confusion"]) / 21 == pytest.approx(body["acc"])
    about = body["run"]
    assert (about["family"], about["script"], about["setting"]) == ("Indo-European", "Deva", "mono")
    assert (about["train_lang"], about["n_train"], about["cross"]) == ("hin", 49, False)
    assert read(folder(tmp_path, "save_classification") / "eval_hinglish_5.json")["run"]["setting"] == "cs"
    predictions = read(folder(tmp_path, "save_classification") / "eval_hin_5_preds.json")
    assert sum(g == h for g, h in zip(*predictions.values(), strict=True)) / 21 == body["acc"]
    assert (
        "3 of 3 subsets are already logged"
        in run("classification.py", *NGRAM, "--langs", "eng", "hin", "hinglish").stdout
    )


def test_cross_trains_on_one_language_and_tests_the_others(run: Run, tmp_path: Path) -> None:
    done = run("classification.py", *NGRAM, "--cross")
    assert done.returncode == 0, done.stderr
    records = folder(tmp_path, "save_classification_cross_eng")
    assert len(list(records.glob("eval_*_1.json"))) == 13 and not (records / "eval_eng_1.json").exists()
    about = read(records / "eval_spa_1.json")["run"]
    assert (about["train_lang"], about["setting"], about["cross"]) == ("eng", "xl", True)
    table = run(CROSS, "--k", "5")
    assert table.returncode == 0 and table.stderr == "" and "sample" in table.stdout
    other = run("classification.py", *NGRAM, "--cross", "--src_lang", "spa", "--langs", "fra")
    assert other.returncode == 0 and folder(tmp_path, "save_classification_cross_spa").exists()


def test_a_second_language_changes_no_score_of_the_first(run: Run, tmp_path: Path) -> None:
    run("classification.py", *NGRAM, "--langs", "swh")
    alone = (folder(tmp_path, "save_classification") / "eval_swh_neighbors.json").read_bytes()
    run("classification.py", *NGRAM, "--langs", "fra", "swh", "--overwrite")
    assert (folder(tmp_path, "save_classification") / "eval_swh_neighbors.json").read_bytes() == alone


def test_an_ensemble_keeps_its_members_figures_and_the_data_as_they_are(run: Run, tmp_path: Path, bundled: str) -> None:
    from conftest import ROOT

    before = (ROOT / "data/sample/parallel.tsv").read_bytes()
    pair = ("--model_checkpoints", bundled, "baseline/char_ngram", "--langs", "eng")
    assert run("classification.py", *pair, "--weights", "3", "1").returncode == 0
    name = "multilingual-e5-small__char_ngram__weights3.0_1.0"
    body = read(folder(tmp_path, "save_classification", model=name) / "eval_eng_5.json")
    assert set(body["members"]) == {bundled, "baseline/char_ngram"}
    run("classification.py", *NGRAM, "--langs", "eng")
    alone = read(folder(tmp_path, "save_classification") / "eval_eng_5.json")
    assert body["members"]["baseline/char_ngram"]["acc"] == alone["acc"]
    for flags, run_name in (
        (["--fuse", "rank"], "rank"),
        (["--fuse", "distance"], "distance"),
        (["--normalize", "zscore"], "zscore"),
    ):
        assert run("classification.py", *pair, *flags).returncode == 0
        assert folder(tmp_path, f"save_classification_{run_name}").parents[3].exists()
    assert (ROOT / "data/sample/parallel.tsv").read_bytes() == before


def test_own_files_with_and_without_a_split(run: Run, tmp_path: Path) -> None:
    rows = [
        f"{'good' if n % 2 else 'bad'} film number {n},{'pos' if n % 2 else 'neg'},{'en' if n < 30 else 'de'}"
        for n in range(60)
    ]
    (tmp_path / "own.csv").write_text("review,stars,tongue\n" + "\n".join(rows) + "\n")
    flags = ("--dataset", "own.csv", "--columns", "review", "stars", "tongue", *NGRAM)
    done = run("classification.py", *flags, "--k", "3")
    assert done.returncode == 0, done.stderr
    assert "stratified by label, is the test split (seed 42)" in done.stderr and "en" in done.stdout
    assert run("classification.py", *flags, "--k", "3", "--cross", "--src_lang", "en").returncode == 0
    (tmp_path / "split.jsonl").write_text(
        "\n".join(
            json.dumps(
                {"text": f"word {n}", "label": n % 2, "split": "dev" if n == 9 else "test" if n > 9 else "train"}
            )
            for n in range(14)
        )
    )
    done = run("classification.py", "--dataset", "split.jsonl", *NGRAM, "--k", "1")
    assert done.returncode == 0, done.stderr
    table = run(TABLE)
    assert "no classification results with k 1" not in table.stderr and "split-" in table.stdout


BAD = {
    "unknown language": (["--langs", "english"], "sample has no language 'english'", "did you mean 'eng'"),
    "src without cross": (["--src_lang", "eng"], "--src_lang without --cross", "add --cross"),
    "unknown source": (["--cross", "--src_lang", "en"], "sample has no language 'en'", "did you mean 'eng'"),
    "nothing left": (["--cross", "--langs", "eng"], "--cross leaves no language of sample", "not tested"),
    "one language": (["--cross", "--dataset", "lince_sa"], "--cross leaves no language of lince_sa", "not tested"),
    "legacy weighted": (["--legacy", "--vote", "weighted"], "--legacy with another", "majority votes"),
    "another task": (["--dataset", "tatoeba"], "tatoeba is not a data set for classification", "bitext"),
    "no validation": ([*NGRAM, "--split", "validation"], "no rows of the split 'validation'", "it has: test, train"),
    "tuned on the test": (
        ["--model_checkpoints", "a", "b", "--tune_weights", "--split", "validation"], "--tune_weights with",
        "cannot be the test",
    ),
    "k too large": ([*NGRAM, "--k", "50"], "--k 50, but eng has 49 candidates", "give 1 to 49"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_in_two_lines_and_exit_code_2(name: str, run: Run) -> None:
    flags, what, hint = BAD[name]
    done = run("classification.py", *flags)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    error, hinted = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    assert what in error and hint in hinted


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("a,b\nx,y\n", None, "has the columns a, b"),
        ("text,label\nx,y\n", ["text"], "--columns names 1 columns"),
        ("text,label\nx,y\n", ["text", "lable"], "has no column 'lable'"),
        ("text,label,split\nx,y,trial\n", None, "bad.csv: line 2 has the split 'trial'"),
        ("text,label,split\nx,,train\n", None, "bad.csv: line 2 has no label"),
        ("text,label\nx,y\nz,w\n", None, "no label has two rows, of which one could be the test"),
        ("text,label,split\n ,y,train\n", None, "no rows"),
    ],
)
def test_bad_labelled_files_say_what_is_wrong(
    content: str, columns: list[str] | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(UserError) as caught:
        spec = find_labeled(str(tmp_path / "bad.csv"), columns, 42)
        load_labeled(spec, spec.subsets[0], "train", Sources(None, tmp_path))
    assert message in caught.value.what and caught.value.hint


SIZES = {  # train, test, labels of the test
    ("nusax", "ace"): (500, 400, 3),
    ("nollysenti", "yo"): (900, 500, 2),
    ("sib200", "nqo_Nkoo"): (701, 204, 7),
    ("massive_intent", "sw"): (11514, 2974, 59),
    ("fire", "tamil"): (11335, 3149, 4),
    ("fire", "malayalam"): (4851, 1348, 4),
    ("lince_sa", "spaeng"): (13125, 1875, 3),
    ("mtop_intent", "th"): (859, 1237, 80),
}


@pytest.mark.parametrize(("name", "lang"), SIZES)
def test_the_real_data_sets_have_their_known_sizes(name: str, lang: str, mirror: Path, tmp_path: Path) -> None:
    spec, where = CLASSIFICATION[name], Sources(mirror, tmp_path)
    train, test = (load_labeled(spec, lang, split, where) for split in ("train", "test"))
    assert (len(train.texts), len(test.texts), len(set(test.labels))) == SIZES[name, lang]


def test_labels_are_put_right_and_legacy_keeps_the_originals(mirror: Path, tmp_path: Path) -> None:
    where = Sources(mirror, tmp_path)
    fire, mtop = CLASSIFICATION["fire"], CLASSIFICATION["mtop_intent"]
    assert load_labeled(fire, "tamil", "train", where).labels.count("Unknown") == 609 + 368
    massive = load_labeled(CLASSIFICATION["massive_intent"], "en", "test", where)
    assert massive.labels[0] == "alarm set"
    legacy = load_labeled(fire, "tamil", "train", where, legacy=True)
    assert legacy.labels.count("not-Tamil") == 368 and legacy.label_names[-1] == "not-Tamil"
    plain = load_labeled(mtop, "en", "test", where).texts[0]
    assert load_labeled(mtop, "en", "test", where, legacy=True).texts[0] == " ".join(plain)


@pytest.mark.slow
def test_the_published_code_and_this_suite_agree_on_nusax(run: Run, tmp_path: Path, mirror: Path, bundled: str) -> None:
    """The original's figures for this checkpoint on English, from a run of its own code."""
    done = run("classification.py", "--dataset", "nusax", "--langs", "eng", "--data_dir", str(mirror))
    assert done.returncode == 0, done.stderr
    records = folder(tmp_path, "save_classification", "nusax", bundled)
    for k, acc, f1 in ((1, 0.815, 0.798477), (5, 0.845, 0.821730), (10, 0.8425, 0.815550)):
        body = read(records / f"eval_eng_{k}.json")
        assert (body["acc"], body["f1"]) == (pytest.approx(acc, abs=1e-6), pytest.approx(f1, abs=1e-6))
    by_lang = run(TABLE, "--dataset", "nusax", "--by", "lang", "--format", "csv")
    assert by_lang.stdout == f"model,eng,eng_n,eng_expected\n{bundled},79.85,1,1\n"


@pytest.mark.slow
def test_weights_are_tuned_on_the_validation_split_and_the_grid_is_logged(
    run: Run, tmp_path: Path, mirror: Path
) -> None:
    pair = ("--model_checkpoints", "baseline/char_ngram", "baseline/char_ngram", "--prompt", "", "x: ")
    flags = ("--dataset", "nusax", "--langs", "ind", "--data_dir", str(mirror), *pair, "--tune_weights", "--k", "1")
    done = run("classification.py", *flags)
    assert done.returncode == 0, done.stderr
    (records,) = (path.parent for path in tmp_path.rglob("tuned_weights.json"))
    assert records.parts[-4].startswith("save_classification_prompt_x")
    grid = read(records / "tuned_weights.json")["grid"]
    assert len(grid) == 11 and read(records / "eval_ind_1.json")["run"]["tuned"]["grid"] == grid
    assert run("classification.py", *flags).returncode == 0
