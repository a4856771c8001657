"""The flow of layers.py: encode at all layers at once, measure each of them, log, and say which layer is the best."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from utils.cli.layers_arguments import layers_asked, make_settings, poolings_asked
from utils.cli.task_run import TaskRun
from utils.encoders.depth import depth_of, layers_of
from utils.encoders.kinds import DECODER
from utils.encoders.layered import LayeredEncoder
from utils.files import read_json
from utils.layers.measures import MEASURES, OWN, Measure
from utils.layers.rows import ITEMS, best_row, held_out, last_row, place_row
from utils.progress import Clock
from utils.records.reader import read_record
from utils.schema import RunRecord

if TYPE_CHECKING:
    from utils.cli.models import Models
    from utils.cli.run import Run
    from utils.encoders.layered import Place
    from utils.layers.rows import Row
    from utils.records.result import LoggedResult
    from utils.schema import DatasetSpec, EncoderSpec, Vectors
    from utils.settings.layers import LayersSettings

Data = TypeVar("Data")
RECORDS = "eval_*.json"  # the files beside them have no rows


@dataclass(frozen=True)
class Measured:
    """What one model's records have: its name, rows and paths by subset, and the metric of layers chosen on halves."""

    model: str
    measure: Measure
    folder: Path
    rows: Mapping[str, Sequence[Row]]
    held_out: Mapping[str, float]
    records: Mapping[str, Path]

    def results(self) -> list[LoggedResult]:
        """Return the records; their model is the one that was measured, not the encoder of its demonstrations."""
        return [dataclasses.replace(read_record(path), model=self.model) for path in self.records.values()]


class VectorsRun(TaskRun[Data]):
    """A measure of the vectors of each layer and pooling; a subclass says what data it has and what its figures are."""

    def __init__(self, run: Run, settings: LayersSettings, encoder: LayeredEncoder) -> None:
        super().__init__(run)
        self.settings, self.encoder = settings, encoder
        self.measure = MEASURES[settings.measure]

    @property
    def places(self) -> Sequence[Place]:
        """The layers and poolings that are measured."""
        return self.encoder.places

    @abstractmethod
    def figures(self, data: Data, vectors: tuple[Vectors, Vectors]) -> dict[str, Any]:
        """Return the figures of a row, given the vectors of both sides (`sides`) at one layer with one pooling.

        It may have the metric's value of each item (ITEMS), by which a layer is chosen on one half of them.
        """

    @abstractmethod
    def describe(self, data: Data) -> dict[str, Any]:
        """Return what a record says of its data."""

    def report(self, measured: Measured) -> None:
        """Print and write what there is beside the table of best layers; by default nothing."""

    def beside(self) -> dict[str, Any]:
        """Return what is kept beside the record of the subset whose figures were computed; by default nothing."""
        return {}

    def n_items(self, data: Data) -> int:
        """Return how many items the figures are of."""
        return self.sizes(data)[0]

    def n_candidates(self, data: Data) -> int:
        """Return 1: the figures do not depend on k."""
        return 1

    def evaluate(self, subset: str) -> None:
        """Load, encode at all layers, measure each of them and log one subset."""
        clock = Clock()
        data = self.load(subset)
        clock.lap("load")
        sides = self.sides(data)
        self.encoder.fill([*sides[0], *sides[1]])
        clock.lap("encode")
        deepest = depth_of(self.encoder.spec) or max(layer for layer, _ in self.encoder.places)
        rows = []
        for layer, pooling in self.encoder.places:
            figures = self.figures(data, self.encoder.encoders[layer, pooling].embed(*sides))
            absent = dict.fromkeys(self.measure.columns)
            rows.append(place_row(layer, deepest, pooling or OWN, {**absent, **figures}))
        clock.lap("measure")
        log_rows(self.run, subset, self.measure, rows, self.n_items(data), self.describe(data), clock, self.beside())


