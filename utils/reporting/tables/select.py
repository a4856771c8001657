"""Select the records that enter a table: the flags, the selection itself, and records by cell."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.cli.types import name_or_path, natural, path, positive, seed
from utils.constants import DEFAULT_SEED
from utils.data.languages import suggest_language
from utils.data.registry import sets_of
from utils.errors import UserError, counted, suggest
from utils.records.pair_sources import ANY, source_of
from utils.records.reader import read_results
from utils.records.result import LoggedResult
from utils.reporting.tables.names import add_names_arg, check_names, dataset_names, read_names
from utils.task_spec import TaskSpec
from utils.tasks import TASKS

FORMATS = ("plain", "md", "latex", "csv", "json")
BOLD = ("best", "significant")
DEBUG = "debug"  # the folder of --limit runs in that of the logs


def add_table_args(parser: argparse.ArgumentParser, k: int | None) -> None:
    """Add the flags that select records and a metric and say how the table is written.

    k: the default of --k; with None the table shows every k unless --k names some.
    """
    if k is None:
        parser.add_argument("--k", type=natural, nargs="+", metavar="K", help="only these (default: all)")
    else:
        parser.add_argument("--k", type=positive, default=k, metavar="K", help="(default: %(default)s)")
    parser.add_argument("--metric", metavar="NAME", help="a metric of the records (default: each dataset's main one)")
    parser.add_argument("--ci", action="store_true", help="95 %% intervals in the cells")
    parser.add_argument("--dataset", nargs="+", metavar="NAME", help="only these data sets (default: all)")
    parser.add_argument("--langs", nargs="+", metavar="LANG", help="only these languages, or pairs with them")
    parser.add_argument(
        "--common", action="store_true", help="only the subsets that all rows have, so that every row is complete"
    )
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these rows, in this order")
    parser.add_argument(
        "--bold",
        choices=BOLD,
        help="mark each column's best figure, or the best and all that are not significantly worse",
    )
    parser.add_argument(
        "--reference",
        type=name_or_path,
        nargs="+",
        metavar="NAME|FILE",
        help="published figures and the differences from them: paper, or a CSV file; of several, the first that has "
        "a figure counts",
    )
    parser.add_argument("--reference_rows", action="store_true", help="add rows of published figures without a record")
    add_output_args(parser, several_seeds=True)


def add_output_args(parser: argparse.ArgumentParser, *, several_seeds: bool = False) -> None:
    """Add the flags of the seed, the folder of the logs, and the output."""
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=seed, default=DEFAULT_SEED, metavar="N", help="(default: %(default)s)")
    if several_seeds:
        seeds.add_argument(
            "--seeds", nargs="+", metavar="N", help="mean and standard deviation over these seeds, or over `all`"
        )
    parser.add_argument("--logs", type=path, default=Path("logs"), metavar="FOLDER", help="(default: %(default)s)")
    add_names_arg(parser)
    parser.add_argument("--format", choices=FORMATS, default="plain", help="(default: %(default)s)")
    parser.add_argument("--output", type=path, metavar="FILE", help="write the table to this file instead of printing")


def add_source_arg(parser: argparse.ArgumentParser) -> None:
    """Add the flag of a cross-lingual table's training language, or of the language whose texts query."""
    parser.add_argument(
        "--src_lang",
        metavar="LANG",
        help="the language of the training texts or sources (default: each data set's pivot)",
    )


def chosen_seeds(args: argparse.Namespace) -> list[int] | None:
    """Return the seeds whose records enter, None for all of them."""
    named = getattr(args, "seeds", None)
    if named is None:
        return [args.seed]
    if named == ["all"]:
        return None
    try:
        return sorted({seed(one) for one in named})
    except argparse.ArgumentTypeError as error:
        raise UserError(f"--seeds: {error}", "give `all`, or numbers: --seeds 1 2 3") from error


