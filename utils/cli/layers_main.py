"""What layers.py does: one model or two, their records, the table of best layers, and the CSV files."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from utils.cli.layers_labels import open_labels
from utils.cli.layers_pairs import open_bitext
from utils.cli.layers_prompts import open_prompts
from utils.cli.layers_run import Measured, name_of, read_rows, rows_there
from utils.cli.layers_similarity import open_similarity
from utils.cli.models import Models
from utils.cli.run import Run
from utils.errors import UserError, note
from utils.files import write_atomic
from utils.layers.measures import MEASURES, Measure
from utils.layers.rows import Row, as_csv, best_row, differences, last_row, mean_rows
from utils.records.paths import file_name

if TYPE_CHECKING:
    from utils.layers.pivots import Place

CSV = "layers.csv"


class Task(Protocol):
    """A measure on the run of one model."""

    run: Run

    def compute(self, subsets: Sequence[str]) -> None:
        """Show the plan of a dry run, or log all subsets."""
        ...

    def report(self, measured: Measured) -> None:
        """Print and write what the measure has beside the table of best layers."""
        ...

    @property
    def places(self) -> Sequence[Place] | None:
        """The layers and poolings that are measured, None where they are not known before the model is loaded."""
        ...


Open = Callable[[argparse.Namespace, Models], tuple[Task, list[str]]]
OPEN: dict[str, Open] = {
    "bitext": open_bitext,
    "similarity": open_similarity,
    "pca": open_labels,
    "lens": open_prompts,
}
MODEL_FLAGS = {"prompts": "gen_model_checkpoint"}  # that name the model, where it is not the encoder's


def measure_layers(args: argparse.Namespace) -> list[Measured]:
    """Measure the model of a command line, and the one that it is compared with; print and write what was found.

    Returns what the records of each have; nothing for a dry run.
    """
    measure, models = MEASURES[args.measure], Models(args)
    flag = MODEL_FLAGS.get(measure.needs, "model_checkpoint")
    names = [getattr(args, flag), *([args.compare] if args.compare else [])]
    # both are opened before one is computed, so that a mistake in the second name costs nothing
    opened = [OPEN[measure.name](argparse.Namespace(**{**vars(args), flag: name}), models) for name in names]
    if args.compare:
        _check_compared(args.compare, *(task for task, _ in opened))
    found = []
    for task, subsets in opened:
        with _finished_printed(task.run, measure, subsets):
            task.compute(subsets)
        if not args.dry_run:
            found.append(read_rows(task.run, measure, subsets))
            _report(task.run, found[-1])
            task.report(found[-1])
    if len(found) == 2:
        _report_differences([task.run for task, _ in opened], found)
    return found


def _check_compared(name: str, first: Task, second: Task) -> None:
    """Raise UserError for a model that is compared with itself; a note says where two have no layer in common."""
    models = [_model_of(task.run) for task in (first, second)]
    if models[0] == models[1]:
        raise UserError(f"--compare {name} is the model itself", "name another one, or leave --compare out")
    places = [each.places for each in (first, second)]
    if places[0] and places[1] and not set(places[0]) & set(places[1]):
        layers = [" ".join(map(str, sorted({layer for layer, _ in each}))) for each in places if each]
        told = " and ".join(
            f"{name_of(each.run)} has {some}" for each, some in zip((first, second), layers, strict=True)
        )
        note(f"no layer is measured in both models, whose differences by layer stay empty: {told} (--layers)")


def _model_of(run: Run) -> Any:
    """Return what is the same for one model under two names, such as a folder and a copy of it."""
    spec = run.generator.spec if run.generator else run.ensemble.encoders[0].spec
    is_local = str(spec.revision).startswith("sha256:")
    return spec.revision if is_local else (spec.name, spec.revision)


@contextlib.contextmanager
def _finished_printed(run: Run, measure: Measure, subsets: Sequence[str]) -> Iterator[None]:
    """Before an error, print what the subsets have that are finished."""
    try:
        yield
    except Exception:
        with contextlib.suppress(Exception):  # the error that ended the run is the one to be told
            if not run.dry_run and (found := read_rows(run, measure, subsets)).rows:
                _report(run, found)
                print(f"not finished: the table has {len(found.rows)} of {len(subsets)} subsets")
        raise


def _report(run: Run, measured: Measured) -> None:
    """Print the best layer of each subset with the last one beside it, write the CSV file, and say where things are."""
    from tabulate import tabulate

    metric, rows = measured.measure.metric, dict(measured.rows)
    if len(rows) > 1:
        rows["mean"] = mean_rows(rows, metric)
    print(f"{measured.model}: {measured.measure.title}")
    head = [f"{run.dataset.name}: {metric}", "layer", "pooling", "best", *_last_named(rows.values(), metric)]
    shown = [_line(measured.measure, name, each) for name, each in rows.items()]
    honest = measured.held_out
    if len(honest) == len(measured.rows):
        head.append("held out")
        for line in shown:
            values = [honest[line[0]]] if line[0] in honest else list(honest.values())
            line.append((100 if measured.measure.percent else 1) * sum(values) / len(values))
    kept = [place for place, name in enumerate(head) if name != "pooling" or any(line[place] for line in shown)]
    table = [[line[place] for place in kept] for line in shown]
    print(tabulate(table, [head[place] for place in kept], floatfmt=".2f" if measured.measure.percent else ".4f"))
    about = {"measure": measured.measure.name, "dataset": run.dataset.name, "model": measured.model}
    path = measured.folder / CSV
    write_atomic(path, as_csv(rows_there(run, measured), about, measured.measure.columns))
    print(f"rows of all layers: {path}\nlogs: {measured.folder}")


def _last_named(rows: Iterable[Sequence[Row]], metric: str) -> list[str]:
    """Return the heads of the last layer's columns: without the model's own last one, they name the layer measured."""
    last = [last_row(each, metric) for each in rows]
    if all(row["depth"] == 1 for row in last):
        return ["last layer", "pooling", "best - last"]
    layers = {row["layer"] for row in last}
    name = f"layer {layers.pop()}" if len(layers) == 1 else "last measured"
    return [name, "pooling", f"best - {name}"]


def _line(measure: Measure, subset: str, rows: Sequence[Row]) -> list[Any]:
    best, last = best_row(rows, measure.metric), last_row(rows, measure.metric)
    times = 100 if measure.percent else 1
    values = [times * row[measure.metric] for row in (best, last)]
    return [subset, best["layer"], best["pooling"], values[0], values[1], last["pooling"], values[0] - values[1]]


def _report_differences(runs: Sequence[Run], found: Sequence[Measured]) -> None:
    """Print both models' best layers and where they differ most, and write the differences as a CSV file.

    The file has the subsets of both models' folders, those of earlier commands included.
    """
    from tabulate import tabulate

    (first, second), measure, metric = found, found[0].measure, found[0].measure.metric
    times = 100 if measure.percent else 1
    sides = [rows_there(run, measured) for run, measured in zip(runs, found, strict=True)]
    shared = {name: differences(rows, sides[1][name], measure) for name, rows in sides[0].items() if name in sides[1]}
    lines: list[list[Any]] = []
    for name in (name for name in first.rows if name in second.rows):
        rows = shared[name]
        best = [best_row(each.rows[name], metric) for each in (first, second)]
        both = [row for row in rows if row[f"{metric}_difference"] is not None]
        most = max(both, key=lambda row: abs(row[f"{metric}_difference"]), default=None)
        lines.append([name, *(each for row in best for each in (times * row[metric], row["layer"]))])
        lines[-1] += [times * (best[1][metric] - best[0][metric])]
        lines[-1] += [times * most[f"{metric}_difference"], most["layer"]] if most else [None, None]
    head = [f"{metric}", "first", "layer", "second", "layer", "second - first", "largest at a layer", "layer"]
    print(f"{first.model} against {second.model}")
    print(tabulate(lines, head, floatfmt=".2f" if measure.percent else ".4f"))
    path = first.folder / f"compared_with_{file_name(second.model)}.csv"
    columns = [f"{name}_{end}" for name in measure.figures for end in ("a", "b", "difference")]
    about = {"measure": measure.name, "dataset": runs[0].dataset.name, "model_a": first.model, "model_b": second.model}
    write_atomic(path, as_csv(shared, about, columns))
    print(f"differences at each layer: {path}")
