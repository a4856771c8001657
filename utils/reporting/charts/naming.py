"""Default names of a figure's files: its content, and settings other than the default ones."""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Sequence

from utils.constants import DEFAULT_SEED
from utils.encoders.registry import ENCODERS
from utils.reporting.charts import drawing
from utils.reporting.tables.build import Kind
from utils.tasks import TASKS

SHOWN = 3  # data sets in a name; the others are counted
FEW_LANGS, FEW_MODELS = 4, 2
LONGEST = 120  # characters; a longer name is cut and ends in a hash


def default_name(args: argparse.Namespace, script: str, datasets: Sequence[str], models: Sequence[str]) -> str:
    """Return the name without an ending; figures of different records, ks or languages have different names."""
    more = [f"{len(datasets) - SHOWN}_more"] if len(datasets) > SHOWN else []
    parts = [script, "" if args.task in script else args.task, *datasets[:SHOWN], *more]
    parts += _departures(args, script, datasets, models)
    name = re.sub(r"[^\w.+-]+", "_", "_".join(filter(None, parts)))
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _departures(args: argparse.Namespace, script: str, datasets: Sequence[str], models: Sequence[str]) -> list[str]:
    by = getattr(args, "by", "family")
    langs, of_b = args.langs or [], getattr(args, "setting_b", [])
    return [
        _of_models(args, models),
        *(setting.replace("=", "-") for setting in args.setting),
        "_".join(["B", *(setting.replace("=", "-") for setting in of_b)]) if of_b else "",
        _of_k(args),
        _of_metric(args, datasets),
        "-".join(langs) if len(langs) <= FEW_LANGS else f"{len(langs)}_languages",
        "pooled" if langs and getattr(args, "pooled", False) else "",
        f"by-{by}" if by != "family" and by not in script else "",
        f"sort-{args.sort}" if getattr(args, "sort", "group") != "group" else "",
        f"seed{args.seed}" if args.seed != DEFAULT_SEED else "",
    ]


def _of_models(args: argparse.Namespace, models: Sequence[str]) -> str:
    """Return the names of one or two models, or the number chosen; names are short where they stay unambiguous."""
    if len(models) > FEW_MODELS:
        return f"{len(models)}_models" if getattr(args, "models", None) else ""
    short = drawing.short_names([*models, *ENCODERS])
    return "_vs_".join(short[model].replace(" + ", "+") for model in dict.fromkeys(models))


def _of_k(args: argparse.Namespace) -> str:
    """Return the ks that were asked for, where they are not the default."""
    if isinstance(args.k, list):
        return "k" + "-".join(map(str, args.k))
    return "" if args.k in (None, TASKS[args.task].table_k) else f"k{args.k}"


def _of_metric(args: argparse.Namespace, datasets: Sequence[str]) -> str:
    """Return the metric where it is not the default: each data set's main one, or the script's own."""
    metric = getattr(args, "metric", None)
    own = getattr(args, "usual_metric", None)
    usual = {own} if own else {Kind(args.task, None).metric_of(dataset)[0] for dataset in datasets}
    return "" if metric is None or usual == {metric} else metric
