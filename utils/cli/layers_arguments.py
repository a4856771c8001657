"""The flags of layers.py, and the settings that they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.cli.choices import build_settings
from utils.cli.types import name_or_path
from utils.constants import POOLINGS
from utils.errors import UserError
from utils.layers.measures import MEASURES, OWN

if TYPE_CHECKING:
    from utils.settings.layers import LayersSettings

ALL = "all"
OF_UNIT_VECTORS = ("similarity", "pca")  # measures whose figures do not depend on --similarity
OWNERS = {"against": "similarity", "tsne": "pca"}  # the measures of flags
INSTEAD = {  # flags of other scripts, and what layers.py has for them
    "model_checkpoints": "it opens one model: --model_checkpoint NAME, and --compare NAME for a second one",
    "weights": "only an ensemble has weights",
    "layer": "it measures several: --layers 0 4 8",
    "pooling": "it measures several: --poolings mean last cls",
}


def add_layers_args(parser: argparse.ArgumentParser) -> None:
    """Add what is measured, at which layers, with which poolings, and of which second model."""
    group = parser.add_argument_group("layers")
    group.add_argument(
        "--measure", choices=tuple(MEASURES), default="bitext", help="what is measured (default: %(default)s)"
    )
    group.add_argument(
        "--layers",
        nargs="+",
        type=layer_or_all,
        default=[ALL],
        metavar="N",
        help="layers, 0 for the embeddings, -1 for the last, or `all` (default: all)",
    )
    usual = "; ".join(
        f"{measure.name}: {' '.join(measure.poolings)}" for measure in MEASURES.values() if measure.poolings
    )
    group.add_argument(
        "--poolings",
        nargs="+",
        choices=(*POOLINGS, OWN),
        metavar="POOLING",
        help=f"{', '.join(POOLINGS)}, or `{OWN}` for that of the checkpoint (default of {usual})",
    )
    _add_args_of_measures(group)
    group.add_argument(
        "--compare", type=name_or_path, metavar="NAME|PATH", help="a second model: its curves, and the differences"
    )


def _add_args_of_measures(group: argparse._ArgumentGroup) -> None:
    """Add the flags of one measure each."""
    group.add_argument(
        "--pivot",
        metavar="LANG",
        help="similarity: the language that the others are compared with, another name of --src_lang",
    )
    group.add_argument(
        "--against",
        nargs="+",
        metavar="FILE",
        help="similarity: a table with a column of languages and one of numbers (FILE, or FILE COLUMN), or a folder of "
        "records, whose order is compared with the ranking of the languages",
    )
    group.add_argument(
        "--tsne", action="store_true", default=None, help="pca: draw the texts by t-SNE as well, which takes longer"
    )


def layer_or_all(value: str) -> int | str:
    """Return a layer's number, or `all`."""
    if value == ALL:
        return value
    try:
        return int(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{value!r} is neither a number nor `all`") from error


def join_names(args: argparse.Namespace) -> None:
    """Make --pivot, another name of --src_lang, its value. Raises UserError where the two differ."""
    pivot = vars(args).pop("pivot")
    if pivot is None:
        return
    if args.src_lang not in (None, pivot):
        what = f"--pivot {pivot} with --src_lang {args.src_lang}"
        raise UserError(what, "they are two names of the same language: give one of them")
    args.src_lang = pivot


def check_flags(args: argparse.Namespace) -> None:
    """Raise UserError for flags that other scripts have in this meaning, and layers beside `all`."""
    for name, hint in INSTEAD.items():
        if getattr(args, name, None) is not None:
            raise UserError(f"--{name} with layers.py", hint)
    for name, measure in OWNERS.items():
        if getattr(args, name) is not None and args.measure != measure:
            raise UserError(f"--{name} with --measure {args.measure}", f"it belongs to --measure {measure}")
    if ALL in args.layers and len(set(args.layers)) > 1:
        raise UserError(f"--layers {' '.join(map(str, args.layers))}", "give `all` alone, or numbers")
    if args.similarity != "cosine" and args.measure in OF_UNIT_VECTORS:
        what = f"--similarity {args.similarity} with --measure {args.measure}"
        raise UserError(what, "its figures are of unit vectors, as cosines are: leave it out")
    if args.backend != "torch":
        raise UserError(f"--backend {args.backend} with layers.py", "an exported model shows no layers: leave it out")


def layers_asked(args: argparse.Namespace) -> list[int] | None:
    """Return the layers of a command line, each once; None for all."""
    return None if set(args.layers) == {ALL} else list(dict.fromkeys(args.layers))


def poolings_asked(args: argparse.Namespace) -> list[str] | None:
    """Return the poolings of a command line, each once; None for the usual ones of the measure."""
    return list(dict.fromkeys(args.poolings)) if args.poolings else None


def make_settings(args: argparse.Namespace, layers: Sequence[int] | None, **more: Any) -> LayersSettings:
    """Return the settings of a run; layers are the numbers of those that are asked for, None for all."""
    from utils.settings.layers import LayersSettings

    told = ALL if layers is None else " ".join(map(str, layers))
    return build_settings(
        LayersSettings, args, layers=told, poolings=" ".join(poolings_asked(args) or ()) or None, **more
    )
