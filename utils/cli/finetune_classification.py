"""finetune.py --objective classification: one classifier for each language, trained on its training split."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import add_data_args
from utils.cli.data_choice import chosen_labeled
from utils.cli.finetune_arguments import options_of
from utils.cli.open_run import chosen_sources
from utils.training.base import Base, encoder_base

if TYPE_CHECKING:
    from utils.cli.finetune_run import Objective
    from utils.schema import DatasetSpec, LabeledTexts
    from utils.training.classification import Classifier, Labelled
    from utils.training.folder import TrainingFolder
    from utils.training.loop import Trained
    from utils.training.options import TrainingOptions

MEANINGS = {
    "dataset": "a name that --list shows, or a labelled .tsv, .csv, .jsonl or .parquet file",
    "langs": "only these languages",
    "columns": "own file: TEXT LABEL [LANG [SPLIT]] (default: columns of these names)",
}


def add_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the objective."""
    add_data_args(parser, MEANINGS)
    parser.set_defaults(strict=False)


def make(args: argparse.Namespace) -> Sequence[Objective]:
    """Return one training for each language."""
    from utils.data.classification import chosen_langs, load_labeled

    dataset, sources = chosen_labeled(args), chosen_sources(args)
    base = encoder_base(args.model_checkpoint, args.cache_dir, trust_remote_code=args.trust_remote_code)
    found = []
    for lang in chosen_langs(dataset, args.langs):
        parts = {split: load_labeled(dataset, lang, split, sources) for split in ("train", "validation", "test")}
        found.append(Classification(base, dataset, lang, parts, options_of(args)))
    return found


class Classification:
    """The training of one classifier."""

    def __init__(
        self, base: Base, dataset: DatasetSpec, lang: str, parts: dict[str, LabeledTexts], options: TrainingOptions
    ) -> None:
        self.base, self.dataset, self.lang, self.parts, self.options = base, dataset, lang, parts, options
        self.names = dataset.label_names or tuple(sorted({label for part in parts.values() for label in part.labels}))
        self.classifier: Classifier | None = None

    @property
    def output(self) -> Path:
        """The folder that the training has unless --output names one."""
        return Path("finetuned") / "classification" / self.dataset.name / self.lang / self.base.name.replace("/", "__")

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights."""
        return {
            "objective": "classification",
            "data": {"dataset": self.dataset.name, "lang": self.lang, "origin": vars(self.parts["train"].origin)},
            "base": self.base.identity(),
            "training": self.options.identity(),
        }

    def plan(self) -> str:
        """Return the sizes of the splits."""
        return ", ".join(f"{name}: {len(part.texts):,} texts" for name, part in self.parts.items())

    def train(self, folder: TrainingFolder) -> Trained:
        """Train the classifier."""
        import transformers

        from utils.training.classification import load_classifier, train_classifier

        transformers.set_seed(self.options.seed)
        self.classifier = load_classifier(self.base, self.names, self.options.max_length)
        train, validation = (self._labelled(self.parts[name]) for name in ("train", "validation"))
        return train_classifier(self.classifier, train, validation, self.options, folder)

    def save(self, folder: Path) -> None:
        """Write the checkpoint."""
        assert self.classifier is not None
        self.classifier.save(folder)

    def figures(self, folder: TrainingFolder) -> dict[str, Any]:
        """Return the accuracy on the test split."""
        assert self.classifier is not None
        test = self._labelled(self.parts["test"])
        hyp = self.classifier.logits(test.texts).argmax(axis=1)
        accuracy = 100 * float((hyp == test.labels).mean())
        print(f"{self.lang}: accuracy {accuracy:.2f} on {len(hyp):,} test texts")
        return {"rows": [{"language": self.lang, "accuracy": round(accuracy, 2), "test texts": len(hyp)}]}

    def card(self) -> dict[str, Any]:
        """Return what the model card says."""
        rows = [{"split": name, "texts": len(part.texts)} for name, part in self.parts.items()]
        return {
            "title": f"{self.base.name}, fine-tuned on {self.dataset.name} ({self.lang})",
            "summary": "A classification head on an encoder, trained on labelled texts.",
            "base_model": self.base.name,
            "library": "transformers",
            "tags": ["text-classification"],
            "data": rows,
            "use": [f"python classification.py --dataset {self.dataset.name} --model_checkpoint FOLDER"],
        }

    def _labelled(self, part: LabeledTexts) -> Labelled:
        from utils.training.classification import Labelled

        number = {name: index for index, name in enumerate(self.names)}
        return Labelled(part.texts, [number[label] for label in part.labels])
