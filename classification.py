#!/usr/bin/env python3
"""Retrieval-based classification: the k nearest training texts of each test text vote on its label.

python classification.py                                           the sample set's topics, embedded encoder
python classification.py --dataset nusax --langs eng ace           each language's own training texts
python classification.py --dataset nusax --cross --src_lang eng    English training texts for every other language
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import Parser, add_data_args, add_retrieval_args, add_run_args
from utils.cli.choices import build_settings
from utils.cli.data_choice import LABELED_MEANINGS, check_src_lang
from utils.cli.labeled_task import LabeledTask
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args
from utils.cli.task_run import RetrievalTask
from utils.constants import SPLITS, VOTES
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.cli.run import Run
    from utils.cli.task_run import Found
    from utils.data.train_test import TrainTest
    from utils.retrieval.ensemble import Ensemble, Members
    from utils.schema import RunRecord
    from utils.settings.labeled import ClassificationSettings

EXAMPLES = """
python classification.py
python classification.py --dataset nusax --seed 42 --cuda --model_checkpoint sentence-transformers/LaBSE
python classification.py --src_lang eng --cross --dataset nusax --model_checkpoint intfloat/multilingual-e5-base
python classification.py --dataset reviews.csv --columns text stars --vote weighted
python classification.py --dataset sib200 --langs swh_Latn fra_Latn --data_dir ~/mirror
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Retrieval-based classification: the k nearest training texts vote.", EXAMPLES)
    add_data_args(parser, LABELED_MEANINGS)
    add_encoder_args(parser)
    group = add_retrieval_args(parser)
    group.add_argument("--cross", action="store_true", help="train on --src_lang and test on all other languages")
    group.add_argument("--vote", choices=VOTES, default="majority", help="(default: %(default)s)")
    group.add_argument(
        "--split", choices=SPLITS, default="test", help="split that is classified (default: %(default)s)"
    )
    group.add_argument(
        "--legacy", action="store_true", help="reproduce the original's label sets, distance and macro averages"
    )
    add_api_args(parser)
    add_run_args(parser)
    return parser.parse_args(argv)


def make_settings(args: argparse.Namespace, src_lang: str | None) -> ClassificationSettings:
    """Return the settings of the run; src_lang is the training language of --cross."""
    from utils.settings.labeled import ClassificationSettings

    similarity = "euclidean" if args.legacy else args.similarity
    return build_settings(ClassificationSettings, args, src_lang=src_lang, similarity=similarity)


def check_flags(args: argparse.Namespace) -> None:
    """Raise UserError for flags that exclude each other."""
    if args.legacy and (args.similarity == "dot" or args.vote == "weighted"):
        raise UserError(
            "--legacy with another similarity or vote",
            "--legacy uses Euclidean distances and majority votes: leave them out",
        )
    check_src_lang(args)
    if args.tune_weights and args.split == "validation":
        raise UserError(
            "--tune_weights with --split validation",
            "the weights are tuned on the validation split, so it cannot be the test",
        )


class Classification(LabeledTask, RetrievalTask["TrainTest"]):
    """Retrieval-based classification; a subset is a test language."""

    settings: ClassificationSettings

    def __init__(self, run: Run, settings: ClassificationSettings) -> None:
        super().__init__(run, settings)
        self.regression: dict[str, dict[str, float]] = {}  # the figures of mteb's protocol, by subset

    def search(self, ensemble: Ensemble, members: Members, k: int) -> Found:
        """Return the k nearest training texts of each test text."""
        return {"forward": ensemble.search(members, k)}

    def search_in(self, data: TrainTest, ensemble: Ensemble, members: Members, k: int) -> Found:
        """Return the k nearest training texts; of a task of mteb, keep the figures of its logistic regression too."""
        from utils.evaluation.logistic_regression import regression_figures

        how = self.run.dataset.options.get("regression")
        test, train = members[0]
        if how and len(ensemble.encoders) == 1 and can_be_fitted(test, train):
            labels, gold = data.indices(data.train.labels), data.indices(data.gold)
            self.regression[data.lang] = regression_figures(train, labels, test, gold, how)
        return self.search(ensemble, members, k)

    def score_all(
        self, data: TrainTest, found: Found, alone: Mapping[str, Found], k: int
    ) -> tuple[RunRecord, dict[str, Any]]:
        """Return the record at k, with the figures of the logistic regression where there are any."""
        record, predictions = super().score_all(data, found, alone, k)
        metrics = {**record.metrics, **self.regression.get(data.lang, {})}
        return dataclasses.replace(record, metrics=metrics), predictions

    def score(self, data: TrainTest, found: Found, k: int) -> tuple[RunRecord, dict[str, Any]]:
        """Let the k nearest training texts vote; return the record at k and the predictions."""
        from utils.evaluation.scores import label_figures
        from utils.retrieval.knn_vote import vote
        from utils.schema import RunRecord

        near, of_train, names = found["forward"], data.indices(data.train.labels), data.names
        weighted = self.settings.vote == "weighted"
        hyp = vote(of_train[near.indices[:, :k]], near.scores[:, :k], len(names), weighted=weighted)
        hyp[near.indices[:, 0] < 0] = -1  # a text without a vector has no neighbours
        gold, settings = data.indices(data.gold), self.settings
        figures = label_figures(gold, hyp, names, of_train, settings.seed, legacy=settings.legacy)
        record = RunRecord(figures.metrics, figures.ci95, len(gold), k, {}, figures.details)
        return record, data.predictions(hyp.tolist())

    def describe(self, data: TrainTest) -> dict[str, Any]:
        """Return the origin, the languages and the sizes."""
        return data.describe(self.run.dataset, cross=self.settings.cross)


def can_be_fitted(*sides: Any) -> bool:
    """Return whether each text has one dense vector, as a logistic regression needs."""
    import numpy as np

    return all(isinstance(rows, np.ndarray) and not np.isnan(rows).any() for rows in sides)


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.data_choice import chosen_labeled
    from utils.cli.open_run import open_run
    from utils.data.classification import langs_to_test

    check_flags(args)
    dataset = chosen_labeled(args)
    src_lang, langs = langs_to_test(dataset, args.langs, args.src_lang, cross=args.cross)
    settings = make_settings(args, src_lang)
    run = open_run(args, dataset, "classification", settings, settings.run_name("save_classification"))
    Classification(run, settings).execute(langs)


if __name__ == "__main__":
    run_script(main)
