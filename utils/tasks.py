"""The tasks, one row each: which settings decide a figure, which metrics a record has, and which tables show it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_KS = (1, 5, 10)
DEFAULT_SEED = 42


def setting(default: Any, kind: str = "name", *, also: tuple[Any, ...] = ()) -> Any:
    """Return a field of a task's settings.

    default: the value of a plain run, and of records that do not have the setting.
    kind: the type of its column in tables of records (utils/records/columns.py).
    also: other values that a plain table takes beside the default.
    """
    return dataclasses.field(default=default, metadata={"kind": kind, "also": also})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that decide a figure in every task; a task adds its own fields.

    They are made once, from the arguments, and never change. Their names and values are part of every record.
    """

    fuse: str = setting("score")
    normalize: str = setting("none")
    seed: int = setting(DEFAULT_SEED, "count")
    limit: int | None = setting(None, "whole")

    def identity(self) -> dict[str, Any]:
        """Return the settings by name, as a record has them: records with equal ones are the same."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def departures(self) -> Iterator[str]:
        """Yield what is not plain in the task's own settings, as the name of a run's folder has it, in their order."""
        common = {field.name for field in dataclasses.fields(Settings)}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in common and value != field.default:
                yield field.name if value is True else value if isinstance(value, str) else f"{field.name}_{value}"

    def fusion_departures(self) -> Iterator[str]:
        """Yield the names of what is not plain in an ensemble."""
        yield from (value for value, plain in ((self.fuse, "score"), (self.normalize, "none")) if value != plain)

    def run_name(self, prefix: str) -> str:
        """Return the folder of the run: its prefix, then each departure from the plain setting."""
        return "_".join([prefix, *filter(None, (*self.departures(), *self.fusion_departures()))])


@dataclass(frozen=True, kw_only=True)
class BitextSettings(Settings):
    """Settings of bitext retrieval."""

    similarity: str = setting("cosine")
    margin: str = setting("none")
    margin_k: int | None = setting(None, "whole")
    direction: str = setting("forward")

    def departures(self) -> Iterator[str]:
        """Yield the similarity, the margin and the direction where they are not plain."""
        plain = ("cosine", "none", "forward")
        yield from (
            value
            for value, usual in zip((self.similarity, self.margin, self.direction), plain, strict=True)
            if value != usual
        )


@dataclass(frozen=True, kw_only=True)
class LabeledSettings(Settings):
    """Settings of the tasks on labelled texts."""

    similarity: str = setting("cosine")
    cross: bool = setting(False, "flag")
    src_lang: str | None = setting(None)
    split: str = setting("test")
    legacy: bool = setting(False, "flag")

    @property
    def odd_similarity(self) -> str:
        """The similarity where it is neither plain nor implied by --legacy."""
        return self.similarity if self.similarity != "cosine" and not self.legacy else ""

    @property
    def odd_split(self) -> str:
        """The split where it is not the test split."""
        return self.split if self.split != "test" else ""


@dataclass(frozen=True, kw_only=True)
class ClassificationSettings(LabeledSettings):
    """Settings of retrieval-based classification."""

    vote: str = setting("majority")

    def departures(self) -> Iterator[str]:
        """Yield the training language of a cross-lingual run, then what is not plain."""
        yield f"cross_{self.src_lang}" if self.cross else ""
        yield self.odd_similarity
        yield self.vote if self.vote != "majority" else ""
        yield self.odd_split
        yield "legacy" if self.legacy else ""


@dataclass(frozen=True, kw_only=True)
class IclSettings(LabeledSettings):
    """Settings of in-context learning."""

    balance: bool = setting(False, "flag")
    min_percentile: int | None = setting(None, "whole")
    max_percentile: int | None = setting(None, "whole")
    demonstrations: str = setting("nearest")
    order: str = setting("nearest_first")
    instruction: str = setting("")
    decode: str = setting("score")
    length_norm: str | None = setting("token", also=(None,))
    calibrate: bool = setting(False, "flag")
    max_new_tokens: int | None = setting(None, "whole")
    temperature: float = setting(0.0, "number")

    def folder(self, quantization: str, usual_decode: str) -> str:
        """Return the folder of the run; the generator's quantisation and usual way of decoding are part of it."""
        departures = [
            quantization,
            f"cross_{self.src_lang}" if self.cross else "",
            "balance" if self.balance else "",
            "diverse" if self.demonstrations == "diverse" else "",
            self.order if self.order != "nearest_first" else "",
            self.odd_similarity,
            self.odd_split,
            self.decode if self.decode != usual_decode else "",
            self.length_norm if self.length_norm not in (None, "token") else "",
            "calibrated" if self.calibrate else "",
            f"temperature_{self.temperature:g}" if self.temperature else "",
            "legacy" if self.legacy else "",
            *self.fusion_departures(),
        ]
        band = "" if self.min_percentile is None else f"_percentile/{self.min_percentile}_{self.max_percentile}"
        return "_".join(["save_icl", *filter(None, departures)]) + band


