"""The logit lens of small models against the states that transformers returns, normed and projected by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_model

from utils.errors import UserError
from utils.generators.cached import CachedGenerator
from utils.generators.transformers_model import LanguageModel
from utils.layers import lens as lens_module
from utils.layers.cached_lens import lens_readings
from utils.layers.lens import Asked, Lens, is_reading
from utils.layers.tuned import read_tuned_lens
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec

ASKED = [
    Asked('Input: this is bad. Prediction "', ("negative", "positive", "gut"), 0),
    Asked('Prediction "', ("negative", "positive"), 1),
    Asked('Input: this is a longer text than the first. Prediction "', ("positive", "negative"), 1),
]


def capped(logits: torch.Tensor, cap: float) -> torch.Tensor:
    return cap * torch.tanh(logits / cap)


# what each family computes of a state behind its last layer
HEADS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "llama": lambda model, states: model.lm_head(model.model.norm(states)),
    "qwen2": lambda model, states: model.lm_head(model.model.norm(states)),
    "gemma2": lambda model, states: capped(model.lm_head(model.model.norm(states)), 30.0),
    "gemma3": lambda model, states: capped(model.lm_head(model.model.norm(states)), 5.0),
    "cohere": lambda model, states: model.lm_head(model.model.norm(states)) * 0.5,
    "granite": lambda model, states: model.lm_head(model.model.norm(states)) / 0.5,
    "gpt2": lambda model, states: model.lm_head(model.transformer.ln_f(states)),
    "bloom": lambda model, states: model.lm_head(model.transformer.ln_f(states)),
    "mpt": lambda model, states: model.lm_head(model.transformer.norm_f(states)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def spec_of(folder: Path, family: str) -> GeneratorSpec:
    path = folder / family
    if not path.is_dir():
        make_model(path, family)
    kind = "seq2seq" if family == "t5" else "base"
    return GeneratorSpec(str(path), TRANSFORMERS, kind, label=f"local/{family}", revision="sha256:0")


def load(folder: Path, family: str) -> LanguageModel:
    spec = spec_of(folder, family)
    return LanguageModel(spec, spec.checkpoint, "cpu")


def by_hand(
    model: LanguageModel,
    family: str,
    asked: Asked,
    translate: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
) -> tuple[list[int], torch.Tensor]:
    """The ids of the words' first tokens, and the log-probabilities of the vocabulary after each layer (layers, V)."""
    joined = [model.tokenizer(asked.prompt + word, add_special_tokens=False)["input_ids"] for word in asked.words]
    place = next(at for at in range(99) if len({tuple(row[: at + 1]) for row in joined}) > 1)
    ids = torch.tensor([[*model.reader.specials, *joined[0][:place]]])
    with torch.inference_mode():
        output = model.model(input_ids=ids, output_hidden_states=True)
        *below, _ = (states[:, -1] for states in output.hidden_states)
        below = [translate(states, layer) for layer, states in enumerate(below)] if translate else below
        logits = [*(HEADS[family](model.model, states) for states in below), output.logits[:, -1]]
    return [row[place] for row in joined], torch.log_softmax(torch.cat(logits).float(), dim=1)


def test_prompt_and_words_are_tokenised_apart_where_a_word_changes_the_tokens_of_the_prompt(folder: Path) -> None:
    model = load(folder, "llama")
    crossing = Asked("Input:a Prediction:", ("negative", "positive"), 1)  # the tokenizer has learnt ":negative"
    found = dict(Lens(model).read([crossing, ASKED[1]]))
    assert [found[0]["apart"], found[1]["apart"]] == [True, False]
    words = model.tokenizer(list(crossing.words), add_special_tokens=False)["input_ids"]
    assert found[0]["tokens"] == [words[0][0], words[1][0]]
    ids = torch.tensor([[1, *model.tokenizer(crossing.prompt, add_special_tokens=False)["input_ids"]]])
    with torch.inference_mode():
        expected = torch.log_softmax(model.model(input_ids=ids).logits[0, -1], dim=0)[found[0]["tokens"]]
    assert found[0]["logprobs"][-1] == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("family", HEADS)
