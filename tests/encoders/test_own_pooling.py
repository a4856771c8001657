"""The pooling of a checkpoint and the same one by its name share the vectors of the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import TEXTS, bert_config, make_encoder

from utils.encoders.cached import cache_settings, open_encoder
from utils.encoders.layered import LayeredEncoder
from utils.encoders.own_pooling import own_pooling
from utils.encoders.resolve import EncodingOptions, resolve
from utils.files import fingerprint
from utils.schema import EncoderSpec

NAMED = [
    {"pooling_mode": mode} for mode in ("mean", "cls", "lasttoken", "weightedmean", "max", ["mean", "cls"], ["mean"])
]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        *zip(NAMED, ("mean", "cls", "last", "weighted_mean", "", "", "mean"), strict=True),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ""),
        ({}, ""),
    ],
)
def test_the_pooling_that_the_files_say(tmp_path: Path, config: dict[str, Any], expected: str) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps(config))
    modules = [{"path": "", "type": "sentence_transformers.models.Transformer"}]
    modules.append({"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"})
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    spec = EncoderSpec(str(tmp_path), "sentence_transformers", "sha256:0", label="local/m")
    assert own_pooling(spec) == expected


@pytest.mark.parametrize("modules", ["", "{}", "[1]", '[{"path": "", "type": "custom.Transformer"}]'])
def test_nothing_is_said_by_other_files(tmp_path: Path, modules: str) -> None:
    (tmp_path / "modules.json").write_text(modules)
    assert own_pooling(EncoderSpec(str(tmp_path), "sentence_transformers", "sha256:0", label="local/m")) == ""
    assert own_pooling(resolve("bundled/multilingual-e5-small", tmp_path)) == "mean"


@pytest.mark.parametrize(("first", "second"), [("", "mean"), ("mean", "")])
def test_what_one_name_has_put_in_the_other_reads(tmp_path: Path, first: str, second: str) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    spec = resolve(str(folder), tmp_path)
    before = LayeredEncoder(spec, [(0, first), (2, first)], "cpu", tmp_path)
    before.fill(TEXTS[:2])
    after = LayeredEncoder(spec, [(0, second), (2, second)], "cpu", tmp_path)
    assert after.missing(TEXTS) == TEXTS[2:] and len(list((tmp_path / "embeddings").iterdir())) == 2
    for layer in (0, 2):
        rows = [each.encoders[layer, name].embed(TEXTS[:2], ())[0] for each, name in ((before, first), (after, second))]
        np.testing.assert_array_equal(*rows)
    after.fill(TEXTS)
    assert len(list((tmp_path / "embeddings").iterdir())) == 4
    for layer in (0, 2):
        found = after.encoders[layer, second].embed(TEXTS, ())[0]
        fresh = resolve(str(folder), tmp_path, EncodingOptions(pooling=second or None), layer=layer)
        np.testing.assert_allclose(open_encoder(fresh, "cpu", tmp_path / "new").embed(TEXTS, ())[0], found, atol=1e-6)


def test_other_poolings_share_nothing_and_plain_runs_read_no_other_cache(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config(), pooling="cls_token")
    spec = resolve(str(folder), tmp_path)
    LayeredEncoder(spec, [(2, "mean")], "cpu", tmp_path).fill(TEXTS)
    assert LayeredEncoder(spec, [(2, "")], "cpu", tmp_path).missing(TEXTS) == sorted(TEXTS, key=lambda t: -len(t))
    assert LayeredEncoder(spec, [(1, "mean")], "cpu", tmp_path).missing(TEXTS)
    pooled = resolve(str(folder), tmp_path, EncodingOptions(pooling="cls"))
    open_encoder(pooled, "cpu", tmp_path).embed(TEXTS, ())
    assert open_encoder(spec, "cpu", tmp_path).missing(TEXTS)


def test_a_broken_chunk_of_the_other_name_is_encoded_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_encoder(tmp_path / "m", bert_config())
    spec = resolve(str(folder), tmp_path, layer=1)
    rows = open_encoder(spec, "cpu", tmp_path).embed(TEXTS, ())[0]
    (chunk,) = (tmp_path / "embeddings" / fingerprint(cache_settings(spec))).glob("*.npy")
    chunk.write_bytes(chunk.read_bytes()[:-4])
    named = open_encoder(resolve(str(folder), tmp_path, EncodingOptions(pooling="mean"), layer=1), "cpu", tmp_path)
    np.testing.assert_array_equal(named.embed(TEXTS, ())[0], rows)
    assert "is broken; its texts are encoded again" in capsys.readouterr().err
