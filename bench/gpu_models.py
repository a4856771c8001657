"""Checkpoints with random weights, made on the spot: encoders of the shapes of
multilingual-e5-small and -large, a reranker of the smaller shape, and a decoder of 1B.

All have a byte-pair tokenizer that is trained on the texts of the sample set. Random weights take the same time as
trained ones; what the models say means nothing.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VOCABULARY = 8_000
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
# hidden size, layers, heads, intermediate size, vocabulary, positions
ENCODERS = {
    "e5-small": (384, 12, 12, 1536, 250_037, 514),
    "large": (1024, 24, 16, 4096, 250_037, 514),
    "tiny": (32, 2, 2, 64, VOCABULARY, 130),
}
# hidden size, layers, heads, key-value heads, intermediate size, vocabulary
DECODERS = {"1b": (2048, 16, 32, 8, 8192, 32_000), "tiny": (64, 2, 4, 2, 128, VOCABULARY)}


def sample_texts() -> list[str]:
    """Return the sentences of the sample set, in all its languages."""
    with (ROOT / "data/sample/parallel.tsv").open(encoding="utf-8", newline="") as lines:
        return [text for row in list(csv.reader(lines, delimiter="\t"))[1:] for text in row[3:]]


def tokenizer(n_positions: int) -> Any:
    """Return a tokenizer of transformers that puts <s> and </s> around a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=list(SPECIALS), show_progress=False)
    made.train_from_iterator(sample_texts(), trainer)
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIALS, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=n_positions, **names)


def _config(size: str, **more: int) -> Any:
    """Return the configuration of an XLM-R model."""
    from transformers import XLMRobertaConfig

    hidden, layers, heads, inner, vocabulary, positions = ENCODERS[size]
    return XLMRobertaConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner, max_position_embeddings=positions, type_vocab_size=1, initializer_range=0.06,
        bos_token_id=0, pad_token_id=1, eos_token_id=2, **more,
    )  # fmt: skip


def encoder(folder: Path, size: str) -> Path:
    """Write an XLM-R encoder with mean pooling, as sentence-transformers saves it, and return its folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import XLMRobertaModel

    hidden, positions = ENCODERS[size][0], ENCODERS[size][-1]
    torch.manual_seed(0)
    made, plain = folder / f"encoder-{size}", folder / f"encoder-{size}-plain"
    XLMRobertaModel(_config(size)).save_pretrained(plain)
    tokenizer(positions - 2).save_pretrained(plain)
    word = modules.Transformer(str(plain), max_seq_length=positions - 2)
    parts = [word, modules.Pooling(hidden, pooling_mode="mean"), modules.Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(made))
    return made


def cross_encoder(folder: Path, size: str) -> Path:
    """Write an XLM-R model that gives one score to a pair of texts, and return its folder."""
    import torch
    from transformers import XLMRobertaForSequenceClassification

    torch.manual_seed(0)
    made = folder / f"cross-encoder-{size}"
    XLMRobertaForSequenceClassification(_config(size, num_labels=1)).save_pretrained(made)
    tokenizer(ENCODERS[size][-1] - 2).save_pretrained(made)
    return made


def decoder(folder: Path, size: str, dtype: str = "bfloat16") -> Path:
    """Write a Llama decoder, and return its folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    hidden, layers, heads, kv_heads, inner, vocabulary = DECODERS[size]
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, intermediate_size=inner, max_position_embeddings=4096, initializer_range=0.03,
        bos_token_id=0, pad_token_id=1, eos_token_id=2, dtype=dtype,
    )  # fmt: skip
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):  # random numbers take long on a CPU
        model = LlamaForCausalLM(config)
    made = folder / f"decoder-{size}"
    model.to(getattr(torch, dtype)).save_pretrained(made)
    tokenizer(4096).save_pretrained(made)
    return made
