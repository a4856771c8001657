"""The modes of mine.py."""

from __future__ import annotations

from typing import Any

from utils.cli.mine_bitext import BITEXT
from utils.cli.mine_job import Mode
from utils.cli.mine_pairs import PAIRS
from utils.cli.mine_words import WORDS

MODES: dict[str, Mode[Any, Any]] = {"bitext": BITEXT, "pairs": PAIRS, "words": WORDS}
