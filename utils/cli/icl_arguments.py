"""The flags of in-context learning: demonstrations, templates, and which flags exclude each other."""

from __future__ import annotations

import argparse
from pathlib import Path

from utils.cli.icl_mined import AUTO, THRESHOLD
from utils.cli.types import name_or_path, natural, path, positive_number
from utils.constants import (
    ANSWER_LANGS,
    BLEU_TOKENS,
    CHOICES,
    DEMONSTRATIONS,
    ORDERS,
    SENTENCE_PIECES,
    SPLITS,
)
from utils.errors import UserError

WITHOUT_ENCODER = ("random", "bm25", "fixed")  # ways to choose demonstrations that encode nothing


def add_demonstration_args(group: argparse._ArgumentGroup) -> None:
    """Add the flags that choose the demonstrations and the texts that are classified."""
    group.add_argument(
        "--k", type=natural, nargs="+", default=[1], metavar="K", help="numbers of demonstrations (default: 1)"
    )
    group.add_argument(
        "--cross", action="store_true", help="take demonstrations from --src_lang and test on all other languages"
    )
    _add_choice_args(group)
    group.add_argument(
        "--split", choices=SPLITS, default="test", help="split that is classified (default: %(default)s)"
    )
    group.add_argument(
        "--legacy",
        action="store_true",
        help="reproduce the original's label sets, distance, tokenisation and macro averages",
    )


def _add_choice_args(group: argparse._ArgumentGroup) -> None:
    """Add the flags by which demonstrations are chosen from the training texts."""
    group.add_argument(
        "--demonstrations",
        choices=DEMONSTRATIONS,
        default="nearest",
        help="how demonstrations are chosen (default: %(default)s)",
    )
    group.add_argument(
        "--demonstrations_file",
        type=path,
        metavar="FILE",
        help="fixed: a table of the demonstrations that stand in every prompt (default: the first of each label in "
        "turn)",
    )
    group.add_argument(
        "--order",
        choices=ORDERS,
        default="nearest_first",
        help="order of the demonstrations in the prompt (default: %(default)s)",
    )
    group.add_argument(
        "--mined",
        type=name_or_path,
        metavar="auto|FILE",
        help="--demonstrations mined: translations that are mined between the two sides of the training texts, without "
        "their alignment, or those of a file of mine.py",
    )
    group.add_argument(
        "--mined_threshold",
        type=positive_number,
        metavar="SCORE",
        help=f"least score of a mined pair (default: {THRESHOLD} with auto, all of a file)",
    )
    group.add_argument("--balance", action="store_true", help="the k nearest demonstrations of each label")
    group.add_argument(
        "--sample_percentile", action="store_true", help="take demonstrations from a band of the ranked training texts"
    )
    group.add_argument("--min_percentile", type=natural, metavar="P", help="start of the band (default: 0)")
    group.add_argument("--max_percentile", type=natural, metavar="P", help="end of the band (default: 100)")


def add_template_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how a template shows items, and how they are answered."""
    group = parser.add_argument_group("templates")
    group.add_argument(
        "--template", metavar="NAME|FILE", help="a template of data/templates, or your own (default: the data set's)"
    )
    group.add_argument(
        "--template_lang", metavar="LANG", help="language of the template; native: that of each item (default: en)"
    )
    group.add_argument(
        "--answers", choices=ANSWER_LANGS, help="labels in English, or in the language of each item (default: english)"
    )
    group.add_argument(
        "--choices",
        choices=CHOICES,
        help="options are scored as texts, or listed and chosen by their letters (default: text where labels are "
        "scored, else letter)",
    )
    group.add_argument(
        "--prompt_lang",
        metavar="LANG",
        help="ask in this language about texts in another one (default: that of the text)",
    )
    group.add_argument(
        "--bleu_tokenize",
        metavar="NAME|FILE",
        help=f"tokens of BLEU: {', '.join(BLEU_TOKENS)}, or the file of a SentencePiece model (default: "
        f"{SENTENCE_PIECES[0]}, where its model can be had)",
    )
    group.add_argument(
        "--comet", type=name_or_path, metavar="MODEL", help="COMET of translations by this model (needs unbabel-comet)"
    )
    group.add_argument("--permute", action="store_true", help="list the options in an order drawn by --seed")
    group.add_argument(
        "--pmi", action="store_true", help="subtract the score of each option without its question (needs no letters)"
    )


def without_encoder(demonstrations: str, k: int) -> str | None:
    """Return what stands for the encoder where no text is encoded; None where one is needed."""
    if k == 0:
        return "none"
    return demonstrations if demonstrations in WITHOUT_ENCODER else None


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
    if set(args.k) == {0} and special:
        raise UserError(
            f"--k 0 with --{special[0]}", "a zero-shot prompt has no demonstrations to choose: add --k 1 or more"
        )
    if args.demonstrations == "diverse" and (args.fuse != "score" or args.similarity != "cosine" or args.legacy):
        raise UserError(
            "--demonstrations diverse with another similarity or fusion",
            "diversity is defined on cosines: leave them out",
        )
    if args.demonstrations_file and args.demonstrations != "fixed":
        raise UserError(
            f"--demonstrations_file with --demonstrations {args.demonstrations}", "add --demonstrations fixed"
        )
    _check_mined(args)
    if args.tune_weights:
        raise UserError(
            "icl.py has no --tune_weights", "tune the weights with classification.py, and give them as --weights"
        )
    if args.legacy and args.similarity == "dot":
        raise UserError(
            "--legacy with --similarity dot", "--legacy uses the Euclidean distance: leave --similarity out"
        )


def _check_mined(args: argparse.Namespace) -> None:
    """Raise UserError for flags of mined demonstrations that do not belong together."""
    if (args.mined is None) != (args.demonstrations != "mined"):
        what = (
            "--demonstrations mined" if args.mined is None else f"--mined with --demonstrations {args.demonstrations}"
        )
        hint = (
            "add --mined auto, or the file that mine.py wrote" if args.mined is None else "add --demonstrations mined"
        )
        raise UserError(what, hint)
    if args.mined_threshold is not None and args.mined is None:
        raise UserError("--mined_threshold without --mined", "add --demonstrations mined --mined auto")
    if args.mined not in (None, AUTO) and not Path(args.mined).expanduser().is_file():
        raise UserError(f"--mined {args.mined}: no such file", f"check the path, or give {AUTO}")
