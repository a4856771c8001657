"""The rows of finetune.py --objective language_model: prompts and answers, conversations, or question translation."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cli.finetune_eval import texts_of_tests
from utils.cli.open_run import chosen_sources
from utils.cli.types import name_or_path, path, positive, share
from utils.data.conversations import Conversation, read_conversations
from utils.data.question_translation import (
    DIRECTIONS,
    INSTRUCTION,
    SNLI,
    read_translations,
    snli_test_texts,
    translation_row,
)
from utils.data.tables import is_blank, read_table
from utils.errors import UserError, counted, note
from utils.files import fingerprint
from utils.training.mixes import Mix, draw_mix, full_mix, hold_out
from utils.training.overlap import Overlap, TestTexts, find_overlap

DEFAULT = "sample"  # the set of question translation where no rows are named
OF_TRANSLATION = ("direction", "langs", "rows")


@dataclass(frozen=True)
class LanguageRows:
    """Rows to train on, and rows held out. name: of the data. overlap: with test texts, None where there are none.

    dropped: whether rows with test texts are left out.
    """

    name: str
    train: list[Conversation]
    held_out: list[Conversation]
    overlap: Overlap | None
    dropped: bool

    def identity(self) -> dict[str, Any]:
        """Return what the rows are: the name, their numbers and the hashes of their texts."""
        parts = {"train": self.train, "held_out": self.held_out}
        hashes = {name: fingerprint({"rows": [[row.turns, row.lang] for row in rows]}) for name, rows in parts.items()}
        return {"dataset": self.name, "rows": len(self.train), "held_out": len(self.held_out), "sha256": hashes}

    def table(self) -> list[dict[str, Any]]:
        """Return the numbers of rows by language as a table, for the model card."""
        train, held_out = (Counter(row.lang for row in rows) for rows in (self.train, self.held_out))
        langs = dict.fromkeys([*train, *held_out])
        return [{"language": lang, "rows": train[lang], "held out": held_out[lang]} for lang in langs]

    def describe(self) -> str:
        """Return the numbers of rows."""
        langs = ", ".join(f"{row['language']} {row['rows'] + row['held out']:,}" for row in self.table())
        return f"{counted(len(self.train), 'row')} to train on, {len(self.held_out):,} held out ({langs})"


def mix(text: str) -> Mix:
    """Return the languages of a mix with their numbers of rows, for argparse: en=3200,es=800 or en,es=800."""
    found: Mix = {}
    for part in text.split(","):
        lang, is_given, count = part.strip().partition("=")
        if not lang or (is_given and not re.fullmatch(r"[0-9]{1,9}", count)) or (is_given and not int(count)):
            raise argparse.ArgumentTypeError(f"{part!r} is not LANG=N")
        if lang in found:
            raise argparse.ArgumentTypeError(f"{lang} is there twice")
        found[lang] = int(count) if is_given else None
    return found


def add_language_row_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose the rows."""
    group = parser.add_argument_group("data")
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--dataset",
        type=path,
        metavar="PATH",
        help="rows of prompt and answer, or of messages, each with its lang: a .jsonl, .parquet, .tsv or .csv file",
    )
    one.add_argument(
        "--question_translation",
        type=name_or_path,
        metavar="NAME|PATH",
        help="translate the inputs of a set: snli, sample, or a table with a column for each language (default: "
        f"{DEFAULT}, where no --dataset is given)",
    )
    group.add_argument(
        "--columns",
        nargs="+",
        metavar="COLUMN",
        help="--dataset: PROMPT ANSWER [LANG] (default: columns of these names)",
    )
    _add_translation_args(group)
    group.add_argument(
        "--mix", type=mix, metavar="LANG=N,...", help="draw so many rows of each language; LANG alone: what is left"
    )
    group.add_argument("--mix_total", type=positive, metavar="N", help="rows of the whole mix")
    _add_test_args(group)


def _add_translation_args(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--direction", choices=DIRECTIONS, help="--question_translation: into English, or from it (default: l2en)"
    )
    group.add_argument("--langs", nargs="+", metavar="LANG", help="--question_translation: only these languages")
    group.add_argument("--rows", type=positive, metavar="N", help="--question_translation: N rows of each language")


