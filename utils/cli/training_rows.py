"""The rows of finetune.py that pair texts: FlagEmbedding's rows, pairs of mine.py, or parallel texts of the suite."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import add_data_args
from utils.cli.data_choice import chosen_pairs
from utils.cli.finetune_eval import texts_of_tests
from utils.cli.open_run import chosen_sources
from utils.cli.types import positive, share
from utils.data.pair_rows import PairRow, read_pair_rows
from utils.errors import UserError, counted, note
from utils.files import fingerprint
from utils.training.mixes import hold_out
from utils.training.overlap import Overlap, TestTexts, find_overlap
from utils.training.pair_examples import items_of, texts_of

if TYPE_CHECKING:
    from utils.data.tables import Table
    from utils.training.loop import Trained

MEANINGS = {
    "dataset": "rows of query, pos and neg, or pairs of texts: a .jsonl, .parquet, .tsv or .csv file (also one that "
    "mine.py wrote), a folder of line-aligned files, or a name of a set of pairs that --list shows",
    "src_lang": "pairs: the language of the queries (default: the pivot of the data set)",
    "langs": "pairs: only these languages on the other side",
    "columns": "own file of pairs: the columns of both texts",
    "limit": "use only the first N rows",
}
SHARE = 0.1  # of the rows, held out where --patience asks for some
MINED = ("source", "target")  # columns of the pairs that mine.py writes


@dataclass(frozen=True)
class TrainingRows:
    """Rows to train on. name: of the data set. has_sides: whether queries and documents are texts of two kinds.

    subsets: the rows of each subset, for pairs of several languages. overlap: the test texts of --eval among them.
    held_out: further rows, which validate.
    """

    name: str
    rows: list[PairRow]
    has_sides: bool
    subsets: dict[str, int]
    overlap: Overlap | None = None
    held_out: Sequence[PairRow] = ()

    def identity(self) -> dict[str, Any]:
        """Return what the rows are: the name, their number and the hash of their texts."""
        held_out = {"held_out": fingerprint({"rows": [*self.held_out]})} if self.held_out else {}
        return {"dataset": self.name, "rows": len(self.rows), "sha256": fingerprint({"rows": self.rows}), **held_out}

    def table(self) -> list[dict[str, Any]]:
        """Return the number of rows as a table, for the model card."""
        held_out = {"held out": len(self.held_out)} if self.held_out else {}
        if self.overlap is not None:
            return [{"data": self.name, **self.overlap.counts(), "trained": len(self.rows), **held_out}]
        if not self.subsets:
            return [{"data": self.name, "rows": len(self.rows), **held_out}]
        return [{"data": self.name, "subset": name, "rows": count} for name, count in self.subsets.items()]


def describe_rows(data: TrainingRows) -> str:
    """Return the numbers of rows, positives and negatives."""
    n_pos, n_neg = (sum(len(getattr(row, side)) for row in data.rows) for side in ("pos", "neg"))
    held_out = f", {counted(len(data.held_out), 'row')} held out" if data.held_out else ""
    return f"{counted(len(data.rows), 'row')}, {n_pos:,} positives, {n_neg:,} negatives{held_out}"


def add_row_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose the rows."""
    add_data_args(parser, MEANINGS)
    parser.set_defaults(strict=False)
    parser.add_argument(
        "--decontaminate", action="store_true", help="leave out the rows that have a test text of --eval in them"
    )
    parser.add_argument(
        "--validation_share",
        type=share,
        metavar="SHARE",
        help="share of the rows held out, on which the best checkpoint has the lowest loss (default: 0; with "
        f"--patience {SHARE})",
    )


def add_mini_batch_arg(group: argparse._ArgumentGroup, unit: str) -> None:
    """Add the flag for what is in memory at once, which is counted in `unit`."""
    group.add_argument(
        "--mini_batch",
        type=positive,
        metavar="N",
        help=f"{unit} in memory at once, with cached gradients (default: those of a batch, fewer if memory runs out)",
    )


def tell_held_out(data: TrainingRows, trained: Trained | None) -> dict[str, Any]:
    """Return the lowest loss of the rows held out, for the record and the card, and print it."""
    best = None if trained is None else trained.trainer.state.best_metric
    if not data.held_out or best is None:
        return {}
    loss = round(float(best), 4)
    print(f"loss of {counted(len(data.held_out), 'row')} held out: {loss:.4f}")
    return {"rows": [{"rows held out": len(data.held_out), "lowest loss": loss}]}


