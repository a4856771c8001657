#!/usr/bin/env python3
"""Retrieval with judgements: for each question, rank the passages of a pool, in one language or in many.

python retrieval.py                                           the sample questions with the embedded encoder
python retrieval.py --dataset xquad_r --pool same             each language's own passages
python retrieval.py --dataset my_beir_folder --k 10 100       your own corpus, queries and qrels
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.arguments import Parser, add_data_args, add_margin_args, add_pool_args, add_retrieval_args, add_run_args
from utils.cli.choices import build_settings, chosen_margin_k
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args
from utils.cli.reranking import add_rerank_args, chosen_reranker, rerank_settings, with_first_stage
from utils.cli.types import path
from utils.errors import UserError, note
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.rerankers.spec import RerankerSpec
    from utils.schema import DatasetSpec
    from utils.settings.retrieval import RetrievalSettings

MEANINGS = {
    "dataset": "a name that --list shows, a folder in BEIR's layout, or a table of questions and passages",
    "langs": "only questions and passages in these languages",
    "columns": "own table: QUERY PASSAGE [SCORE [LANG]] (default: columns of these names)",
}
EXAMPLES = """
python retrieval.py
python retrieval.py --dataset xquad_r --langs en de ru --pool same --data_dir ~/mirror
python retrieval.py --dataset tydiqa_r --langs sw --model_checkpoint baseline/char_ngram
python retrieval.py --dataset my_beir_folder --k 10 100 --model_checkpoint intfloat/multilingual-e5-base
python retrieval.py --export_run runs
python retrieval.py --import_run runs
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Retrieval with judgements: rank the passages of a pool for every question.", EXAMPLES)
    add_data_args(parser, MEANINGS)
    add_encoder_args(parser, tuning=False, sides=True)
    group = add_retrieval_args(parser, TASKS["retrieval"].default_ks, "; lexicons 1 5 10, rows of pairs 1 3 5 10")
    add_margin_args(group)
    add_pool_args(group)
    group.add_argument("--split", metavar="NAME", help="own folder: the judgements, qrels/NAME.tsv (default: test)")
    add_rerank_args(parser, first_stage=True)
    runs = parser.add_argument_group("run files")
    runs.add_argument("--export_run", type=path, metavar="FOLDER", help="write the rankings as run files of TREC")
    runs.add_argument(
        "--import_run",
        type=path,
        metavar="PATH",
        help="score the rankings of a run file, or of a folder with one for each subset, instead of an encoder's",
    )
    add_api_args(parser)
    add_run_args(parser)
    return parser.parse_args(argv)


def make_settings(
    args: argparse.Namespace, dataset: DatasetSpec, files: dict[str, Path], reranker: RerankerSpec | None = None
) -> RetrievalSettings:
    """Return the settings of the run; `files` are the run files that are scored, by subset."""
    from utils.data.judged import chosen_pool
    from utils.files import sha256_of, text_key
    from utils.settings.retrieval import RetrievalSettings

    if dataset.reader == "judged_pairs" and args.margin != "none":
        raise UserError(f"--margin {args.margin} with rows of query, pos and neg", "leave --margin out")
    pool = chosen_pool(dataset, args.pool)
    kind = dataset.options["usual_pool"] if pool == "usual" else pool
    joined = args.langs and kind != "same"
    langs = " ".join(lang for lang in dataset.subsets if lang in args.langs) if joined else ""
    imported = text_key("".join(sha256_of(file)[:32] for file in files.values()))[:8]
    return build_settings(
        RetrievalSettings,
        args,
        pool=pool,
        margin_k=chosen_margin_k(args),
        pool_langs=langs if langs and langs != " ".join(dataset.subsets) else None,
        imported=imported if files else None,
        **rerank_settings(args, reranker),
    )


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = with_first_stage(parse(argv))
    from utils.cli.open_run import OtherModels, open_run
    from utils.cli.pair_retrieval import PairRetrieval
    from utils.cli.retrieval_task import Retrieval
    from utils.cli.run_files import export_runs, imported_files
    from utils.data.judged import judged_subsets
    from utils.data.own_judged import PAIR_ROWS, find_judged
    from utils.data.trec_runs import run_tag

    dataset = find_judged(args.dataset, args.columns, no_header=args.no_header, split=args.split)
    subsets = judged_subsets(dataset, args.langs, args.pairs)
    files = imported_files(args, subsets)
    reranker = chosen_reranker(args)
    settings = make_settings(args, dataset, files, reranker)
    tag = run_tag(next(iter(files.values()))) if files else None
    if files and not args.tag:
        note(f"tables call it {tag} (imported {settings.imported}); --tag NAME tells it by a name of your own")
    folder = settings.run_name("save_retrieval")
    run = open_run(args, dataset, "retrieval", settings, folder, OtherModels(reranker=reranker), without_encoder=tag)
    task = (PairRetrieval if dataset.reader == PAIR_ROWS else Retrieval)(run, settings, files)
    task.execute(subsets)
    if args.export_run and not args.dry_run:
        export_runs(task, args.export_run, subsets)


if __name__ == "__main__":
    run_script(main)
