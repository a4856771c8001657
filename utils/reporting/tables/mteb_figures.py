"""The figures of a record as mteb names them, and records of `mteb:TASK` as tasks of mteb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from utils.data.mteb_rows import FIRST_ONLY, KIND, PREFIX, SAME_METRIC
from utils.data.mteb_tasks import MAIN_SCORES, OF_DATASET, MtebTask
from utils.records.result import LoggedResult

SCORES = {"accuracy": "acc", "f1": "f1", "precision": "prec", "recall": "rec"}  # mteb's name -> the suite's
REGRESSION_SCORES = {"accuracy": "logreg_acc", "f1": "logreg_f1"}


@dataclass(frozen=True)
class RecordedTask:
    """A task of mteb as the records of `mteb:TASK` have it: `about` is what they say of each subset, by its name."""

    name: str
    task: str
    revision: str
    about: Mapping[str, Mapping[str, Any]]

    @property
    def subsets(self) -> dict[str, str]:
        """Names of the subsets in mteb, by those of the records."""
        return {name: str(told["subset"]) for name, told in self.about.items()}

    def split_of(self, subset: str) -> str:
        """Return the split of a subset."""
        return str(self.about[subset]["split"])

    def languages(self, subset: str) -> list[str]:
        """Return the languages of a subset as mteb writes them."""
        return list(map(str, self.about[subset]["languages"]))


def is_of_task(run: Mapping[str, Any]) -> bool:
    """Return whether a record's `run` part is of a data set `mteb:TASK`."""
    source, about = run.get("source"), run.get("mteb")
    if not isinstance(source, dict) or source.get("kind") != KIND or not isinstance(about, dict):
        return False
    return {"subset", "split", "languages", "main_score"} <= set(about) and isinstance(about["languages"], list)


def task_of(results: Mapping[str, LoggedResult]) -> MtebTask | RecordedTask:
    """Return the task of mteb of one data set's records, by subset."""
    first = next(iter(results.values()))
    run = first.run
    if not is_of_task(run):
        return OF_DATASET[run["task"], first.dataset]
    about = {name: result.run["mteb"] for name, result in results.items()}
    return RecordedTask(first.dataset.removeprefix(PREFIX), run["task"], str(run["source"].get("revision")), about)


def main_score_of(run: Mapping[str, Any]) -> str:
    """Return mteb's name of the main score of a record's task."""
    return str(run["mteb"]["main_score"]) if is_of_task(run) else MAIN_SCORES[run["task"]]


def main_k(run: Mapping[str, Any]) -> int | None:
    """Return the k of the records that mteb's score of a task is computed from; None where each k has a figure."""
    if run["task"] in ("bitext", "sts"):
        return 1
    if run["task"] != "retrieval":
        return None
    score = main_score_of(run)
    k = score.partition("_at_")[2]
    return FIRST_ONLY[score][1] if score in FIRST_ONLY else int(k) if k.isdecimal() else 10


def figures(result: LoggedResult) -> dict[str, float]:
    """Return the figures of a record by mteb's names, with `main_score`; those that the record lacks are left out."""
    run, k = result.run, result.k
    if run["task"] == "retrieval":
        names = {f"{theirs}_at_{k}": ours for theirs, ours in SAME_METRIC["retrieval"].items()}
        names |= {name: ours for name, (ours, at) in FIRST_ONLY.items() if at == k}
    elif run["task"] == "sts":
        names = dict(SAME_METRIC["sts"])
    else:
        names = REGRESSION_SCORES if run["task"] == "classification" and is_of_task(run) else SCORES
    found = {theirs: result.metrics[ours] for theirs, ours in names.items() if ours in result.metrics}
    main = main_score_of(run)
    return {**found, "main_score": found[main]} if main in found and len(found) == len(names) else {}
