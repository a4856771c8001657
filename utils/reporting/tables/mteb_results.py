"""Read mteb's result files, in its old and new format, as reference figures; mteb is not needed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from utils.data.mteb_rows import PREFIX
from utils.data.mteb_tasks import MAIN_SCORES, MTEB_TASKS, OTHER_TEXTS, MtebTask
from utils.errors import UserError, counted
from utils.files import read_json
from utils.reporting.tables.build import name_missing
from utils.reporting.tables.mteb_figures import SCORES
from utils.reporting.tables.mteb_main_scores import lines_of
from utils.reporting.tables.mteb_records import EVALUATOR, KNN
from utils.reporting.tables.published import COLUMNS, OPTIONAL
from utils.tasks import TASKS

HEADER = (*COLUMNS, *OPTIONAL)
META = "model_meta.json"
EXPERIMENTS = "experiments"  # mteb's folder of a model's variants, in the folder of a revision
REGRESSION = "accuracy (logistic regression)"  # mteb's classification, which is not a k-NN vote
LOWER = {name.lower(): name for name in MTEB_TASKS}


@dataclass(frozen=True)
class File:
    """One file of mteb as it is; `model` is None where nothing names it."""

    path: Path
    model: str | None
    content: Mapping[str, Any]

    @property
    def name(self) -> object:
        """The name of the task."""
        return self.content.get("task_name", self.content.get("mteb_dataset_name"))

    @property
    def revision(self) -> Any:
        """The revision of the data, None where the file does not say."""
        return self.content.get("dataset_revision")

    @cached_property
    def task(self) -> tuple[MtebTask, int | None] | None:
        """The task that has the texts of a registered data set, and k where it is this suite's k-NN vote."""
        return _task(self.name)

    @property
    def has_our_revision(self) -> bool:
        """Whether the data are not another revision's than those of a registered data set."""
        return self.task is None or self.revision in (None, self.task[0].revision)

    @cached_property
    def lines(self) -> list[list[str]]:
        """The lines of the data set `mteb:TASK`, one for each subset; none where the model is not known."""
        if self.model is None or not self.has_our_revision or not isinstance(self.name, str) or KNN in self.name:
            return []
        of_type = self.task[0].task if self.task else None
        return lines_of(f"{_evaluator(self.content)} {self.name}", self.model, self.content, of_type)


@dataclass(frozen=True)
class Result:
    """The scores of a file that has the texts of a registered data set.

    `scores` has the fractions of a split's subsets by mteb's names.
    """

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


def read_files(paths: Iterable[Path], model: str | None) -> list[File]:
    """Return the files that can be read.

    model: that of files for which neither model_meta.json nor a folder names one.
    """
    found = ((path, read_json(path)) for path in paths)
    return [File(path, _model(path) or model, content) for path, content in found if content is not None]


def read_results(files: Iterable[File]) -> Iterator[Result]:
    """Yield the results of tasks that have the suite's texts; files left out are named, other tasks are counted."""
    others = unversioned = 0
    for file in files:
        path, revision = file.path, file.revision
        if file.name in OTHER_TEXTS:
            told = f"{file.name} left out{f', but as {PREFIX}{file.name}' if file.lines else ''}"
            print(f"note: {path}: {told}: {OTHER_TEXTS[str(file.name)]}", file=sys.stderr)
        elif file.task is None:
            others += not file.lines
        elif file.model is None:
            print(f"note: {path} does not name its model and is left out: name it with --model", file=sys.stderr)
        elif not file.has_our_revision:
            known = f"the suite's texts are those at {file.task[0].revision}"
            print(f"note: {path} is of the data at {revision} and is left out: {known}", file=sys.stderr)
        elif not (found := _split(file.content, file.task[0].split)):
            print(f"note: {path} has no scores of the split {file.task[0].split} and is left out", file=sys.stderr)
        else:
            unversioned += revision is None
            yield Result(path, file.model, _evaluator(file.content), *file.task, found)
    if unversioned:
        print(f"note: files that name no revision of the data, taken: {unversioned}", file=sys.stderr)
    if others:
        print(f"note: other tasks left out: {counted(others, 'file')}", file=sys.stderr)


def task_lines(files: Iterable[File]) -> list[list[str]]:
    """Return the lines of the data sets `mteb:TASK`; of a model's results of a task the first file counts."""
    first: dict[tuple[str, str], File] = {}
    for file in (file for file in files if file.lines):
        key = (str(file.model), str(file.name))
        if key in first and file.task is None:  # else `rows` says it
            print(f"warning: {file.path} repeats {first[key].path} and is left out", file=sys.stderr)
        first.setdefault(key, file)
    return [line for _, file in sorted(first.items()) for line in file.lines]


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
    left_out = 0
    for result in results:
        subsets = result.row.spec.subsets
        found = {name: value for name in subsets if (value := _figure(result, name)) is not None}
        missing = [name for name in subsets if name not in found]
        source = f"{result.version} {result.row.name}"
        if missing:
            name_missing(missing, len(subsets), f"{result.row.name}, {result.model}")
            source += f" ({len(found)}/{len(subsets)})"
        if not found or (missing and not partial):
            left_out += bool(found)
            continue
        k = result.k if result.row.task == "classification" else TASKS[result.row.task].shown_k
        key = (result.row.task, result.row.dataset, result.model, k or 0)
        if key in lines:
            print(f"warning: {result.path} repeats {lines[key][1]} and is left out", file=sys.stderr)
            continue
        place = [result.row.task, str(k or ""), result.model, result.row.dataset, result.metric]
        mean = f"{100 * sum(found.values()) / len(found):.6f}"
        lines[key] = ([source, *place, mean, *("" for _ in OPTIONAL)], result.path)
    if left_out:
        print(f"note: means that lack subsets, left out: {left_out} (--partial takes them)", file=sys.stderr)
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