def test_the_layers_are_read_as_by_hand_and_the_last_is_the_models_output(folder: Path, family: str) -> None:
    model = load(folder, family)
    lens = Lens(model)
    found = dict(lens.read(ASKED))
    assert sorted(found) == [0, 1, 2] and all(map(is_reading, found.values()))
    for index, asked in enumerate(ASKED):
        tokens, expected = by_hand(model, family, asked)
        reading = found[index]
        assert reading["tokens"] == tokens and not reading["apart"]
        assert len(reading["rank"]) == lens.residual.depth + 1 == model.config.num_hidden_layers + 1
        assert torch.tensor(reading["logprobs"]).sub(expected[:, tokens]).abs().max() < 1e-5
        entropy = -(expected.exp() * expected).sum(dim=1)
        assert reading["entropy"] == pytest.approx(entropy.tolist(), abs=1e-5)
        ranks = [1 + int((row > row[tokens[asked.right]] + 1e-6).sum()) for row in expected]
        assert reading["rank"] == ranks
        assert reading["error"] < 1e-5


def test_a_model_is_the_same_after_it_was_read(folder: Path) -> None:
    model = load(folder, "gemma3")
    ids = torch.tensor([[1, 5, 9, 20]])
    before = model.model(input_ids=ids).logits
    dict(Lens(model).read(ASKED))
    assert torch.equal(model.model(input_ids=ids).logits, before)
    for layer in model.model.model.layers:
        assert "forward" not in vars(layer) and not layer._forward_hooks and not layer._forward_pre_hooks


def test_few_rows_of_logits_at_once_and_small_batches_give_the_same(folder: Path) -> None:
    model = load(folder, "llama")
    whole = dict(Lens(model).read(ASKED))
    model.limits.tokens, model.limits.logit_rows = 1, 1
    for index, reading in Lens(model).read(ASKED):
        assert reading["rank"] == whole[index]["rank"]
        assert torch.tensor(reading["logprobs"]).sub(torch.tensor(whole[index]["logprobs"])).abs().max() < 1e-5


def test_tokens_of_equal_probability_share_a_rank(folder: Path) -> None:
    model = load(folder, "llama")
    with torch.no_grad():
        model.model.lm_head.weight.zero_()
    reading = dict(Lens(model).read(ASKED[:1]))[0]
    n = model.config.vocab_size
    assert reading["rank"] == [(n + 1) / 2] * 5
    assert reading["entropy"] == pytest.approx([float(torch.tensor(n).log())] * 5, abs=1e-4)


def test_what_cannot_be_read_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="local/t5 has an encoder and a decoder"):
        Lens(load(folder, "t5"))
    lens = Lens(load(folder, "llama"))
    lens.residual.layers = lens.residual.layers[:-1]  # as if a model computed another layer behind its last
    with pytest.raises(UserError, match="its last layer differs from its output by"):
        dict(lens.read(ASKED))


def test_the_cache_keeps_readings_and_loads_no_model_for_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(folder, "llama")
    first = lens_readings(CachedGenerator(spec, "cpu", tmp_path), ASKED)
    assert first == [reading for _, reading in sorted(Lens(load(folder, "llama")).read(ASKED))]
    again = CachedGenerator(spec, "cpu", tmp_path)
    monkeypatch.setattr(CachedGenerator, "loaded", lambda self: pytest.fail("a model is loaded"))
    assert lens_readings(again, ASKED) == first and again.counts == {"hits": 3, "misses": 0}


def test_models_without_layers_here_are_refused(folder: Path, tmp_path: Path) -> None:
    from utils.generators.cached import open_generator
    from utils.generators.resolve import resolve_api_generator

    with pytest.raises(UserError, match="local/t5, which has an encoder and a decoder"):
        lens_readings(CachedGenerator(spec_of(folder, "t5"), "cpu", tmp_path), ASKED)
    api = resolve_api_generator("openai:gpt-4o-mini", None, None)
    assert api is not None
    with pytest.raises(UserError, match="a server does not show the layers"):
        lens_readings(open_generator(api, "cpu", tmp_path), ASKED)


def write_tuned(folder: Path, weights: list[torch.Tensor], biases: list[torch.Tensor], **config: Any) -> Path:
    folder.mkdir()
    content = {f"{layer}.weight": each for layer, each in enumerate(weights)}
    torch.save({**content, **{f"{layer}.bias": each for layer, each in enumerate(biases)}}, folder / "params.pt")
    about = {"base_model_name_or_path": "tiny", "d_model": 32, "num_hidden_layers": len(weights), "bias": True}
    (folder / "config.json").write_text(json.dumps({**about, **config}))
    return folder


