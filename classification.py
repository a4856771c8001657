#!/usr/bin/env python3
"""Retrieval-based classification: the k nearest training texts of each test text vote on its label.

python classification.py                                           the sample set's topics, embedded encoder
python classification.py --dataset nusax --langs eng ace           each language's own training texts
python classification.py --dataset nusax --cross --src_lang eng    English training texts for every other language
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from utils.cli import arguments
from utils.cli.choices import fusion_departures
from utils.cli.listing import show_registry
from utils.cli.main import run
from utils.cli.model_arguments import add_api_args, add_encoder_args
from utils.errors import UserError
from utils.schema import LabeledTexts, RunRecord, TopK

if TYPE_CHECKING:
    from utils.cli.session import Session
    from utils.evaluation.scores import LabelFigures

SETTINGS = ("cross", "src_lang", "split", "similarity", "vote", "legacy")  # arguments that decide a figure
SPLITS = ("test", "validation")
MEANINGS = {
    "dataset": "a name that --list shows, or a labelled .tsv, .csv, .jsonl or .parquet file",
    "src_lang": "--cross: the language of the training texts (default: the dataset's pivot)",
    "langs": "only these languages",
    "columns": "own file: TEXT LABEL [LANG [SPLIT]] (default: columns of these names)",
}
EXAMPLES = """
python classification.py
python classification.py --dataset nusax --seed 42 --cuda --model_checkpoint sentence-transformers/LaBSE
python classification.py --src_lang eng --cross --dataset nusax --model_checkpoint intfloat/multilingual-e5-base
python classification.py --dataset reviews.csv --columns text stars --vote weighted
python classification.py --dataset sib200 --langs swh_Latn fra_Latn --data_dir ~/mirror
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = arguments.Parser("Retrieval-based classification: the k nearest training texts vote.", EXAMPLES)
    arguments.add_data_args(parser, MEANINGS)
    add_encoder_args(parser)
    group = arguments.add_retrieval_args(parser)
    group.add_argument(
        "--cross", action="store_true", help="training texts of --src_lang, tests of all other languages"
    )
    group.add_argument("--vote", choices=("majority", "weighted"), default="majority", help="(default: %(default)s)")
    group.add_argument("--split", choices=SPLITS, default="test", help="the texts to classify (default: %(default)s)")
    group.add_argument("--legacy", action="store_true", help="the original's label sets, distance and macro means")
    add_api_args(parser)
    arguments.add_run_args(parser)
    args = parser.parse_args(argv)
    if args.legacy:
        if args.similarity == "dot" or args.vote == "weighted":
            raise UserError(
                "--legacy with another similarity or vote", "it stands for the original's Euclidean majority"
            )
        args.similarity = "euclidean"
    if args.src_lang and not args.cross and not args.list:
        raise UserError("--src_lang without --cross", "add --cross to train on it, or --langs to choose languages")
    if args.tune_weights and args.split == "validation":
        raise UserError("--tune_weights with --split validation", "weights are not tuned on what they are tested on")
    return args


def run_name(args: argparse.Namespace) -> str:
    """Return the run's folder: the original's name, each departure from the plain setting after it."""
    name = f"save_classification_cross_{args.src_lang}" if args.cross else "save_classification"
    departures = [
        args.similarity if args.similarity != "cosine" and not args.legacy else "",
        args.vote if args.vote != "majority" else "",
        args.split if args.split != "test" else "",
        "legacy" if args.legacy else "",
        *fusion_departures(args),
    ]
    return "_".join([name, *filter(None, departures)])


def evaluate(session: Session, lang: str) -> None:
    """Load, encode, retrieve, vote, score and log one language."""
    from utils.data.classification import describe, load_labeled
    from utils.progress import Clock
    from utils.records import store

    clock, args = Clock(), session.args
    source = args.src_lang if args.cross else lang
    train = load_labeled(session.dataset, source, "train", session.where, legacy=args.legacy)
    test = load_labeled(session.dataset, lang, args.split, session.where, legacy=args.legacy)
    ks = [k for k in session.allowed_ks(lang, len(train.texts)) if not session.is_done(lang, k)]
    if not ks:
        return
    clock.lap("load")
    members = session.embed(test.texts[: args.limit], train.texts)
    clock.lap("encode")
    found, alone = session.search(members, max(ks)), session.alone(members, max(ks))
    clock.lap("retrieve")
    scored = [score(args, train, test, found, alone, k) for k in ks]
    clock.lap("score")
    store.write_neighbors(session.folder, lang, {"forward": found}, session.identity(lang))
    about = describe(session.dataset, source, train, lang, test, cross=args.cross)
    about["dimensions"] = sum(rows.shape[1] for rows, _ in members)
    for record, predictions in scored:
        session.log(lang, record, predictions, about, clock.laps)