def chosen_rows(args: argparse.Namespace) -> TrainingRows:
    """Return the rows of a command line. Raises UserError where there are none, and as reading does."""
    path = Path(args.dataset).expanduser()
    found = _of_file(path, args) if path.is_file() else None
    found = found or _of_pairs(args)
    found = _tested(found, args)
    rows = found.rows[: args.limit] if args.limit else found.rows
    if len(rows) < 2:
        left = " after --decontaminate" if args.decontaminate else ""
        raise UserError(f"{found.name} has {counted(len(rows), 'row')} to train on{left}", "training takes two or more")
    rows, held_out = hold_out(rows, items_of(rows), _validation_share(args), args.seed)
    whole = found.subsets if not args.limit and not held_out else {}
    return dataclasses.replace(found, rows=rows, held_out=tuple(held_out), subsets=whole)


def _validation_share(args: argparse.Namespace) -> float:
    """Return the share of the rows that is held out. Raises UserError for --patience without any."""
    if args.patience is not None and args.validation_share == 0:
        raise UserError("--patience with --validation_share 0", "hold out some rows, or leave --patience out")
    return args.validation_share or (SHARE if args.patience is not None else 0.0)


def _tested(found: TrainingRows, args: argparse.Namespace) -> TrainingRows:
    """Return the rows with the count of those that have a test text of --eval, or without them, as is asked for."""
    if not args.evaluations:
        if args.decontaminate:
            raise UserError("--decontaminate without --eval", "--eval says which texts are test texts")
        return found
    overlap = find_overlap([texts_of(row) for row in found.rows], TestTexts(texts_of_tests(args.evaluations)))
    note(overlap.describe(dropped=args.decontaminate))
    if not args.decontaminate:
        return dataclasses.replace(found, overlap=overlap)
    rows = [found.rows[place] for place in overlap.clean]
    subsets = {} if len(rows) < len(found.rows) else found.subsets
    return dataclasses.replace(found, rows=rows, subsets=subsets, overlap=overlap)


def _of_file(path: Path, args: argparse.Namespace) -> TrainingRows | None:
    """Return the rows of a file that has queries and positives, or that mine.py wrote; None for any other."""
    from utils.data.tables import DELIMITED, ending_of, read_table

    if args.columns or args.no_header or args.src_lang or args.langs:
        return None
    is_delimited = ending_of(path) in DELIMITED
    table = read_table(path, header=not (is_delimited and _is_mined(read_table(path, header=False))))
    if {"query", "pos"} <= set(table):
        return TrainingRows(path.name, read_pair_rows(path), True, {})
    names = MINED if set(MINED) <= set(table) else ("2", "3") if tuple(table) == ("1", "2", "3") else None
    if names is None:
        return None
    from utils.data.tables import is_blank

    rows = []
    for number, both in enumerate(zip(*(table[name] for name in names), strict=True)):
        for text, name in zip(both, MINED, strict=True):
            if is_blank(text) or not isinstance(text, str):
                raise UserError(f"{path.name}: {table.place(number)}: there is no {name} text", "correct the row")
        rows.append(PairRow(both[0], [both[1]], []))
    return TrainingRows(path.name, rows, False, {})


def _is_mined(table: Table) -> bool:
    """Return whether a table without a header has a score and two texts in its first line, as mine.py writes them."""
    if tuple(table) != ("1", "2", "3") or not table["1"]:
        return False
    try:
        float(table["1"][0])
    except ValueError:
        return False
    return True


def _of_pairs(args: argparse.Namespace) -> TrainingRows:
    """Return the pairs of a set that bitext.py takes, all that are chosen of its languages."""
    from utils.data.bitext import bitext_subsets, load_bitext

    dataset, sources = chosen_pairs(args), chosen_sources(args)
    rows, subsets = list[PairRow](), dict[str, int]()
    for name, (source, target) in bitext_subsets(dataset, args.src_lang, args.langs).items():
        data = load_bitext(dataset, source, target, sources, name=name)
        rows += [PairRow(query, [data.targets[gold]], []) for query, gold in zip(data.sources, data.gold, strict=True)]
        subsets[name] = len(data.sources)
    return TrainingRows(dataset.name, rows, False, subsets)
