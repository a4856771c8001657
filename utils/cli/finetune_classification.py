"""finetune.py --objective classification: classifiers of labelled texts, and their records beside those of k-NN.

One classifier is trained for each language and tested on it. `--cross` trains one on the pivot or --src_lang and tests
it on every other language; `--multilingual` trains one on all languages at once and tests it on each. The latter is
usual of the whole sample set, whose languages have 49 training texts each.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import add_data_args
from utils.cli.classifier_examples import Examples, digest_of, load_examples
from utils.cli.classifier_records import ClassifierRecords
from utils.cli.data_choice import LABELED_MEANINGS, check_src_lang, chosen_labeled
from utils.cli.finetune_arguments import add_record_args, options_of
from utils.cli.finetune_run import place_of_training
from utils.cli.open_run import chosen_sources
from utils.errors import UserError, note
from utils.training.base import Base, encoder_base
from utils.training.folder import TrainingFolder

if TYPE_CHECKING:
    from utils.data.subsets import LabeledTexts
    from utils.schema import DatasetSpec
    from utils.training.classification import Classifier, Labelled
    from utils.training.loop import Trained
    from utils.training.options import TrainingOptions


def add_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the objective."""
    add_data_args(parser, LABELED_MEANINGS)
    group = parser.add_argument_group("languages")
    group.add_argument("--cross", action="store_true", help="train on --src_lang and test on all other languages")
    group.add_argument(
        "--multilingual",
        action="store_true",
        help="train on all languages at once and test on each (default of the sample set, unless --langs names some)",
    )
    group.add_argument(
        "--decontaminate",
        action="store_true",
        help="leave out training texts that are exact or near duplicates of tests",
    )
    add_record_args(parser)
    parser.set_defaults(strict=False)


def make(args: argparse.Namespace) -> Sequence[Classification]:
    """Return one training for each language, or one for all of them. Raises UserError for what cannot be trained."""
    from utils.data.classification import langs_to_test

    _check_flags(args)
    dataset, sources, options = chosen_labeled(args), chosen_sources(args), options_of(args)
    if dataset.kind == "shipped" and args.langs is None and not args.cross:
        args.multilingual = True  # a language of the sample set is too little to train on
    src_lang, langs = langs_to_test(dataset, args.langs, args.src_lang, cross=args.cross)
    base = encoder_base(args.model_checkpoint, args.cache_dir, trust_remote_code=args.trust_remote_code)
    trained = [(src_lang,)] if src_lang else [tuple(langs)] if args.multilingual else [(lang,) for lang in langs]
    records = ClassifierRecords(
        args, dataset, sources, src_lang, base, options, trained[0] if args.multilingual else ()
    )
    tested = {of: langs if src_lang else list(of) for of in trained}
    found = [Classification(base, dataset, of, tests, options, records) for of, tests in tested.items()]
    for training in found:
        training.place = place_of_training(training, args, several=len(found) > 1)
        if dataset.kind == "local":
            training.check()
    return found


def _check_flags(args: argparse.Namespace) -> None:
    """Raise UserError for flags that exclude each other."""
    if args.cross and args.multilingual:
        raise UserError("--cross with --multilingual", "train on one language, or on all of them: leave one out")
    check_src_lang(args)


@contextmanager
def around(trainings: Sequence[Classification]) -> Iterator[None]:
    """Print the scores at the end, and test models that are trained already on languages without a record."""
    if not trainings:
        yield
        return
    records = trainings[0].records
    with records.printed([lang for training in trainings for lang in training.tests]):
        yield
        for training in trainings:
            training.test_again()