def select(
    args: argparse.Namespace, task: str, settings: Mapping[str, object], flag: str = "--{name}"
) -> list[LoggedResult]:
    """Return the results of one task at --k and --seed or --seeds with these settings.

    Settings that a record does not have count as the plain ones. Raises UserError where nothing fits; the error names
    the values that there are, and the `flag` that chooses a setting where the script has none of its name.
    """
    _check_tasks(task, settings, flag)
    chosen = _all_results(args, task)
    ks, seeds = args.k if isinstance(args.k, list) or args.k is None else [args.k], chosen_seeds(args)
    conditions = {**({"k": ks} if ks else {}), **({"seed": seeds} if seeds else {}), **settings}
    for name, value in conditions.items():
        wanted = value if isinstance(value, list) else [value]
        found = {_setting(result, task, name, wanted[0]) for result in chosen}
        chosen = [result for result in chosen if _setting(result, task, name, wanted[0]) in wanted]
        if not chosen:
            there = ", ".join(sorted(repr(value) if value == "none" else str(value) for value in found))
            what = " or ".join(map(str, wanted))
            choice = f"--{name}" if name in vars(args) else flag.format(name=name)
            raise UserError(f"no {task} results with {name} {what}; there is {there}", f"choose with {choice}")
    if lacking := [str(seed) for seed in seeds or () if seed not in {result.seed for result in chosen}]:
        note(f"seeds: no record has seed {', '.join(lacking)}")
    return chosen


def _check_tasks(task: str, settings: Mapping[str, object], flag: str) -> None:
    """Raise UserError for a setting that is another task of the same script, such as the lens of layers.py."""
    for name, value in settings.items():
        asked = value[0] if isinstance(value, list) and value else value
        other = TASKS.get(asked) if isinstance(asked, str) else None
        if other is not None and other.name != task and other.script == TASKS[task].script:
            in_table = f"script/aggregate/aggregate_{other.views[0].key}.py has its table"
            hint = in_table if flag == "--{name}" else f"choose it with --task {other.name}"
            raise UserError(f"{name} {asked} is a task of its own", hint)


def _all_results(args: argparse.Namespace, task: str) -> list[LoggedResult]:
    """Return the results of a task; raises UserError where there is none."""
    logs = args.logs
    results = list(read_results(logs, task))
    if names := read_names(args.names, logs):
        check_names(names, results, args.logs)
        known = sets_of(TASKS[task].data)
        own = {name: shown for name, shown in names.items() if name not in known}
        results = [dataclasses.replace(one, dataset=own.get(one.dataset, one.dataset)) for one in results]
    if not results:
        has_debug = any(True for _ in read_results(logs, task, debug=True))
        only = " except those of --limit runs, which tables leave out" if has_debug else ""
        folder = logs / DEBUG if has_debug and (logs / DEBUG).is_dir() else "FOLDER"
        hint = (
            f"run {TASKS[task].script}{' without --limit' if only else ' first'}, or name the folder: --logs {folder}"
        )
        raise UserError(f"no {task} results under {args.logs}{only}", hint)
    return results


def of_datasets(args: argparse.Namespace, results: Sequence[LoggedResult], task: str) -> list[LoggedResult]:
    """Return a task's results of --dataset, or all, and set the flag to their names in full.

    Raises UserError for a data set that has none.
    """
    there = sorted({result.dataset for result in results})
    args.dataset = dataset_names(args.dataset, there, read_names(args.names, args.logs))
    for name in args.dataset or ():
        if name not in there:
            what = f"no results of data set {name!r} with these settings"
            if (args.logs / DEBUG).is_dir() and any(
                one.dataset == name for one in read_results(args.logs / DEBUG, task)
            ):
                raise UserError(
                    what, f"it has some of --limit runs, which tables leave out: --logs {args.logs / DEBUG}"
                )
            raise UserError(what, suggest(name, there))
    return [result for result in results if result.dataset in (args.dataset or there)]


def of_one_source(
    results: Sequence[LoggedResult], task: str, src_lang: str | None, flag: str = "--src_lang LANG"
) -> list[LoggedResult]:
    """Return the results of one source language per data set: `src_lang`, else the pivot.

    The source is the language of the training texts, or of the texts that query in language pairs. Of labelled data
    without a pivot the only training language is taken. Records that are left out are counted on standard error. Raises
    UserError where the choice is open, or nothing has this source.
    """
    spec = TASKS[task]
    by_dataset: dict[str, dict[str | None, list[LoggedResult]]] = {}
    for result in results:
        by_dataset.setdefault(result.dataset, {}).setdefault(source_if_any(result, spec, src_lang), []).append(result)
    kept: list[LoggedResult] = []
    of = "pairs from other languages" if spec.pairs else "other training languages"
    for dataset, by_source in by_dataset.items():
        chosen = by_source.get(src_lang, []) if spec.pairs else _trained_on(src_lang, by_source, task, dataset, flag)
        kept += chosen
        others = {
            str(source): found for source, found in by_source.items() if found is not chosen and source is not None
        }
        if left := sum(map(len, by_source.values())) - len(chosen):
            choices = f" ({flag} chooses: {', '.join(sorted(others))})" if others else ""
            note(f"note: {dataset}: {counted(left, 'record')} of {of} left out{choices}")
    if not kept:
        of_pairs = f"no {task} results of pairs from {src_lang or 'the pivot'}"
        what = of_pairs if spec.pairs else f"no cross-lingual {task} results trained on {src_lang!r}"
        raise UserError(what, f"the notes above name the languages that are there: {flag}")
    return kept


