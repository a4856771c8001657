"""The records of one run: asked once, found when another run writes them, and the weights that a run chose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.files import write_json
from utils.records.identity import Identity
from utils.records.paths import record_path
from utils.records.record_store import RecordStore
from utils.schema import RunRecord, TopK
from utils.settings.retrieval import BitextSettings

ENCODERS = [{"checkpoint": "org/a", "weight": "tuned"}, {"checkpoint": "org/b", "weight": "tuned"}]
FIGURES = {"acc": 0.5, "prec": 0.5, "f1": 0.5}


def identity(**settings: str) -> Identity:
    chosen = BitextSettings(**settings).identity()  # type: ignore[arg-type]
    return Identity("bitext", "sample", "model", {"kind": "shipped"}, ENCODERS, chosen)


def record(of: Identity, k: int) -> RunRecord:
    return RunRecord(FIGURES, {}, 7, k, of.of("eng_fra"))


def test_what_another_run_writes_meanwhile_is_found(tmp_path: Path) -> None:
    ours, other = (RecordStore(tmp_path, identity()) for _ in range(2))
    assert ours.missing("eng_fra", (1, 5)) == [1, 5]
    other.write("eng_fra", record(identity(), 1), {"gold": [0], "hyp": [0]})
    assert ours.missing("eng_fra", (1, 5)) == [5]
    assert ours.metrics("eng_fra", 1)["f1"] == 0.5 and not ours.metrics("eng_fra", 5)


def test_a_record_that_is_there_is_read_once(tmp_path: Path) -> None:
    store = RecordStore(tmp_path, identity())
    store.write("eng_fra", record(identity(), 1), {})
    assert store.is_done("eng_fra", 1)
    record_path(tmp_path, "eng_fra", 1).write_text("broken")
    assert store.is_done("eng_fra", 1)


def test_a_record_of_other_settings_is_left_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, other = RecordStore(tmp_path / "seed_42", identity()), identity(margin="ratio")
    first.write("eng_fra", record(identity(), 1), {"gold": [0], "hyp": [0]})
    second = RecordStore(tmp_path / "seed_42", other)
    assert not second.is_done("eng_fra", 1)
    second.write("eng_fra", RunRecord(dict.fromkeys(FIGURES, 0.25), {}, 7, 1, other.of("eng_fra")), {})
    assert 'has other settings (margin: "none", now "ratio")' in capsys.readouterr().err
    folders = sorted(tmp_path.iterdir())
    assert [folder.name for folder in folders] == ["seed_42", second.spare.name]
    again = RecordStore(tmp_path / "seed_42", other)
    assert again.is_done("eng_fra", 1) and again.metrics("eng_fra", 1)["f1"] == 0.25
    assert again.folders(["eng_fra"], [1]) == second.folders(["eng_fra"], [1]) == [second.spare]
    assert RecordStore(tmp_path / "seed_42", identity()).metrics("eng_fra", 1)["f1"] == FIGURES["f1"]


def top(value: int, k: int) -> dict[str, TopK]:
    return {"forward": TopK(np.full((1, k), value), np.ones((1, k), dtype=np.float32))}


def test_a_record_keeps_its_neighbours_when_another_run_has_a_larger_k(tmp_path: Path) -> None:
    runs = [RecordStore(tmp_path / "seed_42", identity(margin=margin)) for margin in ("none", "ratio")]
    for store, k in zip(runs, (1, 5), strict=True):
        store.write_neighbors("eng_fra", top(k, k), k)
        store.write("eng_fra", record(store.identity, k), {})
    for store, k, folder in zip(runs, (1, 5), (runs[0].folder, runs[1].spare), strict=True):
        assert store.read_neighbors("eng_fra", [k])["forward"].indices.tolist() == [[k] * k]
        assert store.path_of("eng_fra", k).parent == folder
    assert runs[1].path_of("eng_jpn", 1).parent == runs[0].folder  # that subset has no record of another run there


def test_neighbours_are_those_of_the_tuned_weights(tmp_path: Path) -> None:
    store = RecordStore(tmp_path, identity())
    for value, weights in enumerate(([0.9, 0.1], [1.0, 0.0])):
        store.tuned_weights = weights
        store.write_neighbors("eng_fra", top(value, 2), 2)
        store.write("eng_fra", record(identity(), 2), {})
        assert store.read_neighbors("eng_fra", [2])["forward"].indices.tolist() == [[value, value]]


def test_subsets_whose_names_are_no_names_of_files_have_records_of_their_own(tmp_path: Path) -> None:
    names = ("a b", "a_b", "a/b")
    store = RecordStore(tmp_path, identity())
    for place, name in enumerate(names):
        store.write(name, RunRecord(dict.fromkeys(FIGURES, place / 4), {}, 7, 1, identity().of(name)), {})
    again = RecordStore(tmp_path, identity())
    assert [again.metrics(name, 1)["f1"] for name in names] == [0.0, 0.25, 0.5]
    assert again.folders(names, [1]) == [tmp_path] and len(list(tmp_path.glob("eval_*_1.json"))) == 3


def test_a_record_under_the_name_that_earlier_versions_gave_it_is_continued(tmp_path: Path) -> None:
    body = {**FIGURES, "n": 7, "k": 1, "run": identity().of("a b")}
    write_json(tmp_path / "eval_a_b_1.json", body)
    store = RecordStore(tmp_path, identity())
    assert store.is_done("a b", 1) and store.metrics("a b", 1)["f1"] == 0.5 and not store.is_done("a_b", 1)
    replacing = RecordStore(tmp_path, identity(), overwrite=True)
    replacing.write("a b", RunRecord(dict.fromkeys(FIGURES, 0.25), {}, 7, 1, identity().of("a b")), {})
    assert [path.name for path in tmp_path.glob("eval_*_1.json")] == ["eval_a_b_1.json"]
    assert RecordStore(tmp_path, identity()).metrics("a b", 1)["f1"] == 0.25


def test_overwriting_replaces_what_has_the_place(tmp_path: Path) -> None:
    RecordStore(tmp_path / "seed_42", identity()).write("eng_fra", record(identity(), 1), {})
    other = identity(margin="ratio")
    store = RecordStore(tmp_path / "seed_42", other, overwrite=True)
    store.write("eng_fra", record(other, 1), {})
    assert store.folders(["eng_fra"], [1]) == [tmp_path / "seed_42"]
    assert not RecordStore(tmp_path / "seed_42", identity()).is_done("eng_fra", 1)


def test_overwriting_leaves_what_is_of_another_model_or_subset(tmp_path: Path) -> None:
    """`served/x:y` and `served/x_y` make one folder, and earlier versions wrote `a b` and `a_b` to one file."""
    of = replace(identity(), model="served/x:y")
    RecordStore(tmp_path / "seed_42", of).write("a_b", RunRecord(FIGURES, {}, 7, 1, of.of("a_b")), {})
    write_json(tmp_path / "seed_42" / "eval_c_d_1.json", {**FIGURES, "n": 7, "k": 1, "run": identity().of("c d")})
    store = RecordStore(tmp_path / "seed_42", replace(identity(), model="served/x_y"), overwrite=True)
    assert store.path_of("a_b", 1).parent == store.spare
    ours = RecordStore(tmp_path / "seed_42", identity(), overwrite=True)
    assert ours.path_of("c_d", 1).parent == ours.spare and ours.path_of("c d", 1).parent == ours.folder


def test_records_where_earlier_versions_wrote_them_are_continued(tmp_path: Path) -> None:
    of = identity(margin="ratio")
    RecordStore(tmp_path / "usual", of).write("eng_fra", record(of, 1), {})
    store = RecordStore(tmp_path / "own", of, earlier=[tmp_path / "usual"])
    assert store.missing("eng_fra", (1, 5)) == [5]
    store.write("eng_fra", record(of, 5), {})
    assert store.folders(["eng_fra"], [1, 5]) == [tmp_path / "usual", tmp_path / "own"]


def test_each_choice_of_weights_is_kept(tmp_path: Path) -> None:
    store = RecordStore(tmp_path, identity())
    for lang, weights in (("fra", [0.9, 0.1]), ("jpn", [1.0, 0.0])):
        store.write_tuned(weights, [{"weights": weights, "score": 0.5}], {"langs": [lang]})
    for lang, weights in (("fra", [0.9, 0.1]), ("jpn", [1.0, 0.0])):
        found = store.read_tuned({"langs": [lang]})
        assert found is not None and found["weights"] == weights
    assert len(list(tmp_path.glob("tuned_weights*.json"))) == 2


def test_tuned_weights_are_those_of_an_equal_identity(tmp_path: Path) -> None:
    store = RecordStore(tmp_path, identity())
    grid = [{"weights": [0.0, 1.0], "score": 0.25}, {"weights": [1.0, 0.0], "score": 0.5}]
    store.write_tuned([1.0, 0.0], grid, {"langs": None})
    found = store.read_tuned({"langs": None})
    assert found is not None and found["weights"] == [1.0, 0.0] and found["grid"] == grid
    assert store.read_tuned({"langs": ["fra"]}) is None
    assert RecordStore(tmp_path, identity(), overwrite=True).read_tuned({"langs": None}) is None


def test_a_grid_of_equal_scores_is_chosen_anew(tmp_path: Path) -> None:
    """Version 0.1 ignored the weights in the search by margins, so all points of its grid had the same score."""
    store = RecordStore(tmp_path, identity(margin="ratio"))
    grid = [{"weights": [0.0, 1.0], "score": 0.5}, {"weights": [1.0, 0.0], "score": 0.5}]
    store.write_tuned([1.0, 0.0], grid, {"margin": "ratio"})
    assert store.read_tuned({"margin": "ratio"}) is None


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"weights": [1.0]}, "weights is [1.0] instead of a list of 2"),
        ({"weights": ["a", 1.0]}, "weights[0] is 'a' instead of a number"),
        ({"grid": [1]}, "grid[0] is 1 instead of an object"),
        ({"grid": None}, "grid is None instead of a list"),
    ],
)
def test_weights_of_an_edited_file_are_chosen_anew(
    tmp_path: Path, edit: dict[str, object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = RecordStore(tmp_path, identity())
    store.write_tuned([1.0, 0.0], [{"weights": [1.0, 0.0], "score": 0.5}], {"langs": None})
    path = tmp_path / "tuned_weights.json"
    write_json(path, {**json.loads(path.read_text()), **edit})
    assert store.read_tuned({"langs": None}) is None
    assert f"{path} is broken, and the weights are chosen anew: {told}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"f1": None}, "f1 is None instead of a fraction from 0 to 1"),
        ({"f1": 5.0}, "f1 is 5.0 instead of a fraction from 0 to 1"),
        ({"acc": "0.5"}, "acc is '0.5' instead of a fraction from 0 to 1"),
        ({"f1": ...}, "it has no f1"),
        ({"k": "1"}, "k is '1' instead of a number of 0 or more"),
        ({"run": [1]}, "run is [1] instead of an object"),
        ({"run": {"tuned": {"weights": 3}}}, "run.tuned.weights is 3 instead of a list"),
    ],
)
def test_an_edited_record_is_named_and_computed_again(
    tmp_path: Path, edit: dict[str, object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = RecordStore(tmp_path, identity())
    store.write("eng_fra", record(identity(), 1), {})
    path = record_path(tmp_path, "eng_fra", 1)
    body = json.loads(path.read_text())
    if isinstance(edit.get("run"), dict):
        edit = {"run": {**body["run"], **edit["run"]}}  # type: ignore[dict-item]
    write_json(path, {name: value for name, value in {**body, **edit}.items() if value is not ...})
    assert not store.is_done("eng_fra", 1)
    assert f"{path} is broken and computed again: {told}" in capsys.readouterr().err


def test_a_record_of_other_tuned_weights_is_computed_again(tmp_path: Path) -> None:
    store = RecordStore(tmp_path, identity())
    run = {**identity().of("eng_fra"), "tuned": {"weights": [0.5, 0.5]}}
    store.write("eng_fra", RunRecord(FIGURES, {}, 7, 1, run), {})
    for weights, done in (([0.5, 0.5], True), ([1.0, 0.0], False)):
        again = RecordStore(tmp_path, identity())
        again.tuned_weights = weights
        assert again.is_done("eng_fra", 1) == done


def test_the_identity_has_the_settings_by_name(tmp_path: Path) -> None:
    found = identity(direction="both").of("eng_fra")
    names = [
        "task",
        "dataset",
        "subset",
        "model",
        "source",
        "encoders",
        "similarity",
        "margin",
        "margin_k",
        "direction",
    ]
    assert list(found) == [*names, "fuse", "normalize", "seed", "limit"]
    write_json(tmp_path / "identity.json", found)  # a record can have it
