"""Two models' answers compared by a judge in both orders, from their records."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli.api_flags import check_api_flags
from utils.cli.chat_arguments import JUDGE_FLAGS
from utils.cli.chat_measures import tell_held
from utils.cli.models import Models
from utils.cli.open_run import chosen_sources
from utils.constants import JUDGE_TOKENS
from utils.data.instructions import load_instructions
from utils.errors import UserError, counted, note, suggest
from utils.evaluation import chat, stats
from utils.files import read_json, write_json
from utils.generators.chat_prompts import prompts_for
from utils.generators.judging import WINNER_SCHEMA, Said, ask, how_asked, pair_prompt, parse_winner
from utils.progress import part_of_run
from utils.records.identity import generator_identity
from utils.records.paths import prompts_path
from utils.records.provenance import environment, public_argument, utc_now
from utils.records.reader import read_results
from utils.records.result import LoggedResult
from utils.records.row_names import row_names
from utils.records.trait_texts import digest

if TYPE_CHECKING:
    from utils.protocols import Generator
    from utils.schema import DatasetSpec, GeneratorSpec

HEADERS = ("", "instructions", "pairs", "A wins", "95 % interval", "first minus second", "changed by order", "unread")


@dataclass(frozen=True)
class Pairs:
    """The answers of A and of B to the same instructions in one language; `items` are their instructions' numbers."""

    lang: str
    ids: tuple[str, ...]
    items: tuple[int, ...]
    instructions: tuple[str, ...]
    of_a: tuple[str, ...]
    of_b: tuple[str, ...]

    def prompts(self) -> tuple[list[str], list[str]]:
        """Return the prompts that show A's answer first, and those that show B's first."""
        sides = zip(self.instructions, self.of_a, self.of_b, strict=True)
        both = [(pair_prompt(text, a, b), pair_prompt(text, b, a)) for text, a, b in sides]
        return [first for first, _ in both], [second for _, second in both]


def compare_pairwise(args: argparse.Namespace, dataset: DatasetSpec, langs: Sequence[str], spec: GeneratorSpec) -> None:
    """Print how often A's answers win, and write each verdict to a file; with --dry_run what it would cost.

    Raises UserError where a model has no answers, or the two have none in common.
    """
    check_api_flags(args, [], None, None, [spec])
    pairs = _pairs(args, dataset, langs)
    judge = Models(args).generator(spec)
    if args.dry_run:
        _show_plan(judge, pairs, args.judge_tokens)
        return
    found, rows, values = {}, [], []
    for each in pairs:
        with part_of_run(each.lang), JUDGE_FLAGS.in_errors():
            first, second = (
                ask(judge, prompts, parse_winner, WINNER_SCHEMA, tokens=args.judge_tokens) for prompts in each.prompts()
            )
        row, of_items, content = _told(each, first, second, args.seed)
        rows.append(row)
        values.append(of_items[~np.isnan(of_items)])
        found[each.lang] = content
    _print(args, rows, values)
    print(f"verdicts: {_write(args, dataset, spec, found)}")


def _write(args: argparse.Namespace, dataset: DatasetSpec, spec: GeneratorSpec, found: Mapping[str, Any]) -> Path:
    """Write the verdicts beside those of other languages in the same settings; return the path of the file.

    Its name has a part of the hash of all that decides a verdict. Verdicts with --limit are under debug/.
    """
    a, b = args.pairwise
    content = {"a": a, "b": b, "dataset": dataset.name, "judge_model": generator_identity(spec), "seed": args.seed}
    content |= {"judge_tokens": args.judge_tokens or JUDGE_TOKENS, "limit": args.limit}
    about = {"args": {name: public_argument(value) for name, value in vars(args).items()}, **environment()}
    names = "_vs_".join(map(_short, (a, b)))
    name = f"{names}_by_{_short(spec.name)}-{digest(json.dumps(content, sort_keys=True))}.json"
    folder = args.output_dir / "debug" if args.limit is not None else args.output_dir
    path: Path = folder / "pairwise" / dataset.name / name
    there = (read_json(path) or {}).get("languages") if path.is_file() else None
    languages = {**(there if isinstance(there, dict) else {}), **found}
    write_json(path, {**content, "written": utc_now(), "languages": languages, "run": about}, indent=1)
    return path


def _pairs(args: argparse.Namespace, dataset: DatasetSpec, langs: Sequence[str]) -> list[Pairs]:
    """Return the pairs of each language that both models have answers in; the others are named."""
    if not args.output_dir.is_dir():
        raise UserError(f"--output_dir {args.output_dir}: no such folder", "run chat.py for both models first")
    logged = read_results(args.output_dir, "chat", debug=args.limit is not None)
    results = [result for result in logged if result.dataset == dataset.name]
    sides = [_side(results, name) for name in args.pairwise]
    if sides[0].keys() == sides[1].keys() and all(sides[0][lang].path == sides[1][lang].path for lang in sides[0]):
        raise UserError("--pairwise names the same records twice", "name two rows of the tables")
    common = [lang for lang in langs if all(lang in side for side in sides)]
    if not common:
        there = "; ".join(f"{name} has {', '.join(side)}" for name, side in zip(args.pairwise, sides, strict=True))
        raise UserError("A and B have answers in no language in common", there)
    if alone := [lang for lang in langs if lang not in common]:
        note(f"A or B has no answers in {', '.join(alone)}")
    found = []
    for lang in common:
        asked = load_instructions(dataset, lang, chosen_sources(args))
        texts = dict(zip(asked.ids, asked.texts, strict=True))
        of_a, of_b = (_answers(side[lang].path) for side in sides)
        found.append(_paired(lang, texts, of_a, of_b, args.limit))
    return found


