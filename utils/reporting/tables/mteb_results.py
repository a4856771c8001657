"""Read mteb's result files, in its old and new format, as reference figures; mteb is not needed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.data.mteb_tasks import MAIN_SCORES, MTEB_TASKS, OTHER_TEXTS, MtebTask
from utils.errors import UserError, counted
from utils.files import read_json
from utils.reporting.tables.build import name_missing
from utils.reporting.tables.mteb_figures import SCORES
from utils.reporting.tables.mteb_records import EVALUATOR, KNN
from utils.tasks import TASKS

HEADER = ("source", "task", "k", "model", "column", "metric", "value")
META = "model_meta.json"
EXPERIMENTS = "experiments"  # mteb's folder of a model's variants, in the folder of a revision
REGRESSION = "accuracy (logistic regression)"  # mteb's classification, which is not a k-NN vote
LOWER = {name.lower(): name for name in MTEB_TASKS}


@dataclass(frozen=True)
class Result:
    """One file of mteb: a task of a model; `scores` has the fractions of a split's subsets by mteb's names."""

    path: Path
    model: str
    version: str  # of mteb, or another evaluator
    row: MtebTask
    k: int | None  # of this suite's k-NN vote
    scores: Mapping[str, Mapping[str, Any]]

    @property
    def metric(self) -> str:
        """The metric's name in the reference."""
        task = TASKS[self.row.task]
        return REGRESSION if self.row.task == "classification" and self.k is None else task.main_metric


def task_files(places: Sequence[Path]) -> list[Path]:
    """Return the files that may be results; raises UserError for a path that does not exist.

    The variants of a model that mteb keeps under `experiments/` are counted on standard error and left out.
    """
    found: dict[Path, None] = {}
    for place in places:
        if not place.exists():
            raise UserError(f"no file or folder at {place}", "name mteb's results: folders, or JSON files of tasks")
        files = sorted(place.rglob("*.json")) if place.is_dir() else [place]
        found |= dict.fromkeys(path for path in files if path.name != META)
    variants = {path for path in found if path.absolute().parent.parent.name == EXPERIMENTS}
    if variants:
        print(
            f"note: variants of models, under {EXPERIMENTS}/, left out: {counted(len(variants), 'file')}",
            file=sys.stderr,
        )
    return [path for path in found if path not in variants]


def read_results(paths: Iterable[Path], model: str | None) -> Iterator[Result]:
    """Yield the results of tasks that have the suite's texts; files left out are named, other tasks are counted.

    model: the model of files for which neither model_meta.json nor a folder names one.
    """
    others = unversioned = 0
    for path in paths:
        content = read_json(path)
        if content is None:
            continue
        name = content.get("task_name", content.get("mteb_dataset_name"))
        task = _task(name)
        if name in OTHER_TEXTS:
            print(f"note: {path}: {name} left out: {OTHER_TEXTS[name]}", file=sys.stderr)
        elif task is None:
            others += 1
        elif (of_model := _model(path) or model) is None:
            print(f"note: {path} does not name its model and is left out: name it with --model", file=sys.stderr)
        elif (revision := content.get("dataset_revision")) not in (None, task[0].revision):
            known = f"the suite's texts are those at {task[0].revision}"
            print(f"note: {path} is of the data at {revision} and is left out: {known}", file=sys.stderr)
        elif not (found := _split(content, task[0].split)):
            print(f"note: {path} has no scores of the split {task[0].split} and is left out", file=sys.stderr)
        else:
            unversioned += revision is None
            yield Result(path, of_model, _evaluator(content), *task, found)
    if unversioned:
        print(f"note: files that name no revision of the data, taken: {unversioned}", file=sys.stderr)
    if others:
        print(f"note: other tasks left out: {counted(others, 'file')}", file=sys.stderr)


def _task(name: object) -> tuple[MtebTask, int | None] | None:
    """Return the task that a file names, and k where it is this suite's k-NN vote; None for other tasks."""
    base, knn, k = name.partition(KNN) if isinstance(name, str) else ("", "", "")
    row = MTEB_TASKS.get(LOWER.get(base.lower(), ""))
    if row is None or (knn and not k.isdecimal()):
        return None
    return row, int(k) if knn else None


def _evaluator(content: Mapping[str, Any]) -> str:
    return EVALUATOR if content.get("evaluated_by") == EVALUATOR else f"mteb {content.get('mteb_version') or '-'}"


def _model(path: Path) -> str | None:
    """Return the model of a file, from model_meta.json, or from a folder above it called `owner__name`."""
    meta = path.with_name(META)
    content = read_json(meta) if meta.is_file() else None
    if content is not None and isinstance(content.get("name"), str):
        return str(content["name"])
    folders = (path.absolute().parent.name, path.absolute().parent.parent.name)
    return next((name.replace("__", "/") for name in folders if "__" in name), None)


def _split(content: Mapping[str, Any], split: str) -> dict[str, Mapping[str, Any]]:
    """Return the scores of each subset of a split, in mteb's present format or that before 1.11."""
    scores = content.get("scores")
    entries = (scores if isinstance(scores, dict) else content).get(split)
    if isinstance(entries, list):
        return {str(entry.get("hf_subset")): entry for entry in entries if isinstance(entry, dict)}
    if not isinstance(entries, dict):
        return {}
    nested: dict[str, Mapping[str, Any]] = {name: entry for name, entry in entries.items() if isinstance(entry, dict)}
    return nested or {"default": entries}  # a task of one language has no subsets


def rows(results: Iterable[Result], *, partial: bool) -> list[list[str]]:
    """Return one line of the reference per model and task: the mean over the standard subsets in percent.

    A mean that lacks subsets is left out, or with `partial` has their number in its source. Missing subsets are named.
    """
    lines: dict[tuple[str, str, str, int], tuple[list[str], Path]] = {}
    for result in results:
        subsets = result.row.spec.subsets
        found = {name: value for name in subsets if (value := _figure(result, name)) is not None}
        missing = [name for name in subsets if name not in found]
        source = f"{result.version} {result.row.name}"
        if missing:
            name_missing(missing, len(subsets), f"{result.row.name}, {result.model}")
            source += f" ({len(found)}/{len(subsets)})"
        if not found or (missing and not partial):
            continue
        k = result.k if result.row.task == "classification" else TASKS[result.row.task].shown_k
        key = (result.row.task, result.row.dataset, result.model, k or 0)
        if key in lines:
            print(f"warning: {result.path} repeats {lines[key][1]} and is left out", file=sys.stderr)
            continue
        place = [result.row.task, str(k or ""), result.model, result.row.dataset, result.metric]
        lines[key] = ([source, *place, f"{100 * sum(found.values()) / len(found):.6f}"], result.path)
    return [line for _, (line, _) in sorted(lines.items())]


def _figure(result: Result, subset: str) -> float | None:
    """Return a subset's figure as a fraction, or None where there is none; other values are named and left out.

    `main_score` is taken only where an entry has none of the suite's metrics, since it may be any of them.
    """
    if subset not in result.row.subsets:
        return None
    metric = MAIN_SCORES[result.row.task]
    entry = result.scores.get(result.row.subsets[subset]) or {}
    if result.row.subsets[subset] not in result.scores and len(result.row.subsets) == 1:
        entry = result.scores.get("default") or {}
    value = entry.get(metric, None if SCORES.keys() & entry.keys() else entry.get("main_score"))
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (-1 if result.row.task == "sts" else 0) <= value <= 1
    ):
        print(
            f"warning: {result.path}, {subset}: {metric} {value!r} is not a fraction and is left out", file=sys.stderr
        )
        return None
    return float(value)
