#!/usr/bin/env python3
"""Mining at corpus scale: sentence pairs from two collections that nobody aligned.

python mine.py                                                 two languages of the sample set
python mine.py --source news.de.gz --target news.en.gz         any two collections
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.arguments import Parser
from utils.cli.main import run as run_script
from utils.cli.mine_arguments import add_collection_args, add_mining_args, add_store_args
from utils.cli.model_arguments import add_api_args, add_encoder_args

if TYPE_CHECKING:
    from utils.mining.gold import GoldReport

MODES = ("bitext",)
KEPT = "finished shards are kept; run the same command again to continue"  # what an interruption leaves
EXAMPLES = """
python mine.py
python mine.py --source news.de.txt.gz --target news.en.txt.gz --threshold 1.06 --output pairs.tsv
python mine.py --source "de/*.jsonl" --target "en/*.parquet" --text_column sentence text --direction intersection
python mine.py --source de.tsv --target en.tsv --gold gold.tsv --margin csls --duplicates near --language_id de en
python mine.py --source big.de.zst --target big.en.zst --cuda --dtype bf16 --store_dtype int8 --dry_run
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Mining of sentence pairs from two monolingual collections of any size.", EXAMPLES)
    parser.add_argument("--mode", choices=MODES, default="bitext", help="what is mined (default: %(default)s)")
    add_collection_args(parser)
    add_mining_args(parser)
    add_encoder_args(parser, fusion=False)
    add_api_args(parser)
    add_store_args(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.mine_bitext import BITEXT
    from utils.cli.mine_job import run_mode

    run_mode(BITEXT, args, draw)


def draw(report: GoldReport, output: Path) -> list[Path]:
    """Draw the curve of known pairs, and return its files."""
    from utils.reporting.charts.thresholds import draw_thresholds

    return draw_thresholds(report, output)


if __name__ == "__main__":
    run_script(main, KEPT)
