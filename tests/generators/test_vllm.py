"""Generators in vLLM's engine: where it can run, and that its answers are those of transformers."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_models import make_model

from utils.answers import GenerationSettings, ScoreSettings
from utils.errors import UserError
from utils.generators.cache import response_settings
from utils.generators.resolve import GeneratorOptions, resolve
from utils.generators.transformers_model import LanguageModel
from utils.generators.vllm_model import VllmModel
from utils.records.identity import generator_identity

PROMPTS = ("Input:the sea Prediction:", "Input:a long text about music Prediction:", "Input:b Prediction:")
LABELS = ("negative", "alarm set", "alarm remove")


class Engine:
    """An engine with the interface of vllm.LLM that computes a request at a time by transformers."""

    def __init__(self, model: str, **how: Any) -> None:
        import transformers

        assert how["dtype"] == "float32" and how["revision"] is None
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=256))

    def generate(self, prompts: list[Any], how: list[Any], *, use_tqdm: bool) -> list[Any]:
        assert len(prompts) == len(how) and not use_tqdm
        return [self._one(prompt["prompt_token_ids"], each) for prompt, each in zip(prompts, how, strict=True)]

    def _one(self, ids: list[int], how: Any) -> Any:
        with torch.inference_mode():
            scores = torch.log_softmax(self.model(torch.tensor([ids])).logits[0].float(), dim=1)
            of_prompt = [None] + [
                {token: SimpleNamespace(logprob=float(scores[at, token]))} for at, token in enumerate(ids[1:])
            ]
            new: list[int] = []
            while len(new) < how.max_tokens:
                new.append(int(self.model(torch.tensor([ids + new])).logits[0, -1].argmax()))
                text = self.tokenizer.decode(new, skip_special_tokens=True)
                if new[-1] == 2 or any(stop in text for stop in getattr(how, "stop", ())):
                    break
        return SimpleNamespace(prompt_logprobs=of_prompt, outputs=[SimpleNamespace(token_ids=new)])


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package vllm with this engine, and a device."""
    module: Any = ModuleType("vllm")
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    module.LLM, module.SamplingParams = Engine, SimpleNamespace
    monkeypatch.setitem(sys.modules, "vllm", module)
    platforms: Any = ModuleType("vllm.platforms")
    platforms.current_platform = SimpleNamespace(is_cpu=lambda: False)
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)


@pytest.mark.usefixtures("vllm")
def test_scores_and_answers_are_those_of_transformers(tmp_path: Path) -> None:
    make_model(tmp_path / "model", "llama")
    spec = resolve(str(tmp_path / "model"), tmp_path, GeneratorOptions(dtype="fp32", backend="vllm"), "cuda")
    ours, theirs = LanguageModel(spec, spec.checkpoint, "cpu"), VllmModel(spec)
    of_each = [LABELS, LABELS[:2], LABELS[1:]]
    expected = dict(ours.score_each(PROMPTS, of_each, ScoreSettings()))
    for index, found in theirs.score_each(PROMPTS, of_each, ScoreSettings()):
        assert found.tokens == expected[index].tokens
        for a, b in zip(found.logprobs, expected[index].logprobs, strict=True):
            assert a == pytest.approx(b, abs=1e-4)
    for stop in (None, ("e",), ("Ġ", " ")):
        how = GenerationSettings(12, stop=stop)
        assert dict(theirs.generate(PROMPTS, how)) == dict(ours.generate(PROMPTS, how))
    with pytest.raises(UserError, match="takes 256 at most"):
        list(theirs.generate(["word " * 300], GenerationSettings()))


@pytest.mark.usefixtures("vllm")
def test_its_answers_and_records_are_told_from_those_of_transformers(tmp_path: Path) -> None:
    make_model(tmp_path / "model", "llama")
    place = str(tmp_path / "model")
    plain, engine = (resolve(place, tmp_path, GeneratorOptions(backend=each), "cuda") for each in (None, "vllm"))
    assert response_settings(engine, {})["loader"] == "vllm" != response_settings(plain, {})["loader"]
    assert generator_identity(engine) == {**generator_identity(plain), "backend": "vllm"}
    assert resolve(place, tmp_path, GeneratorOptions(backend="transformers"), "cuda") == plain


@pytest.mark.usefixtures("vllm")
def test_where_it_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(tmp_path / "model", "llama")
    make_model(tmp_path / "other", "t5")

    def refused(name: str, device: str, **how: Any) -> str:
        with pytest.raises(UserError) as error:
            resolve(name, tmp_path, GeneratorOptions(backend="vllm", **how), device)
        return f"{error.value.what}: {error.value.hint}"

    place = str(tmp_path / "model")
    assert refused(place, "cpu").endswith("without --cuda: the vllm that is installed computes on a GPU: add --cuda")
    assert "bitsandbytes is for transformers" in refused(place, "cuda", quantization="8bit")
    assert "it runs causal checkpoints" in refused(str(tmp_path / "other"), "cuda")
    assert "its server decides how it is run" in refused("gpt-4o", "cuda")
    monkeypatch.setattr(sys.modules["vllm.platforms"].current_platform, "is_cpu", lambda: True)
    assert resolve(place, tmp_path, GeneratorOptions(backend="vllm"), "cpu").loader == "vllm"
    monkeypatch.setitem(sys.modules, "vllm", None)
    assert "pip install vllm" in refused(place, "cuda")


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_the_engine_itself_answers_as_transformers(tmp_path: Path) -> None:
    make_model(tmp_path / "model", "llama_wide")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    spec = resolve(str(tmp_path / "model"), tmp_path, GeneratorOptions(dtype="fp32", backend="vllm"), device)
    ours, engine = LanguageModel(spec, spec.checkpoint, device), VllmModel(spec)
    theirs = dict(engine.score(PROMPTS, LABELS, ScoreSettings()))
    for index, expected in ours.score(PROMPTS, LABELS, ScoreSettings()):
        for a, b in zip(theirs[index].logprobs, expected.logprobs, strict=True):
            assert a == pytest.approx(b, abs=1e-3)
    assert dict(engine.generate(PROMPTS, GenerationSettings(8))) == dict(ours.generate(PROMPTS, GenerationSettings(8)))
    how = GenerationSettings(8, 0.9, 5, 0.95, 40)
    samples = dict(engine.generate(PROMPTS, how))
    assert dict(engine.generate(PROMPTS[:0:-1], how)) == {0: samples[2], 1: samples[1]}
