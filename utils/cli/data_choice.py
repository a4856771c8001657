"""The data set of a command line: a registered one, or the user's own data as its flags say to read them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from utils.errors import UserError, note

if TYPE_CHECKING:
    from utils.cli.icl_prompts import Prompting
    from utils.schema import DatasetSpec

TRAINED_ON = "add --cross to train on that language, or choose languages with --langs"


# the help of the flags for labelled data, of which a part is trained on or shown
LABELED_MEANINGS = {
    "dataset": "a name that --list shows, or a labelled .tsv, .csv, .jsonl or .parquet file",
    "src_lang": "--cross: the language of the training texts (default: the dataset's pivot)",
    "langs": "only these languages",
    "columns": "own file: TEXT LABEL [LANG [SPLIT]] (default: columns of these names)",
}


def check_src_lang(args: argparse.Namespace, hint: str = TRAINED_ON) -> None:
    """Raise UserError, with a hint, for a training language where each language has its own training texts."""
    if args.src_lang and not args.cross:
        raise UserError("--src_lang without --cross", hint)


def chosen_pairs(args: argparse.Namespace) -> DatasetSpec:
    """Return the data set of pairs. Raises UserError where there is none."""
    from utils.data.own_bitext import find_bitext

    reading = {"no_header": args.no_header, "strict": args.strict}
    return find_bitext(args.dataset, args.columns, args.src_lang, args.langs, **reading)


def chosen_labeled(args: argparse.Namespace) -> DatasetSpec:
    """Return the data set of labelled texts. Raises UserError where there is none."""
    from utils.data.own_labeled import find_labeled

    return find_labeled(args.dataset, args.columns, args.seed, no_header=args.no_header, strict=args.strict)


def chosen_prompted(args: argparse.Namespace) -> tuple[DatasetSpec, Prompting]:
    """Return the data set that is prompted, and how its items are shown. Raises UserError where there is none."""
    from utils.cli.icl_prompts import chosen_file, chosen_prompting, shape_of
    from utils.data.answer_items import with_pairs
    from utils.data.own_items import find_prompted

    file = chosen_file(args, None)
    shape = None if file is None else shape_of(file)
    reading = {"no_header": args.no_header, "strict": args.strict}
    dataset = find_prompted(args.dataset, args.columns, args.seed, shape, **reading)
    if dataset.reader == "own_items" and "lang" not in dataset.options:
        dataset = _in_one_language(args, dataset)
    if "layout" in dataset.options:
        if args.cross:
            raise UserError("--cross with translations", "--src_lang names the language that is translated from")
        dataset = with_pairs(dataset, args.src_lang, args.langs)
    if args.prompt_lang:
        check_prompt_lang(dataset, args.prompt_lang)
        dataset = replace(dataset, options={**dataset.options, "prompt_lang": args.prompt_lang})
    return dataset, chosen_prompting(args, dataset)


def _in_one_language(args: argparse.Namespace, dataset: DatasetSpec) -> DatasetSpec:
    """Return the row of an own file without languages in the one that --langs names; else a note where it counts."""
    from utils.data.items import measures_of

    if len(args.langs or ()) == 1:
        return replace(dataset, subsets=tuple(args.langs), pivot=args.langs[0])
    if "f1" in measures_of(dataset) and args.langs is None:
        what = "has no column of languages, so that no articles are left out where answers are compared"
        note(f"{dataset.source} {what}: --langs LANG names the language of all rows")
    return dataset


def check_prompt_lang(dataset: DatasetSpec, lang: str) -> None:
    """Raise UserError for a language that the questions of a data set are not in."""
    from utils.data.languages import suggest_language

    if dataset.reader == "own_items":
        raise UserError(
            f"--prompt_lang with the file {dataset.source}", "write the questions in the other language into the file"
        )
    if dataset.options.get("kind") == "span" and lang not in dataset.subsets:
        raise UserError(f"{dataset.name} has no questions in {lang!r}", suggest_language(lang, dataset.subsets))


def chosen_dataset(args: argparse.Namespace) -> DatasetSpec:
    """Return the data set of --task, or of the task that it is likely for. Raises UserError where there is none."""
    from utils.data.pictured import find_pictured

    reading = {"no_header": args.no_header, "strict": args.strict}
    return find_pictured(args.dataset, args.task, args.columns, args.src_lang, args.langs, args.seed, **reading)
