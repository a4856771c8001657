"""What a record has to look like: one check for everything that reads records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from utils.constants import OF_COSINES
from utils.records.checks import (
    Check,
    anything,
    count,
    each,
    fields,
    flag,
    fraction,
    is_number,
    is_text,
    list_of,
    number,
    of_cosine,
    optional,
    scalar,
    text,
    whole,
    word,
)
from utils.records.columns import ABOUT, KEYS, METRICS, SETTINGS
from utils.tasks import TASKS

COUNTS = ("n", "k")  # numbers at the top level that are no metrics


def fault_of(body: Mapping[str, Any], needed: tuple[str, ...] = ()) -> str:
    """Return what is wrong with a record, the content of its file; empty where nothing is.

    docs/logs.md describes a record. Keys that a record may lack are checked where they are there, and may be null.
    needed: metrics that it must have.
    """
    absent = (f"it has no {name}" for name in needed if name not in metrics_of(body))
    return next(chain(RECORD(body, ""), _of_figures(body), absent), "")


def tuned_fault_of(body: Mapping[str, Any], n_members: int) -> str:
    """Return what is wrong with a file of the weights tuned for so many encoders; empty where nothing is."""
    needed = {"weights": list_of(number, n_members), "grid": list_of(_grid_point)}
    return next(fields(needed, {})(body, ""), "")


def metrics_of(body: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a record: the numbers at the top level other than its counts, whole ones if it is known."""
    return {
        name: float(value)
        for name, value in body.items()
        if name not in COUNTS and is_number(value) and (isinstance(value, float) or name in METRICS)
    }


def _of_figures(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield figures at the top level that are no fractions, and metrics that are no numbers."""
    for name, value in body.items():
        if not is_text(name):
            yield f"the name {name!r} is no valid Unicode"
        elif name in COUNTS:
            continue
        elif isinstance(value, float) or name in METRICS:
            yield from figure_of(name)(value, name)


def figure_of(metric: str) -> Check:
    """Return the check of a metric's figures."""
    return of_cosine if metric in OF_COSINES else fraction


def _intervals(value: Any, place: str) -> Iterator[str]:
    """Yield what is wrong with the intervals of a record."""
    names = value if isinstance(value, dict) else {}
    yield from each(anything)(value, place)
    for name in names:
        yield from list_of(figure_of(name), 2)(names[name], f"{place}.{name}")


KINDS: dict[str, Check] = {
    **dict.fromkeys(("name", "text", "time"), text),
    "whole": whole,
    "count": count,
    "number": number,
    "flag": flag,
}
OF_MODEL = {
    **dict.fromkeys(("revision", "prompt", "dtype", "backend", "kind", "quantization"), text),
    **dict.fromkeys(("provider", "model", "served_at", "input_type", "passage_input_type"), text),
    **dict.fromkeys(("passage_prompt", "pooling", "attention", "embedding_precision"), text),
    **dict.fromkeys(("max_length", "dimensions", "layer"), whole),
}
_weight = scalar("a number, or tuned", lambda value: value == "tuned" or is_number(value))
_place = fields({}, dict.fromkeys(("kind", "source", "revision"), text))
_encoder = fields({"checkpoint": word}, {**OF_MODEL, "weight": _weight})
_generator = fields({"name": word}, OF_MODEL)
_reranker = fields({"name": word, "kind": text}, {**OF_MODEL, "instruction": text})
_grid_point = fields({"score": number}, {"weights": list_of(number)})
TUNED = fields({}, {"weights": list_of(number), "split": text, "grid": list_of(_grid_point)})
_task = scalar(f"one of {', '.join(TASKS)}", lambda value: isinstance(value, str) and value in TASKS)
_language = fields({"first_k": fraction, "answers": fraction}, {"mean_rank": number, "rank_depth": count})
_sums = each(fields({}, {"hits": count, "misses": count}))
RUN = fields(
    {**dict.fromkeys(("dataset", "model", "subset"), word), "seed": whole},
    {
        **{name: KINDS[kind] for name, kind in {**KEYS, **SETTINGS, **ABOUT}.items() if kind in KINDS},
        "task": _task,
        "encoders": list_of(_encoder),
        "generator": _generator,
        "reranker": _reranker,
        **dict.fromkeys(("judge_model", "translator"), _generator),
        "training": each(anything),
        **dict.fromkeys(("source", "origin"), _place),
        "tuned": TUNED,
        "n_dropped": each(whole),
        "seconds": each(number),
        "cache": _sums,
        "api": each(each(anything)),
        "packages": each(optional(text)),
        "args": each(anything),
    },
)
_layer = fields({"layer": whole}, {"depth": fraction, "pooling": text})
RECORD = fields(
    {"run": RUN, "k": count},
    {
        "n": count,
        "ci95": _intervals,
        "members": each(each(anything)),
        **dict.fromkeys(("lengths", "judge_levels", "judge_levels_translated", "judge_agreement"), each(anything)),
        "languages": each(_language),
        **dict.fromkeys(("best_at", "last_at"), _layer),
        "rows": list_of(_layer),
        "labels": list_of(text),
        "per_label": each(each(optional(number))),
        "confusion": list_of(list_of(count)),
    },
)
