"""The flags of in-context learning: demonstrations, which flags exclude each other, and the settings they make."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from utils.cli.choices import build_settings
from utils.cli.data_choice import check_src_lang
from utils.cli.types import natural
from utils.constants import DEMONSTRATIONS, ORDERS, SPLITS
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.schema import DatasetSpec, GeneratorSpec
    from utils.settings import IclSettings

WITHOUT_ENCODER = ("random", "bm25")  # ways to choose demonstrations that encode nothing


def add_demonstration_args(group: argparse._ArgumentGroup) -> None:
    """Add the flags that choose the demonstrations and the texts that are classified."""
    group.add_argument(
        "--k", type=natural, nargs="+", default=[1], metavar="K", help="numbers of demonstrations (default: 1)"
    )
    group.add_argument(
        "--cross", action="store_true", help="take demonstrations from --src_lang and test on all other languages"
    )
    group.add_argument(
        "--demonstrations",
        choices=DEMONSTRATIONS,
        default="nearest",
        help="how demonstrations are chosen (default: %(default)s)",
    )
    group.add_argument(
        "--order",
        choices=ORDERS,
        default="nearest_first",
        help="order of the demonstrations in the prompt (default: %(default)s)",
    )
    group.add_argument("--balance", action="store_true", help="the k nearest demonstrations of each label")
    group.add_argument(
        "--sample_percentile", action="store_true", help="take demonstrations from a band of the ranked training texts"
    )
    group.add_argument("--min_percentile", type=natural, metavar="P", help="start of the band (default: 0)")
    group.add_argument("--max_percentile", type=natural, metavar="P", help="end of the band (default: 100)")
    group.add_argument(
        "--split", choices=SPLITS, default="test", help="split that is classified (default: %(default)s)"
    )
    group.add_argument(
        "--legacy",
        action="store_true",
        help="reproduce the original's label sets, distance, tokenisation and macro averages",
    )


def rank_band(args: argparse.Namespace) -> tuple[int | None, int | None]:
    """Return the percentiles of ranks that demonstrations are taken from; both are None without --sample_percentile."""
    if not args.sample_percentile:
        if args.min_percentile is not None or args.max_percentile is not None:
            what = "--min_percentile or --max_percentile without --sample_percentile"
            raise UserError(what, "add --sample_percentile")
        return None, None
    low, high = args.min_percentile or 0, 100 if args.max_percentile is None else args.max_percentile
    if not low < high <= 100:
        what = f"--min_percentile {low} and --max_percentile {high}"
        raise UserError(what, "give 0 <= --min_percentile < --max_percentile <= 100")
    return low, high


def check_flags(args: argparse.Namespace) -> None:
    """Raise UserError for flags that exclude each other."""
    rank_band(args)
    special = [name for name in ("balance", "sample_percentile") if getattr(args, name)]
    special += [f"demonstrations {args.demonstrations}"] if args.demonstrations != "nearest" else []
    if len(special) > 1:
        raise UserError(
            f"--{' and --'.join(special)} are both given", "each chooses the demonstrations: use one of them"
        )
    if 0 in args.k and special:
        raise UserError(
            f"--k 0 with --{special[0]}", "a zero-shot prompt has no demonstrations to choose: use --k 1 or more"
        )
    if args.demonstrations == "diverse" and (args.fuse != "score" or args.similarity != "cosine" or args.legacy):
        raise UserError(
            "--demonstrations diverse with another similarity or fusion",
            "diversity is defined on cosines: leave them out",
        )
    if args.tune_weights:
        raise UserError(
            "icl.py has no --tune_weights", "tune the weights with classification.py, and give them as --weights"
        )
    if args.legacy and args.similarity == "dot":
        raise UserError(
            "--legacy with --similarity dot", "--legacy uses the Euclidean distance: leave --similarity out"
        )
    check_src_lang(args, "add --cross to take demonstrations from it")


def chosen_decode(args: argparse.Namespace, spec: GeneratorSpec) -> str:
    """Return --decode, or the usual way of the generator. Raises UserError for flags that this way does not use."""
    decode = str(args.decode or spec.decode)
    if args.calibrate and decode != "score":
        raise UserError(
            f"--calibrate with --decode {decode}", "only label scores can be calibrated: use --decode score"
        )
    if args.batch_api and decode != "generate":
        raise UserError(
            f"--batch_api with --decode {decode}", "the batch API serves generated text only: use --decode generate"
        )
    if args.temperature and decode == "score":
        raise UserError(
            f"--temperature {args.temperature} with --decode score",
            "label scores involve no sampling: leave --temperature out",
        )
    return decode


def chosen_instructions(args: argparse.Namespace, dataset: DatasetSpec) -> list[str]:
    """Return the instructions of the command line, each once, or that of the data set."""
    from utils.generators.prompts import default_instruction

    usual = [default_instruction(dataset.options.get("subject", ""))]
    return list(dict.fromkeys(args.instruction or ())) or usual


def make_settings(args: argparse.Namespace, src_lang: str | None, spec: GeneratorSpec, instruction: str) -> IclSettings:
    """Return the settings of a run; a setting that its way of decoding does not use is None."""
    from utils.settings import IclSettings

    low, high = rank_band(args)
    decode = chosen_decode(args, spec)
    return build_settings(
        IclSettings,
        args,
        similarity="euclidean" if args.legacy else args.similarity,
        src_lang=src_lang,
        min_percentile=low,
        max_percentile=high,
        instruction=instruction,
        decode=decode,
        length_norm=args.length_norm if decode == "score" else None,
        max_new_tokens=args.max_new_tokens if decode == "generate" else None,
    )
