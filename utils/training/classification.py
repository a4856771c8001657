"""A classification head on an encoder, trained on labelled texts.

The usual settings are those of the fine-tuned baseline in MINERS (Winata et al. 2024, arXiv 2406.07424): all weights of
the encoder are trained, with the head of transformers for sequence classification, and the epoch with the best accuracy
on the validation split is kept.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.checkpoints import checkpoint_errors
from utils.encoders.batching import batches
from utils.encoders.library_models import check_length
from utils.encoders.tokens import n_positions, set_padding
from utils.errors import UserError
from utils.hub import hub_token, is_offline
from utils.training.light_model import lighten
from utils.training.loop import Trained, arguments_of, early_stopping, guarded, one_device, train
from utils.training.token_batches import PaddedBatches, Rows, padded, tokenise
from utils.weights import check_vocabulary, load_whole

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.training.base import Base
    from utils.training.folder import TrainingFolder
    from utils.training.options import TrainingOptions

    Floats = npt.NDArray[np.float32]

TOKENS = 2048  # of a batch that is predicted
UNLIMITED = 10**9  # tokens
UNKNOWN = -100  # the index of a label that no training text has, which the loss leaves out


@dataclass(frozen=True)
class Labelled:
    """Texts (n,) and the indices of their labels (n,), UNKNOWN for one that the head does not have."""

    texts: Sequence[str]
    labels: Sequence[int]


@dataclass
class Classifier:
    """A model of transformers for sequence classification, with its tokenizer."""

    model: Any
    tokenizer: Any
    max_length: int | None

    @property
    def names(self) -> list[str]:
        """The labels, in the order of the scores."""
        return [self.model.config.id2label[number] for number in range(self.model.config.num_labels)]

    def cut_counts(self, texts: Sequence[str]) -> dict[str, int]:
        """Return how many texts are longer than is read (`cut`), the tokens of all of them, and those lost."""
        lengths = np.array([len(ids) for ids in tokenise(self.tokenizer, texts, None)], dtype=np.int64)
        lost = np.maximum(lengths - (self.max_length or int(lengths.max())), 0)
        return {"cut": int((lost > 0).sum()), "tokens": int(lengths.sum()), "tokens_lost": int(lost.sum())}

    def logits(self, texts: Sequence[str]) -> Floats:
        """Return the score of each label (n, labels), float32; the most probable label has the highest."""
        import torch

        self.model.eval()
        tokens = tokenise(self.tokenizer, texts, self.max_length)
        lengths = np.array([len(ids) for ids in tokens], dtype=np.int64)
        found = np.empty((len(texts), self.model.config.num_labels), dtype=np.float32)
        with torch.inference_mode():
            for part in batches(lengths, TOKENS, None):
                ids, mask = padded([tokens[place] for place in part.tolist()], self.tokenizer.pad_token_id)
                device = self.model.device
                rows = self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
                found[part] = rows.float().cpu().numpy()
        return found

    def save(self, folder: Path) -> None:
        """Write the checkpoint, as transformers reads it."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def load_classifier(base: Base, names: Sequence[str], max_length: int | None, *, pair: bool = False) -> Classifier:
    """Load a checkpoint with a new head for these labels; whoever wants equal heads seeds torch before.

    pair: whether it reads pairs of texts. Raises UserError where weights of the encoder are missing, or where more
    tokens are asked for than it takes, or so few that it reads nothing.
    """
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    return _loaded(base, max_length, pair=pair, num_labels=len(names), ignore_mismatched_sizes=True, **labels)


def load_trained(folder: Path, base: Base, max_length: int | None) -> Classifier:
    """Load a classifier that was trained from a checkpoint, and has its head."""
    trained = dataclasses.replace(base, name=str(folder), path=str(folder), revision=None)
    return _loaded(trained, max_length)


