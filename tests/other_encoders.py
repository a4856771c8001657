"""Small multi-vector and sparse checkpoints with a tokenizer of the sample set, as their libraries write them."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

from tiny_encoders import bert_config
from tiny_models import sample_texts

PROMPTS = {"query": "[Q] ", "document": "[D] "}


def word_tokenizer() -> Any:
    """A WordPiece tokenizer of 400 pieces, with BERT's special tokens and the markers of ColBERT."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()  # type: ignore[assignment]
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # type: ignore[assignment]
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=specials, initial_alphabet=list(string.punctuation)
    )
    tokenizer.train_from_iterator(sample_texts(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)


def save_masked_lm(folder: Path) -> Path:
    """Save a masked language model with random weights, large enough that texts differ."""
    import torch
    from transformers import BertForMaskedLM

    torch.manual_seed(0)
    tokenizer = word_tokenizer()
    model = BertForMaskedLM(bert_config(vocab_size=len(tokenizer), max_position_embeddings=64))
    _stir(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _stir(model: Any) -> None:
    import torch

    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() == 2 and "norm" not in name.lower():
                weights.normal_(0, 0.3)


def save_splade(folder: Path, **more: Any) -> Path:
    """Save a SPLADE model by the library's class."""
    from sentence_transformers import SparseEncoder

    body = save_masked_lm(folder.with_name(f"{folder.name}-body"))
    SparseEncoder(str(body), device="cpu", **more).save_pretrained(str(folder))
    return folder


def save_colbert(folder: Path, similarity: str = "maxsim") -> Path:
    """Save a multi-vector model by the library's class: query expansion to 16 tokens, punctuation not scored."""
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from sentence_transformers.sentence_transformer.modules import Normalize

    body = save_masked_lm(folder.with_name(f"{folder.name}-body"))
    expansion = {"strategy": "fixed", "attend": False, "length": 16}
    transformer = Transformer(str(body), document_length=40, query_expansion=expansion)
    dense = Dense(32, 8, bias=False, activation_function=_identity(), module_input_name="token_embeddings")
    mask = MultiVectorMask(skiplist_words=list(string.punctuation))
    model = MultiVectorEncoder(
        modules=[transformer, dense, mask, Normalize(module_input_name="token_embeddings")],
        prompts=PROMPTS,
        similarity_fn_name=similarity,
        device="cpu",
    )
    model.save_pretrained(str(folder))
    return folder


def save_pylate(folder: Path) -> Path:
    """Save a model as PyLate 3 writes it: a transformer and a projection, and all else in its configuration."""
    import torch
    from safetensors.torch import save_file

    save_masked_lm(folder)
    dense = folder / "1_Dense"
    dense.mkdir()
    about = {
        "in_features": 32,
        "out_features": 8,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    (dense / "config.json").write_text(json.dumps(about))
    torch.manual_seed(1)
    save_file({"linear.weight": torch.randn(8, 32)}, dense / "model.safetensors")
    kinds = {"": "sentence_transformers.models.Transformer", "1_Dense": "pylate.models.Dense.Dense"}
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": kind} for at, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    settings = {"query_prefix": "[unused0]", "document_prefix": "[unused1]", "query_length": 16, "document_length": 40}
    more = {"model_type": "ColBERT", "similarity_fn_name": "cosine", "attend_to_expansion_tokens": False}
    (folder / "config_sentence_transformers.json").write_text(json.dumps({**settings, **more}))
    return folder


def save_stanford(folder: Path) -> Path:
    """Save a model as the authors of ColBERT write it: the projection among the weights, and artifact.metadata."""
    import torch
    from safetensors.torch import load_file, save_file

    save_masked_lm(folder)
    file = folder / "model.safetensors"
    torch.manual_seed(1)
    weights = {name: value for name, value in load_file(file).items() if name.startswith("bert.")}
    save_file({**weights, "linear.weight": torch.randn(8, 32)}, file, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["HF_ColBERT"]}))
    about = {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_maxlen": 16, "doc_maxlen": 40}
    (folder / "artifact.metadata").write_text(json.dumps({**about, "attend_to_mask_tokens": False}))
    return folder


def save_static(folder: Path, tokenizer: Any = None, **more: Any) -> Path:
    """Save a static encoder by the library's class; the usual tokenizer is trained, and has other ids each time."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(0)
    tokenizer = tokenizer or _plain_tokenizer()
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu", **more).save(str(folder))
    return folder


def save_model2vec(
    folder: Path, dtype: str = "float32", *, is_small: bool = False, modules: bool = True, normalize: bool = True
) -> Path:
    """Save a static encoder as model2vec does: its own names of tensors, and a list of the library's modules.

    is_small: several tokens share a vector, and each token has a weight, as after its quantisation of the vocabulary.
    modules: with the list, which its first versions did not write.
    """
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    tokenizer, draw = _plain_tokenizer(), np.random.default_rng(0)
    n = tokenizer.get_vocab_size()
    rows = draw.normal(size=(n // 2 if is_small else n, 16)) * (40 if dtype == "int8" else 1)
    tensors = {"embeddings": rows.astype(dtype)}
    if is_small:
        tensors |= {"weights": draw.uniform(size=n).astype(np.float32), "mapping": draw.integers(0, n // 2, size=n)}
    save_file(tensors, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"model_type": "model2vec", "architectures": ["StaticModel"], "hidden_dim": 16, "normalize": normalize}
    (folder / "config.json").write_text(json.dumps(about))
    kinds = ["StaticEmbedding", *(["Normalize"] if normalize else [])]
    places = [".", "1_Normalize"]
    listed = [
        {"idx": at, "name": str(at), "path": places[at], "type": f"sentence_transformers.models.{kind}"}
        for at, kind in enumerate(kinds)
    ]
    if modules:
        (folder / "modules.json").write_text(json.dumps(listed))
    return folder


def _plain_tokenizer() -> Any:
    tokenizer = word_tokenizer().backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _identity() -> Any:
    import torch

    return torch.nn.Identity()
