"""mine.py --mode pairs: from the arguments to rows of a query, its positives and its negatives."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.mine_arguments import default_output
from utils.cli.mine_job import Draw, Mode, chosen_cleaning, chosen_collections, chosen_format
from utils.errors import UserError, counted
from utils.mining.collections import Collection
from utils.mining.pairs import MinedRows, mine_rows
from utils.mining.sample import sample_groups
from utils.mining.settings import PairsJob, PairsSettings

if TYPE_CHECKING:
    from utils.mining.neighbours import SearchPlace
    from utils.mining.row_store import LazyEncoder

TASK = "pair mining"
SIDE = "source"
NEG_RANKS, NEG_RANKS_BELOW = [10, 100], [1, 100]  # where no rule is given; with a bound of scores or a margin
BOUNDS = (("pos", "min"), ("pos", "max"), ("neg", "min"), ("neg", "max"))


def make_job(args: argparse.Namespace, root: Path) -> PairsJob:
    """Return the mining of a command line. Raises UserError for flags that exclude each other, and missing files."""
    settings = _settings(args)
    if args.source:
        (collection,) = chosen_collections(args, (SIDE,))
        collection = replace(collection, group_column=args.group_column)
    else:
        collection = Collection(SIDE, (sample_groups(root),), group_column=args.group_column or "item")
    kind = chosen_format(args, "jsonl")
    if kind == "tsv":
        raise UserError("--format tsv with --mode pairs", "its rows have lists: use jsonl or parquet")
    output = args.output or default_output((collection,), kind, "pairs.")
    return PairsJob(TASK, (collection,), chosen_cleaning(args, 1), None, output, kind, settings)


def _settings(args: argparse.Namespace) -> PairsSettings:
    """Return the rules of positives and negatives. Raises UserError for rules that exclude each other."""
    for side, bound in (("pos", "min"), ("neg", "max")):
        if getattr(args, f"{side}_{bound}") is not None and getattr(args, f"{side}_percentile") is not None:
            raise UserError(f"--{side}_{bound} and --{side}_percentile are both given", "use one of them")
    for side, bound in BOUNDS:
        value = getattr(args, f"{side}_{bound}")
        if value is not None and not -1 <= value <= 1:
            raise UserError(f"--{side}_{bound} {value:g}", "cosines are from -1 to 1")
    for side in ("pos", "neg"):
        low, high = getattr(args, f"{side}_min"), getattr(args, f"{side}_max")
        if low is not None and high is not None and low > high:
            raise UserError(f"--{side}_min {low:g} --{side}_max {high:g}", "no cosine is between them")
    has_positive_rule = any(getattr(args, f"pos_{rule}") is not None for rule in ("ranks", "min", "percentile"))
    if args.pos_max is not None and not has_positive_rule:
        raise UserError("--pos_max without a rule of positives", "add --pos_ranks, --pos_min or --pos_percentile")
    bounds = (args.neg_max, args.neg_percentile, args.relative_margin, args.absolute_margin)
    usual = NEG_RANKS if all(one is None for one in bounds) else NEG_RANKS_BELOW
    chosen = {field.name: getattr(args, field.name) for field in fields(PairsSettings)}
    return PairsSettings(**{**chosen, "neg_ranks": args.neg_ranks or usual})


def plan_rows(job: PairsJob, encoder: LazyEncoder, place: SearchPlace) -> str:
    """Return the lines of a dry run."""
    from utils.mining.pairs import clean_one, list_length
    from utils.mining.plan import Work, estimate

    lines: list[str] = []
    texts, relations = clean_one(job, place.root, lines.append)
    n, length = len(texts), list_length(relations, job.settings)
    work = Work((n,), n * n, n * length, f"search of {length:,} neighbours", chosen=n)
    return "\n".join([*lines, *estimate(job, (texts,), encoder, place, work)])


def show(job: PairsJob, mined: MinedRows, draw: Draw) -> None:
    """Print how many rows there are and where, and how many texts have none."""
    counts = mined.counts
    of_groups = f" ({counts['positives_of_groups']:,} of groups)" if counts["positives_of_groups"] else ""
    kept = f"{counted(counts['positives'], 'positive')}{of_groups} and {counted(counts['negatives'], 'negative')}"
    print(f"{counted(counts['rows'], 'row')} with {kept}: {job.output}")
    for name in ("positive", "negative"):
        if n_texts := counts.get(f"texts_without_{name}"):
            print(f"{counted(n_texts, 'text')} without a {name} {'has' if n_texts == 1 else 'have'} no row")
    if mined.scores.rows():
        print(f"histogram: {', '.join(map(str, draw(mined, job.output)))}")


PAIRS: Mode[PairsJob, MinedRows] = Mode(make_job, mine_rows, plan_rows, show)