def score(
    args: argparse.Namespace, train: LabeledTexts, test: LabeledTexts, found: TopK, alone: Mapping[str, TopK], k: int
) -> tuple[RunRecord, dict[str, list[Any]]]:
    """Return the record at k, its `run` still empty, and the predictions; `alone` are an ensemble's members."""
    from utils.data.classification import label_set

    n = len(found.indices)
    names = label_set(train, test)
    figures, hyp = judge(args, train, test, found, k)
    members = {name: judge(args, train, test, one, k)[0].metrics for name, one in alone.items()}
    details = {**figures.details, **({"members": members} if members else {})}
    predictions: dict[str, list[Any]] = {
        "gold": list(test.labels[:n]),
        "hyp": [names[index] if index >= 0 else None for index in hyp],
    }
    return RunRecord(figures.metrics, figures.ci95, n, k, {}, details), predictions


def judge(
    args: argparse.Namespace, train: LabeledTexts, test: LabeledTexts, found: TopK, k: int
) -> tuple[LabelFigures, Sequence[int]]:
    """Let the k nearest vote; return the figures and the predictions (n,)."""
    import numpy as np

    from utils.data.classification import label_set
    from utils.evaluation.scores import label_figures
    from utils.retrieval.knn_vote import vote

    names = label_set(train, test)
    place = {name: index for index, name in enumerate(names)}
    of_train = np.array([place[label] for label in train.labels], dtype=np.int64)
    gold = np.array([place[label] for label in test.labels[: len(found.indices)]], dtype=np.int64)
    weighted = args.vote == "weighted"
    hyp = vote(of_train[found.indices[:, :k]], found.scores[:, :k], len(names), weighted=weighted)
    hyp[found.indices[:, 0] < 0] = -1  # a text without a vector has no neighbours
    return label_figures(gold, hyp, names, of_train, args.seed, legacy=args.legacy), hyp.tolist()


def tune_weights(session: Session, langs: Sequence[str]) -> None:
    """Choose the ensemble's weights by the mean main metric over languages and ks on the validation split."""
    from utils.data.classification import load_labeled

    args, ks = session.args, session.asked_ks()
    loaded = []
    for lang in langs:
        source = args.src_lang if args.cross else lang
        train = load_labeled(session.dataset, source, "train", session.where, legacy=args.legacy)
        test = load_labeled(session.dataset, lang, "validation", session.where, legacy=args.legacy)
        loaded.append((train, test, session.embed(test.texts, train.texts)))

    def mean_score(weights: Sequence[float]) -> float:
        scores = []
        for train, test, members in loaded:
            allowed = [k for k in ks if k <= len(train.texts)]
            found = session.search(members, max(allowed), weights)
            scores += [judge(args, train, test, found, k)[0].metrics[session.dataset.main_metric] for k in allowed]
        return sum(scores) / len(scores)

    session.tune(mean_score)


def show_plan(session: Session, langs: Sequence[str]) -> None:
    """Print each language's size, the texts to encode and the state of its records; no model is loaded."""
    from utils.data.classification import load_labeled

    args, rows = session.args, []
    for lang in langs:
        train = load_labeled(session.dataset, args.src_lang if args.cross else lang, "train", session.where)
        test = load_labeled(session.dataset, lang, args.split, session.where)
        texts = [*test.texts[: args.limit], *train.texts]
        rows.append([lang, len(train.texts), len(test.texts[: args.limit]), *session.plan_cells(lang, texts)])
    session.print_plan(rows, ["language", "train", args.split, "to encode", "records"])


def main(argv: Sequence[str]) -> None:
    """Run the command line; raises UserError for what the user can mend."""
    args = parse(argv)
    if args.list:
        show_registry()
        return
    from utils.cli.session import Session
    from utils.data.classification import langs_to_test
    from utils.data.own_data import find_labeled

    dataset = find_labeled(args.dataset, args.columns, args.seed)
    args.src_lang, langs = langs_to_test(dataset, args.langs, args.src_lang, cross=args.cross)
    session = Session(args, dataset, run_name(args), SETTINGS)
    if args.dry_run:
        show_plan(session, langs)
        return
    if args.tune_weights:
        tune_weights(session, langs)
    session.run_subsets(langs, lambda lang: evaluate(session, lang))
    session.print_scores(langs, dataset.main_metric)


if __name__ == "__main__":
    run(main)
