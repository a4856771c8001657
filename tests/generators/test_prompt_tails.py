"""Prompts with many labels: tokens by tails are those of the whole texts, for tokenizers of every kind."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from conftest import ROOT

from utils.generators.prompt_tails import tokenize_by_tails
from utils.generators.tokenization import _tokenize_whole

LABELS = ["play music", "play radio", "alarm set", " blank first", "日本", "x", "Ünïcode\n", "alarm"]


def texts() -> list[str]:
    with (ROOT / "data/sample/parallel.tsv").open(encoding="utf-8", newline="") as lines:
        return [text for row in list(csv.reader(lines, delimiter="\t"))[1:] for text in row[3:]]


def prompts() -> list[str]:
    some = texts()
    long = [
        f"Instruction: {' '.join(some[at : at + 3])}\n\nInput:{some[at + 4]} Prediction:" for at in range(0, 400, 9)
    ]
    return [*long, "short", "", "x " * 100, "語" * 300, f"{'語' * 200} {'語' * 70}", f"{some[0] * 3}\n" + "a" * 70]


def trained(kind: str) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    specials = {"special_tokens": ["<unk>"], "show_progress": False, "vocab_size": 2000}
    if kind == "unigram":
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        made.train_from_iterator(texts(), trainers.UnigramTrainer(unk_token="<unk>", **specials))
    else:
        made = Tokenizer(models.BPE(unk_token=None if kind == "bytes" else "<unk>"))
        if kind == "bytes":
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        elif kind == "metaspace":
            made.pre_tokenizer = pre_tokenizers.Metaspace()
        else:  # as Gemma: blanks are characters, and words are not split
            made.normalizer = normalizers.Replace(" ", "▁")
        made.train_from_iterator(texts(), trainers.BpeTrainer(**specials))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


def joined(head: list[int], rows: list[list[int]], starts: list[int]) -> tuple[list[list[int]], list[int]]:
    return [head + row for row in rows], [len(head) + start for start in starts]


@pytest.mark.parametrize("kind", ["bytes", "metaspace", "unigram", "unsplit"])
def test_tails_give_the_tokens_of_the_whole_texts(kind: str) -> None:
    tokenizer = trained(kind)
    found = tokenize_by_tails(tokenizer, prompts(), LABELS)
    expected = list(_tokenize_whole(tokenizer, prompts(), LABELS))
    for by_tail, whole in zip(found, expected, strict=True):
        assert by_tail is None or joined(*by_tail) == joined(*whole)
    n_found = sum(by_tail is not None for by_tail in found)
    assert n_found >= (45 if kind != "unsplit" else 1), n_found
    assert found[45] is None and found[46] is None  # no blank to begin a tail with


def test_few_labels_and_tokenizers_whose_tails_differ_are_left_to_whole_texts() -> None:
    from tokenizers import normalizers

    tokenizer = trained("bytes")
    assert tokenize_by_tails(tokenizer, prompts(), LABELS[:2]) == [None] * len(prompts())
    tokenizer.backend_tokenizer.normalizer = normalizers.Prepend("Begin")  # changes the start of every text
    assert all(by_tail is None for by_tail in tokenize_by_tails(tokenizer, prompts()[:5], LABELS))
