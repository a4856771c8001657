"""Build cells from records: the mean over a data set's subsets, or over those of a group of languages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from utils.data.answer_items import translated_from
from utils.data.languages import family_and_script
from utils.data.registry import sets_of
from utils.errors import UserError, counted
from utils.evaluation import stats
from utils.records.pair_sources import ANY, all_pairs, is_own_pair, languages_told, pairs_from, source_of
from utils.records.result import LoggedResult
from utils.reporting.tables.cells import Cell, Part, Table, join
from utils.reporting.tables.items import mean_draws
from utils.reporting.tables.select import by_cell, is_chosen, note
from utils.schema import DatasetSpec
from utils.task_spec import TaskSpec
from utils.tasks import TASKS

SHOWN_MISSING = 8  # missing subsets named per cell before "..."


@dataclass(frozen=True)
class Kind:
    """What the cells of a table are: the task, a metric (None: each data set's main one), and whether with intervals.

    With `cross` a complete cell does not need the training language. langs: the only languages that a complete cell
    needs. common: the only subsets of each data set that count, where they are those that all rows have.
    """

    task: str
    metric: str | None = None
    cross: bool = False
    ci: bool = False
    langs: tuple[str, ...] = ()
    common: Mapping[str, Sequence[str]] | None = None

    @property
    def spec(self) -> TaskSpec:
        """The task's row."""
        return TASKS[self.task]

    def dataset(self, name: str) -> DatasetSpec | None:
        """Return a data set's row, None for a user's own data."""
        return sets_of(self.spec.data).get(name)

    def metric_of(self, dataset: str, results: Iterable[LoggedResult] = ()) -> tuple[str, bool]:
        """Return the metric shown of a data set, and whether it is the main one.

        results: of a user's own data, which have no row, these tell the main metric.
        """
        row = self.dataset(dataset)
        told = (self.spec.main_of(result.run) for result in results if result.dataset == dataset)
        usual = self.spec.metric_for(row.main_metric) if row is not None else next(told, self.spec.main_metric)
        return self.metric or usual, self.metric in (None, usual)

    def subsets_of(self, dataset: str, results: Sequence[LoggedResult]) -> Sequence[str]:
        """Return the subsets that a complete cell of these results of one row needs.

        They are the standard subsets; of pairs from another language than the pivot all pairs from it; of a user's own
        data those of all results, and the languages that records say the data have.
        """
        if self.common is not None and dataset in self.common:
            return self.common[dataset]
        row = self.dataset(dataset)
        names = _standard(row, results) if row else _of_own_data(dataset, results, pairs=self.spec.pairs)
        return [name for name in names if is_chosen(self.langs, name, self.spec)]

    def expected_of(
        self, dataset: str, of_row: Sequence[LoggedResult], of_all: Sequence[LoggedResult]
    ) -> Sequence[str]:
        """Return the subsets that a complete cell of one row needs, as `subsets_of` does, given those of all rows.

        Of a user's own pairs, a row of all pairs needs each two languages once, another the pairs from its source.
        """
        of_set = [result for result in of_all if result.dataset == dataset]
        of_one = [one for one in of_set if one.source in {result.source for result in of_row}] or list(of_row)
        if dataset in (self.common or {}) or not all(map(is_own_pair, of_row)):
            return self.subsets_of(dataset, of_one)
        is_any = any(result.source == ANY for result in of_row) or len(set(map(source_of, of_row))) > 1
        names = all_pairs(of_row, of_set) if is_any else pairs_from(source_of(of_row[0]), of_one)
        return [name for name in names if is_chosen(self.langs, name, self.spec)]

    @property
    def is_part(self) -> bool:
        """Whether only a part of the subsets was asked for."""
        return bool(self.langs) or self.common is not None


def _of_own_data(dataset: str, results: Sequence[LoggedResult], *, pairs: bool) -> list[str]:
    of_set = [one for one in results if one.dataset == dataset]
    names = {one.subset for one in of_set}
    return sorted(names if pairs else names | languages_told(of_set))


def _standard(row: DatasetSpec, results: Sequence[LoggedResult]) -> Sequence[str]:
    """Return a data set's standard subsets, or all pairs from the one other language that the results query from."""
    found = {one.subset: one for one in results if one.dataset == row.name}
    is_translated, languages = "layout" in row.options, row.options.get("languages", ())
    if not (languages or is_translated) or any(name in row.subsets for name in found):
        return row.subsets
    sources = {str(one.run.get("src_lang") or one.subset.partition("_")[0]) for one in found.values()}
    if len(sources) != 1:
        return row.subsets
    (source,) = sources
    if is_translated:
        return translated_from(row, source) or row.subsets
    return [f"{source}_{target}" for target in languages if target != source] if source in languages else row.subsets


class Subsets(NamedTuple):
    """The results of one model and data set: those of standard subsets, those of others, and the standard subsets."""

    found: dict[str, LoggedResult]
    beside: dict[str, LoggedResult]
    expected: Sequence[str]


def by_seed(results: Sequence[LoggedResult]) -> dict[int, list[LoggedResult]]:
    """Return the results of each seed, seeds in order."""
    seeds = sorted({result.seed for result in results})
    return {seed: [result for result in results if result.seed == seed] for seed in seeds}


def build(results: Sequence[LoggedResult], kind: Kind, told: Sequence[str] | None = None) -> Table:
    """Return one cell per model and data set: the mean of the metric over the data set's subsets, and over seeds.

    told: the rows of which standard error names what is missing; None for all.
    """
    tables = {}
    for seed, chosen in (found := by_seed(results)).items():
        table: Table = {}
        for (model, dataset), subsets in standard_subsets(chosen, kind, results).items():
            name = f"{dataset}, {model}" + (f", seed {seed}" if len(found) > 1 else "")
            cell = _dataset_cell(name, subsets, dataset, kind, is_told=told is None or model in told)
            if cell is not None:
                table.setdefault(model, {})[dataset] = cell
        tables[seed] = table
    return join(tables)


def standard_subsets(
    results: Sequence[LoggedResult], kind: Kind, of_all: Sequence[LoggedResult] | None = None
) -> dict[tuple[str, str], Subsets]:
    """Return for each model and data set the results of its mean.

    The subsets of a user's own data are those of the results `of_all`, by default of `results`.
    """
    chosen: dict[tuple[str, str], Subsets] = {}
    for (model, dataset), subsets in by_cell(results).items():
        of_own_data = of_all or results if kind.dataset(dataset) is None else ()
        expected = kind.expected_of(dataset, list(subsets.values()), of_own_data)
        if kind.cross:
            sources = {result.run.get("train_lang") for result in subsets.values()}
            expected = [name for name in expected if name not in sources]
        found = {name: subsets[name] for name in expected if name in subsets}
        beside = {name: result for name, result in subsets.items() if name not in found}
        chosen[model, dataset] = Subsets(found, beside, expected)
    return chosen


def _has(result: LoggedResult, metric: str) -> bool:
    """Return whether a record has a finite number for this metric; an edited record may have NaN."""
    return math.isfinite(result.metrics.get(metric, math.nan))


def _dataset_cell(name: str, subsets: Subsets, dataset: str, kind: Kind, *, is_told: bool) -> Cell | None:
    metric, _ = kind.metric_of(dataset, [*subsets.found.values(), *subsets.beside.values()])
    there = {subset: result for subset, result in subsets.found.items() if _has(result, metric)}
    if is_told:
        _report_missing(name, there, subsets.found, subsets.expected, metric)
    if is_told and subsets.beside and not kind.is_part:
        note(f"note: {name}: {counted(len(subsets.beside), 'subset')} other than the standard ones left out")
    return mean_of_records(name, there, len(subsets.expected), kind) if there else None


def _report_missing(
    name: str,
    there: Mapping[str, LoggedResult],
    found: Mapping[str, LoggedResult],
    expected: Sequence[str],
    metric: str,
) -> None:
    missing = [subset for subset in expected if subset not in there]
    name_missing(missing, len(expected), name)
    if broken := [subset for subset, result in found.items() if subset in missing and metric in result.metrics]:
        note(f"warning: {name}: the {metric} of {', '.join(broken[:SHOWN_MISSING])} is not a number")
    known = sorted({key for result in found.values() for key in result.metrics})
    if not there and known:
        note(f"warning: {name}: no metric {metric!r}; there is {', '.join(known)}")


def name_missing(missing: Sequence[str], n_expected: int, name: str) -> None:
    """Name the missing subsets on standard error."""
    if missing:
        shown = ", ".join(missing[:SHOWN_MISSING]) + (", ..." if len(missing) > SHOWN_MISSING else "")
        note(f"missing: {name}: {len(missing)} of {n_expected} subsets: {shown}")


def common_subsets(results: Sequence[LoggedResult], kind: Kind) -> dict[str, list[str]]:
    """Return for each data set the subsets that all rows with results of it have, of every seed, in its order.

    Raises UserError where rows have no subset in common.
    """
    there: dict[str, list[set[str]]] = {}
    order: dict[str, dict[str, None]] = {}
    for of_seed in by_seed(results).values():
        for (_, dataset), (found, _, expected) in standard_subsets(of_seed, kind, results).items():
            metric, _ = kind.metric_of(dataset, results)
            there.setdefault(dataset, []).append({name for name, result in found.items() if _has(result, metric)})
            order.setdefault(dataset, {}).update(dict.fromkeys(expected))
    common = {dataset: set.intersection(*sides) for dataset, sides in there.items()}
    if empty := [dataset for dataset, names in common.items() if not names]:
        raise UserError(f"the rows have no subset of {', '.join(empty)} in common", "choose rows with --models")
    return {dataset: [name for name in order[dataset] if name in names] for dataset, names in common.items()}


def mean_of_records(name: str, there: Mapping[str, LoggedResult], expected: int, kind: Kind) -> Cell:
    """Return the mean over the records of one seed, all of equal weight."""
    first, *_ = there.values()
    metric, main = kind.metric_of(first.dataset, [first])
    value = sum(result.metrics[metric] for result in there.values()) / len(there)
    parts = tuple(Part(result, metric, 1 / len(there)) for result in there.values())
    cell = Cell(value, len(there), expected, parts=parts, seeds={first.seed: value}, main=main)
    return _with_interval(name, cell, there, kind.task, metric) if kind.ci else cell


def _with_interval(name: str, cell: Cell, there: Mapping[str, LoggedResult], task: str, metric: str) -> Cell:
    """Return the cell with its 95 % interval: of one record the record's own, else from resampled subsets and items.

    The cell has no interval where predictions are missing.
    """
    draws = mean_draws(there, task, metric)
    first, *others = there.values()
    if not others and metric in first.ci95:
        low, high = first.ci95[metric]
        return replace(cell, ci95=(low, high), draws=draws)
    if draws is None:
        note(f"note: {name}: no interval, since the predictions do not give the {metric} of each item")
        return cell
    return replace(cell, ci95=stats.percentiles(draws), draws=draws)


def build_by(
    results: Sequence[LoggedResult], kind: Kind, dataset: str, group: str, told: Sequence[str] | None = None
) -> tuple[Table, list[str]]:
    """Return one cell per model and group of languages of one data set, and the groups, the largest first.

    `group` is family, script or lang. A group is complete when all of the data set's languages in it are there. told:
    as `build` has it.
    Raises UserError where no result has the metric.
    """
    metric, _ = kind.metric_of(dataset, results)
    fitting = [result for result in results if result.dataset == dataset and _has(result, metric)]
    if not fitting:
        raise UserError(
            f"no {kind.task} results of {dataset} with the metric {metric!r}", "run it first, or name another"
        )
    tables, sizes, seeds = {}, dict[str, int](), by_seed(fitting)
    for seed, chosen in seeds.items():
        table: Table = {}
        for (model, _), (found, beside, expected) in standard_subsets(chosen, kind, fitting).items():
            needed = Counter(_group(subset, group) for subset in (*expected, *beside))
            sizes |= needed
            lacking = [subset for subset in expected if subset not in found]
            if told is None or model in told:
                about = f"{dataset}, {model}" + (f", seed {seed}" if len(seeds) > 1 else "")
                name_missing(lacking, len(expected), about)
            for key in dict.fromkeys(_group(subset, group) for subset in (*found, *beside)):
                there = {subset: result for subset, result in (found | beside).items() if _group(subset, group) == key}
                table.setdefault(model, {})[key] = mean_of_records(f"{dataset}, {model}", there, needed[key], kind)
        tables[seed] = table
    joined = join(tables)
    present = {key for cells in joined.values() for key in cells}
    return joined, sorted(present, key=lambda key: (-sizes[key], key))


def _group(subset: str, group: str) -> str:
    if group == "lang":
        return subset
    family, script = family_and_script(subset)
    return (family if group == "family" else script) or "unknown"
