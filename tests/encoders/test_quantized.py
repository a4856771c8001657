"""Encoders with weights of 8 and 4 bits against transformers with the same weights, pooled by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from other_encoders import save_colbert, save_splade
from tiny_encoders import TEXTS, bert_config, embed, gpt2_config, make_encoder

from utils.encoders.quantized import quantized
from utils.encoders.resolve import EncodingOptions, resolve
from utils.errors import UserError

NGRAM = "baseline/char_ngram"


def by_hand(folder: Path, precision: str) -> Any:
    """Return the mean of the token vectors of each text (n, d), one text at a time."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder, **quantized(precision, "cpu")).eval()
    tokenizer, rows = AutoTokenizer.from_pretrained(folder), []
    for text in TEXTS:
        with torch.inference_mode():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        rows.append(states.float().mean(0).numpy())
    return np.stack(rows)


def wide() -> Any:
    """Matrices of one block of 4 bits and more."""
    return bert_config(hidden_size=128, intermediate_size=256)


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("config", "precision"), [(wide, "8bit"), (wide, "4bit"), (gpt2_config, "8bit")])
def test_vectors_are_those_of_the_quantised_weights(config: Any, precision: str, tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "model", config())
    rows = unit(embed(folder, tmp_path, TEXTS, dtype=precision))
    assert ((rows * unit(by_hand(folder, precision))).sum(1) > 0.9995).all()
    cosines = (rows * unit(embed(folder, tmp_path, TEXTS))).sum(1)
    assert 0.9 < cosines.min() < 0.99999  # near the vectors of the whole weights, and not equal to them


def test_a_quantised_encoder_in_scripts(run: Run, tmp_path: Path) -> None:
    model = str(make_encoder(tmp_path / "model", bert_config()))
    flags = ("--langs", "spa", "--k", "1", "--limit", "3", "--dtype", "8bit")
    done = run("bitext.py", "--model_checkpoint", model, *flags, "--layer", "1")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "logs").rglob("eval_eng_spa_1.json")
    assert json.loads(path.read_text(encoding="utf-8"))["run"]["encoders"][0]["dtype"] == "8bit"
    beside = run("bitext.py", "--model_checkpoints", model, NGRAM, *flags)  # a baseline has no precision
    assert beside.returncode == 0, beside.stderr
    table = run("script/aggregate/aggregate_bitext_mining.py", "--logs", "logs/debug")
    assert "8bit" in table.stdout, table.stdout + table.stderr


@pytest.mark.parametrize(("save", "kind"), [(save_splade, "sparse"), (save_colbert, "multi-vector")])
def test_other_kinds_are_not_quantised(save: Any, kind: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    with pytest.raises(UserError, match=f"--dtype 4bit with .*, which is a {kind} encoder"):
        resolve(str(folder), tmp_path, EncodingOptions(dtype="4bit"))


def test_the_embedded_encoder_is_not_quantised_again(bundled: str, cache_dir: Path) -> None:
    with pytest.raises(UserError, match=f"--dtype 8bit with {bundled}") as caught:
        resolve(bundled, cache_dir, EncodingOptions(dtype="8bit"))
    assert "its weights are in 4 bits already" in caught.value.hint
