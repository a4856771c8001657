"""The parts of a run: the ks that the data allow, weights that are tuned, and settings from arguments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitext
from utils.cli.choices import build_settings
from utils.cli.ks import Ks
from utils.cli.run import Run
from utils.data.registry import BITEXT
from utils.data.sources import Sources
from utils.errors import UserError
from utils.progress import subsets_of
from utils.records.identity import Identity
from utils.records.record_store import RecordStore
from utils.retrieval.ensemble import Ensemble
from utils.schema import EncoderSpec
from utils.settings.icl import IclSettings
from utils.settings.retrieval import BitextSettings
from utils.tasks import TASKS


class FixedEncoder:
    """An encoder whose vectors are given, by text."""

    client = None

    def __init__(self, name: str, rows: dict[str, list[float]]) -> None:
        self.spec = EncoderSpec(name, "none")
        self.rows, self.counts = rows, {"hits": 0, "misses": 0}

    def embed(self, queries: Any, candidates: Any) -> Any:
        both = [np.array([self.rows[text] for text in side], dtype=np.float32) for side in (queries, candidates)]
        return both[0], both[1]


def run_of(ensemble: Ensemble, folder: Path, settings: BitextSettings) -> Run:
    identity = Identity("bitext", "nusax", "model", {}, [], settings.identity())
    store = RecordStore(folder, identity)
    return Run(BITEXT["nusax"], Sources(None, folder), ensemble, store, Ks((1,), False), "acc", {})


def test_a_k_that_is_too_large_is_left_out_with_one_note_for_all_subsets() -> None:
    ks = Ks((1, 5, 10), typed=False)
    assert ks.allowed("eng_fra", 7) == [1, 5] and ks.allowed("eng_deu", 10) == [1, 5, 10]
    assert ks.notes() == ["note: eng_fra has 7 candidates: k = 10 left out"]
    for number, size in enumerate((9, 6, 7, 7, 7, 7, 3)):
        ks.allowed(f"s{number}", size)
    ks.allowed("s0", 9)  # again
    assert ks.notes() == [
        "note: k = 10 left out of 7 subsets, which have 6 to 9 candidates: eng_fra, s0, s1, s2, s3, s4, ...",
        "note: s6 has 3 candidates: k = 5, 10 left out",
    ]


def test_a_typed_k_that_is_too_large_is_an_error() -> None:
    with pytest.raises(UserError, match="--k 10, but eng_fra has 7 candidates"):
        Ks((1, 10), typed=True).allowed("eng_fra", 7)


def test_the_weights_of_a_grid_reach_the_search_by_margins(tmp_path: Path) -> None:
    """One encoder finds both translations, the other neither, so a grid with equal scores would have ignored them."""
    good = {"a": [1.0, 0.1], "b": [0.1, 1.0], "x": [1.0, 0.0], "y": [0.0, 1.0]}
    bad = {"a": [0.0, 1.0], "b": [1.0, 0.0], "x": [1.0, 0.1], "y": [0.1, 1.0]}
    settings = BitextSettings(margin="ratio", margin_k=1)
    ensemble = Ensemble([FixedEncoder("good", good), FixedEncoder("bad", bad)], (1.0, 1.0))
    run = run_of(ensemble, tmp_path, settings)
    task = bitext.Bitext(run, settings, {})
    members = ensemble.embed(["a", "b"], ["x", "y"])

    def accuracy(weighted: Ensemble) -> float:
        return float((task.search(weighted, members, 1)["forward"].indices[:, 0] == [0, 1]).mean())

    run.tune(accuracy)
    assert run.tuned is not None
    scores = {tuple(point["weights"]): point["score"] for point in run.tuned["grid"]}
    assert scores[1.0, 0.0] == 1.0 and scores[0.0, 1.0] == 0.0
    assert run.ensemble.weights[0] > run.ensemble.weights[1]


def test_settings_are_the_arguments_and_what_is_derived_from_them() -> None:
    args = argparse.Namespace(similarity="cosine", margin="ratio", margin_k=None, direction="both", fuse="score")
    args = argparse.Namespace(**vars(args), normalize="none", seed=7, limit=None, tag=None)
    args = argparse.Namespace(**vars(args), rerank=None, rerank_depth=None)
    settings = build_settings(BitextSettings, args, margin_k=4)
    assert settings == BitextSettings(margin="ratio", margin_k=4, direction="both", seed=7)
    assert settings.run_name("save_bitext") == "save_bitext_ratio_both"
    assert args.margin_k is None


def test_the_folder_of_in_context_learning_names_what_is_not_plain() -> None:
    plain = IclSettings(decode="score")
    assert plain.run_name("save_icl", usual_decode="score") == "save_icl"
    odd = IclSettings(
        cross=True, src_lang="eng", decode="generate", length_norm=None, min_percentile=0, max_percentile=10
    )
    named = odd.run_name("save_icl", quantization="8bit", usual_decode="score")
    assert named == "save_icl_8bit_cross_eng_generate_percentile/0_10"
    assert TASKS["icl"].default_ks == (1,)


def test_without_a_terminal_a_line_tells_which_subsets_are_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seconds, told in ((0.0, ["de: 1 of 3", "en: 2 of 3"]), (60.0, [])):  # the table follows the last one
        monkeypatch.setattr("utils.progress.SILENT_SECONDS", seconds)
        with subsets_of("xquad_r", ["de", "en", "zh"]) as names:
            assert list(names) == ["de", "en", "zh"]
        assert capsys.readouterr().err.splitlines() == [f"xquad_r {line} subsets are finished" for line in told]
