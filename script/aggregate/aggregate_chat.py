#!/usr/bin/env python3
"""Table of free answers: models by data sets, or by the languages of one.

python script/aggregate/aggregate_chat.py
python script/aggregate/aggregate_chat.py --metric help --ci
"""

from __future__ import annotations

from collections.abc import Sequence

import _path  # noqa: F401

from utils.cli.main import run
from utils.reporting.tables.aggregate import aggregate

EXAMPLES = """
python script/aggregate/aggregate_chat.py
python script/aggregate/aggregate_chat.py --metric help --ci
python script/aggregate/aggregate_chat.py --dataset vicuna_multilingual --by lang
"""


def main(argv: Sequence[str]) -> None:
    """Print the table of the logged records."""
    aggregate(argv, "chat", EXAMPLES)


if __name__ == "__main__":
    run(main)