def log_rows(
    run: Run,
    subset: str,
    measure: Measure,
    rows: Sequence[Row],
    n: int,
    about: Mapping[str, Any],
    clock: Clock,
    beside: Mapping[str, Any] | None = None,
    prompts: Mapping[str, Any] | None = None,
) -> None:
    """Write the record of one subset: its rows, and the metric at the best layer and at the last one, as fractions.

    prompts: those of a language model, for the file beside the record.
    """
    places = {"best": best_row(rows, measure.metric), "last": last_row(rows, measure.metric)}
    metrics = {name: float(row[measure.metric]) for name, row in places.items()}
    if (honest := held_out(rows)) is not None:
        metrics["held_out"] = honest
    rows = [{name: value for name, value in row.items() if name != ITEMS} for row in rows]
    low, high = f"{measure.metric}_low", f"{measure.metric}_high"
    ci95 = {name: (row[low], row[high]) for name, row in places.items() if row.get(low) is not None}
    at = {f"{name}_at": {"layer": row["layer"], "pooling": row["pooling"]} for name, row in places.items()}
    record = RunRecord(metrics, ci95, n, run.ks.values[0], {}, {**at, "rows": rows})
    run.log(subset, record, beside or {}, about, clock.laps, prompts)


def open_layers(
    args: argparse.Namespace, dataset: DatasetSpec, models: Models
) -> tuple[Run, LayersSettings, LayeredEncoder]:
    """Return the run of a command line, its settings, and its encoder at all places. Raises UserError for conflicts."""
    from utils.cli.choices import chosen_encoders
    from utils.cli.open_run import chosen_sources, open_run, resolve_encoders

    chosen, prompts, measure = chosen_encoders(args), dataset.options.get("prompts"), MEASURES[args.measure]
    how = argparse.Namespace(**vars(args), own_pooling=OWN in (poolings_asked(args) or measure.poolings))
    (spec,) = specs = resolve_encoders(how, chosen, chosen_sources(args), prompts)
    places = places_of(args, spec, measure)
    layers = sorted({layer for layer, _ in places})
    settings = make_settings(args, layers if layers_asked(args) else None)
    run = open_run(args, dataset, "layers", settings, settings.run_name("save_layers"), models=models, specs=specs)
    encoder = LayeredEncoder(spec, places, models.device, args.cache_dir)
    run.ensemble = dataclasses.replace(run.ensemble, encoders=[encoder])
    return run, settings, encoder


def places_of(args: argparse.Namespace, spec: EncoderSpec, measure: Measure) -> list[Place]:
    """Return the layers and poolings of a command line, layer by layer.

    The first token of a causal model attends to no other, so its vector is left out unless it is asked for.
    """
    poolings = poolings_asked(args) or list(measure.poolings)
    if not args.poolings and spec.model == DECODER and "cls" in poolings:
        poolings.remove("cls")
        print(
            f"note: {spec.name} is causal: its first token sees no other, and is left out (--poolings)", file=sys.stderr
        )
    layers = layers_of(spec, layers_asked(args))
    return [(layer, "" if pooling == OWN else pooling) for layer in layers for pooling in poolings]


def read_rows(run: Run, measure: Measure, subsets: Sequence[str]) -> Measured:
    """Return the rows of the records of some subsets, those that are there."""
    k = run.ks.values[0]
    found: dict[str, Sequence[Row]] = {}
    honest: dict[str, float] = {}
    records: dict[str, Path] = {}
    for subset in subsets:
        content = read_json(path) if (path := run.store.path_of(subset, k)).is_file() else None
        if content is not None and content.get("rows"):
            found[subset], records[subset] = content["rows"], path
            honest |= {subset: content["held_out"]} if "held_out" in content else {}
    (folder, *_) = run.store.folders(found, [k])
    return Measured(name_of(run), measure, folder, found, honest, records)


def name_of(run: Run) -> str:
    """Return the name of the model whose layers a run measures."""
    return run.generator.spec.name if run.generator else run.model


def records_there(run: Run, measured: Measured) -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """Return path and content of all records of a run's settings in its folder, by subset, those that were asked first.

    They are also those of subsets that this command has not asked for.
    """
    asked = {subset: (path, content) for subset, path in measured.records.items() if (content := read_json(path))}
    found: dict[str, tuple[Path, Mapping[str, Any]]] = dict(asked)
    for path in sorted(measured.folder.glob(RECORDS)):
        content = read_json(path) or {}
        about = content.get("run")
        subset = about.get("subset") if isinstance(about, dict) else None
        if isinstance(subset, str) and content.get("rows") and run.store.has_settings(path, subset):
            found.setdefault(subset, (path, content))
    return found


def rows_there(run: Run, measured: Measured) -> dict[str, Sequence[Row]]:
    """Return the rows of `records_there` by subset."""
    return {subset: content["rows"] for subset, (_, content) in records_there(run, measured).items()}
