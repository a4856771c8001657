"""What a task is: its data, the metrics of its records, and how its settings make rows and tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from utils.constants import DEFAULT_KS
from utils.views import View

if TYPE_CHECKING:
    from utils.settings.base import Settings


@dataclass(frozen=True)
class TaskSpec:
    """A task, as everything beside its script needs to know it.

    data: the registry that its data sets are in.
    settings: the class of its settings.
    main_metric: the metric shown of data sets whose row names no metric of this task, and of data without a row.
    item_metrics: metrics that are means over items; paired tests compare them.
    whole_metrics: metrics of all items together, which have no value for an item.
    corpus_metrics: those of the whole metrics that follow from sums of the items' statistics, which predictions have.
    stated_metrics: metrics that are means over items in records whose predictions state each item's value.
    label_metrics: metrics that are means over labels, counted from the predictions.
    views: its tables.
    table_settings: records that differ in one of these stand in different tables.
    bounds: what a metric is seen against, as (name, key in the record): its ceiling, chance, the most frequent label.
    k_means: what k counts. shown_k: the k of a table unless another is asked for.
    at_k: whether the metrics are of the k best candidates.
    depth_metric: the metric that is the recall at k, for tasks whose candidates can be reranked.
    generative: a language model answers, so a row names it, and with `shots` the number of demonstrations.
    made_by: the script that makes its records, where it has another name than the task.
    by_layer: whether its records have rows, one for each layer of a model.
    needed: the metrics that a record has to have by the kind of its answers, "" for all others; empty for all metrics.
    """

    name: str
    data: str
    settings: type[Settings]
    main_metric: str
    item_metrics: tuple[str, ...]
    views: tuple[View, ...]
    table_settings: tuple[str, ...]
    label_metrics: tuple[str, ...] = ()
    whole_metrics: tuple[str, ...] = ()
    corpus_metrics: tuple[str, ...] = ()
    stated_metrics: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    default_ks: tuple[int, ...] = DEFAULT_KS
    k_means: str = "neighbours"
    shown_k: int = 1
    at_k: bool = False
    depth_metric: str = ""
    generative: bool = False
    shots: bool = True
    made_by: str = ""
    by_layer: bool = False
    needed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def needed_by(self, run: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the metrics that a record has to have, by its `run` part: all, or those of its kind of answers.

        Of written answers they are the measures that a record names, without BLEU, which needs a model.
        """
        if isinstance(named := run.get("measures"), list):
            return tuple(str(name) for name in named if name != "bleu")
        return self.needed.get(str(run.get("answer_kind")), self.needed.get("", self.metrics))

    def main_of(self, run: Mapping[str, Any]) -> str:
        """Return the metric that is shown of data without a row, by the `run` part of one of its records."""
        is_written = "measures" in run or run.get("answer_kind") in self.needed
        needed = self.needed_by(run) if is_written else ()
        return needed[-1] if needed else self.main_metric

    @property
    def script(self) -> str:
        """The script that makes the task's records."""
        return self.made_by or f"{self.name}.py"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics over items, then those over labels, then those of all items together."""
        return tuple(dict.fromkeys((*self.item_metrics, *self.label_metrics, *self.whole_metrics)))

    @property
    def paired_metrics(self) -> tuple[str, ...]:
        """The metrics by which two records are compared: over items, and of a corpus."""
        return tuple(dict.fromkeys((*self.item_metrics, *self.stated_metrics, *self.corpus_metrics)))

    def metric_for(self, main_metric: str | None) -> str:
        """Return the metric that is shown of a data set, given the main metric of its row (None: it has no row)."""
        return main_metric if main_metric is not None and main_metric in self.metrics else self.main_metric

    @property
    def pairs(self) -> bool:
        """Whether a subset is a pair of languages, `src_tgt`, instead of one language."""
        return self.data == "bitext"

    @property
    def indexed(self) -> bool:
        """Whether predictions are indices of candidates, instead of labels."""
        return self.data in ("bitext", "retrieval")

    @property
    def asymmetric(self) -> bool:
        """Whether questions and passages can have prompts of their own."""
        return self.data == "retrieval"

    @property
    def table_k(self) -> int | None:
        """The k of a table or figure unless another is asked for; None where the rows name theirs."""
        return None if self.generative else self.shown_k

    @cached_property
    def fields(self) -> dict[str, dataclasses.Field[Any]]:
        """The fields of the settings, by name."""
        return {field.name: field for field in dataclasses.fields(self.settings)}

    @cached_property
    def row_settings(self) -> tuple[str, ...]:
        """The settings that rows of one table can differ in; those of cross-lingual tasks are told by `train_lang`."""
        trained = ("train_lang",) if "cross" in self.fields else ()
        part = {*self.table_settings, "seed", "src_lang", "cross", "tag"}
        return (*trained, *(name for name in self.fields if name not in part))

    def view_of(self, run: Mapping[str, Any]) -> View:
        """Return the table that a record stands in, by its `run` part."""
        cross = bool(run.get("cross"))
        fitting = [view for view in self.views if view.cross in (None, cross)]
        by_columns = (view for view in fitting if view.by and view.values_of(run))
        return next(by_columns, next((view for view in fitting if not view.by), self.views[0]))

    def defaults(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the plain values of some settings."""
        return {name: self.fields[name].default for name in names}

    def accepted(self, name: str, value: Any) -> list[Any]:
        """Return the values of a setting that a table of this value takes, the value itself first."""
        return [value, *(other for other in self.fields[name].metadata["also"] if other != value)]

    def plain(self) -> dict[str, Any]:
        """Return the settings that part the tables, each with its plain value, or the list of those that it takes."""
        values = {name: self.accepted(name, value) for name, value in self.defaults(self.table_settings).items()}
        return {name: value if len(value) > 1 else value[0] for name, value in values.items()}

    def implied(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of other settings that follow from the flags among the chosen ones."""
        flags = [name for name, value in chosen.items() if value is True and name in self.fields]
        return {name: value for flag in flags for name, value in self.fields[flag].metadata["implies"].items()}

    def table_value(self, run: Mapping[str, Any], name: str, usual: Any) -> Any:
        """Return the value of a setting by which a record's table is chosen; the usual one of a record without it.

        The usual one is also what a row's own flag implies, as --pmi does sums: such a row stands beside the others.
        """
        value, implied = run.get(name, usual), self.implied({flag: run.get(flag) for flag in self._row_flags})
        is_implied = name in implied and value == implied[name]
        return usual if is_implied and usual == self.fields[name].default else value

    @cached_property
    def _row_flags(self) -> list[str]:
        """The settings of rows that imply values of others."""
        return [name for name in self.row_settings if name in self.fields and self.fields[name].metadata["implies"]]

    @property
    def column_settings(self) -> set[str]:
        """The settings that are the columns of one of the tables."""
        return {name for view in self.views for name in view.by}
