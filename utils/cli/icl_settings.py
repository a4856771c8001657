"""The settings of in-context learning that follow from its flags, the data set, its template and the generator."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.choices import build_settings
from utils.cli.comet import check_comet, comet_id
from utils.cli.data_choice import check_src_lang
from utils.cli.icl_arguments import rank_band
from utils.cli.icl_mined import AUTO, THRESHOLD
from utils.constants import WRITTEN, usual_length
from utils.errors import UserError, note
from utils.files import sha256_of

if TYPE_CHECKING:
    from utils.cli.icl_prompts import Prompting
    from utils.schema import GeneratorSpec
    from utils.settings.icl import IclSettings


def chosen_instructions(args: argparse.Namespace, prompting: Prompting) -> list[str]:
    """Return the instructions of the command line, each once, or that of the data set; a template has its own."""
    from utils.generators.prompts import default_instruction

    usual = [default_instruction(prompting.dataset.options.get("subject", ""))] if prompting.file is None else [""]
    return list(dict.fromkeys(args.instruction or ())) or usual


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
    low, high = rank_band(args)
    decode = chosen_decode(args, spec, prompting.kind)
    choices = chosen_choices(args, prompting.kind, decode)
    check_kind(args, prompting.kind, choices, decode, has_template=prompting.file is not None)
    _check_written(args, prompting)
    return {
        "similarity": "euclidean" if args.legacy else args.similarity,
        "src_lang": src_lang,
        "min_percentile": low,
        "max_percentile": high,
        "instruction": instruction,
        **_of_template(args, prompting),
        **_of_options(args, spec, instruction, choices, decode),
        **_of_answers(args, prompting, decode),
        **_of_demonstrations(args, prompting),
    }


def _of_template(args: argparse.Namespace, prompting: Prompting) -> dict[str, Any]:
    """Return how a template shows the items, None for items without one."""
    has_template = prompting.file is not None
    lang = (args.template_lang or "en") if has_template else None
    answers = (args.answers or "english") if has_template and prompting.kind in ("label", "pair") else None
    return {
        "template": prompting.template_id(lang, answers),
        "template_lang": lang,
        "answers": answers,
        "prompt_lang": args.prompt_lang,
    }


def _of_options(
    args: argparse.Namespace, spec: GeneratorSpec, instruction: str, choices: str | None, decode: str
) -> dict[str, Any]:
    """Return how an option is chosen, None for items without options."""
    return {
        "choices": choices,
        "permute": args.permute if choices == "letter" else None,
        "pmi": args.pmi if choices == "text" and decode == "score" else None,
        "ask": "text" if choices == "text" and spec.kind != "base" and not instruction else None,
    }


def _of_answers(args: argparse.Namespace, prompting: Prompting, decode: str) -> dict[str, Any]:
    """Return how answers are decoded, and how written ones are measured."""
    from utils.cli.translation_measures import tokens_of

    longest = args.max_new_tokens or usual_length(prompting.kind, prompting.dataset.options.get("max_new_tokens"))
    return {
        "decode": decode,
        "length_norm": (args.length_norm or ("sum" if args.pmi else "token")) if decode == "score" else None,
        "max_new_tokens": longest if decode == "generate" else None,
        "comet": comet_id(args.comet),
        "bleu_tokenize": tokens_of(prompting.measures),
    }


def _of_demonstrations(args: argparse.Namespace, prompting: Prompting) -> dict[str, Any]:
    """Return where demonstrations are taken from that are not the data set's own; the usual threshold is None."""
    is_usual = (args.mined, args.mined_threshold) == (AUTO, THRESHOLD)
    return {
        "demonstrations_file": prompting.examples_digest(),
        "mined": args.mined if args.mined in (None, AUTO) else sha256_of(Path(args.mined).expanduser())[:8],
        "mined_threshold": None if is_usual else args.mined_threshold,
    }


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
    if args.max_new_tokens and decode != "generate":
        note(f"--max_new_tokens {args.max_new_tokens} is not used with --decode {decode}, whose answers are labels")
    return decode


def chosen_choices(args: argparse.Namespace, kind: str, decode: str) -> str | None:
    """Return by what an option is chosen; None for items without options."""
    if kind != "choice":
        return None
    return str(args.choices or ("text" if decode == "score" else "letter"))


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
    if args.length_norm and decode != "score":
        raise UserError(f"--length_norm with --decode {decode}", "it is for the scores of labels: leave it out")
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
