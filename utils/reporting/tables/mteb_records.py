"""Write the suite's records as mteb's result files, where they measure the same."""

from __future__ import annotations

import datetime
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.data.mteb_tasks import MAIN_SCORES, OF_DATASET, MtebTask
from utils.errors import UserError, suggest
from utils.files import write_json
from utils.records.reader import read_all
from utils.records.result import LoggedResult
from utils.records.store import differences
from utils.reporting.tables import rows, select
from utils.reporting.tables.departures import other_data
from utils.reporting.tables.mteb_figures import RecordedTask, figures, is_of_task, main_k, task_of
from utils.reporting.tables.mteb_models import (
    OF_PASSAGES,
    Place,
    encoder_settings,
    folder_name,
    model_meta,
    model_name,
    revision,
)
from utils.tasks import TASKS

EVALUATOR = "miners-suite"  # a key of its own, which mteb's loader ignores
KNN = "-kNN"  # follows the name of a classification task, before k
PLAIN: dict[str, dict[str, object]] = {  # the settings that mteb measures, or of classification those of the tables
    task: {**TASKS[task].plain(), "limit": None} for task in MAIN_SCORES
}


@dataclass(frozen=True)
class Chosen:
    """The records of one task of one model, by subset; `name` is mteb's name of the task."""

    name: str
    row: MtebTask | RecordedTask
    found: Mapping[str, LoggedResult]


def fitting(root: Path, seed: int, tasks: Sequence[str]) -> list[LoggedResult]:
    """Return the records that measure the same as mteb; the others are counted by reason on standard error.

    Raises UserError where there is no folder, or no such record.
    """
    kept, reasons = list[LoggedResult](), Counter[str]()
    for result in read_all(root):
        if result.run.get("task", "bitext") not in (MAIN_SCORES if is_of_task(result.run) else tasks):
            continue
        reason = f"seed {result.seed}" if result.seed != seed else unfit(result)
        if reason is None:
            kept.append(result)
        else:
            reasons[reason] += 1
    for reason, count in reasons.most_common():
        print(f"note: {count} record{'s' * (count > 1)} left out: {reason}", file=sys.stderr)
    if not kept:
        raise UserError(
            f"no record under {root} measures what mteb measures ({', '.join(tasks)})",
            "run bitext.py on a data set that mteb has; --classification adds k-NN records under separate names",
        )
    return kept


def unfit(result: LoggedResult) -> str | None:
    """Return why a record does not measure the same as a task of mteb, or None where it does."""
    run = result.run
    if not run.get("encoders") or "task" not in run:
        return "no provenance, as in the original's logs"
    task = run["task"]
    row = None if is_of_task(run) else OF_DATASET.get((task, result.dataset))
    if row is None and not is_of_task(run):
        return f"{result.dataset}: mteb has no {task} task with its texts"
    if row is not None and (reason := other_data(run, row.spec)):
        return f"{result.dataset}: {reason}"
    if result.is_trained:
        return "a model that was trained on its data"
    for name, usual in PLAIN[task].items():
        if run.get(name, usual) != usual:
            return f"{name} {run[name]}"
    if (k := main_k(run)) is not None and result.k != k:
        return f"k {'above' if k == 1 else 'other than'} {k}"
    if row is not None and result.subset not in row.subsets:
        return f"{result.dataset}: subsets that {row.name} does not have"
    if row is not None and result.body.get("n") != row.items(result.subset):
        return f"{result.dataset}: not as many texts as {row.name} has"
    return None if figures(result) else "figures that are missing"


def of_models(results: Sequence[LoggedResult], models: Sequence[str] | None) -> list[LoggedResult]:
    """Return the records of these rows of the tables, None for all; raises UserError for a row without records."""
    there = sorted({result.model for result in results})
    for model in models or ():
        if model not in there:
            raise UserError(f"no record of model {model!r} measures what mteb measures", suggest(model, there))
    return [result for result in results if models is None or result.model in models]


