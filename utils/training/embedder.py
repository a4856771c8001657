"""A sentence encoder that is trained: its tokens, its vectors with gradients, and its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.checkpoints import checkpoint_errors
from utils.encoders.decoders import set_attention, set_pooling
from utils.encoders.fast_tokens import fast_tokens
from utils.encoders.library_models import load_model, modules_of_side, set_max_length, set_precision
from utils.encoders.tokens import prepare_tokenizer, right_padded, set_longest_text
from utils.errors import UserError
from utils.training.token_batches import padded

if TYPE_CHECKING:
    from utils.schema import EncoderSpec
    from utils.training.base import Base
    from utils.training.token_batches import Ids

TOKENISED = 1024  # texts at once


@dataclass
class Embedder:
    """A model of sentence-transformers.

    limit: tokens of a text in the training, None for any number. own_limit: those that the checkpoint reads, which its
    folder keeps. constants: further features.
    """

    model: Any
    limit: int | None
    own_limit: int | None
    constants: dict[str, Any]

    @property
    def transformer(self) -> Any:
        """The model of transformers, which the first module has."""
        return self.model[0].model

    @transformer.setter
    def transformer(self, transformer: Any) -> None:
        self.model[0].model = transformer

    @property
    def padding(self) -> int:
        """The token that texts are padded with."""
        return int(self.model.tokenizer.pad_token_id)

    @property
    def dimensions(self) -> int:
        """The size of a vector."""
        return int(self.model.get_embedding_dimension())

    def tokens(self, texts: Sequence[str], prompt: str) -> list[Ids]:
        """Return the tokens of each text behind the prompt, as the encoders of the suite give them to the model."""
        fast, found = fast_tokens(self.model, prompt, self.limit), list[Any]()
        for start in range(0, len(texts), TOKENISED):
            part = list(texts[start : start + TOKENISED])
            features = fast.features(part) if fast else right_padded(self.model.preprocess(part, prompt=prompt))
            lengths = features["attention_mask"].sum(dim=1).tolist()
            ids = features["input_ids"].numpy()
            found += [row[:length].copy() for row, length in zip(ids, lengths, strict=True)]
        return found

    def embed(self, model: Any, tokens: Sequence[Ids]) -> Any:
        """Return a vector for each text (n, d) float32 by a model: this one, or what wraps it on several devices."""
        device = next(self.model.parameters()).device
        ids, mask = padded(tokens, self.padding)
        features = {"input_ids": ids.to(device), "attention_mask": mask.to(device), **self.constants}
        return model(features)["sentence_embedding"].float()

    def save(self, folder: Path, prompt: str, passage_prompt: str | None) -> None:
        """Write the checkpoint with its prompts, as sentence-transformers and the scripts of the suite read them."""
        if self.own_limit is not None:
            set_longest_text(self.model, self.own_limit)
        self.model.prompts = {"query": prompt, "document": prompt if passage_prompt is None else passage_prompt}
        self.model.default_prompt_name = "query" if prompt else None
        self.model.save_pretrained(str(folder), create_model_card=False)


def load_embedder(base: Base, spec: EncoderSpec, device: str) -> Embedder:
    """Load a dense encoder to train it; `spec` says how it pools and attends.

    Raises UserError for models that are no transformer, or that leave the prompt out of the pooling.
    """
    with checkpoint_errors(base.name, base.revision, base.path):
        model = modules_of_side(load_model(spec, base.path, base.revision, device), spec)
        prepare_tokenizer(model, base.name)
        set_attention(model, spec)
        set_pooling(model, spec)
        set_precision(model, spec)
        own_limit = set_max_length(model, dataclasses.replace(spec, max_length=None))
        limit = set_max_length(model, spec)
        if not hasattr(getattr(model[0], "model", None), "get_input_embeddings"):
            raise UserError(f"training {base.name}, which is no transformer", "choose an encoder with a transformer")
        if any(getattr(module, "include_prompt", True) is False for module in model):
            raise UserError(f"training {base.name}, which pools without its prompt", "choose another encoder")
        features = model.preprocess(["one"])
        if "attention_mask" not in features:
            raise UserError(f"training {base.name}, which joins its texts", "choose another encoder")
    constants = {name: value for name, value in features.items() if isinstance(value, str)}
    return Embedder(model, limit, own_limit, constants)
