"""Small cross-encoders and a causal language model with random weights, saved as real checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from other_encoders import _stir, word_tokenizer
from tiny_encoders import bert_config
from tiny_models import config_of, train_tokenizer


def save_cross_encoder(folder: Path, *, n_labels: int = 1, modules: bool = False) -> Path:
    """Save a BERT with a head for `n_labels`; with `modules` as sentence-transformers' CrossEncoder writes it."""
    import torch
    from tokenizers import processors
    from transformers import BertForSequenceClassification

    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    torch.manual_seed(0)
    size = len(tokenizer)
    model = BertForSequenceClassification(bert_config(vocab_size=size, max_position_embeddings=64, num_labels=n_labels))
    _stir(model)
    plain = folder.with_name(f"{folder.name}-plain") if modules else folder
    model.save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    if modules:
        from sentence_transformers import CrossEncoder

        CrossEncoder(str(plain), device="cpu").save_pretrained(str(folder))
    return folder


def save_causal(folder: Path, family: str = "llama", *, chat: bool = False) -> tuple[Path, Any, Any]:
    """Save a causal language model; return its folder, the model and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = train_tokenizer(bos=True, chat=chat)
    torch.manual_seed(0)
    config = config_of(family, len(tokenizer))
    config.max_position_embeddings = 2048
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() == 2:
                weights.normal_(0, 0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, model, tokenizer
