"""What a training leaves out of a model: all weights but adapters, or the embeddings of tokens that the data lack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.training.lora import merged, with_adapter
from utils.training.vocabulary import CompactVocabulary, can_be_compact, check_texts, named_tokens

if TYPE_CHECKING:
    from utils.training.options import LoraOptions
    from utils.training.token_batches import Ids


@dataclass(frozen=True)
class LightModel:
    """A transformer as it is trained: with adapters, with some of its embeddings (`vocabulary`), or as it is."""

    model: Any
    vocabulary: CompactVocabulary | None
    has_adapter: bool

    def whole(self, decay: float) -> Any:
        """Return the trained model with all of its weights; embeddings that were left out are multiplied by `decay`."""
        if self.vocabulary is not None:
            self.vocabulary.widen(self.model, decay)
        return merged(self.model) if self.has_adapter else self.model


def lighten(
    model: Any,
    adapters: LoraOptions | None,
    texts: Callable[[], Iterable[Ids]],
    special: Iterable[int],
    task: str | None = None,
) -> LightModel:
    """Return a transformer as it is trained; the transformer itself is changed.

    adapters: what is trained in place of its weights. texts: returns the tokenised texts of the data, once; without
    adapters, only embeddings of their tokens and of the special ones are trained, where that can be done. task: that of
    peft's TaskType. Raises UserError where a text has a token without an embedding.
    """
    if adapters is not None or not can_be_compact(model):
        check_texts(texts(), model)
        return LightModel(with_adapter(model, adapters, task) if adapters else model, None, adapters is not None)
    named = {*special, *named_tokens(model)}
    vocabulary = CompactVocabulary.of(texts(), named, model.get_input_embeddings().num_embeddings)
    vocabulary.narrow(model)
    return LightModel(model, vocabulary, False)