def _loaded(base: Base, max_length: int | None, *, pair: bool = False, **options: Any) -> Classifier:
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    path, revision = base.path, base.revision
    hub: dict[str, Any] = {"revision": revision, "token": hub_token(), "trust_remote_code": base.trust_remote_code}
    hub["local_files_only"] = revision is None or is_offline()

    def load(more: dict[str, Any]) -> Any:
        return transformers.AutoModelForSequenceClassification.from_pretrained(
            path, dtype="float32", output_loading_info=True, **options, **hub, **more
        )

    with checkpoint_errors(base.name, revision, path):
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, **hub)
        check_vocabulary(tokenizer, base.name)
        set_padding(tokenizer)
        model, info = load_whole(load, base.name, lambda found, weight: _is_new(found[0], weight))
    if reshaped := [name for name, *_ in info["mismatched_keys"] if not _is_new(model, name)]:
        raise UserError(
            f"the checkpoint {base.name!r} has weights of other shapes than its config.json says: {reshaped[0]}",
            "check that config.json and the weights belong together",
        )
    model.config.pad_token_id = tokenizer.pad_token_id
    return Classifier(model, tokenizer, _longest(base, model, tokenizer, max_length, pair=pair))


def _is_new(model: Any, weight: str) -> bool:
    """Return whether a weight is of the head, or of the pooler below it, which a checkpoint may lack."""
    return not weight.startswith(f"{model.base_model_prefix}.") or "pooler" in weight


def _longest(base: Base, model: Any, tokenizer: Any, asked: int | None, *, pair: bool) -> int:
    """Return how many tokens of a text, or a pair of texts, are read.

    Raises UserError where the model does not take so many, or reads nothing of a text.
    """
    positions = n_positions(model) or getattr(model.config, "max_position_embeddings", None)
    longest = int(min(tokenizer.model_max_length, positions or UNLIMITED))
    if asked and asked > longest:
        raise UserError(f"--max_length {asked}, but {base.name} takes {longest} tokens", f"give at most {longest}")
    limit = min(asked or longest, longest)
    added = max(tokenizer.num_special_tokens_to_add(), tokenizer.num_special_tokens_to_add(pair))
    check_length(base.name, limit, added, is_asked=asked is not None)
    return limit


def train_classifier(
    classifier: Classifier, examples: Labelled, validation: Labelled, options: TrainingOptions, folder: TrainingFolder
) -> Trained:
    """Train a classifier, whose weights are then those of the epoch with the best validation accuracy."""
    parts = (examples, validation)
    tokens = [tokenise(classifier.tokenizer, part.texts, classifier.max_length) for part in parts]
    special = classifier.tokenizer.all_special_ids
    light = lighten(classifier.model, options.lora, lambda: itertools.chain(*tokens), special, "SEQ_CLS")
    rows = [Rows({"input_ids": some, "labels": part.labels}) for some, part in zip(tokens, parts, strict=True)]
    trained = train(lambda part: _trainer(light.model, classifier, rows, options, folder, part), folder, options)
    classifier.model = light.whole(trained.decay)
    return trained


def _trainer(
    model: Any, classifier: Classifier, rows: list[Rows], options: TrainingOptions, folder: TrainingFolder, part: int
) -> Any:
    """Return a trainer that has `part` examples in memory at once, and evaluates after each epoch."""
    import transformers

    settings = arguments_of(options, folder, part, len(rows[0]))
    settings |= {"metric_for_best_model": "accuracy", "remove_unused_columns": False}
    return guarded(transformers.Trainer)(
        model=model,
        args=one_device(transformers.TrainingArguments(**settings)),
        data_collator=PaddedBatches(classifier.tokenizer.pad_token_id),
        train_dataset=rows[0],
        eval_dataset=rows[1],
        compute_metrics=_accuracy,
        preprocess_logits_for_metrics=_logits_alone,
        callbacks=early_stopping(options),
    )


def _accuracy(found: Any) -> dict[str, float]:
    """Return the share of texts whose best label is right."""
    return {"accuracy": float(np.mean(found.predictions.argmax(axis=1) == found.label_ids))}


def _logits_alone(found: Any, labels: Any) -> Any:
    """Return the logits of what a model computes; one with an encoder returns the states of that beside them."""
    return found[0] if isinstance(found, tuple) else found
