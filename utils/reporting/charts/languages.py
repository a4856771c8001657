"""Scores by language, and the groups of the languages."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from utils.data.languages import family_and_script
from utils.errors import UserError
from utils.records.result import LoggedResult
from utils.records.rows import languages_of
from utils.reporting.charts import means, plots
from utils.reporting.tables import build, select
from utils.tasks import TASKS

SMALLEST = 3  # languages of a group; smaller ones are joined
OTHER = {"family": "Other families", "script": "Other scripts"}


@dataclass(frozen=True)
class Scores:
    """The metric of one data set as fractions by model and language, in the order of the models.

    groups: each language's family or script, small ones joined.
    """

    dataset: str
    metric: str
    values: Mapping[str, Mapping[str, float]]
    family: Mapping[str, str]
    script: Mapping[str, str]
    groups: Mapping[str, str]
    k: int | None  # None where the rows name theirs
    expected: int  # languages of a complete model

    @property
    def langs(self) -> list[str]:
        """The languages, in alphabetical order."""
        return sorted(self.family)


def scores_of(args: argparse.Namespace, by: str) -> Scores:
    """Return the scores of the data set that the flags select, its languages grouped `by` family or script.

    Missing languages are named on standard error. Raises UserError where nothing is left to draw.
    """
    results = plots.choose(args)
    dataset = plots.one_dataset(results)
    metric = plots.metric_of(args, dataset, results)
    results = means.with_metric(results, metric)
    names = means.expected(args, dataset, results)
    languages = _languages([result for result in results if result.subset in names])
    values: dict[str, dict[str, float]] = {}
    for (model, _), found in select.by_cell(results).items():
        build.name_missing([name for name in names if name not in found], len(names), f"{dataset}, {model}")
        in_order = {languages[name][0]: found[name].metrics[metric] for name in names if name in found}
        values |= {model: in_order} if in_order else {}
    if not values:
        raise UserError(f"no results of {dataset} in its standard languages", "check --langs and --setting")
    told = {lang: (family, script) for lang, family, script in languages.values()}
    family, script = ({lang: both[place] for lang, both in told.items()} for place in (0, 1))
    groups = joined(family if by == "family" else script, OTHER[by])
    k = results[0].k if TASKS[args.task].table_k is not None else None
    return Scores(dataset, metric, values, family, script, groups, k, len(names))


def _languages(results: Sequence[LoggedResult]) -> dict[str, tuple[str, str, str]]:
    """Return the language, family and script of each subset; subsets of the same language keep the subset's name."""
    found = {result.subset: str(languages_of(result)["lang"]) for result in results}
    uses = Counter(found.values())
    languages = {}
    for subset, lang in found.items():
        family, script = (part or "unknown" for part in family_and_script(lang))
        languages[subset] = (lang if uses[lang] == 1 else subset, family, script)
    return languages


def joined(groups: Mapping[str, str], other: str) -> dict[str, str]:
    """Return each language's group; groups of fewer than 3 languages are joined as `other` where there are several."""
    sizes: dict[str, int] = {}
    for group in groups.values():
        sizes[group] = sizes.get(group, 0) + 1
    small = {group for group, size in sizes.items() if size < SMALLEST}
    if len(small) < 2:
        return dict(groups)
    return {lang: other if group in small else group for lang, group in groups.items()}
