"""Small encoders made in the tests, and texts for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve
from utils.encoders.sentence_transformer import SentenceTransformerEncoder
from utils.schema import EncoderSpec

SMALL = {
    "vocab_size": 260, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 512, "pad_token_id": 0,
}  # fmt: skip
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


def load(checkpoint: Path, cache: Path, device: str = "cpu", **options: object) -> SentenceTransformerEncoder:
    spec = spec_of(checkpoint, cache, **options)  # type: ignore[arg-type]
    return SentenceTransformerEncoder(spec, str(checkpoint), None, device, cache)


def many_texts() -> list[str]:
    words = " ".join(TEXTS).split()
    draw = np.random.default_rng(0)
    return [" ".join(draw.choice(words, size)) for size in draw.integers(1, 29, 200)]


def byte_tokenizer(**names: Any) -> Any:
    """A tokenizer with one token for each byte of a text, 260 in all, between <s> and </s>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    given = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", **names}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **given)


def make_encoder(folder: Path, config: Any, tokenizer: Any = None, pooling: str = "mean_tokens") -> Path:
    """Save a model of bytes with random weights as a sentence-transformers model, its weights large enough that texts
    differ; `config` is of transformers."""
    import torch
    from transformers import AutoModel

    torch.manual_seed(0)
    model = AutoModel.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() == 2 and "norm" not in name.lower():
                weights.normal_(0, 0.3)
    model.save_pretrained(folder)
    (tokenizer or byte_tokenizer()).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    width = {"word_embedding_dimension": SMALL["hidden_size"], "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling/config.json").write_text(json.dumps({**width, f"pooling_mode_{pooling}": True}))
    kinds = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (kind, path) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def bert_config(**more: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(**{**SMALL, **more})


def gpt2_config(**more: Any) -> Any:
    from transformers import GPT2Config

    return GPT2Config(vocab_size=260, n_embd=32, n_layer=2, n_head=4, n_positions=512, **more)


def edit_json(file: Path, **changes: Any) -> Path:
    """Change keys of a JSON object in a file, which is made where it is not there."""
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**content, **changes}))
    return file


def one_by_one(folder: Path, texts: list[str], prompt: str | None = None, limit: int | None = None) -> np.ndarray:
    """The vectors of sentence-transformers itself, which gets one text at a time and so pads none."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = limit or model.max_seq_length
    return np.asarray(model.encode(texts, prompt=prompt, batch_size=1, show_progress_bar=False))
