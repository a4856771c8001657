"""Static encoders: one vector for each token of a vocabulary, whose mean is that of a text.

The modules are sentence-transformers' own. It reads what its own class and model2vec have saved, but not folders of
model2vec without a list of modules or with vectors in int8, which are read here; model2vec itself is not needed.
"""

from __future__ import annotations

from typing import Any

from utils.checkpoints import checkpoint_file, checkpoint_json
from utils.errors import UserError

MODEL2VEC = "model2vec"


def is_model2vec(checkpoint: str, revision: str | None) -> bool:
    """Return whether a checkpoint was saved by model2vec."""
    return checkpoint_json(checkpoint, revision, "config.json").get("model_type") == MODEL2VEC


def model2vec_modules(checkpoint: str, revision: str | None, name: str, hub: dict[str, Any]) -> list[Any] | None:
    """Return the modules of a checkpoint of model2vec (Tulkens and van Dongen 2024); None for any other checkpoint.

    A token's vector is the row of `embeddings` that `mapping` names (its own without), times its value in `weights`
    (1 without). hub: how files of the hub are read. Raises UserError where the vectors are missing.
    """
    if not is_model2vec(checkpoint, revision):
        return None
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    from tokenizers import Tokenizer

    found = StaticEmbedding.load_torch_weights(model_name_or_path=checkpoint, **hub)
    if "embeddings" not in found:
        raise UserError(
            f"the checkpoint {name!r} has no vectors of tokens (embeddings in model.safetensors)",
            "check that all its files are there and complete",
        )
    rows = found["embeddings"]
    rows = rows if rows.is_floating_point() else rows.float()
    if "mapping" in found:
        rows = rows[found["mapping"].long()]
    if "weights" in found:
        rows = rows.float() * found["weights"].float()[:, None]
    tokenizer = Tokenizer.from_file(StaticEmbedding.load_file_path(checkpoint, filename="tokenizer.json", **hub))
    embedding = StaticEmbedding(tokenizer, embedding_weights=rows.contiguous())
    return [embedding, Normalize()] if _is_normalized(checkpoint, revision) else [embedding]


def _is_normalized(checkpoint: str, revision: str | None) -> bool:
    """Return whether vectors have length 1: as the list of modules says, or without it the configuration."""
    listed = checkpoint_file(checkpoint, revision, "modules.json")
    if listed is not None:
        return b".Normalize" in listed
    return bool(checkpoint_json(checkpoint, revision, "config.json").get("normalize"))
