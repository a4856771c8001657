"""Records: where they go, when they count as done, and who can read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from record_files import write_record

from utils.records import store
from utils.records.paths import encoder_label, file_name, record_path, run_folder
from utils.records.provenance import environment
from utils.records.reader import read_results
from utils.schema import EncoderSpec, RunRecord, TopK

IDENTITY = {"task": "bitext", "dataset": "d", "subset": "a_b", "model": "m", "seed": 42, "ks": (1, 2)}


def record(k: int = 1) -> RunRecord:
    return RunRecord({"acc": 0.5, "f1": 0.25}, {"acc": (0.4, 0.6)}, 2, k, IDENTITY)


def test_the_path_is_the_originals() -> None:
    folder = run_folder(Path("logs"), "save_bitext", "nusax", "sentence-transformers/LaBSE", 42, debug=False)
    expected = "logs/save_bitext/nusax/sentence-transformers/LaBSE/seed_42/eval_eng_ace_1.json"
    assert str(record_path(folder, "eng_ace", 1)) == expected
    specs = [EncoderSpec("sentence-transformers/LaBSE", ""), EncoderSpec("intfloat/multilingual-e5-large", "")]
    assert encoder_label(specs, [0.25, 0.75]) == "LaBSE__multilingual-e5-large__weights0.25_0.75"


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/../../..", "..", "", "a\\..\\b", "x\0y"])
def test_no_name_leads_outside(name: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "save_bitext", name, name, 1, debug=False)
    path = record_path(folder, name, 1)
    assert path.resolve().is_relative_to(tmp_path.resolve()) and ".." not in path.parts


def test_different_subsets_have_different_files() -> None:
    assert [file_name(name) for name in ("eng_ace", "zh-CN", "दिन")] == ["eng_ace", "zh-CN", "द_न_08265901"]
    names = ["a_b", "a b", "a/b", "a:b", "", ".", "_", ".a", "a", "x" * 300, "x" * 301, "ü" * 150, "\ud800", "\ud801"]
    files = [file_name(name) for name in names]
    assert files[:3] == ["a_b", "a_b_c8687a08", "a_b_c14cddc0"] and len(set(files)) == len(names)
    assert all(len(file.encode()) <= 209 and file[:1] != "." for file in files)


def test_a_record_is_that_of_a_run_only_with_equal_settings(tmp_path: Path) -> None:
    path = record_path(tmp_path, "a_b", 1)
    assert store.other_settings(path, IDENTITY) is None
    assert write_record(tmp_path, "a_b", record(), {"gold": [0, 1], "hyp": [0, 0]}) == path
    assert store.other_settings(path, IDENTITY) == ""
    assert store.other_settings(path, {**IDENTITY, "seed": 7}) == "seed: 42, now 7"
    assert store.other_settings(path, {**IDENTITY, "tag": "second"}) == 'tag: null, now "second"'
    assert json.loads((tmp_path / "eval_a_b_1_preds.json").read_text()) == {"gold": [0, 1], "hyp": [0, 0]}
    body = json.loads(path.read_text())
    assert list(body)[:2] == ["acc", "f1"] and body["ci95"] == {"acc": [0.4, 0.6]} and body["run"]["ks"] == [1, 2]


def test_a_broken_record_counts_as_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record_path(tmp_path, "a_b", 1)
    path.write_text('{"acc": 0.')
    assert store.other_settings(path, IDENTITY) is None
    assert "is broken and left out" in capsys.readouterr().err


def test_a_strangers_record_is_another(tmp_path: Path) -> None:
    path = record_path(tmp_path, "a_b", 1)
    path.write_text('{"acc": 0.5}')
    assert store.other_settings(path, IDENTITY) == "it is not a record of this suite"


def test_nan_never_enters_a_record(tmp_path: Path) -> None:
    bad = RunRecord({"acc": float("nan")}, {}, 1, 1, IDENTITY)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_record(tmp_path, "a_b", bad, {})
    assert not record_path(tmp_path, "a_b", 1).exists()


def test_neighbours_keep_the_longest_ranking_of_equal_settings(tmp_path: Path) -> None:
    def top(k: int) -> dict[str, TopK]:
        scores = np.full((2, k), np.float32(0.1))
        return {"forward": TopK(np.tile(np.arange(k), (2, 1)), scores)}

    path = tmp_path / "eval_a_b_neighbors.json"
    of = record_path(tmp_path, "a_b", 1)
    store.write_neighbors(of, top(5), IDENTITY)
    store.write_neighbors(of, top(2), IDENTITY)
    content = json.loads(path.read_text())
    assert content["k"] == 5 and content["forward"]["scores"][0][0] == 0.1  # float32 digits
    assert content["of"] == {"tag": None, **IDENTITY, "ks": [1, 2]}
    store.write_neighbors(of, top(2), {**IDENTITY, "seed": 1})
    assert json.loads(path.read_text())["k"] == 2
    assert list(store.read_neighbors(of, {**IDENTITY, "seed": 1})) == ["forward"]
    assert store.read_neighbors(of, IDENTITY) == {}


def test_results_are_read_from_bodies_and_from_the_originals_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path / "anywhere", "a_b", record(), {"gold": [], "hyp": []})
    write_record(tmp_path / "debug" / "x", "a_b", record(5), {"gold": [], "hyp": []})
    original = tmp_path / "save" / "nusax" / "sentence-transformers" / "LaBSE" / "seed_42"
    original.mkdir(parents=True)
    metrics = {"acc": 0.8, "prec": 0.7, "rec": 0.8, "f1": 0.75}
    (original / "eval_eng_ace_10.json").write_text(json.dumps(metrics))
    (original / "eval_eng_ban_10.json").write_text(json.dumps({"acc": 1}))
    (original / "eval_eng_bbc_10.json").write_text("{")
    found = list(read_results(tmp_path, "bitext"))
    assert [(r.dataset, r.model, r.subset, r.k, r.seed) for r in found] == [
        ("d", "m", "a_b", 1, 42),
        ("nusax", "sentence-transformers/LaBSE", "eng_ace", 10, 42),
    ]
    assert found[1].metrics == metrics and found[1].run == {}
    said = capsys.readouterr().err
    assert "eval_eng_ban_10.json is not a record" in said and "eval_eng_bbc_10.json is broken" in said


def test_the_environment_names_versions() -> None:
    about = environment()
    assert about["packages"]["numpy"] == np.__version__ and about["schema"] == 1


def test_the_setting_that_differs_is_named_that_differs_however_deep(tmp_path: Path) -> None:
    path = tmp_path / "eval_x_1.json"
    member = {"checkpoint": "org/a-model-with-a-long-name" * 9, "dimensions": None, "weight": 1.0}
    path.write_text(json.dumps({"run": {"encoders": [member], "seed": 1}}))
    same = {"encoders": [dict(member)], "seed": 1}
    assert store.other_settings(path, same) == ""
    other = {**same, "encoders": [{**member, "dimensions": 256}]}
    assert store.other_settings(path, other) == "encoders[0].dimensions: null, now 256"