def test_a_tuned_lens_adds_what_its_translators_return(folder: Path, tmp_path: Path) -> None:
    model = load(folder, "gemma3")
    torch.manual_seed(3)
    weights, biases = [torch.randn(32, 32) / 9 for _ in range(4)], [torch.randn(32) for _ in range(4)]
    tuned = read_tuned_lens(write_tuned(tmp_path / "lens", weights, biases))
    assert tuned.base == "tiny" and len(tuned.digest) == 8
    reading = dict(Lens(model, tuned).read(ASKED[:1]))[0]
    tokens, expected = by_hand(
        model, "gemma3", ASKED[0], lambda states, layer: states + states @ weights[layer].T + biases[layer]
    )
    assert torch.tensor(reading["logprobs"]).sub(expected[:, tokens]).abs().max() < 1e-4
    plain = dict(Lens(model).read(ASKED[:1]))[0]
    assert reading["logprobs"][-1] == plain["logprobs"][-1] and reading["logprobs"][0] != plain["logprobs"][0]
    none = [torch.zeros(32, 32)] * 4, [torch.zeros(32)] * 4
    same = read_tuned_lens(write_tuned(tmp_path / "none", *none) / "params.pt")
    assert dict(Lens(model, same).read(ASKED[:1]))[0] == plain


def test_a_tuned_lens_that_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    def message(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            read_tuned_lens(path)
        return str(caught.value)

    assert "no such file" in message(tmp_path / "nothing")
    (tmp_path / "broken.pt").write_bytes(b"no file of torch")
    assert "cannot be read" in message(tmp_path / "broken.pt")
    size = torch.zeros(8, 8), torch.zeros(8)
    assert "config.json says 4 layers of 32 values, but params.pt has 1 layers of 8" in message(
        write_tuned(tmp_path / "a", [size[0]], [size[1]], num_hidden_layers=4)
    )
    uneven = write_tuned(tmp_path / "b", [size[0], torch.zeros(8, 4)], [size[1]] * 2)
    assert "has no weight and bias for each layer" in message(uneven)
    infinite = write_tuned(tmp_path / "c", [size[0] / 0], [size[1]], d_model=8)
    assert "values that are no numbers" in message(infinite)
    torch.save([1], tmp_path / "list.pt")
    assert "has no weight and bias for each layer" in message(tmp_path / "list.pt")
    model = load(folder, "llama")
    few = read_tuned_lens(write_tuned(tmp_path / "d", [size[0]], [size[1]], d_model=8))
    with pytest.raises(UserError, match="translators for 1 layers, but the model has 4"):
        Lens(model, few)
    narrow = read_tuned_lens(write_tuned(tmp_path / "e", [size[0]] * 4, [size[1]] * 4, d_model=8))
    with pytest.raises(UserError, match="states of 8 values, but the model has 32"):
        dict(Lens(model, narrow).read(ASKED[:1]))


def test_a_prompt_that_is_too_long_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="tokens, but local/llama takes 256 at most"):
        dict(Lens(load(folder, "llama")).read([Asked("word " * 400, ("a", "b"), 0)]))


def test_damaged_readings_are_none() -> None:
    good = {"tokens": [3], "logprobs": [[-1.0]], "rank": [2.0], "entropy": [1.5], "error": 0.0, "apart": False}
    assert is_reading(good)
    for name, value in (("rank", []), ("logprobs", [[]]), ("error", None), ("entropy", ["a"]), ("tokens", 3)):
        assert not is_reading({**good, name: value})
    assert not is_reading(None) and lens_module.TENSORS > 1


@pytest.mark.parametrize(("layer", "dtype"), [(0, "fp32"), (2, "fp32"), (4, "bf16")])
def test_nan_in_a_layer_is_told_with_what_fits_the_precision(folder: Path, layer: int, dtype: str) -> None:
    spec = dataclasses.replace(spec_of(folder, "llama"), dtype=dtype)
    model = LanguageModel(spec, spec.checkpoint, "cpu")
    body = model.model.model
    part = body.layers[layer - 1].mlp.down_proj if layer else body.embed_tokens
    with torch.no_grad():
        part.weight[:, 0] = float("nan")
    with pytest.raises(UserError, match=f"local/llama returns NaN where its layer {layer} is read") as caught:
        list(Lens(model).read(ASKED))
    assert caught.value.hint.endswith("or try --gen_dtype fp32") == (dtype == "bf16")
    assert caught.value.hint.startswith("its weights may have NaN or infinity in them")
