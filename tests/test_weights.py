"""Checkpoints whose weights do not all reach the model: refused by name, or read without a known prefix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_encoders import make_masked_lm
from tiny_models import make_model

from utils.errors import UserError
from utils.weights import load_whole

Weights = dict[str, Any]


def edit(folder: Path, change: Callable[[Weights], Weights]) -> Path:
    """Change the weights in a folder."""
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})
    return folder


def encoder(folder: Path) -> Any:
    from transformers import AutoModel

    return load_whole(lambda how: AutoModel.from_pretrained(folder, **how), "it", lambda model, name: "pooler" in name)


def generator(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return load_whole(lambda how: AutoModelForCausalLM.from_pretrained(folder, **how), "it")


def refusal(load: Callable[[Path], Any], folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(folder)
    return caught.value.what


def test_an_unused_pooler_and_the_head_of_another_task_are_fine(tmp_path: Path) -> None:
    model = encoder(make_masked_lm(tmp_path))
    assert model.pooler is not None and not hasattr(model, "cls")


def test_a_missing_layer_is_named_and_counted(tmp_path: Path) -> None:
    folder = edit(make_masked_lm(tmp_path), lambda w: {name: w[name] for name in w if ".layer.1." not in name})
    what = refusal(encoder, folder)
    assert "it lacks 16 (encoder.layer.1.attention.output.LayerNorm.bias, " in what
    assert "would be drawn at random" in what


def test_a_layer_that_the_configuration_does_not_have_is_named(tmp_path: Path) -> None:
    folder = make_masked_lm(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    assert "it has 16 that the model does not know (bert.encoder.layer.1." in refusal(encoder, folder)


def test_another_architecture_with_the_same_type_is_refused(tmp_path: Path) -> None:
    folder = edit(make_masked_lm(tmp_path), lambda w: {n.replace("intermediate.dense", "mlp.up"): w[n] for n in w})
    what = refusal(encoder, folder)
    assert "it lacks 4 (encoder.layer.0.intermediate.dense.bias" in what
    assert "it has 4 that the model does not know (bert.encoder.layer.0.mlp.up.bias" in what


def test_other_shapes_are_named(tmp_path: Path) -> None:
    folder = make_masked_lm(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 50}))
    assert "embeddings.word_embeddings.weight (14, 16) instead of (50, 16)" in refusal(encoder, folder)


def test_an_untied_head_is_missed_and_a_tied_one_is_not(tmp_path: Path) -> None:
    headless = edit(
        make_model(tmp_path / "a", "llama"), lambda w: {name: w[name] for name in w if "lm_head" not in name}
    )
    assert "it lacks 1 (lm_head.weight)" in refusal(generator, headless)
    assert generator(make_model(tmp_path / "b", "gpt2")).lm_head is not None


def test_what_a_model_computes_by_itself_is_not_unknown(tmp_path: Path) -> None:
    import torch

    zeros = torch.zeros(2, 2)
    for family, name in (("xglm", "model.embed_positions.weights"), ("gpt2", "transformer.h.0.attn.masked_bias")):
        folder = make_model(tmp_path / family, family)
        assert generator(edit(folder, lambda w, name=name: {**w, name: zeros.clone()})) is not None  # type: ignore[misc]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_a_known_prefix_is_left_out_where_all_names_have_it(
    prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    for load, folder in ((encoder, make_masked_lm(tmp_path / "e")), (generator, make_model(tmp_path / "g", "llama"))):
        whole = load(folder)
        assert "note:" not in capsys.readouterr().err
        found = load(edit(folder, lambda w: {prefix + name: w[name] for name in w}))
        assert f"note: it: the prefix {prefix!r} of all names of weights is left out" in capsys.readouterr().err
        same = [
            torch.equal(value, found.state_dict()[name])
            for name, value in whole.state_dict().items()
            if "pooler" not in name
        ]
        assert same and np.all(same)
    some = edit(folder, lambda w: {name.removeprefix(prefix) if "norm" in name else name: w[name] for name in w})
    assert "lacks" in refusal(generator, some)