@dataclass(frozen=True)
class View:
    """One table of a task: its name, the means over groups of data sets, and which records it is of.

    groups: the names of the means, in the order of their columns. The row of a data set says which mean it enters.
    groups_of: the view whose name those rows use, where it is not this one.
    cross: the table is of cross-lingual runs.
    bands: the table is of demonstrations from a band of ranks, with the bands as columns.
    """

    name: str
    groups: tuple[str, ...] = ()
    groups_of: str = ""
    cross: bool = False
    bands: bool = False


@dataclass(frozen=True)
class TaskSpec:
    """A task, as everything beside its script needs to know it.

    data: the registry that its data sets are in.
    settings: the class of its settings.
    main_metric: the metric shown of data sets whose row names no metric of this task, and of data without a row.
    item_metrics: metrics that are means over items; paired tests compare them.
    label_metrics: metrics that are means over labels, counted from the predictions.
    views: its tables.
    table_settings: records that differ in one of these stand in different tables.
    row_settings: records that differ in one of these stand in different rows of one table.
    generative: a language model answers, so a row names it and the number of demonstrations.
    """

    name: str
    data: str
    settings: type[Settings]
    main_metric: str
    item_metrics: tuple[str, ...]
    views: tuple[View, ...]
    table_settings: tuple[str, ...]
    row_settings: tuple[str, ...] = ("fuse", "normalize")
    label_metrics: tuple[str, ...] = ()
    default_ks: tuple[int, ...] = DEFAULT_KS
    generative: bool = False

    @property
    def script(self) -> str:
        """The script that makes the task's records."""
        return f"{self.name}.py"

    def metric_for(self, main_metric: str | None) -> str:
        """Return the metric that is shown of a data set, given the main metric of its row (None: it has no row)."""
        known = (*self.item_metrics, *self.label_metrics)
        return main_metric if main_metric in known and main_metric is not None else self.main_metric

    def view_of(self, run: Mapping[str, Any]) -> View:
        """Return the table that a record stands in, by its `run` part."""
        bands = run.get("min_percentile") is not None and any(view.bands for view in self.views)
        fitting = (
            view for view in self.views if view.bands == bands and (bands or view.cross == bool(run.get("cross")))
        )
        return next(fitting, self.views[0])

    def plain(self) -> dict[str, Any]:
        """Return the settings that part the tables, each with its plain value, or the list of those that it takes."""
        fields = {field.name: field for field in dataclasses.fields(self.settings)}
        values = {name: (fields[name].default, *fields[name].metadata["also"]) for name in self.table_settings}
        return {name: value[0] if len(value) == 1 else list(value) for name, value in values.items()}


LABEL_METRICS = ("prec", "rec", "f1")

TASKS: dict[str, TaskSpec] = {
    spec.name: spec
    for spec in (
        TaskSpec(
            name="bitext",
            data="bitext",
            settings=BitextSettings,
            main_metric="f1",
            item_metrics=("acc", "prec", "f1"),
            views=(View("bitext", ("XL", "CS")),),
            table_settings=("similarity", "margin", "direction"),
            row_settings=("margin_k", "fuse", "normalize"),
        ),
        TaskSpec(
            name="classification",
            data="classification",
            settings=ClassificationSettings,
            main_metric="acc",
            item_metrics=("acc",),
            label_metrics=LABEL_METRICS,
            views=(View("classification", ("Mono", "CS")), View("classification cross", ("XL", "XL CS"), cross=True)),
            table_settings=("cross", "similarity", "vote", "split", "legacy"),
            row_settings=("train_lang", "fuse", "normalize"),
        ),
        TaskSpec(
            name="icl",
            data="classification",
            settings=IclSettings,
            main_metric="acc",
            item_metrics=("acc",),
            label_metrics=LABEL_METRICS,
            views=(
                View("icl", ("Mono", "CS")),
                View("icl cross", ("XL", "XL CS"), cross=True),
                View("icl percentile", bands=True),
            ),
            table_settings=(
                *("cross", "similarity", "balance", "order", "calibrate", "split", "legacy", "length_norm"),
                "min_percentile",
            ),
            row_settings=("train_lang", "fuse", "normalize", "demonstrations", "decode", "max_percentile"),
            default_ks=(1,),
            generative=True,
        ),
    )
}
