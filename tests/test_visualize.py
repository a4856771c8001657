"""visualize.py: which texts, where they come to lie, what the numbers beside the picture are, files, errors."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from api_server import ApiServer
from conftest import ROOT, Run

import visualize
from utils.data.bitext_sets import BITEXT
from utils.data.classification_sets import CLASSIFICATION
from utils.data.sources import Where
from utils.errors import UserError
from utils.reporting.maps import coloring, neighbour_purity
from utils.reporting.maps.points import (
    Block,
    Points,
    bitext_blocks,
    even_share,
    labeled_blocks,
    to_points,
    why_not_parallel,
)
from utils.reporting.maps.projection import fitting_neighbors, fitting_perplexity, project
from utils.reporting.maps.scatter import draw, in_columns, rows_needed
from utils.reporting.palette import OTHER, Style

NGRAM = ("--model_checkpoint", "baseline/char_ngram")
PCA = ("--method", "pca", "--format", "png", *NGRAM)


def silent(message: str) -> None:
    raise AssertionError(f"nothing was to be told: {message}")


def block(lang: str, n: int, *, start: int = 0) -> Block:
    rows = range(start, start + n)
    return Block(
        lang, tuple(f"{lang} {row}" for row in rows), tuple("ab"[row % 2] for row in rows), tuple(map(str, rows))
    )


def points(*rows: tuple[str, str, str | None, str | None]) -> Points:
    return Points(*map(tuple, zip(*rows, strict=True)), "")


def test_what_small_languages_leave_goes_to_the_others() -> None:
    assert even_share([10, 3, 7], 12) == 4  # 3 + 4 + 4
    assert even_share([10, 3, 7], 20) == 10
    assert even_share([5, 5], 1) == 0


def test_a_draw_keeps_translations_together_and_a_larger_one_adds() -> None:
    blocks = [block("eng", 50), block("ind", 50)]
    few, more = (to_points(blocks, limit, 1000, 7, silent) for limit in (5, 9))
    assert few.samples[:5] == few.samples[5:] and len(few.texts) == 10
    assert set(few.samples) < set(more.samples)
    assert few.samples != to_points(blocks, 5, 1000, 8, silent).samples
    assert few.texts[0] == f"eng {few.samples[0]}" and few.labels[0] == "ab"[int(few.samples[0] or 0) % 2]


def test_more_than_max_points_are_thinned_evenly_and_it_is_said() -> None:
    told: list[str] = []
    drawn = to_points([block("eng", 50), block("ind", 10)], None, 30, 7, told.append)
    assert (drawn.langs.count("eng"), drawn.langs.count("ind")) == (20, 10)
    assert told == ["30 of 60 texts drawn, up to 20 per language (--max_points 30)"]
    with pytest.raises(UserError, match="--max_points 1 for 2 languages"):
        to_points([block("eng", 50), block("ind", 10)], None, 1, 7, silent)


def test_rows_are_parallel_only_where_ids_and_labels_say_so() -> None:
    assert why_not_parallel([block("eng", 5), block("ind", 5)]) == ""
    assert "no ids" in why_not_parallel([block("eng", 5), Block("ind", ("a",), ("a",), ())])
    assert "share rows" in why_not_parallel([block("eng", 5), block("ind", 5, start=5)])
    twice = Block("ind", ("a", "b"), ("a", "a"), ("0", "0"))
    assert why_not_parallel([block("eng", 5), twice]) == "the id 0 is repeated in ind"
    wrong = Block("ind", ("a", "b"), ("b", "b"), ("0", "1"))  # the first should be a
    assert why_not_parallel([block("eng", 5), wrong]).startswith("1 of its 5 ids")


def test_the_sample_set_is_parallel_and_its_shared_source_stands_once(tmp_path: Path) -> None:
    where = Where(None, tmp_path)
    labelled = labeled_blocks(CLASSIFICATION["sample"], ["eng", "jpn"], "test", where)
    assert why_not_parallel(labelled) == "" and labelled[0].ids[:2] == ("s002", "s010")
    pairs = bitext_blocks(BITEXT["sample"], [("eng", "spa"), ("eng", "jpn")], where)
    assert [one.lang for one in pairs] == ["eng", "spa", "jpn"] and {len(one.texts) for one in pairs} == {70}
    assert why_not_parallel(pairs) == ""


def test_registry_ids_are_shared_ones(mirror: Path, tmp_path: Path) -> None:
    where = Where(mirror, tmp_path)
    expected = {
        "nusax": ("eng", "ace"),
        "massive_intent": ("en", "ja"),
        "nollysenti": ("en", "yo"),
        "mtop_intent": ("en", "th"),
    }
    for name, langs in expected.items():
        assert why_not_parallel(labeled_blocks(CLASSIFICATION[name], langs, "test", where)) == "", name
    train = labeled_blocks(CLASSIFICATION["nollysenti"], ("en", "yo"), "train", where)
    assert "no ids" in why_not_parallel(train)  # 1,302 English texts, 410 of the others
    blocks = bitext_blocks(BITEXT["tatoeba"], [("deu", "eng"), ("fra", "eng")], where)
    assert [one.lang for one in blocks] == ["deu", "eng", "fra", "eng"]
    assert blocks[1].ids[0] == "deu_eng:0" != blocks[3].ids[0]  # the English sides differ: no row number is shared


def test_points_on_a_line_are_one_component() -> None:
    rows = np.outer([0.0, 1.0, 3.0], [0.6, 0.0, 0.8]).astype(np.float32)
    found = project(rows, "pca", 0)
    assert found.about == {"explained_variance": [1.0, 0.0]}
    assert np.abs(np.diff(found.xy[:, 0])) == pytest.approx([1.0, 2.0], abs=1e-6)
    assert found.xy[:, 1] == pytest.approx(0.0, abs=1e-6)


def three_crowds() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(3, 60), 20, axis=0) + 0.05 * rng.normal(size=(60, 60))
    rows[1] = rows[0]  # two equal texts
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowds_stay(xy: np.ndarray) -> bool:
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=2) + 1e9 * np.eye(len(xy))
    return bool((distances.argmin(axis=1) // 20 == np.arange(60) // 20).all())


def test_tsne_keeps_crowds_and_gives_the_same_points_each_time() -> None:
    told: list[str] = []
    first, second = (project(three_crowds(), "tsne", 3, note=told.append) for _ in range(2))
    assert np.isfinite(first.xy).all() and crowds_stay(first.xy)
    assert first.xy.tobytes() == second.xy.tobytes() and first.about == second.about
    assert first.about["perplexity"] == pytest.approx(59 / 3) and first.about["reduced_to"] == 50
    assert told[0] == "perplexity 19.6667 in place of 30: there are 60 texts"


def test_umap_keeps_crowds() -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    told: list[str] = []
    assert crowds_stay(project(three_crowds(), "umap", 3, n_neighbors=10, note=told.append).xy)
    assert len(told) == 1 and "compiles" in told[0]


def test_umap_that_is_not_there_is_told(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['umap'] = None; from utils.cli.main import run; import visualize; run(visualize.main)"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", "--method", "umap"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert done.stderr == "error: --method umap, but umap-learn is not installed\nhint: pip install umap-learn\n"


def test_settings_that_the_number_of_texts_does_not_allow() -> None:
    assert fitting_perplexity(1000, None, silent) == 30 and fitting_perplexity(10, 9.5, silent) == 9.5
    with pytest.raises(UserError, match="--perplexity 10, but there are 10 texts"):
        fitting_perplexity(10, 10, silent)
    with pytest.raises(UserError, match="--n_neighbors 10, but there are 10 texts"):
        fitting_neighbors(10, 10, silent)
    with pytest.raises(UserError, match="3 texts for t-SNE"):
        project(three_crowds()[:3], "tsne", 0)
    with pytest.raises(UserError, match="all 2 texts have the same vector"):
        project(three_crowds()[:2], "pca", 0)


def test_purity_by_hand() -> None:
    angles = np.deg2rad([0, 10, 30, 35, 180])
    rows = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    near = neighbour_purity.nearest_others(rows, 2)
    assert near.tolist() == [[1, 2], [0, 2], [3, 1], [2, 1], [3, 2]]
    # a: 0, 1, 4 with two others each, of whom 1/2, 1/2, 0/2 are near; b: 2, 3 with one other each, the nearest: 1, 1
    told = neighbour_purity.neighbour_purity(near, ["a", "a", "b", "b", "a"])
    assert told == {"share": pytest.approx(3 / 5), "chance": pytest.approx((3 * 2 / 4 + 2 * 1 / 4) / 5), "n": 5}
    assert neighbour_purity.neighbour_purity(near, ["a", "b", "c", None, None]) is None


def test_a_row_among_many_equal_ones_is_not_its_own_neighbour() -> None:
    near = neighbour_purity.nearest_others(np.tile(np.float32([[1, 0]]), (6, 1)), 2)
    assert near.shape == (6, 2) and not (near == np.arange(6)[:, None]).any()


def test_colours_of_languages_go_by_family_and_the_rest_is_grey() -> None:
    langs = ["eng", "fra", "deu", "spa", "rus", "hin", "ind", "jav", "cmn"]
    drawn = points(*((f"text {lang}", lang, None, None) for lang in [*langs, "ind"]))
    found = coloring.coloring(drawn, "language", None, 0)
    assert found.names == ("deu", "eng", "fra", "hin", "rus", "spa", "ind", "jav", "cmn")
    assert found.groups[5:7] == ("Indo-European", "Austronesian") and found.counts[6] == 2 and found.codes[0] == 1
    few = coloring.coloring(drawn, "language", 2, 0)
    assert few.n_colored == 2 and set(few.names[:2]) == {"ind", "eng"}
    assert set(few.styles[2:]) == {Style(OTHER, "o")}


def test_sixty_intents_share_hues_by_domain() -> None:
    intents = CLASSIFICATION["massive_intent"].label_names
    drawn = points(*((f"text {name}", "en", name, None) for name in intents))
    found = coloring.coloring(drawn, "class", None, 0)
    assert len({(style.colour, style.marker) for style in found.styles}) == 60
    assert found.groups[:2] == ("iot", "iot") and len(set(found.groups)) == 18
    topics = coloring.coloring(points(("a", "en", "x y", None), ("b", "en", "x z", None)), "class", None, 0)
    assert set(topics.groups) == {""}


def test_a_sample_is_named_by_its_first_text() -> None:
    drawn = points(*((f"{lang}  {row}", lang, None, str(row)) for lang in ("eng", "ind") for row in range(12)))
    found = coloring.coloring(drawn, "sample", None, 0)
    assert found.n_colored == 10 and found.counts == (2,) * 12
    assert found.shown == tuple(f"eng {name}" for name in found.names)
    pivot = coloring.coloring(drawn, "sample", None, 0, "ind")
    assert pivot.shown == tuple(f"ind {name}" for name in found.names)


def test_no_heading_ends_a_column() -> None:
    style = Style("#000000", "o")
    lines = [("A", None), ("a", style), ("b", style), ("B", None), ("c", style), ("d", style)]
    assert [[text for text, _ in column] for column in in_columns(lines, 4)] == [["A", "a", "b"], ["B", "c", "d"]]
    assert rows_needed(lines, 2) == 3 == rows_needed(lines, 3) and rows_needed(lines, 4) == 2


def test_a_short_or_wide_legend_stands_below() -> None:
    def ratio(values: list[str], field: str) -> float:
        rows = [(f"text {i}", value if field == "language" else "eng", value, None) for i, value in enumerate(values)]
        figure = draw(
            np.zeros((len(rows), 2), np.float32), coloring.coloring(points(*rows), field, None, 0), "t", "xy", False, 0
        )
        plot, _ = figure.axes
        return float(plot.get_position().width)

    assert ratio([f"class {i}" for i in range(7)], "class") == 1
    assert ratio(["a text of sixty letters that stands for its sample, cut " + str(i) for i in range(25)], "class") == 1
    assert ratio([f"class {i}" for i in range(25)], "class") < 0.9  # these fill the height beside the plot


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(visualize, "load_blocks", lambda session: pytest.fail("texts were loaded"))
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
    with pytest.raises(UserError, match=r"other settings \(encoders\[0\]\.max_length"):
        visualize.main([*pairs, "--max_length", "9"])
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
    assert "note: 1 texts without a vector left out" in capsys.readouterr().err
    (record,) = tmp_path.rglob("pca.json")
    assert json.loads(record.read_text())["n"] == 8


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--dataset", "nusx"], "unknown dataset 'nusx'"),
        (["--langs", "xyz"], "sample has no language 'xyz'"),
        (["--split", "validation"], "has no rows of the split 'validation'"),
        (["--dataset", "missing.csv"], "no such file"),
        (["--src_lang", "eng"], "--src_lang with the labelled set sample"),
        (["--task", "bitext", "--split", "train"], "--split train, but sample is a set of pairs"),
        (["--perplexity", "5"], "--perplexity with --method pca"),
        (["--langs", "eng", "--color", "sample"], "--color sample: a sample needs two languages"),
        (["--langs", "eng", "--limit", "1"], "1 texts for PCA"),
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
    assert what in caught.value.what and caught.value.hint


@pytest.mark.slow
def test_an_interruption_says_what_is_kept(tmp_path: Path, bundled: str, cache_dir: Path) -> None:
    from utils.encoders.bundled import expand_bundled

    expanded = expand_bundled(cache_dir)
    (tmp_path / "cache" / "bundled").mkdir(parents=True)
    (tmp_path / "cache" / "bundled" / expanded.name).symlink_to(expanded)
    command = [sys.executable, str(ROOT / "visualize.py"), "--cache_dir", "cache", "--langs", "eng", "cmn"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "cache").rglob("*.npy")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.endswith(
        "interrupted: embeddings are kept; run the same command again to continue\n"
    )
    plan = subprocess.run([*command, "--dry_run"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in plan.splitlines() if line.startswith(("eng ", "cmn "))] == ["0", "0"]
