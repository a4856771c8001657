#!/usr/bin/env python3
"""Table of bitext retrieval: models by data sets, with the cross-lingual and code-switching means of the paper.

python script/aggregate/aggregate_bitext_mining.py --k 1
python script/aggregate/aggregate_bitext_mining.py --k 5 --metric acc --format latex --output bitext.tex
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_bitext_mining.py --k 1
python script/aggregate/aggregate_bitext_mining.py --k 5 --metric acc --format latex --output bitext.tex
python script/aggregate/aggregate_bitext_mining.py --margin ratio --logs logs
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "bitext", EXAMPLES)


if __name__ == "__main__":
    run(main)
