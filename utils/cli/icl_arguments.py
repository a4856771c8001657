"""The flags of in-context learning: demonstrations, which flags exclude each other, and the settings they make."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.choices import build_settings
from utils.cli.comet import check_comet, comet_id
from utils.cli.data_choice import check_src_lang
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
    WRITTEN,
    usual_length,
)
from utils.errors import UserError
from utils.files import sha256_of

if TYPE_CHECKING:
    from utils.cli.icl_prompts import Prompting
    from utils.schema import GeneratorSpec
    from utils.settings.icl import IclSettings

WITHOUT_ENCODER = ("random", "bm25", "fixed")  # ways to choose demonstrations that encode nothing


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
    group.add_argument(
        "--split", choices=SPLITS, default="test", help="split that is classified (default: %(default)s)"
    )
    group.add_argument(
        "--legacy",
        action="store_true",
        help="reproduce the original's label sets, distance, tokenisation and macro averages",
    )


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
    if 0 in args.k and special:
        raise UserError(
            f"--k 0 with --{special[0]}", "a zero-shot prompt has no demonstrations to choose: use --k 1 or more"
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


def chosen_decode(args: argparse.Namespace, spec: GeneratorSpec, kind: str) -> str:
    """Return --decode, or the usual way of the generator. Raises UserError for flags that this way does not use."""
    decode = str(args.decode or ("generate" if kind in WRITTEN else spec.decode))
    if kind in WRITTEN and decode != "generate":
        raise UserError(f"--decode {decode} with items of the kind {kind}", "their answers are written: leave it out")
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


def chosen_instructions(args: argparse.Namespace, prompting: Prompting) -> list[str]:
    """Return the instructions of the command line, each once, or that of the data set; a template has its own."""
    from utils.generators.prompts import default_instruction

    usual = [default_instruction(prompting.dataset.options.get("subject", ""))] if prompting.file is None else [""]
    return list(dict.fromkeys(args.instruction or ())) or usual


def check_kind(args: argparse.Namespace, kind: str, choices: str | None, decode: str, *, has_template: bool) -> None:
    """Raise UserError for flags that items of this kind, their template or the way of decoding do not have.

    kind: how items are answered. choices: by what an option is chosen, None for items without options.
    """
    given = [name for name in ("template_lang", "answers", "choices", "permute", "pmi") if getattr(args, name)]
    if not has_template and given:
        what = f"--{given[0]} with items that no template shows"
        raise UserError(what, "name one with --template, or choose a data set that has one (docs/icl.md)")
    of_options = [name for name in ("choices", "permute", "pmi") if getattr(args, name)]
    if kind != "choice" and of_options:
        raise UserError(f"--{of_options[0]} with items of the kind {kind}", "it is for questions with options")
    of_labels = ["answers"] if args.answers else [name for name in ("balance", "calibrate") if getattr(args, name)]
    if kind not in ("label", "pair") and of_labels:
        hint = "leave it out; --pmi compares options with their scores by themselves" if kind == "choice" else ""
        raise UserError(f"--{of_labels[0]} with items of the kind {kind}", hint or "it is for items with a label")
    if args.prompt_lang and kind != "span":
        raise UserError(f"--prompt_lang with items of the kind {kind}", "it is for questions about a text")
    if has_template and args.legacy:
        raise UserError("--legacy with a template", "it reproduces the prompts of MINERS: leave it out")
    if choices == "text" and decode != "score":
        raise UserError(f"--choices text with --decode {decode}", "use --choices letter, or --decode score")
    if choices == "text" and args.permute:
        raise UserError("--permute with options that are not listed", "add --choices letter")
    if choices == "letter" and args.pmi:
        raise UserError(
            "--pmi with --choices letter", "a letter means nothing without its question: use --choices text"
        )


def _threshold(args: argparse.Namespace) -> float | None:
    """Return --mined_threshold; None for the one that --mined auto has anyway."""
    return None if (args.mined, args.mined_threshold) == (AUTO, THRESHOLD) else args.mined_threshold


def _check_written(args: argparse.Namespace, prompting: Prompting) -> None:
    """Raise UserError for flags of translations and of their measures with items that have no source or measure."""
    from utils.data.items import measures_of

    options, what = prompting.dataset.options, f"items of the kind {prompting.kind}"
    if prompting.kind == "text":
        what = f"{prompting.dataset.name}, which has no sources" if "source" not in options["fields"] else ""
    for name, given in (("demonstrations mined", args.mined), ("comet", args.comet)):
        if given and what:
            raise UserError(f"--{name} with {what}", "it is for translations")
    if args.bleu_tokenize and "bleu" not in measures_of(prompting.dataset):
        what = what or f"{prompting.dataset.name}, which is not measured by BLEU"
        raise UserError(f"--bleu_tokenize with {what}", "it is for translations")
    if args.comet:
        check_comet()
    if "pairs" not in options:
        check_src_lang(args, "add --cross to take demonstrations from it")


def chosen_choices(args: argparse.Namespace, kind: str, decode: str) -> str | None:
    """Return by what an option is chosen; None for items without options."""
    if kind != "choice":
        return None
    return str(args.choices or ("text" if decode == "score" else "letter"))


def make_settings(
    args: argparse.Namespace, src_lang: str | None, spec: GeneratorSpec, instruction: str, prompting: Prompting
) -> IclSettings:
    """Return the settings of a run; a setting that its kind of items or its way of decoding does not use is None."""
    from utils.settings.icl import IclSettings

    return build_settings(IclSettings, args, **prompt_settings(args, src_lang, spec, instruction, prompting))


def prompt_settings(
    args: argparse.Namespace, src_lang: str | None, spec: GeneratorSpec, instruction: str, prompting: Prompting
) -> dict[str, Any]:
    """Return the settings of prompts that are not the arguments of the same names. UserError for flags in conflict."""
    from utils.cli.translation_measures import tokens_of

    low, high = rank_band(args)
    kind, has_template, of_row = (
        prompting.kind,
        prompting.file is not None,
        prompting.dataset.options.get("max_new_tokens"),
    )
    decode = chosen_decode(args, spec, kind)
    choices = chosen_choices(args, kind, decode)
    check_kind(args, kind, choices, decode, has_template=has_template)
    _check_written(args, prompting)
    template_lang = (args.template_lang or "en") if has_template else None
    answers = (args.answers or "english") if has_template and kind in ("label", "pair") else None
    return {
        "similarity": "euclidean" if args.legacy else args.similarity,
        "src_lang": src_lang,
        "min_percentile": low,
        "max_percentile": high,
        "instruction": instruction,
        "decode": decode,
        "length_norm": (args.length_norm or ("sum" if args.pmi else "token")) if decode == "score" else None,
        "max_new_tokens": (args.max_new_tokens or usual_length(kind, of_row)) if decode == "generate" else None,
        "template": prompting.template_id(template_lang, answers),
        "template_lang": template_lang,
        "answers": answers,
        "choices": choices,
        "permute": args.permute if choices == "letter" else None,
        "pmi": args.pmi if choices == "text" and decode == "score" else None,
        "ask": "text" if choices == "text" and spec.kind != "base" and not instruction else None,
        "demonstrations_file": prompting.examples_digest(),
        "prompt_lang": args.prompt_lang,
        "comet": comet_id(args.comet),
        "mined": args.mined if args.mined in (None, AUTO) else sha256_of(Path(args.mined).expanduser())[:8],
        "mined_threshold": _threshold(args),
        "bleu_tokenize": tokens_of(prompting.measures),
    }