def _trained_on(
    src_lang: str | None,
    by_source: Mapping[str | None, list[LoggedResult]],
    task: str,
    dataset: str,
    flag: str,
) -> list[LoggedResult]:
    """Return a data set's results of one training language; raises UserError where the choice is open."""
    row = sets_of(TASKS[task].data).get(dataset)
    wanted = src_lang or (row.pivot if row and row.pivot in by_source else None)
    if wanted is None and len(by_source) > 1:
        there = ", ".join(sorted(map(str, by_source)))
        raise UserError(f"{task} results of {dataset} trained on {there}", f"choose one: {flag}")
    return by_source.get(wanted, []) if wanted else next(iter(by_source.values()))


def source_if_any(result: LoggedResult, spec: TaskSpec, asked: str | None) -> str | None:
    """Return a result's source language; None for a standard pair, or one of own data, if no source was asked for.

    Where own data have rows of several sources, their results have one, except in the row of all pairs.
    """
    if not spec.pairs:
        lang = result.run.get("train_lang")
        return None if lang is None else str(lang)
    row = sets_of(spec.data).get(result.dataset)
    if asked is None and row is None:
        return None if result.source == ANY else result.source or None
    return None if asked is None and row and result.subset in row.subsets else source_of(result)


def of_langs(args: argparse.Namespace, results: Sequence[LoggedResult], spec: TaskSpec) -> list[LoggedResult]:
    """Return the results of --langs, or all; raises UserError for a language without results."""
    for lang in args.langs or ():
        if not any(lang in languages_in(result.subset, spec) for result in results):
            there = {side for result in results for side in languages_in(result.subset, spec)}
            if spec.pairs and "_" not in lang:  # a pair is suggested where a pair was typed
                there -= {result.subset for result in results}
            raise UserError(f"no {spec.name} results of language {lang!r}", suggest_language(lang, sorted(there)))
    return [result for result in results if is_chosen(args.langs, result.subset, spec)]


def languages_in(subset: str, spec: TaskSpec) -> set[str]:
    """Return the names by which --langs selects a subset: its own, and of a pair those of both sides."""
    return {subset, *(subset.split("_") if spec.pairs else ())}


def is_chosen(langs: Sequence[str] | None, subset: str, spec: TaskSpec) -> bool:
    """Return whether a subset is of one of the languages; None stands for all of them."""
    return not langs or bool(languages_in(subset, spec) & set(langs))


def _setting(result: LoggedResult, task: str, name: str, usual: object) -> object:
    if name == "k" and result.is_trained:
        return usual  # a trained model has no neighbours, and stands in the table of every k
    value = getattr(result, name) if name in ("k", "seed") else TASKS[task].table_value(result.run, name, usual)
    return str(value) if isinstance(value, list | dict) else value  # a record that was edited may have such a value


def nearest(model: str, results: Sequence[LoggedResult]) -> str:
    """Return a hint that names the rows whose names are close to a mistaken one."""
    return suggest(model, sorted({result.model for result in results}))


def by_cell(results: Sequence[LoggedResult]) -> dict[tuple[str, str], dict[str, LoggedResult]]:
    """Return the results of each model and data set by their subset; duplicates are named and left out."""
    grouped: dict[tuple[str, str], dict[str, LoggedResult]] = {}
    for result in results:
        subsets = grouped.setdefault((result.model, result.dataset), {})
        if result.subset in subsets:
            note(f"warning: {result.path} repeats {subsets[result.subset].path} and is left out")
        else:
            subsets[result.subset] = result
    return grouped


def note(text: str) -> None:
    """Print a remark on standard error, so that it does not mix with the table."""
    print(text, file=sys.stderr)
