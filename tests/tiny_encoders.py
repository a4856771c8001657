"""Small encoders made in the tests, and texts for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve
from utils.encoders.sentence_transformer import SentenceTransformerEncoder
from utils.schema import EncoderSpec

TEXTS = ["the cat sat", "a dog", "the dog sat on the cat and the cat sat on the dog"]


def make_masked_lm(folder: Path) -> Path:
    """A plain masked language model with random weights: no pooling, no sentence-transformers files."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *sorted({word for text in TEXTS for word in text.split()}),
        "query",
        ":",
    ]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {
        "unk_token": "[UNK]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def spec_of(name: Path | str, cache: Path, prompt: str | None = None, **options: object) -> EncoderSpec:
    return resolve(str(name), cache, EncodingOptions(**options), prompt)  # type: ignore[arg-type]


def embed(path: Path | str, cache: Path, texts: list[str], **options: object) -> np.ndarray:
    spec = spec_of(path, cache, **options)  # type: ignore[arg-type]
    return open_encoder(spec, "cpu", cache).embed(texts, texts[:1])[0]


def load(checkpoint: Path, cache: Path, **options: object) -> SentenceTransformerEncoder:
    spec = spec_of(checkpoint, cache, **options)  # type: ignore[arg-type]
    return SentenceTransformerEncoder(spec, str(checkpoint), None, "cpu", cache)


def many_texts() -> list[str]:
    words = " ".join(TEXTS).split()
    draw = np.random.default_rng(0)
    return [" ".join(draw.choice(words, size)) for size in draw.integers(1, 29, 200)]
