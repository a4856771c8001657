"""mine.py --mode bitext: from the arguments to a mining, and what it prints."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.choices import neighbours_of_margin
from utils.cli.mine_arguments import default_output
from utils.cli.mine_job import Draw, Mode, chosen_cleaning, chosen_collections, chosen_format
from utils.errors import UserError, counted
from utils.mining.bitext import MinedBitext, mine
from utils.mining.collections import Collection
from utils.mining.sample import sample_collections
from utils.mining.settings import NO_MARGIN_K, BitextJob, BitextSettings

if TYPE_CHECKING:
    from utils.mining.neighbours import SearchPlace
    from utils.mining.row_store import LazyEncoder

TASK = "bitext mining"
SIDES = ("source", "target")


def make_job(args: argparse.Namespace, root: Path) -> BitextJob:
    """Return the mining of a command line. Raises UserError for flags that exclude each other, and missing files."""
    settings = pairing_settings(args)
    collections, gold = chosen_sides(args, root, "bitext is mined")
    cleaning, kind = chosen_cleaning(args, 2), chosen_format(args, "tsv")
    output = args.output or default_output(collections, kind)
    return BitextJob(TASK, collections, cleaning, gold, output, kind, settings)


def pairing_settings(args: argparse.Namespace) -> BitextSettings:
    """Return how pairs are scored and chosen. Raises UserError for flags that exclude each other."""
    if args.threshold is not None and args.top is not None:
        raise UserError("--threshold and --top are both given", "use one of them")
    if args.one_to_one and args.direction in ("intersection", "union"):
        raise UserError(f"--one_to_one with --direction {args.direction}", "its pairs are one-to-one: leave it out")
    names = ("margin", "direction", "one_to_one", "threshold", "top", "store_dtype", "shard_size", "seed")
    margin_k = neighbours_of_margin(args.margin, args.margin_k) or NO_MARGIN_K
    return BitextSettings(margin_k=margin_k, **{name: getattr(args, name) for name in names})


def chosen_sides(args: argparse.Namespace, root: Path, mined: str) -> tuple[tuple[Collection, ...], Path | None]:
    """Return both collections and the file of known pairs: those of the arguments, or of the sample set.

    Raises UserError where one of them is missing.
    """
    given = (args.source, args.target)
    if any(given) and not all(given):
        missing = "--target" if args.source else "--source"
        raise UserError(f"{missing} is missing", f"{mined} from two collections")
    if args.source:
        return chosen_collections(args, SIDES), args.gold
    *paths, gold = sample_collections(root)
    sample = tuple(Collection(name, (path,)) for name, path in zip(SIDES, paths, strict=True))
    return sample, args.gold or gold


def plan_bitext(job: BitextJob, encoder: LazyEncoder, place: SearchPlace) -> str:
    """Return the lines of a dry run."""
    from utils.mining.plan import plan

    return plan(job, encoder, place)


def show(job: BitextJob, mined: MinedBitext, draw: Draw) -> None:
    """Print how many pairs were found and where they are; with known pairs also the figures and their curve."""
    from tabulate import tabulate

    print(f"{counted(len(mined.pairs), 'pair')}: {job.output}")
    if mined.gold is not None:
        report = mined.gold
        rows: list[list[Any]] = [
            [name, one.threshold, one.precision, one.recall, one.f1, one.pairs]
            for name, one in (
                ("all sources, best threshold", report.best),
                ("one half, threshold chosen here", report.chosen),
                ("other half, at this threshold", report.measured),
            )
        ]
        headers = [f"{report.n_gold:,} known pairs", "threshold", "precision", "recall", "f1", "pairs"]
        formats = ("", ".4f", ".2f", ".2f", ".2f", ",")
        print(tabulate(rows, headers, floatfmt=formats, intfmt=formats))
        if report.n_dropped:
            print(f"cleaning dropped a text of {report.n_dropped:,} known pairs, which count as missed")
        if report.curve:
            print(f"curve: {', '.join(map(str, draw(report, job.output)))}")


BITEXT: Mode[BitextJob, MinedBitext] = Mode(make_job, mine, plan_bitext, show)
