"""The rows of pairs of own data, which have no pivot: all pairs, or those from one language.

A pair is recorded once, whichever command asked for it, so that a record may belong to two rows: that of all pairs and
that of its own source language. Which rows there are follows from the languages that runs were asked for.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from utils.data.registry import DATASETS
from utils.records.result import LoggedResult
from utils.records.variants import variant_of
from utils.tasks import TASKS

ANY = "any"  # the row of all pairs
PAIRS = next(spec for spec in TASKS.values() if spec.pairs)


def with_sources(results: Sequence[LoggedResult]) -> list[LoggedResult]:
    """Return the results with the source language of their row; one of own pairs once for each row it belongs to.

    The source is `any` in a row of all pairs, and empty where the data set has one row only, or is a registered one.
    """
    own: dict[str, dict[str, list[int]]] = {}
    for place, result in enumerate(results):
        if result.source is None and is_own_pair(result):
            own.setdefault(result.dataset, {}).setdefault(_model(result), []).append(place)
    sources: dict[int, list[str]] = {}
    for by_model in own.values():
        rows = [_rows([(place, results[place]) for place in places]) for places in by_model.values()]
        several = len({source for of_model in rows for source in of_model}) > 1
        for of_model in rows:
            for source, there in of_model.items():
                for place in there:
                    sources.setdefault(place, []).append(source if several else "")
    return [
        dataclasses.replace(result, source=source) if result.source is None else result
        for place, result in enumerate(results)
        for source in sorted(sources.get(place, [""]))
    ]


def is_own_pair(result: LoggedResult) -> bool:
    """Return whether a result is of a language pair of a user's own data; mteb's subsets are not all pairs of some."""
    task, source = result.run.get("task"), result.run.get("source")
    is_own = isinstance(source, dict) and source.get("kind") != "mteb" and result.dataset not in DATASETS[PAIRS.data]
    return task == PAIRS.name and is_own


def source_of(result: LoggedResult) -> str:
    """Return the language of a pair's texts that query."""
    return str(result.run.get("src_lang") or result.subset.partition("_")[0])


def all_pairs(of_row: Iterable[LoggedResult], of_all: Iterable[LoggedResult]) -> list[str]:
    """Return the subsets of a complete row of all pairs: each two languages once, as the row has them if it does."""
    there = {frozenset(_sides(result)): result.subset for result in of_row}
    results = list(of_all)
    languages = sorted({side for result in results for side in _sides(result)} | languages_told(results))
    pairs = itertools.combinations(languages, 2)
    return sorted(there.get(frozenset(pair), "_".join(pair)) for pair in pairs)


def pairs_from(source: str, results: Sequence[LoggedResult]) -> list[str]:
    """Return the subsets of a complete row of the pairs from one language: those of results, and of told languages."""
    told = {f"{source}_{target}" for target in languages_told(results) if target != source}
    return sorted({result.subset for result in results if source_of(result) == source} | told)


def languages_told(results: Iterable[LoggedResult]) -> set[str]:
    """Return the languages that records of own data say the data have; empty where they are not known."""
    told = [result.run.get("languages") for result in results]
    return {str(language) for languages in told if isinstance(languages, list) for language in languages}


def _sides(result: LoggedResult) -> tuple[str, str]:
    source = source_of(result)
    target = result.run.get("tgt_lang")
    return source, str(target) if target else result.subset.removeprefix(f"{source}_")


def _model(result: LoggedResult) -> str:
    """Return what tells the model and its setting apart from those of other results of the data set."""
    variant = variant_of(result.run, result.dataset, PAIRS)
    parts = [result.plain_model, result.k, result.seed, variant.told, variant.open, variant.of_dataset]
    return json.dumps(parts, ensure_ascii=False)


def _rows(results: Sequence[tuple[int, LoggedResult]]) -> Mapping[str, list[int]]:
    """Return the places of the results of each row of one model, by the row's source."""
    asked_all = [(place, result) for place, result in results if _asked_all(result.run)]
    others = [(place, result) for place, result in results if not _asked_all(result.run)]
    rows: dict[str, list[int]] = {}
    for source in sorted({source_of(result) for _, result in others}):
        rows[source] = [place for place, result in results if source_of(result) == source]
    if asked_all:
        covered = {frozenset(_sides(result)) for _, result in asked_all}
        chosen = list(asked_all)
        for place, result in sorted(others, key=lambda one: one[1].subset):  # recorded by a run from one language
            if (pair := frozenset(_sides(result))) not in covered:
                covered.add(pair)
                chosen.append((place, result))
        from_one = {source_of(result) for _, result in chosen}
        if len(from_one) > 1:
            rows[ANY] = [place for place, _ in chosen]
        else:
            (source,) = from_one
            rows[source] = [place for place, result in results if source_of(result) == source]
    return rows


def _asked_all(run: Mapping[str, Any]) -> bool:
    """Return whether a record's run was asked for all pairs, not for those from one language or one pair of columns."""
    args = run.get("args")
    return not (isinstance(args, dict) and (args.get("src_lang") or args.get("columns")))
