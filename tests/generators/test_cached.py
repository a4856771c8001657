"""Generators: what a name stands for, generation and parsing, the cache before the model, quantised loading."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_models import make_model

from utils.answers import GenerationSettings, ScoreSettings
from utils.errors import UserError
from utils.generators.cache import sampling_settings
from utils.generators.cached import CachedGenerator
from utils.generators.decoding import DecodeSettings, Query, answer
from utils.generators.registry import GENERATORS
from utils.generators.resolve import resolve_local_generator
from utils.loaders import load_function
from utils.schema import GeneratorSpec

LABELS = ("negative", "neutral", "positive")
PROMPTS = ["Input:one two three Prediction:", "Input:four Prediction:", "Input:one two three Prediction:"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generators")


@pytest.fixture(scope="module")
def base(folder: Path) -> Path:
    return make_model(folder / "base", "llama")


@pytest.fixture(scope="module")
def chat(folder: Path) -> Path:
    return make_model(folder / "chat", "llama", chat=True)


@pytest.fixture(scope="module")
def seq2seq(folder: Path) -> Path:
    return make_model(folder / "seq2seq", "mt5")


def test_labels_of_each_prompt_of_its_own_are_cached_with_the_prompt(base: Path, tmp_path: Path) -> None:
    spec = resolve_local_generator(str(base), tmp_path)
    asked, of_each = [*PROMPTS[:2], PROMPTS[0]], [("yes", "no"), ("yes", "no"), ("maybe so", "no")]
    first, second = CachedGenerator(spec, "cpu", tmp_path), CachedGenerator(spec, "cpu", tmp_path)
    found = first.score_each(asked, of_each, ScoreSettings())
    assert dict(first.counts) == {"hits": 0, "misses": 3} and [len(scores.logprobs) for scores in found] == [2, 2, 2]
    assert second.score_each([*asked[1:], asked[1]], [*of_each[1:], ("no", "yes")], ScoreSettings())[:2] == found[1:]
    assert dict(second.counts) == {"hits": 2, "misses": 1}


def test_every_row_of_the_registry_can_be_resolved_by_its_kind() -> None:
    for name, spec in GENERATORS.items():
        assert spec.checkpoint == name and spec.licence
        assert spec.kind in ("base", "chat", "seq2seq")
        assert spec.decode == ("score" if spec.kind == "base" else "generate")
        assert callable(load_function(spec.loader))


@pytest.mark.parametrize(("kind", "decode"), [("base", "score"), ("chat", "generate"), ("seq2seq", "generate")])
def test_a_folder_tells_what_it_is(kind: str, decode: str, folder: Path, request: Any, tmp_path: Path) -> None:
    path = request.getfixturevalue(kind)
    spec = resolve_local_generator(str(path), tmp_path)
    assert (spec.kind, spec.decode) == (kind, decode)
    assert spec.name.startswith(f"local/{kind}-") and str(spec.revision).startswith("sha256:")
    assert resolve_local_generator(str(path), tmp_path, kind="base").decode == "score"


def test_the_content_names_a_folder_not_its_place(base: Path, tmp_path: Path) -> None:
    copy = tmp_path / "base"
    shutil.copytree(base, copy)
    assert resolve_local_generator(str(copy), tmp_path).name == resolve_local_generator(str(base), tmp_path).name
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    assert resolve_local_generator(str(copy), tmp_path).name != resolve_local_generator(str(base), tmp_path).name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "no such folder"),
        ("bloomz-560m", "not a known name"),
        ("nothing.gguf", "no such file"),
    ],
)
def test_wrong_names(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        resolve_local_generator(name, tmp_path)


def test_an_encoder_is_no_generator(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert"}))
    with pytest.raises(UserError, match="not a generator: it is a BertModel"):
        resolve_local_generator(str(tmp_path), tmp_path)


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    (tmp_path / "x.gguf").write_bytes(b"nothing of the kind" * 10)
    with pytest.raises(UserError, match="is not a GGUF file"):
        resolve_local_generator(str(tmp_path / "x.gguf"), tmp_path)


@pytest.mark.parametrize("kind", ["base", "chat", "seq2seq"])
def test_generation_is_greedy_and_batched_rows_equal_single_ones(kind: str, request: Any, tmp_path: Path) -> None:
    spec = resolve_local_generator(str(request.getfixturevalue(kind)), tmp_path)
    together = CachedGenerator(spec, "cpu", tmp_path / "a").generate(PROMPTS, GenerationSettings(8))
    alone = [CachedGenerator(spec, "cpu", tmp_path / "b").generate([p], GenerationSettings(8))[0] for p in PROMPTS]
    assert together == alone and together[0] == together[2]
    assert all("\n" not in text for text in together) or kind != "base"


def test_sampling_is_by_seed_and_cached_by_seed(base: Path, tmp_path: Path) -> None:
    spec = resolve_local_generator(str(base), tmp_path)
    by_seed = {
        seed: CachedGenerator(spec, "cpu", tmp_path).generate(PROMPTS, GenerationSettings(8, 1.5, seed))
        for seed in (1, 2)
    }
    assert by_seed[1] != by_seed[2]
    again = CachedGenerator(spec, "cpu", tmp_path)
    assert again.generate(PROMPTS, GenerationSettings(8, 1.5, 1)) == by_seed[1]
    assert again.counts == {"hits": 2, "misses": 0}
    assert CachedGenerator(spec, "cpu", tmp_path / "new").generate(PROMPTS, GenerationSettings(8, 1.5, 1)) == by_seed[1]


def test_one_token_to_sample_from_is_the_most_probable_one(base: Path, tmp_path: Path) -> None:
    spec = resolve_local_generator(str(base), tmp_path)
    model = CachedGenerator(spec, "cpu", tmp_path)
    greedy = model.generate(PROMPTS, GenerationSettings(8))
    assert model.generate(PROMPTS, GenerationSettings(8, 2.0, 1, None, 1)) == greedy
    assert model.generate(PROMPTS, GenerationSettings(8, 2.0, 1, 1e-6)) == greedy
    assert model.generate(PROMPTS, GenerationSettings(8, 2.0, 1)) != greedy


def test_the_keys_of_answers_are_those_of_earlier_versions() -> None:
    plain = {"max_new_tokens": 32, "temperature": 0.0, "seed": None}
    assert sampling_settings(GenerationSettings()) == sampling_settings(GenerationSettings(top_k=5, seed=3)) == plain
    drawn = {"max_new_tokens": 9, "temperature": 0.8, "seed": 3}
    assert sampling_settings(GenerationSettings(9, 0.8, 3)) == drawn
    assert sampling_settings(GenerationSettings(9, 0.8, 3, 0.9, 50)) == {**drawn, "top_p": 0.9, "top_k": 50}


def test_what_is_cached_needs_no_model(base: Path, tmp_path: Path) -> None:
    spec = resolve_local_generator(str(base), tmp_path)
    first = CachedGenerator(spec, "cpu", tmp_path)
    scores = first.score(PROMPTS, LABELS, ScoreSettings())
    assert first.counts == {"hits": 0, "misses": 2} and scores[0] == scores[2]
    gone = GeneratorSpec(**{**vars(spec), "checkpoint": "/nowhere"})  # the same content, no longer there
    second = CachedGenerator(gone, "cpu", tmp_path)
    assert second.score(PROMPTS, LABELS, ScoreSettings()) == scores
    assert second.counts == {"hits": 2, "misses": 0}
    with pytest.raises(UserError, match="does not load"):
        second.score(["another"], LABELS, ScoreSettings())


@pytest.mark.parametrize("kind", ["base", "chat", "seq2seq"])
@pytest.mark.parametrize("decode", ["score", "constrained", "generate"])
def test_every_kind_decodes_in_every_way(kind: str, decode: str, request: Any, tmp_path: Path) -> None:
    spec = resolve_local_generator(str(request.getfixturevalue(kind)), tmp_path)
    queries = [Query(prompt) for prompt in PROMPTS]
    found = answer(CachedGenerator(spec, "cpu", tmp_path), queries, LABELS, DecodeSettings(decode, max_new_tokens=4))
    assert len(found.hyp) == 3 and set(found.hyp) <= {-1, 0, 1, 2}
    assert found.hyp[0] == found.hyp[2]
    assert (decode == "generate") == (not found.scores)
    if decode == "score":
        assert found.hyp == [max(range(3), key=lambda index, row=row: row[index]) for row in found.scores]


def test_calibration_asks_the_content_free_prompts_once(base: Path, tmp_path: Path) -> None:
    spec = resolve_local_generator(str(base), tmp_path)
    generator = CachedGenerator(spec, "cpu", tmp_path)
    blank = ("Input:N/A Prediction:", "Input: Prediction:", "Input:[MASK] Prediction:")
    queries = [Query(prompt, blank) for prompt in PROMPTS]
    calibrated = answer(generator, queries, LABELS, DecodeSettings("score", calibrate=True))
    assert generator.counts == {"hits": 0, "misses": 5}
    plain = answer(generator, [Query(prompt) for prompt in PROMPTS], LABELS, DecodeSettings("score"))
    assert calibrated.scores != plain.scores
    nothing = answer(generator, [Query(blank[0], (blank[0],) * 3)], LABELS, DecodeSettings("score", calibrate=True))
    assert nothing.scores[0] == pytest.approx([0.0, 0.0, 0.0])  # a content-free text has no opinion left


def test_a_chat_model_without_a_template(base: Path, tmp_path: Path) -> None:
    spec = resolve_local_generator(str(base), tmp_path, kind="chat")
    with pytest.raises(UserError, match="has no chat template"):
        CachedGenerator(spec, "cpu", tmp_path).generate(PROMPTS, GenerationSettings())


def test_weights_that_cannot_be_quantised_here(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    spec = resolve_local_generator(str(base), tmp_path, quantization="4bit")  # rows of 32, blocks of 64
    with pytest.raises(UserError, match="does not load") as error:
        CachedGenerator(spec, "cpu", tmp_path).score(PROMPTS, LABELS, ScoreSettings())
    assert "--load_in_4bit" in error.value.hint


def test_a_broken_checkpoint(base: Path, tmp_path: Path) -> None:
    copy = tmp_path / "broken"
    shutil.copytree(base, copy)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    spec = resolve_local_generator(str(copy), tmp_path)
    with pytest.raises(UserError, match="does not load"):
        CachedGenerator(spec, "cpu", tmp_path).score(PROMPTS, LABELS, ScoreSettings())


def test_a_head_that_is_missing_is_not_drawn_at_random(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "headless"
    shutil.copytree(base, copy)
    weights = load_file(copy / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"it lacks 1 \(lm_head.weight\), which would be drawn at random"):
        CachedGenerator(resolve_local_generator(str(copy), tmp_path), "cpu", tmp_path).score(
            PROMPTS, LABELS, ScoreSettings()
        )


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_quantised_weights_score_near_the_full_ones(
    bits: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("bitsandbytes")
    path = folder / "wide"
    path = path if path.is_dir() else make_model(path, "llama_wide")
    full = resolve_local_generator(str(path), tmp_path)
    small = resolve_local_generator(str(path), tmp_path, quantization=bits)
    (a,), (b,) = (
        CachedGenerator(spec, "cpu", tmp_path).score(PROMPTS[:1], LABELS, ScoreSettings()) for spec in (full, small)
    )
    differences = [
        abs(x - y) for one, two in zip(a.logprobs, b.logprobs, strict=True) for x, y in zip(one, two, strict=True)
    ]
    assert small.quantization == bits and "forward pass per label" not in capsys.readouterr().err
    assert 0 < max(differences) < (1.0 if bits == "8bit" else 3.0)