def by_place(results: Sequence[LoggedResult]) -> dict[Place, list[Chosen]]:
    """Return the tasks of each folder of mteb's layout, which is a model at a revision.

    mteb has one result of a task there: of several rows of the tables the first is taken, and the others are named.
    """
    grouped: dict[Place, list[Chosen]] = {}
    firsts: dict[tuple[Place, bool], LoggedResult] = {}
    for k in sorted({result.k for result in results}):
        for task in PLAIN:
            of_task = [result for result in results if result.k == k and result.run["task"] == task]
            taken: dict[tuple[Place, str], str] = {}
            for (name, dataset), subsets in select.by_cell(rows.named(of_task, TASKS[task])).items():
                row = task_of(subsets)
                found: dict[Place, dict[str, LoggedResult]] = {}
                for subset in (each for each in row.subsets if each in subsets):
                    result = subsets[subset]
                    place = (model_name(result.run), revision(result.run))
                    if not _same_encoders(result, place, firsts):
                        continue
                    if taken.setdefault((place, dataset), name) != name:
                        print(
                            f"warning: {result.path} is of {name}, not {taken[place, dataset]}: left out",
                            file=sys.stderr,
                        )
                        continue
                    found.setdefault(place, {})[subset] = result
                is_vote = task == "classification" and isinstance(row, MtebTask)
                title = f"{row.name}{KNN}{k}" if is_vote else row.name
                for place, there in found.items():
                    if any(one.name == title for one in grouped.get(place, ())):
                        continue  # a task's logistic regression, which is the same at every k
                    grouped.setdefault(place, []).append(Chosen(title, row, there))
    return grouped


def _same_encoders(result: LoggedResult, place: Place, firsts: dict[tuple[Place, bool], LoggedResult]) -> bool:
    """Return whether the encoders have the settings of the model's first records; prints a warning where not.

    firsts: of each place the first record, and the first one of a task with passages, to which a record is added that
    has none before it. What encodes passages is compared among records of such tasks only.
    """
    for has_passages in (False, True)[: 1 + TASKS[result.run["task"]].asymmetric]:
        first, without = firsts.get((place, has_passages), result), () if has_passages else OF_PASSAGES
        settings, wanted = (encoder_settings(one.run, without) for one in (result, first))
        if other := next((found for found, _, _ in differences(settings, wanted)), None):
            print(f"warning: {result.path} has other {other} than {first.path}: left out", file=sys.stderr)
            return False
        firsts[place, has_passages] = first
    return True


def task_result(chosen: Chosen) -> dict[str, Any]:
    """Return the content of a task's file (mteb's TaskResult); `mteb_version` is null, since mteb computed nothing."""
    row, runs = chosen.row, [result.run for result in chosen.found.values()]
    of_split: dict[str, list[dict[str, Any]]] = {}
    for name, result in chosen.found.items():
        of_split.setdefault(row.split_of(name), []).append(scores(row, name, result))
    return {
        "dataset_revision": row.revision,
        "task_name": chosen.name,
        "mteb_version": None,
        "scores": of_split,
        "evaluation_time": sum(map(_seconds, runs)),
        "kg_co2_emissions": None,
        "date": max((time for run in runs for time in _started(run)), default=None),
        "evaluated_by": EVALUATOR,
    }


def _seconds(run: Mapping[str, Any]) -> float:
    phases = run.get("seconds")
    values = phases.values() if isinstance(phases, dict) else ()
    return float(sum(value for value in values if isinstance(value, int | float)))


def _started(run: Mapping[str, Any]) -> list[float]:
    """Return when a record was started, in seconds since 1970; empty where it does not say."""
    try:
        return [datetime.datetime.fromisoformat(run["started"]).timestamp()]
    except (KeyError, TypeError, ValueError):
        return []


def scores(row: MtebTask | RecordedTask, subset: str, result: LoggedResult) -> dict[str, Any]:
    """Return the scores of one subset, as fractions."""
    return {
        **figures(result),
        "hf_subset": row.subsets[subset],
        "languages": row.languages(subset),
    }


def write_place(root: Path, place: Place, tasks: Sequence[Chosen]) -> list[Path]:
    """Write one model's folder, `<owner>__<name>/<revision>/`, and return its task files.

    Raises UserError where there is a file that this suite did not write.
    """
    name, version = place
    folder = root / folder_name(name.replace("/", "__")) / version
    content = {folder / f"{chosen.name}.json": task_result(chosen) for chosen in tasks}
    for path in content:
        if path.is_file() and not _written_by_us(path):
            raise UserError(f"{path} was not written by this suite", "name another folder: --output FOLDER")
    for path, body in content.items():
        write_json(path, body, indent=2)
    runs = [next(iter(chosen.found.values())).run for chosen in tasks]
    run = next((run for run in runs if TASKS[run["task"]].asymmetric), runs[0])  # it has the prompts of both sides
    write_json(folder / "model_meta.json", model_meta(place, run), indent=2)
    return list(content)


def _written_by_us(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("evaluated_by") == EVALUATOR
