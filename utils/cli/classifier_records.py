"""The records of trained classifiers: those of k-NN classification, with the training in place of the neighbours."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.ks import Ks
from utils.cli.labeled_task import note_unknown_labels
from utils.cli.run import Run, scores_printed
from utils.constants import FINETUNED
from utils.data.classification import load_labeled
from utils.data.sources import Sources, planned_origin
from utils.data.train_test import TrainTest
from utils.progress import Clock
from utils.records.identity import Identity
from utils.records.paths import run_folder
from utils.records.provenance import public_argument
from utils.records.record_store import RecordStore
from utils.records.variants import place_of
from utils.retrieval.ensemble import Ensemble
from utils.settings.labeled import ClassificationSettings
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.data.subsets import LabeledTexts
    from utils.schema import DatasetSpec
    from utils.training.base import Base
    from utils.training.classification import Classifier
    from utils.training.options import TrainingOptions

K = 1  # of a record whose model has no neighbours: it stands in the tables of every k
NOT_OF_CLASSIFIERS = ("similarity", "vote", "fuse", "normalize")  # settings that neighbours have


class ClassifierRecords:
    """The records of a command line's classifiers, whose languages are the subsets.

    langs: the languages of a classifier that is trained on several at once; empty for others.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        dataset: DatasetSpec,
        sources: Sources,
        src_lang: str | None,
        base: Base,
        options: TrainingOptions,
        langs: Sequence[str],
    ) -> None:
        self.settings = ClassificationSettings(
            cross=args.cross, src_lang=src_lang, seed=args.seed, limit=args.limit, tag=args.tag
        )
        self.dataset, self.sources, self.base = dataset, sources, base
        self.dry_run, self.decontaminate = args.dry_run, args.decontaminate
        self._tests: dict[str, LabeledTexts] = {}
        settings = {name: value for name, value in self.settings.identity().items() if name not in NOT_OF_CLASSIFIERS}
        self.identity = Identity(
            task="classification",
            dataset=dataset.name,
            model=f"{base.name}{FINETUNED}",
            source=planned_origin(dataset, sources),
            encoders=[encoder_of(base, options)],
            settings=settings,
            training={
                **({"langs": list(langs)} if langs else {}),
                **options.of_record(),
                **({"decontaminate": True} if args.decontaminate else {}),
            },
        )
        self.run = self._run(args)

    def _run(self, args: argparse.Namespace) -> Run:
        own = self.place
        folder = self.settings.run_name("save_finetune") + (f"_{own}" if own else "")
        debug = args.limit is not None
        place = run_folder(args.output_dir, folder, self.dataset.name, self.identity.model, args.seed, debug=debug)
        return Run(
            dataset=self.dataset,
            sources=self.sources,
            ensemble=Ensemble((), (), device="cuda" if args.cuda else "cpu"),
            store=RecordStore(place, self.identity, overwrite=args.overwrite, debug=debug),
            ks=Ks((K,), typed=False),
            metric=TASKS["classification"].metric_for(self.dataset.main_metric),
            arguments={name: public_argument(value) for name, value in vars(args).items()},
            langs=args.langs,
            dry_run=args.dry_run,
        )

    @property
    def place(self) -> str:
        """What departs from the plain training, as folders have it."""
        return place_of(self.identity.of(""), self.dataset.name, TASKS["classification"])

    @property
    def folder(self) -> Path:
        """The folder of the records."""
        return self.run.store.folder

    def model_folder(self, langs: Sequence[str]) -> Path:
        """Return the usual folder of the model that is trained on these languages."""
        own = f"_{self.place}" if self.place else ""
        name = langs[0] if len(langs) == 1 else "multilingual"
        usual = run_folder(
            Path("finetuned"),
            f"classification{own}",
            self.dataset.name,
            self.base.name,
            self.settings.seed,
            debug=False,
        )
        return usual / name

    def is_done(self, lang: str) -> bool:
        """Return whether the record of a language is there."""
        return self.run.store.is_done(lang, K)

    def load(self, lang: str, source: str, train: LabeledTexts) -> TrainTest:
        """Return the test texts of a language beside the training texts. Raises UserError where there are none."""
        return TrainTest(source, lang, train, self.test_texts(lang), self.settings.limit)

    def test_texts(self, lang: str) -> LabeledTexts:
        """Return all test texts of a language, which are read once."""
        if lang not in self._tests:
            self._tests[lang] = load_labeled(self.dataset, lang, "test", self.sources)
        return self._tests[lang]

    def test(self, classifier: Classifier, lang: str, source: str, train: LabeledTexts) -> dict[str, Any]:
        """Write the record of a language, and return its figures as a row of the model card."""
        from utils.evaluation.scores import label_figures
        from utils.schema import RunRecord

        clock, data = Clock(), self.load(lang, source, train)
        note_unknown_labels(self.dataset, data)
        logits = classifier.logits(data.queries)
        hyp = data.indices([classifier.names[place] for place in logits.argmax(axis=1).tolist()])
        clock.lap("predict")
        gold, of_train = data.indices(data.gold), data.indices(train.labels)
        found = label_figures(gold, hyp, data.names, of_train, self.settings.seed)
        record = RunRecord(found.metrics, found.ci95, len(gold), K, {}, found.details)
        counts = {"hits": 0, "misses": len(gold), **classifier.cut_counts(data.queries)}
        clock.lap("score")
        self.run.counts[lang] = {self.base.name: counts}
        run = {
            **self.run.provenance(lang, clock.laps),
            **data.describe(self.dataset, cross=self.settings.cross),
            "cache": {self.base.name: counts},
        }
        self.run.store.write(lang, dataclasses.replace(record, run=run), data.predictions(hyp.tolist()))
        return row_of(lang, found.metrics, found.ci95, len(gold))

    @contextmanager
    def printed(self, langs: Sequence[str]) -> Iterator[None]:
        """Print the scores of languages at the end, and how many texts were cut."""
        import sys

        from utils.cli.cut_texts import cut_lines

        with scores_printed([self.run], langs):
            yield
            for line in cut_lines(self.run.counts):
                print(line, file=sys.stderr)


def encoder_of(base: Base, options: TrainingOptions) -> dict[str, Any]:
    """Return the checkpoint that was trained, as records have an encoder."""
    about = {"checkpoint": base.name, "revision": base.digest, "max_length": options.max_length}
    trusted = {"trust_remote_code": True} if base.trust_remote_code else {}
    return {**about, "dtype": options.dtype, **trusted, "weight": 1.0}


def row_of(lang: str, metrics: dict[str, float], ci95: dict[str, tuple[float, float]], n: int) -> dict[str, Any]:
    """Return the figures of a language as a row of the model card: percentages, with their 95 % intervals."""
    shown = {
        f"{name} (95 % interval)": f"{100 * metrics[name]:.2f} ({100 * ci95[name][0]:.2f}-{100 * ci95[name][1]:.2f})"
        for name in ("acc", "f1")
    }
    return {"language": lang, **shown, "test texts": n}