class Classification:
    """The training of one classifier on the languages `langs`, and its test on `tests`.

    place: the folder of the trained model.
    """

    def __init__(
        self,
        base: Base,
        dataset: DatasetSpec,
        langs: tuple[str, ...],
        tests: Sequence[str],
        options: TrainingOptions,
        records: ClassifierRecords,
    ) -> None:
        self.base, self.dataset, self.langs, self.tests = base, dataset, langs, tests
        self.options, self.records = options, records
        self.place = self.output
        self.classifier: Classifier | None = None
        self.is_tested = False

    @property
    def source(self) -> str:
        """The languages that the classifier is trained on, as records name them."""
        return " ".join(self.langs)

    @property
    def output(self) -> Path:
        """The folder that the training has unless --output names one."""
        return self.records.model_folder(self.langs)

    @cached_property
    def examples(self) -> Examples:
        """The texts that the classifier is trained on, with the test texts among them counted or left out."""
        tests = (self.records.test_texts(lang) for lang in self.tests)
        return load_examples(
            self.dataset,
            self.langs,
            self.records.sources,
            self.options.seed,
            tests,
            decontaminate=self.records.decontaminate,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The labels that the head has."""
        train = self.examples.train
        return train.label_names or tuple(sorted(set(train.labels)))

    def check(self) -> None:
        """Load all texts, so that a fault of any of them is found before the training."""
        for lang in self.tests:
            self.records.load(lang, self.source, self.examples.train)

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights."""
        train, validation, drawn, _ = self.examples
        data = {"dataset": self.dataset.name, "langs": list(self.langs), "origin": vars(train.origin)}
        return {
            "objective": "classification",
            "data": {**data, "texts": digest_of(train), "validation": digest_of(validation), "held_out": drawn},
            "base": self.base.identity(),
            "training": self.options.identity(),
        }

    def plan(self) -> str:
        """Return the sizes of the splits, the steps and the memory, and where the records go."""
        from utils.training.memory import plan_lines

        train, validation, drawn, _ = self.examples
        tests = [(lang, self.records.load(lang, self.source, train)) for lang in self.tests]
        sizes = f"{len(train.texts):,} training and {len(validation.texts):,} validation texts"
        lines = [
            f"{self.dataset.name} {self.source}: {sizes}{' (held out)' if drawn else ''}, {len(self.names)} labels",
            "test: " + ", ".join(f"{lang} {len(data.queries):,}" for lang, data in tests) + " texts",
            self._overlap,
            *plan_lines(len(train.texts), self.base, self.options),
            f"records: {self.records.folder}",
        ]
        return "\n".join(lines)

    def train(self, folder: TrainingFolder) -> Trained:
        """Train the classifier."""
        import transformers

        from utils.training.classification import load_classifier, train_classifier

        transformers.set_seed(self.options.seed)
        train, validation, *_ = self.examples
        note(f"{self.dataset.name} {self.source}: {self._overlap}")
        self.classifier = load_classifier(self.base, self.names, self.options.max_length)
        return train_classifier(
            self.classifier, self._labelled(train), self._labelled(validation), self.options, folder
        )

    def save(self, folder: Path) -> None:
        """Write the checkpoint."""
        assert self.classifier is not None
        self.classifier.save(folder)

    def figures(self, folder: TrainingFolder) -> dict[str, Any]:
        """Test the classifier on its languages, write their records, and return the figures."""
        assert self.classifier is not None
        rows = [self.records.test(self.classifier, lang, self.source, self.examples.train) for lang in self.tests]
        self.classifier, self.is_tested = None, True
        return {"rows": rows, "overlap": self.examples.overlap.counts()}

    def test_again(self) -> None:
        """Test a classifier that an earlier command trained on the languages that have no record yet."""
        from utils.training.classification import load_trained

        if self.is_tested or self.records.dry_run:
            return
        if missing := self._untested:
            classifier = load_trained(self.place, self.base, self.options.max_length)
            for lang in missing:
                self.records.test(classifier, lang, self.source, self.examples.train)

    @property
    def _untested(self) -> list[str]:
        return [lang for lang in self.tests if not self.records.is_done(lang)]

    def lacks_records(self) -> bool:
        """Return whether a language has no record."""
        return bool(self._untested)

    def card(self) -> dict[str, Any]:
        """Return what the model card says."""
        train, validation, drawn, _ = self.examples
        sizes = {"train": train, "validation (held out of the training texts)" if drawn else "validation": validation}
        about = {"source": self.dataset.source, "revision": self.dataset.revision, "licence": self.dataset.licence}
        rows = [{"split": name, "texts": len(part.texts), **about} for name, part in sizes.items()]
        return {
            "title": f"{self.base.name}, fine-tuned on {self.dataset.name} ({self.source})",
            "summary": "A classification head on an encoder, trained on labelled texts. Labels: "
            + f"{', '.join(self.names)}. Of its data, {self._overlap}.",
            "base_model": self.base.name,
            "library": "transformers",
            "tags": ["text-classification"],
            "languages": list(self.langs),
            "data": rows,
            "use": [f"python classification.py --dataset {self.dataset.name} --model_checkpoint FOLDER"],
        }

    @property
    def _overlap(self) -> str:
        return self.examples.overlap.describe(dropped=self.records.decontaminate)

    def _labelled(self, part: LabeledTexts) -> Labelled:
        from utils.training.classification import UNKNOWN, Labelled

        number = {name: index for index, name in enumerate(self.names)}
        return Labelled(part.texts, [number.get(label, UNKNOWN) for label in part.labels])
