#!/usr/bin/env python3
"""Bitext retrieval: for each source sentence, rank the target sentences of its language pair.

python bitext.py                                   the sample set with the embedded encoder
python bitext.py --dataset nusax --src_lang eng    a data set of MINERS
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
from utils.cli.types import positive
from utils.errors import UserError
from utils.schema import DIRECTIONS, MARGINS, BitextSubset, RunRecord, TopK

if TYPE_CHECKING:
    from utils.cli.session import Session
    from utils.schema import Rows

    Members = Sequence[tuple[Rows, Rows]]  # sources (n, d) and targets (m, d) of each encoder

SETTINGS = ("similarity", "margin", "margin_k", "direction")  # arguments that decide a figure
DEFAULT_MARGIN_K = {"ratio": 4, "distance": 4, "csls": 10}  # as published; see margin_topk
MEANINGS = {
    "dataset": "a name that --list shows, a .tsv, .csv, .jsonl or .parquet file, or a folder of two line-aligned files",
    "src_lang": "source language (default: the dataset's pivot, or all of its pairs)",
    "langs": "only the pairs with these languages on the other side",
    "columns": "own table: the source's and the target's column",
}
EXAMPLES = """
python bitext.py
python bitext.py --dataset nusax --src_lang eng --langs ind jav
python bitext.py --src_lang de --dataset bucc --seed 42 --cuda --model_checkpoint sentence-transformers/LaBSE
python bitext.py --dataset my_pairs.tsv --columns german english --margin ratio
python bitext.py --model_checkpoints bundled/multilingual-e5-small baseline/char_ngram --weights 3 1
python bitext.py --dataset tatoeba --data_dir ~/mirror --dry_run
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = arguments.Parser(
        "Bitext retrieval: rank the target sentences of each pair for every source sentence.", EXAMPLES
    )
    arguments.add_data_args(parser, MEANINGS)
    add_encoder_args(parser)
    group = arguments.add_retrieval_args(parser)
    group.add_argument(
        "--margin", choices=MARGINS, default="none", help="margin over the cosine (default: %(default)s)"
    )
    group.add_argument(
        "--margin_k", type=positive, metavar="K", help="neighbourhood of the margin (default: 4; csls 10)"
    )
    group.add_argument(
        "--direction", choices=DIRECTIONS, default="forward", help="which side queries (default: %(default)s)"
    )
    add_api_args(parser)
    arguments.add_run_args(parser)
    args = parser.parse_args(argv)
    if args.margin != "none" and args.similarity != "cosine":
        raise UserError(
            f"--margin {args.margin} with --similarity {args.similarity}", "margins are defined over cosines"
        )
    if args.margin_k and args.margin not in DEFAULT_MARGIN_K:
        raise UserError(
            f"--margin_k with --margin {args.margin}", f"it belongs to --margin {', '.join(DEFAULT_MARGIN_K)}"
        )
    if args.margin in DEFAULT_MARGIN_K:
        args.margin_k = args.margin_k or DEFAULT_MARGIN_K[args.margin]
    if args.margin != "none" and (args.fuse != "score" or args.normalize != "none"):
        raise UserError(f"--margin {args.margin} with --fuse or --normalize", "margins are taken over the mean cosine")
    return args


def run_name(args: argparse.Namespace) -> str:
    """Return the run's folder: the plain setting is save_bitext, each departure from it adds its name."""
    departures = zip((args.similarity, args.margin, args.direction), ("cosine", "none", "forward"), strict=True)
    names = [value for value, usual in departures if value != usual]
    return "_".join(["save_bitext", *names, *fusion_departures(args)])


def search(session: Session, members: Members, k: int, weights: Sequence[float] | None = None) -> dict[str, TopK]:
    """Return the neighbours in the directions asked for: the sources query forward, the targets backward.

    members: sources (n, d) and targets (m, d) of each encoder; --limit keeps the first N queries.
    """
    args = session.args
    directions = ("forward", "backward") if args.direction == "both" else (args.direction,)
    results = {}
    for direction in directions:
        sides = members if direction == "forward" else [(targets, sources) for sources, targets in members]
        sides = [(queries[: args.limit], candidates) for queries, candidates in sides]
        results[direction] = (
            session.search(sides, k, weights) if args.margin == "none" else by_margin(session, sides, k)
        )
    return results


def by_margin(session: Session, sides: Members, k: int) -> TopK:
    """Return the candidates of greatest margin; several encoders become one cosine first."""
    from utils.retrieval.missing_vectors import without_gaps
    from utils.retrieval.topk import concatenate, margin_topk

    args = session.args

    def best(there: Members, k: int) -> TopK:
        queries, candidates = there[0]
        if len(there) > 1:
            queries, candidates = (concatenate(rows, session.weights) for rows in zip(*there, strict=True))
        how = {"margin": args.margin, "device": session.device, "precision": session.precision}
        return margin_topk(queries, candidates, k, margin_k=args.margin_k or 1, **how)

    return without_gaps(sides, k, best)


def texts_to_encode(args: argparse.Namespace, subset: BitextSubset) -> tuple[Sequence[str], Sequence[str]]:
    """Return the texts of both sides; --limit cuts a side that only queries."""
    sources = subset.sources[: args.limit] if args.direction == "forward" else subset.sources
    targets = subset.targets[: args.limit] if args.direction == "backward" else subset.targets
    return sources, targets


