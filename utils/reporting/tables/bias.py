"""Tables of language bias: which languages the first passages of pools of several languages have, row by row."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from utils.errors import UserError
from utils.records.result import LoggedResult
from utils.reporting.tables.build import Kind, by_seed, name_missing, standard_subsets
from utils.reporting.tables.render import NOTHING, emit, render_rows, with_notes
from utils.reporting.tables.rows import ordered

OWN = "of the question"  # the passages in the language of the question
SHOWN = 12  # languages named in a note before "..."
Figures = Mapping[str, float]
Subsets = Sequence[tuple[LoggedResult, Mapping[str, Figures]]]  # records with the figures of their languages


@dataclass(frozen=True)
class Bias:
    """What a row of the tables shows of one language of a pool: means over the languages of the questions.

    n: the number of these. first_k: share of the passages in the language among the k first. answers: its share of the
    answers. mean_rank: of its answers, None where it has none.
    """

    model: str
    dataset: str
    language: str
    n: int
    first_k: float
    answers: float
    mean_rank: float | None


def check_flags(args: argparse.Namespace) -> None:
    """Raise UserError for flags that a table of language bias has no use for."""
    for name in ("by", "bold", "reference", "sizes", "metric", "ci", "seeds"):
        if getattr(args, name, None):
            raise UserError(f"--bias with --{name}", "its figures are shares and ranks: leave one of the two out")


def print_bias(
    args: argparse.Namespace, results: Sequence[LoggedResult], kind: Kind, models: Sequence[str] | None
) -> None:
    """Print the table of the records whose pools have several languages, or write it to --output.

    models: the only rows, in order. Raises UserError where no record has such a pool.
    """
    there = [result for result in results if _languages_of(result)]
    if not there:
        hint = "it is of pools in several languages: retrieval.py --pool all, and --pool all here"
        raise UserError("no record has figures of several languages", hint)
    found: list[Bias] = []
    asked: dict[str, None] = {}
    depths: set[int] = set()
    for chosen in by_seed(there).values():
        cells = standard_subsets(chosen, kind, there)
        for model in ordered({model for model, _ in cells}, models, list(dict.fromkeys(model for model, _ in cells))):
            for (row, dataset), (standard, beside, expected) in cells.items():
                if row != model:
                    continue
                name_missing([name for name in expected if name not in standard], len(expected), f"{dataset}, {row}")
                subsets = [(one, _languages_of(one)) for one in (standard or beside).values()]
                asked |= dict.fromkeys(one.subset for one, _ in subsets)
                depths |= {int(of.get("rank_depth") or 0) for _, langs in subsets for of in langs.values()}
                found += _of_row(model, dataset, subsets)
    emit(args, _render(args, found, list(asked), sorted(depths)))


def _languages_of(result: LoggedResult) -> Mapping[str, Figures]:
    """Return the figures of each language of a record's pool; empty where it has one language."""
    return result.body.get("languages") or {}


def _of_row(model: str, dataset: str, subsets: Subsets) -> list[Bias]:
    """Return the figures of each language in one data set, then of the language of the question where all have it."""
    names = dict.fromkeys(name for _, langs in subsets for name in langs)
    found = [(name, [langs[name] for _, langs in subsets if name in langs]) for name in names]
    own = [langs[one.subset] for one, langs in subsets if one.subset in langs]
    if len(own) == len(subsets):
        found.append((OWN, own))
    return [
        Bias(
            model,
            dataset,
            name,
            len(figures),
            _mean([one["first_k"] for one in figures]),
            _mean([one["answers"] for one in figures]),
            _mean(ranks) if (ranks := [one["mean_rank"] for one in figures if "mean_rank" in one]) else None,
        )
        for name, figures in found
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _render(args: argparse.Namespace, found: Sequence[Bias], asked: Sequence[str], depths: Sequence[int]) -> str:
    """Return the table as text; JSON has unrounded fractions."""
    if args.format == "json":
        return json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False) + "\n"
    header = ["model", "data set", "language", f"first {args.k}", "answers", "difference", "mean rank"]
    body = [
        [
            *(one.model, one.dataset, one.language),
            *(f"{100 * share:.2f}" for share in (one.first_k, one.answers)),
            f"{100 * (one.first_k - one.answers):+.2f}",
            NOTHING if one.mean_rank is None else f"{one.mean_rank:.2f}",
        ]
        for one in found
    ]
    langs = " ".join(asked[:SHOWN]) + (" ..." if len(asked) > SHOWN else "")
    about = [
        f"in %: share of each language among the {args.k} first passages and among the answers, their difference in "
        "points; mean rank of its answers",
        f"means over the questions in {langs}; seed {args.seed}; similarity {args.similarity}, pool {args.pool}; an "
        f"answer that is not among the {' or '.join(map(str, filter(None, depths)))} first passages counts as the next "
        "rank",
    ]
    return with_notes(render_rows(header, body, args.format), about, args.format)
