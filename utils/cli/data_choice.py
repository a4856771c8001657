"""The data set of a command line: a registered one, or the user's own data as its flags say to read them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utils.schema import DatasetSpec


def chosen_pairs(args: argparse.Namespace) -> DatasetSpec:
    """Return the data set of pairs. Raises UserError where there is none."""
    from utils.data.own_data import find_bitext

    reading = {"no_header": args.no_header, "strict": args.strict}
    return find_bitext(args.dataset, args.columns, args.src_lang, args.langs, **reading)


def chosen_labeled(args: argparse.Namespace) -> DatasetSpec:
    """Return the data set of labelled texts. Raises UserError where there is none."""
    from utils.data.own_data import find_labeled

    return find_labeled(args.dataset, args.columns, args.seed, no_header=args.no_header, strict=args.strict)


def chosen_dataset(args: argparse.Namespace) -> DatasetSpec:
    """Return the data set of --task, or of the task that it is likely for. Raises UserError where there is none."""
    from utils.data.own_data import find_dataset

    reading = {"no_header": args.no_header, "strict": args.strict}
    return find_dataset(args.dataset, args.task, args.columns, args.src_lang, args.langs, args.seed, **reading)