def _side(results: Sequence[LoggedResult], name: str) -> dict[str, LoggedResult]:
    """Return the records of one row of the tables by language; a model's name will do where it has one row."""
    rows = row_names(results)
    chosen = [place for place, row in enumerate(rows) if row == name] or [
        place for place, result in enumerate(results) if (result.run.get("generator") or {}).get("name") == name
    ]
    if not chosen:
        there = f"there are answers of {', '.join(dict.fromkeys(rows))}" if rows else "run chat.py for it first"
        raise UserError(f"no answers of {name!r} on this data set", suggest(name, rows) if rows else there)
    if len(several := list(dict.fromkeys(rows[place] for place in chosen))) > 1:
        raise UserError(f"{name!r} has answers in {len(several)} settings", f"name one row: {'; '.join(several)}")
    return {results[place].subset: results[place] for place in chosen}


def _answers(record: Path) -> dict[str, list[str]]:
    """Return the answers of a record by the instruction's identifier."""
    content = read_json(prompts_path(record)) if prompts_path(record).is_file() else None
    try:
        return {str(name): list(map(str, row)) for name, row in zip(content["ids"], content["answers"], strict=True)}  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{record} has no answers beside it", "run chat.py again with --overwrite") from error


def _paired(
    lang: str, texts: Mapping[str, str], of_a: Mapping[str, list[str]], of_b: Mapping[str, list[str]], n: int | None
) -> Pairs:
    """Return the first answers of both to the instructions that both have, then the second ones, and so on."""
    ids = [name for name in of_a if name in of_b and name in texts][:n]
    if not ids:
        raise UserError(f"{lang}: A and B have no instruction in common", "run both on the same data")
    rows = [
        (place, texts[name], a, b)
        for place, name in enumerate(ids)
        for a, b in zip(of_a[name], of_b[name], strict=False)
    ]
    items, instructions, first, second = zip(*rows, strict=True)
    return Pairs(lang, tuple(ids), items, instructions, first, second)


def _told(
    pairs: Pairs, a_first: Sequence[Said[str]], b_first: Sequence[Said[str]], seed: int
) -> tuple[list[Any], chat.Values, dict[str, Any]]:
    """Return the row of a language, A's share of wins of each instruction (n,), and what the file says of it."""
    verdicts = [(one.value, other.value) for one, other in zip(a_first, b_first, strict=True)]
    shares = chat.win_shares(verdicts)
    by_item: list[list[float | None]] = [[] for _ in pairs.ids]
    for item, won in zip(pairs.items, shares, strict=True):
        by_item[item].append(won)
    values = chat.item_means(by_item)
    figure, bias = chat.figure(values, seed), chat.position_bias(verdicts)
    every = [*a_first, *b_first]
    unread = sum(said.value is None for said in every) / len(every)
    tell_held(pairs.lang, sum(said.held for said in every), len(every), "the most probable verdicts count")
    wins, interval = figure or (None, None)
    first, changed = bias or (None, None)
    row = [pairs.lang, len(pairs.ids), len(verdicts), wins, interval, first, changed, unread]
    sides = {"a_first": a_first, "b_first": b_first}
    said = {name: [one.as_record("winner") for one in side] for name, side in sides.items()}
    about = {"win_rate": wins, "ci95": interval, "first_minus_second": first, "changed_by_order": changed}
    return row, values, {**about, "unread": unread, "ids": [pairs.ids[item] for item in pairs.items], **said}


def _print(args: argparse.Namespace, rows: Sequence[list[Any]], values: Sequence[chat.Values]) -> None:
    """Print the table: A's share of wins (ties count a half), its interval, and what the order of the answers does."""
    from tabulate import tabulate

    known = [each for each in values if len(each)]
    if len(known) > 1:
        mean = float(np.mean([each.mean() for each in known]))
        interval = stats.hierarchical_mean(known, args.seed)
        rows = [*rows, ["mean", None, None, mean, interval, None, None, None]]
    print(f"A: {args.pairwise[0]}\nB: {args.pairwise[1]}\nA's share of wins in %, a tie counts a half")
    table = [[*row[:3], _percent(row[3]), _interval(row[4]), *map(_percent, row[5:])] for row in rows]
    print(tabulate(table, HEADERS, floatfmt=".2f"))


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"


def _show_plan(judge: Generator, pairs: Sequence[Pairs], tokens_out: int | None) -> None:
    """Print how many judgements there would be, and the cost of those that are not cached."""
    prompts = [prompt for each in pairs for side in each.prompts() for prompt in side]
    print(f"{counted(len(prompts), 'judgement')} by {judge.spec.name} in {counted(len(pairs), 'language')}")
    if judge.client is not None:
        how = how_asked(judge, WINNER_SCHEMA, tokens_out)
        left = judge.count_requests(prompts_for(judge.spec, prompts), (), how, "generate")
        print(judge.quote(*left, exact=False))
    print(f"\none prompt of {pairs[0].lang}:\n{prompts[0]}")


def _short(row: str) -> str:
    """Return the model's name in that of a row, without its owner and its settings, as a file's name can have it."""
    return re.sub(r"[^\w.+-]+", "-", row.partition(" (")[0].rpartition("/")[2], flags=re.ASCII)[:60]
