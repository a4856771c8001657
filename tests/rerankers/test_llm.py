"""Language models as rerankers: the log-odds of yes by a plain forward pass, prompts, and documents that are cut."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_rerankers import save_causal

from utils.api.response_cache import ResponseCache
from utils.errors import UserError
from utils.files import text_key
from utils.rerankers.cached import CachedReranker
from utils.rerankers.llm import FORMS, INSTRUCTION, LlmReranker, log_odds_of_share
from utils.rerankers.resolve import RerankOptions, resolve_reranker
from utils.rerankers.spec import cache_items, score_settings

PAIRS = [
    ("where is the market", "The market is behind the school."),
    ("where is the market", "She plays football."),
    ("why {document}", "because {query}"),
]


def expected(model: Any, tokenizer: Any, prompt: str, labels: tuple[str, str]) -> float:
    """log P(yes) - log P(no), each label's tokens behind the prompt in a forward pass of its own."""
    import torch

    values = []
    for label in labels:
        ids = tokenizer(prompt + label, add_special_tokens=False)["input_ids"]
        offsets = tokenizer(prompt + label, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        start = next(place for place, (_, end) in enumerate(offsets) if end > len(prompt))
        tokens = torch.tensor([[1, *ids]])
        with torch.inference_mode():
            steps = model(tokens).logits[0].double().log_softmax(-1)
        values.append(sum(float(steps[place, ids[place]]) for place in range(start, len(ids))))
    return values[0] - values[1]


def prompt_of(query: str, document: str) -> str:
    system, rest = FORMS["base"][0].split("{instruction}")
    between, after = rest.split("{query}")
    before, end = after.split("{document}")
    return f"{system}{INSTRUCTION}{between}{query}{before}{document}{end}"


def test_scores_are_those_of_a_plain_forward_pass(tmp_path: Path) -> None:
    folder, model, tokenizer = save_causal(tmp_path / "tiny-llm")
    reranker = CachedReranker(resolve_reranker(str(folder), tmp_path), "cpu", tmp_path)
    found = reranker.score(PAIRS)
    for score, pair in zip(found, PAIRS, strict=True):
        assert score == pytest.approx(expected(model, tokenizer, prompt_of(*pair), FORMS["base"][1]), abs=1e-5)
    assert len(set(found)) == 3
    again = CachedReranker(resolve_reranker(str(folder), tmp_path), "cpu", tmp_path)
    assert again.score(PAIRS[::-1]) == found[::-1] and again._scorer is None
    other = resolve_reranker(str(folder), tmp_path, RerankOptions(instruction="Find the same meaning"))
    assert CachedReranker(other, "cpu", tmp_path).score(PAIRS) != found


def test_the_prompt_of_qwen3_is_the_one_it_was_trained_on() -> None:
    text, labels = FORMS["qwen3"]
    assert text.startswith("<|im_start|>system\nJudge whether the Document meets the requirements based on the Query ")
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n") and labels == ("yes", "no")
    assert "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}<|im_end|>" in text


def test_forms_follow_the_checkpoint(tmp_path: Path) -> None:
    chat = save_causal(tmp_path / "chat", chat=True)[0]
    assert resolve_reranker(str(chat), tmp_path).prompt == "chat"
    qwen = tmp_path / "qwen"
    qwen.mkdir()
    (qwen / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}')
    spec = resolve_reranker(str(qwen), tmp_path)
    assert spec.prompt == "qwen3" and spec.model.kind == "base" and spec.kind == "llm"


def test_a_long_document_is_cut_and_a_long_query_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_causal(tmp_path / "tiny-llm")[0]
    spec = resolve_reranker(str(folder), tmp_path, RerankOptions(max_length=200))
    reranker = CachedReranker(spec, "cpu", tmp_path)
    short, long = reranker.score([("where", "a"), ("where", "The market is behind the school. " * 50)])
    assert short != long and "1 pair longer than the 196 tokens" in capsys.readouterr().err
    scorer = reranker._scorer
    assert isinstance(scorer, LlmReranker)
    (prompt,) = scorer._prompts([("where", "The market is behind the school. " * 50)])
    (ids,) = scorer.model.reader.prompt_ids([prompt])
    assert 150 < len(ids) <= 196 and prompt.endswith("\nAnswer:")
    with pytest.raises(UserError, match="leaves no room for a document"):
        reranker.score([("where is it? " * 100, "here")])


def test_pairs_whose_share_of_yes_is_one_are_told_apart(tmp_path: Path) -> None:
    folder, model, tokenizer = save_causal(tmp_path / "sure-llm")
    import torch

    with torch.no_grad():
        model.model.norm.weight *= 30
    model.save_pretrained(folder)
    found = CachedReranker(resolve_reranker(str(folder), tmp_path), "cpu", tmp_path).score(PAIRS)
    wanted = [expected(model, tokenizer, prompt_of(*pair), FORMS["base"][1]) for pair in PAIRS]
    assert found == pytest.approx(wanted, rel=1e-4) and len(set(found)) == 3
    sure = [score for score in found if abs(score) > 20]
    assert len({np.float32(1 / (1 + np.exp(-abs(score)))) for score in sure}) == 1 < len(sure)


def test_scores_that_earlier_versions_kept_are_used_unless_they_are_rounded(tmp_path: Path) -> None:
    spec = resolve_reranker(str(save_causal(tmp_path / "tiny-llm")[0]), tmp_path)
    cache, items = ResponseCache(tmp_path, score_settings(spec)), cache_items(PAIRS)
    for item, share in zip(items, (0.75, 1.0, 1 - 1e-7), strict=True):
        cache.keep(text_key(item), share)
    reranker = CachedReranker(spec, "cpu", tmp_path)
    found = reranker.score(PAIRS)
    assert found[0] == pytest.approx(math.log(3), abs=1e-12) and reranker.counts == {"hits": 1, "misses": 2}
    empty = CachedReranker(spec, "cpu", tmp_path / "new")
    assert found[1:] == pytest.approx(empty.score(PAIRS)[1:], abs=1e-5)
    assert log_odds_of_share(0.5) == 0 and log_odds_of_share(0.0) is None
