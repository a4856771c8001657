"""Render the comparison of two models as a table or as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence

from utils.reporting.tables import paired, render

HEADER = ("subset", "n", "A", "B", "A - B", "95 % interval", "p", "p (Holm)", "odds ratio", "detectable")


def as_text(args: argparse.Namespace, lines: Sequence[paired.Line], means: Sequence[paired.Line]) -> str:
    """Return the table, a line a subset and then the means; around it who A and B are, and who wins."""
    several = len({line.dataset for line in lines}) > 1
    body = [row(line, several) for line in (*lines, *means)]
    if args.format == "csv":
        return render.render_rows(HEADER, body, "csv")
    asked = f"{args.task}, {args.metric} in %, seed {args.seed}" + ("" if args.k is None else f", k {args.k}")
    about_b = f" ({' '.join(args.setting_b)})" if args.setting_b else ""
    head = [f"A: {args.a}", f"B: {args.b}{about_b}", asked]
    table = render.render_rows(HEADER, body, args.format)
    return "\n".join(
        [*render.comment(head, args.format), "", table, *render.comment(summary(lines, means[-1]), args.format), ""]
    )


def as_json(
    args: argparse.Namespace,
    settings: Mapping[str, Mapping[str, object]],
    lines: Sequence[paired.Line],
    means: Sequence[paired.Line],
) -> str:
    """Return everything as fractions, unrounded."""
    body = {
        "a": args.a,
        "b": args.b,
        "task": args.task,
        "metric": args.metric,
        "k": args.k,
        "seed": args.seed,
        "settings": settings,
        "subsets": [dataclasses.asdict(line) | {"difference": line.difference} for line in lines],
        "means": [dataclasses.asdict(line) | {"difference": line.difference} for line in means],
        **tally(lines),
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def row(line: paired.Line, several: bool) -> list[str]:
    """Return the cells of a line, percentages to two digits."""
    low, high = line.interval
    return [
        f"{line.dataset} {line.subset}" if several else line.subset,
        str(line.n),
        *(f"{100 * value:.2f}" for value in (line.a, line.b)),
        f"{100 * line.difference:+.2f}",
        f"[{100 * low:+.2f}, {100 * high:+.2f}]",
        shown_p(line.p),
        "-" if line.p_holm is None else shown_p(line.p_holm),
        "-" if line.odds_ratio is None else f"{line.odds_ratio:.2f}",
        "-" if line.smallest is None else f"{100 * line.smallest:.2f}",
    ]


def shown_p(p: float) -> str:
    """Return p to four digits."""
    return f"{p:.4f}" if p >= 0.00005 else "<0.0001"


def tally(lines: Sequence[paired.Line]) -> dict[str, int]:
    """Return how many subsets A wins, ties and loses, and how many of these significantly."""
    signs = [(line.difference > 0) - (line.difference < 0) for line in lines]
    sure = [sign if line.significant else 0 for sign, line in zip(signs, lines, strict=True)]
    return {
        "wins": signs.count(1),
        "ties": signs.count(0),
        "losses": signs.count(-1),
        "significant_wins": sure.count(1),
        "significant_losses": sure.count(-1),
    }


def summary(lines: Sequence[paired.Line], mean: paired.Line) -> list[str]:
    """Say how many subsets A wins, and what the mean over all of them is worth."""
    counts = tally(lines)
    low, high = mean.interval
    return [
        f"A wins {counts['wins']} ({counts['significant_wins']} significant), ties {counts['ties']}, "
        f"loses {counts['losses']} ({counts['significant_losses']} significant)",
        f"mean difference {100 * mean.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}], "
        f"p {shown_p(mean.p)} by items, {shown_p(mean.p_subsets or 0.0)} by subsets",
    ]
