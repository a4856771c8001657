#!/usr/bin/env python3
"""Mining at corpus scale: sentence pairs of two collections that nobody aligned, and training rows of one.

python mine.py                                                 two languages of the sample set
python mine.py --source news.de.gz --target news.en.gz         any two collections
python mine.py --mode pairs --source texts.jsonl --pos_min 0.9 rows of a query, positives and negatives
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.arguments import Parser
from utils.cli.main import run as run_script
from utils.cli.mine_arguments import (
    add_collection_args,
    add_mining_args,
    add_mode_args,
    add_pairs_args,
    add_scale_args,
    add_store_args,
    add_words_args,
    check_flags,
)
from utils.cli.model_arguments import add_api_args, add_encoder_args

if TYPE_CHECKING:
    from utils.mining.gold import GoldReport
    from utils.mining.pairs import MinedRows

KEPT = "finished shards are kept; run the same command again to continue"  # what an interruption leaves
EXAMPLES = """
python mine.py
python mine.py --source news.de.txt.gz --target news.en.txt.gz --threshold 1.06 --output pairs.tsv
python mine.py --source "de/*.jsonl" --target "en/*.parquet" --text_column sentence text --direction intersection
python mine.py --source de.tsv --target en.tsv --gold gold.tsv --margin csls --duplicates near --language_id de en
python mine.py --mode pairs
python mine.py --mode pairs --source texts.jsonl --group_column item --neg_ranks 10-200 --sampling random
python mine.py --mode pairs --source tweets.parquet --pos_min 0.93 --relative_margin 0.05 --duplicates near
python mine.py --mode words --source news.de.gz --target news.en.gz --gold de-en.txt --max_words 5000
python mine.py --source big.de.zst --target big.en.zst --cuda --dtype bf16 --store_dtype int8 --dry_run
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Mining of sentence pairs, training rows and words from collections of any size.", EXAMPLES)
    add_mode_args(parser)
    add_collection_args(parser)
    add_mining_args(parser)
    add_pairs_args(parser)
    add_words_args(parser)
    add_encoder_args(parser, fusion=False)
    add_api_args(parser)
    add_scale_args(parser)
    add_store_args(parser)
    parser.hide("--model_checkpoints", "--weights", "--embedding_precision")
    args = parser.parse_args(argv)
    check_flags(parser, args)
    return args


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.mine_job import run_mode
    from utils.cli.mine_modes import MODES

    run_mode(MODES[args.mode], args, draw)


def draw(found: GoldReport | MinedRows, output: Path) -> list[Path]:
    """Draw the curve of known pairs, or the distribution of cosines, and return its files."""
    from utils.mining.gold import GoldReport
    from utils.reporting.charts.thresholds import draw_scores, draw_thresholds

    return draw_thresholds(found, output) if isinstance(found, GoldReport) else draw_scores(found, output)


if __name__ == "__main__":
    run_script(main, KEPT)
