"""The label of a model that reasons first is read behind its reasoning."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from utils.generators.cached import CachedGenerator
from utils.generators.decoding import UNPARSED, DecodeSettings, Query, answer
from utils.generators.reasoning import behind_reasoning, is_tag, opened_reasoning
from utils.generators.resolve import resolve_local_generator

LABELS = ("negative", "positive")
REASONS = " Is it negative? No, not at all. "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("positive", "positive"),
        (f"<think>{REASONS}</think> positive", " positive"),
        (f"{REASONS}</think> positive", " positive"),  # the template has opened it
        (f"<THINK>{REASONS}</THINK>\n<think>a</think>\npositive", "\npositive"),
        (f"[THINK]{REASONS}[/THINK]positive", "positive"),
        (f"<thought>{REASONS}</thought>positive", "positive"),
        (f"<reasoning>{REASONS}</reasoning>positive", "positive"),
        (f"◁think▷{REASONS}◁/think▷positive", "positive"),
        (f"<|START_THINKING|>{REASONS}<|END_THINKING|>positive", "positive"),
        (f"<|channel|>analysis<|message|>{REASONS}assistant<|channel|>final<|message|>positive", "positive"),
        (f"<think>{REASONS}", None),
        (f"<|channel|>analysis<|message|>{REASONS}", None),
        (f"<think>{REASONS}</think> No: <think> negative", None),
        ("<think>a</think>", ""),
        ("I think it is positive", "I think it is positive"),
    ],
)
def test_what_stands_behind_the_reasoning(text: str, expected: str | None) -> None:
    assert behind_reasoning(text) == expected


def test_a_tag_at_the_end_of_a_prompt() -> None:
    assert opened_reasoning("<|assistant|>\n<think>\n") == "<think>"
    assert opened_reasoning("<|assistant|>\n<think>\n\n</think>\n\n") == ""  # switched off
    assert opened_reasoning("What does <think> mean? ") == ""


def make_thinker(folder: Path, said: list[str], *, special: bool, opening: str = "") -> Path:
    """A chat model that says these tokens one after the other, whatever it is asked: each decides the next."""
    from tiny_models import train_tokenizer
    from tokenizers import AddedToken
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = train_tokenizer(bos=True)
    tokens = list(dict.fromkeys([*said, *filter(None, [opening])]))
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=special and is_tag(token)) for token in tokens])
    tokenizer.chat_template = "{{ messages[0]['content'] }}" + (opening or ">")
    size = 8 * (len(tokenizer) // 8 + 1)
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, num_hidden_layers=0, num_attention_heads=4, tie_word_embeddings=False,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    last = tokenizer(tokenizer.chat_template[-len(opening or ">") :], add_special_tokens=False)["input_ids"][-1]
    steps = [last, *tokenizer.convert_tokens_to_ids(said), 2]
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        model.lm_head.weight.zero_()
        for now, then in itertools.pairwise(steps):
            model.lm_head.weight[then, now] = 9
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize(
    ("said", "opening", "tokens", "expected"),
    [
        (["<think>", REASONS, "</think>", " positive"], "", 8, 1),
        ([REASONS, "</think>", " positive"], "<think>", 8, 1),
        (["<think>", REASONS, "</think>", " positive"], "", 2, UNPARSED),  # it ends too early
        ([REASONS, "</think>", " positive"], "<think>", 1, UNPARSED),
        (["[THINK]", REASONS, "[/THINK]", " positive"], "", 8, 1),
    ],
)
def test_a_model_that_reasons(
    said: list[str], opening: str, tokens: int, expected: int, special: bool, tmp_path: Path
) -> None:
    path = make_thinker(tmp_path / "thinker", said, special=special, opening=opening)
    generator = CachedGenerator(resolve_local_generator(str(path), tmp_path), "cpu", tmp_path)
    found = answer(generator, [Query("Input:x")], LABELS, DecodeSettings("generate", max_new_tokens=tokens))
    assert found.hyp == [expected], found.outputs


def test_labels_that_are_scored_within_the_reasoning_are_warned_of(tmp_path: Path, capsys: Any) -> None:
    path = make_thinker(tmp_path / "thinker", [REASONS, "</think>"], special=False, opening="<think>")
    generator = CachedGenerator(resolve_local_generator(str(path), tmp_path), "cpu", tmp_path)
    answer(generator, [Query("Input:x")], LABELS, DecodeSettings("score"))
    assert "labels are scored as the beginning of its reasoning" in capsys.readouterr().err


def test_unfinished_reasoning_is_told(tmp_path: Path, run: Any) -> None:
    path = make_thinker(tmp_path / "thinker", ["<think>", REASONS, "</think>", " positive"], special=False)
    rows = [f"text {place},{LABELS[place % 2]},{split}" for split in ("train", "test") for place in range(2)]
    (tmp_path / "own.csv").write_text("\n".join(["text,label,split", *rows]))
    flags = ("--dataset", "own.csv", "--k", "0", "--gen_model_checkpoint", str(path))
    done = run("icl.py", *flags, "--max_new_tokens", "2")
    assert done.returncode == 0, done.stderr
    assert "2 answers cut off within the model's reasoning: give a larger --max_new_tokens" in done.stderr
    assert " 0.00" in done.stdout
    done = run("icl.py", *flags, "--max_new_tokens", "8", "--overwrite")
    assert "reasoning" not in done.stderr and " 50.00" in done.stdout
