"""Which records a comparison or a figure takes: the plain settings of each task, and NAME=VALUE for others."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence

from script.aggregate import _icl, _select
from script.aggregate._select import PLAIN
from utils.runlog import LoggedResult
from utils.schema import UserError

Settings = Mapping[str, object]

FREE = {  # any, unless named
    "bitext": ("margin_k", "fuse", "normalize"),
    "classification": ("train_lang", "fuse", "normalize"),
    "icl": ("train_lang", "fuse", "normalize", "demonstrations", "decode", "max_percentile"),
}
WORDS: dict[str, object] = {"true": True, "false": False, "none": None}


def read_settings(texts: Sequence[str], task: str) -> dict[str, object]:
    """Return the settings that were given as NAME=VALUE, by name."""
    known = (*PLAIN[task], *FREE[task])
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise UserError(f"{text!r} is no setting of {task}", f"NAME=VALUE with the names {', '.join(known)}")
        found[name] = WORDS.get(value.lower(), int(value) if value.isdecimal() else value)
    return found


def results_of(args: argparse.Namespace, settings: Settings, without: Sequence[str] = ()) -> list[LoggedResult]:
    """Return the results of --task in these settings, else the plain ones; each named as its row of the tables.

    Of the settings `without`, those that are not given may have any value.
    """
    usual = PLAIN[args.task] | ({"similarity": "euclidean"} if settings.get("legacy") else {})
    usual = {name: value for name, value in usual.items() if name not in without}
    wanted = {name: [value] if value is None else value for name, value in {**usual, **settings}.items()}
    results = _select.select(args, args.task, wanted, "--setting {name}=VALUE")
    if args.task != "icl":
        return results
    return [dataclasses.replace(result, model=_icl.row_name(result)) for result in results]


def side_of(args: argparse.Namespace, model: str, settings: Settings) -> dict[tuple[str, str], LoggedResult]:
    """Return the results of one model by data set and subset, of --dataset alone where it is given."""
    results = results_of(args, settings)
    of_model = [result for result in results if result.model == model]
    if not of_model:
        raise UserError(f"no {args.task} results of model {model!r}", _select.nearest(model, results))
    cells = _select.by_cell(of_model)
    there = [dataset for _, dataset in cells]
    for dataset in args.dataset or ():
        if dataset not in there:
            raise UserError(f"no {args.task} results of {model} on {dataset!r}", f"there is: {', '.join(there)}")
    return {
        (dataset, subset): result
        for (_, dataset), subsets in cells.items()
        if dataset in (args.dataset or there)
        for subset, result in subsets.items()
    }
