"""layers.py --measure similarity and pca on a tiny model: records, rankings, figures, mistakes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from scipy.stats import spearmanr
from tiny_encoders import bert_config, make_encoder

LANGS = ("deu", "hin", "jpn", "spa", "swh")
NUMBERS = {"de": 5.9, "hi": 0.2, "ja": 5.0, "es": 4.5, "sw": 0.01, "fr": 4.3}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_encoder(tmp_path_factory.mktemp("models") / "a", bert_config()))


def record_of(folder: Path, name: str) -> dict[str, Any]:
    (path,) = folder.glob(f"logs/save_layers*/**/eval_{name}.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def table_of(folder: Path, name: str) -> list[dict[str, str]]:
    (path,) = folder.glob(f"logs/save_layers*/**/{name}.csv")
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_languages_are_ranked_and_compared_with_numbers(run: Run, tmp_path: Path, model: str) -> None:
    (tmp_path / "share.csv").write_text("lang,share\n" + "".join(f"{lang},{n}\n" for lang, n in NUMBERS.items()))
    flags = ("--measure", "similarity", "--pivot", "eng", "--langs", *LANGS, "--model_checkpoint", model)
    done = run("layers.py", *flags, "--against", "share.csv")
    assert done.returncode == 0, done.stderr
    found, kept = record_of(tmp_path, "eng_deu_1"), record_of(tmp_path, "eng_deu_1_preds")
    assert [row["layer"] for row in found["rows"]] == [0, 1, 2] and len(kept["rows"]) == 3
    for row, items in zip(found["rows"], kept["rows"], strict=True):
        assert row["cosine"] == pytest.approx(sum(items["cosine"]) / len(items["cosine"]), abs=1e-6)
        assert row["cosine_low"] < row["cosine"] < row["cosine_high"] and -1 <= row["unrelated"] <= 1
    ranks = [row for row in table_of(tmp_path, "ranking") if (row["layer"], row["figure"]) == ("2", "centred")]
    assert [row["rank"] for row in ranks] == ["1", "2", "3", "4", "5"]
    assert [row["lang"] for row in ranks] == sorted(
        LANGS, key=lambda lang: -record_of(tmp_path, f"eng_{lang}_1")["rows"][2]["centred"]
    )
    (line,) = (row for row in table_of(tmp_path, "agreement") if (row["layer"], row["figure"]) == ("2", "ratio"))
    values = [record_of(tmp_path, f"eng_{lang}_1")["rows"][2]["ratio"] for lang in LANGS]
    expected = spearmanr(values, [5.9, 0.2, 5.0, 4.5, 0.01]).statistic
    assert float(line["spearman"]) == pytest.approx(expected) and line["languages"] == "5"
    assert "Spearman's correlation with share of share.csv" in done.stdout
    again = run("layers.py", *flags, "--against", "share.csv")
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines() and "already logged" in again.stdout
    (figure,) = tmp_path.glob("logs/**/layers.png")
    assert figure.stat().st_size > 10_000 and figure.with_suffix(".pdf").is_file()
    drawn = run("script/plot/plot_layers.py", "--measure", "similarity", "--format", "png", "--output", "fig")
    assert drawn.returncode == 0, drawn.stderr
    assert len(list(csv.DictReader((tmp_path / "fig.csv").open()))) == 5 * 3


def test_texts_of_all_languages_together(run: Run, tmp_path: Path, model: str) -> None:
    flags = ("--measure", "pca", "--langs", "eng", "jpn", "swh", "--model_checkpoint", model, "--layers", "0", "2")
    done = run("layers.py", *flags)
    assert done.returncode == 0, done.stderr
    found, kept = record_of(tmp_path, "eng-jpn-swh_1"), record_of(tmp_path, "eng-jpn-swh_1_preds")
    for row in found["rows"]:
        assert row["language_share"] == pytest.approx(1 / 3) and row["class_share"] == pytest.approx(1 / 7)
        assert 0 < row["class_variance"] < row["language_variance"] < 1 and row["component_1"] > row["component_2"]
        assert row["language_probe_low"] <= row["language_probe"] <= row["language_probe_high"]
    assert found["best"] == max(row["language_variance"] for row in found["rows"])
    assert len(kept["points"]["langs"]) == 63 == len(kept["rows"][0]["pca"]) and set(kept["rows"][0]) == {"pca"}
    names = {path.name for path in tmp_path.glob("logs/**/*.png")}
    assert names == {
        "layers.png",
        *(f"eval_eng-jpn-swh_1_pca_{colour}.png" for colour in ("language", "class", "family")),
    }
    (folder,) = {path.parent.relative_to(tmp_path) for path in tmp_path.glob("logs/**/*.png")}
    stems = ",".join(f"eval_eng-jpn-swh_1_pca_{colour}" for colour in ("language", "class", "family"))
    assert done.stdout.endswith(f"figures: {folder}/{{layers,{stems}}}.png (and .pdf)\n"), done.stdout
    again = run("layers.py", *flags)
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines() and "already logged" in again.stdout
    points = ("--measure", "pca", "--format", "png", "--points")
    drawn = run("script/plot/plot_layers.py", *points, "pca", "--color", "class", "--output", "points")
    assert drawn.returncode == 0, drawn.stderr
    rows = list(csv.DictReader((tmp_path / "points.csv").open()))
    assert len(rows) == 2 * 63 and {row["lang"] for row in rows} == {"eng", "jpn", "swh"}
    without = run("script/plot/plot_layers.py", *points, "tsne")
    assert without.returncode == 2 and "--tsne" in without.stderr


def test_two_models_are_drawn_with_their_difference(run: Run, tmp_path: Path, model: str) -> None:
    other = str(make_encoder(tmp_path / "b", bert_config(num_hidden_layers=3)))
    flags = ("--measure", "similarity", "--langs", "deu", "jpn", "--model_checkpoint", model, "--compare", other)
    done = run("layers.py", *flags, "--layers", "0", "1")
    assert done.returncode == 0, done.stderr
    (figure,) = tmp_path.glob("logs/**/compared_with_*.png")
    assert figure.stat().st_size > 10_000
    (table,) = tmp_path.glob("logs/**/compared_with_*.csv")
    row = next(iter(csv.DictReader(table.open())))
    assert float(row["centred_difference"]) == pytest.approx(float(row["centred_b"]) - float(row["centred_a"]))


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--measure", "bitext", "--against", "x.csv"), "--against with --measure bitext"),
        (("--measure", "similarity", "--tsne"), "--tsne with --measure similarity"),
        (("--measure", "similarity", "--similarity", "dot"), "--similarity dot with --measure similarity"),
        (("--measure", "pca", "--similarity", "euclidean"), "--similarity euclidean with --measure pca"),
        (("--measure", "similarity", "--against", "x.csv"), "--against x.csv: no such file"),
        (("--measure", "similarity", "--against", "x.csv", "a", "b"), "--against x.csv a b"),
        (("--model_checkpoint", "baseline/bm25"), "has no layers to measure"),
        (("--compare", "baseline/bm25"), "has no layers to measure"),
        (("--measure", "similarity", "--langs", "spa", "--against", "share.csv"), "--against with 1 language"),
        (
            ("--measure", "similarity", "--limit", "1"),
            "eng_spa has 1 pair\nhint: unrelated sentences take two pairs: raise --",
        ),
        (("--measure", "similarity", "--limit", "1", "--dataset", "one.tsv"), "take two pairs\n"),
        (
            ("--measure", "pca", "--langs", "eng", "deu", "--limit", "1"),
            "sample has 2 texts\nhint: it takes 4 or more: raise",
        ),
        (("--measure", "pca", "--dataset", "one.tsv"), "has 2 texts\nhint: it takes 4 or more\n"),
        (("--measure", "pca", "--langs", "eng"), "one language"),
    ],
)
def test_mistakes_are_told_in_two_lines(
    run: Run, tmp_path: Path, model: str, flags: tuple[str, ...], what: str
) -> None:
    (tmp_path / "share.csv").write_text("lang,share\nspa,1\n")
    (tmp_path / "one.tsv").write_text("eng\tspa\na house\tuna casa\n")
    done = run("layers.py", "--model_checkpoint", model, *flags)
    assert done.returncode == 2 and what in done.stderr and "Traceback" not in done.stderr, done.stderr
