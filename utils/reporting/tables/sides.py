"""Which records a comparison or a figure takes: the plain settings of each task, and NAME=VALUE for others."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from utils.cli.types import natural
from utils.errors import UserError
from utils.records.result import LoggedResult
from utils.reporting.tables import icl, select
from utils.reporting.tables.build import Kind
from utils.reporting.tables.items import METRICS
from utils.reporting.tables.published import WORDS
from utils.reporting.tables.select import PLAIN, note

Settings = Mapping[str, object]

NONE_IS_A_NAME = ("margin", "normalize")
FREE = {  # any, unless named
    "bitext": ("margin_k", "fuse", "normalize"),
    "classification": ("train_lang", "fuse", "normalize"),
    "icl": ("train_lang", "fuse", "normalize", "demonstrations", "decode", "max_percentile"),
}


def read_settings(texts: Sequence[str], task: str) -> dict[str, object]:
    """Return the settings that were given as NAME=VALUE, by name."""
    known = (*PLAIN[task], *FREE[task])
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise UserError(f"{text!r} is no setting of {task}", f"NAME=VALUE with the names {', '.join(known)}")
        words = {} if name in NONE_IS_A_NAME else WORDS
        found[name] = words.get(value.lower(), int(value) if value.isdecimal() else value)
    return found


def add_both(parser: argparse.ArgumentParser) -> None:
    """The two models of a comparison, and what of them is compared."""
    parser.add_argument("a", metavar="A", help="a row of the tables")
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument("--k", type=natural, metavar="K", help="(default: 1; of icl all, the rows name theirs)")
    parser.add_argument("--metric", default="acc", metavar="NAME", help="acc; of bitext also prec, f1 (default: acc)")
    parser.add_argument("--setting_b", nargs="+", default=[], metavar="NAME=VALUE", help="of B alone")


def checked(args: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments of a comparison with their defaults; UserError for a metric that is no mean over items."""
    if args.metric not in METRICS[args.task]:
        known = ", ".join(METRICS[args.task])
        raise UserError(f"{args.metric!r} of {args.task} is no mean over items, or unknown", f"choose from: {known}")
    if args.k is None and args.task != "icl":
        args.k = 1
    return args


def tell_other_metrics(task: str, metric: str, datasets: Iterable[str]) -> None:
    """Say so where the tables show another metric of a data set than the one compared."""
    shown: dict[str, list[str]] = {}
    for dataset in sorted(set(datasets)):
        shown.setdefault(Kind(task).metric_of(dataset)[0], []).append(dataset)
    for name, where in shown.items():
        if name != metric:
            way = (
                f"--metric {name} compares it" if name in METRICS[task] else "--bold significant of the tables tests it"
            )
            note(f"note: {metric} is compared; the tables show {name} of {', '.join(where)}: {way}")


def settings_of_both(args: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Return the settings of A (--setting) and of B (--setting_b as well); UserError where both sides are the same."""
    settings = {"A": read_settings(args.setting, args.task)}
    settings["B"] = settings["A"] | read_settings(args.setting_b, args.task)
    if args.a == args.b and settings["A"] == settings["B"]:
        raise UserError("A and B are the same", "name two models, or another setting of B: --setting_b margin=ratio")
    return settings


def results_of(args: argparse.Namespace, settings: Settings, without: Sequence[str] = ()) -> list[LoggedResult]:
    """Return the results of --task in these settings, else the plain ones; each named as its row of the tables.

    Of the settings `without`, those that are not given may have any value.
    """
    usual = PLAIN[args.task] | ({"similarity": "euclidean"} if settings.get("legacy") else {})
    usual = {name: value for name, value in usual.items() if name not in without}
    wanted = {name: [value] if value is None else value for name, value in {**usual, **settings}.items()}
    results = select.select(args, args.task, wanted, "--setting {name}=VALUE")
    if args.task != "icl":
        return results
    return [dataclasses.replace(result, model=icl.row_name(result)) for result in results]


def side_of(args: argparse.Namespace, model: str, settings: Settings) -> dict[tuple[str, str], LoggedResult]:
    """Return the results of one model by data set and subset, of --dataset alone where it is given."""
    results = results_of(args, settings)
    of_model = [result for result in results if result.model == model]
    if of_model and settings.get("cross") is True and "train_lang" not in settings:
        of_model = select.of_one_source(of_model, args.task, None, "--setting train_lang=LANG")
    if not of_model:
        raise UserError(f"no {args.task} results of model {model!r}", select.nearest(model, results))
    cells = select.by_cell(of_model)
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