def _add_test_args(group: argparse._ArgumentGroup) -> None:
    """Add the flags for rows that are held out, and for test texts."""
    group.add_argument(
        "--validation_share",
        type=share,
        default=0.05,
        metavar="SHARE",
        help="share of the rows held out, on which the best checkpoint has the lowest loss (default: %(default)s)",
    )
    group.add_argument(
        "--test_texts",
        nargs="+",
        type=path,
        metavar="PATH",
        help="tables of test texts, of which no duplicate should be in the training rows",
    )
    group.add_argument("--decontaminate", action="store_true", help="leave out rows that have a test text in them")


def chosen_language_rows(args: argparse.Namespace) -> LanguageRows:
    """Return the rows of a command line. Raises UserError for flags that exclude each other, and as reading does."""
    name, rows = _own(args) if args.dataset else _translated(args)
    if args.mix_total and not args.mix:
        raise UserError("--mix_total without --mix", "name the languages: --mix en=3200,es")
    if args.mix:
        rows = draw_mix(rows, full_mix(args.mix, args.mix_total), args.seed)
    tests = _tests(args)
    found = find_overlap([_texts(row) for row in rows], tests) if tests else None
    if found is None and args.decontaminate:
        raise UserError("--decontaminate without test texts", "name them: --test_texts PATH, or --eval TASK:DATASET")
    if found is not None and args.decontaminate:
        rows = [rows[place] for place in found.clean]
    if found is not None:
        note(found.describe(dropped=args.decontaminate))
    if not rows:
        raise UserError(f"{name} has no rows to train on", "give more data")
    train, held_out = hold_out(rows, [row.item for row in rows], args.validation_share, args.seed)
    return LanguageRows(name, train, held_out, found, args.decontaminate)


def _own(args: argparse.Namespace) -> tuple[str, list[Conversation]]:
    given = [f"--{flag}" for flag in OF_TRANSLATION if getattr(args, flag)]
    if given:
        raise UserError(f"{given[0]} with --dataset", "it belongs to --question_translation; --mix chooses languages")
    if not args.dataset.is_file():
        raise UserError(f"--dataset {args.dataset}: no such file", "give a .jsonl, .parquet, .tsv or .csv file")
    return args.dataset.stem, read_conversations(args.dataset, args.columns)


def _translated(args: argparse.Namespace) -> tuple[str, list[Conversation]]:
    if args.columns:
        raise UserError("--columns without --dataset", "the columns of --question_translation are languages: --langs")
    name, direction = args.question_translation or DEFAULT, args.direction or DIRECTIONS[0]
    found = read_translations(name, args.langs, chosen_sources(args))
    rows = [
        translation_row(text, lang, english, direction, item)
        for lang, texts in found.items()
        for item, text, english in texts
    ]
    if args.rows:
        rows = draw_mix(rows, dict.fromkeys(found, args.rows), args.seed)
    return f"{Path(name).stem}-{direction}", rows


def _texts(row: Conversation) -> list[str]:
    """Return the texts of a row, and those before the instruction to translate."""
    return [*row.texts, *(text.partition(INSTRUCTION)[0] for text in row.texts if INSTRUCTION in text)]


def _tests(args: argparse.Namespace) -> TestTexts | None:
    """Return the texts that training rows should not have; None where none are known."""
    texts: list[str] = []
    if args.question_translation == SNLI:
        texts += snli_test_texts(chosen_sources(args))
    for file in args.test_texts or ():
        texts += _cells(file)
    texts += texts_of_tests(args.evaluations)
    return TestTexts(texts) if texts else None


def _cells(file: Path) -> Sequence[str]:
    """Return the texts of a table: of the columns in which most cells differ, so not of labels."""
    if not file.is_file():
        raise UserError(f"--test_texts {file}: no such file", "give a .jsonl, .parquet, .tsv or .csv file")
    found: list[str] = []
    for cells in read_table(file).values():
        texts = [cell for cell in cells if isinstance(cell, str) and not is_blank(cell)]
        found += texts if len(set(texts)) > len(texts) / 2 else []
    if not found:
        raise UserError(f"{file.name} has no texts", "each cell of a column of texts is one")
    return found