def search_alone(session: Session, members: Members, k: int) -> dict[str, dict[str, TopK]]:
    """Return the neighbours of each member of an ensemble by itself, by its name; nothing where there is only one."""
    if len(members) == 1:
        return {}
    return {name: search(session, [member], k) for name, member in zip(session.member_names, members, strict=True)}


def score(
    subset: BitextSubset,
    results: Mapping[str, TopK],
    k: int,
    seed: int,
    alone: Mapping[str, Mapping[str, TopK]],
) -> tuple[RunRecord, dict[str, Any]]:
    """Return the record at k, its `run` still empty, and the predictions by direction, the first one's on top."""
    members = {name: score(subset, found, k, seed, {})[0].metrics for name, found in alone.items()}
    import numpy as np

    from utils.evaluation.metrics import text_ids
    from utils.evaluation.scores import bitext_figures, join_directions

    gold = np.asarray(subset.gold, dtype=np.int64)
    sides = {"forward": (gold, subset.targets), "backward": (np.argsort(gold), subset.sources)}
    figures, predictions = {}, {}
    for direction, found in results.items():
        n = len(found.indices)
        answers, candidates = sides[direction]
        figures[direction] = bitext_figures(answers[:n], found.indices, text_ids(candidates), k, seed)
        predictions[direction] = {"gold": answers[:n].tolist(), "hyp": figures[direction].hyp.tolist()}
    first, *rest = predictions
    values, ci95 = join_directions(figures, seed)
    details = {"members": members} if members else {}
    return RunRecord(values, ci95, n, k, {}, details), {
        **predictions[first],
        **{name: predictions[name] for name in rest},
    }


def evaluate(session: Session, src_lang: str, tgt_lang: str) -> None:
    """Load, encode, retrieve, score and log one pair."""
    from utils.data.bitext import load_bitext
    from utils.progress import Clock
    from utils.records import store

    clock, args = Clock(), session.args
    subset = load_bitext(session.dataset, src_lang, tgt_lang, session.where)
    name = subset.name
    n_candidates = len(subset.sources) if args.direction == "backward" else len(subset.targets)
    ks = [k for k in session.allowed_ks(name, n_candidates) if not session.is_done(name, k)]
    if not ks:
        return
    clock.lap("load")
    members = session.embed(*texts_to_encode(args, subset))
    clock.lap("encode")
    results, alone = search(session, members, max(ks)), search_alone(session, members, max(ks))
    clock.lap("retrieve")
    scored = [score(subset, results, k, args.seed, alone) for k in ks]
    clock.lap("score")
    store.write_neighbors(session.folder, name, results, session.identity(name))
    about = {
        "origin": vars(subset.origin),
        "src_lang": subset.src_lang,
        "tgt_lang": subset.tgt_lang,
        "setting": subset.setting,
        "dimensions": sum(rows.shape[1] for rows, _ in members),
    }
    for record, predictions in scored:
        session.log(name, record, predictions, about, clock.laps)


def tune_weights(session: Session, pairs: Mapping[str, tuple[str, str]]) -> None:
    """Choose the ensemble's weights by the mean main metric over pairs and ks on the validation split."""
    from utils.data.bitext import load_bitext

    args, loaded = session.args, []
    for src_lang, tgt_lang in pairs.values():
        subset = load_bitext(session.dataset, src_lang, tgt_lang, session.where, validation=True)
        loaded.append((subset, session.embed(*texts_to_encode(args, subset))))

    def mean_score(weights: Sequence[float]) -> float:
        scores = []
        for subset, members in loaded:
            ks = [k for k in session.asked_ks() if k <= min(len(subset.sources), len(subset.targets))]
            results = search(session, members, max(ks), weights)
            scores += [score(subset, results, k, args.seed, {})[0].metrics[session.dataset.main_metric] for k in ks]
        return sum(scores) / len(scores)

    session.tune(mean_score)


def show_plan(session: Session, pairs: Mapping[str, tuple[str, str]]) -> None:
    """Print each pair's size, the texts to encode and the state of its records; no model is loaded."""
    from utils.data.bitext import load_bitext

    rows = []
    for name, pair in pairs.items():
        subset = load_bitext(session.dataset, *pair, session.where)
        sources, targets = texts_to_encode(session.args, subset)
        cells = session.plan_cells(name, [*sources, *targets])
        rows.append([name, len(sources), len(targets), *cells])
    session.print_plan(rows, ["subset", "sources", "targets", "to encode", "records"])


def main(argv: Sequence[str]) -> None:
    """Run the command line; raises UserError for what the user can mend."""
    args = parse(argv)
    if args.list:
        show_registry()
        return
    from utils.cli.session import Session
    from utils.data.bitext import bitext_pairs
    from utils.data.own_data import find_bitext

    dataset = find_bitext(args.dataset, args.columns, args.src_lang, args.langs)
    session = Session(args, dataset, run_name(args), SETTINGS)
    pairs = {"_".join(pair): pair for pair in bitext_pairs(session.dataset, args.src_lang, args.langs)}
    if args.dry_run:
        show_plan(session, pairs)
        return
    if args.tune_weights:
        tune_weights(session, pairs)
    session.run_subsets(list(pairs), lambda name: evaluate(session, *pairs[name]))
    session.print_scores(pairs, session.dataset.main_metric)


if __name__ == "__main__":
    run(main)
