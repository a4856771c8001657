"""The score of each language, and the groups that languages fall into."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from utils.data.languages import family_and_script
from utils.errors import UserError
from utils.records.frames import records
from utils.records.result import LoggedResult
from utils.reporting.charts import means, plots
from utils.reporting.tables import build, select

SMALLEST = 3  # languages of a group; smaller ones are joined
OTHER = {"family": "Other families", "script": "Other scripts"}


@dataclass(frozen=True)
class Scores:
    """The metric of one data set as fractions by model and language, in the order of the models.

    `groups` has each language's family or script, small ones joined; `interval` the records' own intervals.
    """

    dataset: str
    metric: str
    values: Mapping[str, Mapping[str, float]]
    family: Mapping[str, str]
    script: Mapping[str, str]
    groups: Mapping[str, str]
    k: int | None  # of all records; None where the rows name theirs
    expected: int  # languages that a complete model has

    @property
    def langs(self) -> list[str]:
        """The languages, in alphabetical order."""
        return sorted(self.family)


def scores_of(args: argparse.Namespace, by: str) -> Scores:
    """Return the scores of the one data set that the flags name, its languages grouped `by` family or script.

    Languages that a model lacks are told on standard error. Raises UserError where nothing is left to draw.
    """
    results = plots.choose(args)
    dataset = plots.one_dataset(args, results)
    metric = plots.metric_of(args, dataset)
    results = means.finite(results, metric)
    names = means.expected(args, dataset, results)
    languages = _languages([result for result in results if result.subset in names])
    values: dict[str, dict[str, float]] = {}
    for (model, _), found in select.by_cell(results).items():
        build.name_missing([name for name in names if name not in found], len(names), f"{dataset}, {model}")
        in_order = {languages[name][0]: found[name].metrics[metric] for name in names if name in found}
        values |= {model: in_order} if in_order else {}
    if not values:
        raise UserError(f"no results of {dataset} in the languages that count", "check --langs and --setting")
    told = {lang: (family, script) for lang, family, script in languages.values()}
    family, script = ({lang: both[place] for lang, both in told.items()} for place in (0, 1))
    groups = joined(family if by == "family" else script, OTHER[by])
    k = results[0].k if args.task != "icl" else None
    return Scores(dataset, metric, values, family, script, groups, k, len(names))


def _languages(results: Sequence[LoggedResult]) -> dict[str, tuple[str, str, str]]:
    """Return the language, its family and its script of each subset; subsets of one language keep their own names."""
    frame = records(results)[["subset", "lang"]].drop_duplicates().astype(str)
    twice = set(frame["lang"][frame["lang"].duplicated(keep=False)])
    return {
        subset: (subset if lang in twice else lang, *(part or "unknown" for part in family_and_script(lang)))
        for subset, lang in frame.itertuples(index=False)
    }


def joined(groups: Mapping[str, str], other: str) -> dict[str, str]:
    """Return each language's group, groups of fewer than 3 languages joined as `other`, where several are."""
    sizes: dict[str, int] = {}
    for group in groups.values():
        sizes[group] = sizes.get(group, 0) + 1
    small = {group for group, size in sizes.items() if size < SMALLEST}
    if len(small) < 2:
        return dict(groups)
    return {lang: other if group in small else group for lang, group in groups.items()}
