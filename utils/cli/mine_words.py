"""mine.py --mode words: from the arguments to a lexicon, and what it prints."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.mine_arguments import default_output
from utils.cli.mine_bitext import chosen_sides, pairing_settings
from utils.cli.mine_job import Draw, Mode, chosen_cleaning, chosen_format
from utils.errors import counted
from utils.mining.settings import WordsJob, WordsSettings
from utils.mining.words import MinedWords, mine_words

if TYPE_CHECKING:
    from utils.mining.neighbours import SearchPlace
    from utils.mining.row_store import LazyEncoder

TASK = "word mining"


def make_job(args: argparse.Namespace, root: Path) -> WordsJob:
    """Return the mining of a command line. Raises UserError for flags that exclude each other, and missing files."""
    settings = WordsSettings(**vars(pairing_settings(args)), max_words=args.max_words, is_list=args.word_lists)
    collections, _ = chosen_sides(args, root, "words are mined")
    kind = chosen_format(args, "tsv")
    output = args.output or default_output(collections, kind, "words.")
    return WordsJob(TASK, collections, chosen_cleaning(args, 2), args.gold, output, kind, settings)


def plan_words(job: WordsJob, encoder: LazyEncoder, place: SearchPlace) -> str:
    """Return the lines of a dry run."""
    from utils.mining.plan import estimate, work_of_sides
    from utils.mining.words import word_lists

    lines: list[str] = []
    _, lists = word_lists(job, place.root, lines.append)
    return "\n".join([*lines, *estimate(job, lists, encoder, place, work_of_sides(lists, job))])


def show(job: WordsJob, mined: MinedWords, draw: Draw) -> None:
    """Print how many pairs were found and where they are; with a dictionary also how many are right."""
    print(f"{counted(mined.n_pairs, 'pair')} of words: {job.output}")
    for line in mined.gold.lines() if mined.gold else ():
        print(line)


WORDS: Mode[WordsJob, MinedWords] = Mode(make_job, mine_words, plan_words, show)
