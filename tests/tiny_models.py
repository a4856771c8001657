"""Small language models with random weights and tokenizers trained on the sample set, saved as real checkpoints."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from conftest import ROOT

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<eos>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SIZES = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}
WINDOW, WIDE = 16, 64  # the second is longer than the short probe of a loaded model


def sample_texts() -> list[str]:
    with (ROOT / "data/sample/parallel.tsv").open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines, delimiter="\t"))[1:]
    return [cell for row in rows for cell in row[3:]] + [f"{letter}:negative" for letter in "abcdefghijklmnop"] * 20


def train_tokenizer(*, bos: bool, eos_after: bool = False, chat: bool = False) -> Any:
    """A byte-level BPE tokenizer; it merges across blanks and punctuation, as those of language models may."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    specials = ["<pad>", "<bos>", "<eos>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(sample_texts(), trainer)
    if bos or eos_after:
        single = " ".join([*(["<bos>"] if bos else []), "$A", *(["<eos>"] if eos_after else [])])
        tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
            single=single, special_tokens=[("<bos>", 1), ("<eos>", 2)]
        )
    names = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    return fast


def config_of(family: str, vocabulary: int) -> Any:
    import transformers as t

    common = {"vocab_size": vocabulary, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    rope = {**SIZES, **common, "max_position_embeddings": 256}
    t5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4, **common, "decoder_start_token_id": 0}
    configs = {
        "llama": lambda: t.LlamaConfig(**rope, num_key_value_heads=2),
        "llama_wide": lambda: t.LlamaConfig(**{**rope, "hidden_size": 128, "intermediate_size": 128}),
        "gemma3_long": lambda: t.Gemma3TextConfig(
            **{**rope, "max_position_embeddings": 4096}, num_key_value_heads=1, head_dim=8, sliding_window=WINDOW,
            layer_types=["sliding_attention", "full_attention"] * 2,
        ),
        "mistral": lambda: t.MistralConfig(**rope, num_key_value_heads=2, sliding_window=WINDOW),
        "qwen2": lambda: t.Qwen2Config(**rope, num_key_value_heads=2),
        "gemma3": lambda: t.Gemma3TextConfig(
            **rope, num_key_value_heads=1, head_dim=8, sliding_window=WINDOW, sliding_window_pattern=2,
            layer_types=["sliding_attention", "full_attention"] * 2, final_logit_softcapping=5.0,
        ),
        "granite": lambda: t.GraniteConfig(
            **rope, num_key_value_heads=2, logits_scaling=0.5, residual_multiplier=0.7, embedding_multiplier=3.0,
        ),
        "cohere": lambda: t.CohereConfig(**rope, num_key_value_heads=2, logit_scale=0.5),
        "bloom": lambda: t.BloomConfig(hidden_size=32, n_layer=3, n_head=4, **common),
        "xglm": lambda: t.XGLMConfig(
            d_model=32, num_layers=3, attention_heads=4, ffn_dim=48, max_position_embeddings=256, **common
        ),
        "gpt2": lambda: t.GPT2Config(n_embd=32, n_layer=3, n_head=4, n_positions=256, **common),
        "gemma2": lambda: t.Gemma2Config(
            **rope, num_key_value_heads=1, head_dim=8, sliding_window=WIDE, query_pre_attn_scalar=8,
        ),
        "gpt_neo": lambda: t.GPTNeoConfig(
            hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=WIDE,
            max_position_embeddings=256, **{**common, "pad_token_id": None},
        ),
        "mpt": lambda: t.MptConfig(d_model=32, n_layers=2, n_heads=4, max_seq_len=256, **common),
        "t5": lambda: t.T5Config(**t5),
        "mt5": lambda: t.MT5Config(**t5, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
        "umt5": lambda: t.UMT5Config(**t5, feed_forward_proj="gated-gelu"),
        "bart": lambda: t.BartConfig(
            d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
            encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=256, decoder_start_token_id=2, **common,
        ),
    }  # fmt: skip
    return configs[family]()


SEQ2SEQ = ("t5", "mt5", "umt5", "bart")


def make_model(folder: Path, family: str, *, bos: bool = True, chat: bool = False) -> Path:
    """Save a small random checkpoint of a family, its weights large enough that labels differ."""
    import torch
    import transformers

    is_seq2seq = family in SEQ2SEQ
    tokenizer = train_tokenizer(bos=bos and not is_seq2seq, eos_after=is_seq2seq, chat=chat)
    torch.manual_seed(0)
    auto = transformers.AutoModelForSeq2SeqLM if is_seq2seq else transformers.AutoModelForCausalLM
    model = auto.from_config(config_of(family, len(tokenizer)), dtype=torch.float32)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() == 2 and "norm" not in name:
                weights.normal_(0, 0.15)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
