"""A task of mteb by its name, `mteb:TASK`, as the row of a data set: what mteb's metadata say of it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from utils.data.languages import suggest_language
from utils.errors import UserError, note, suggest
from utils.schema import DatasetSpec

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

PREFIX, KIND = "mteb:", "mteb"
DATA_OF = {  # mteb's type of a task -> the registry that it belongs to
    "BitextMining": "bitext",
    "Classification": "classification",
    "Retrieval": "retrieval",
    "Reranking": "retrieval",
    "InstructionRetrieval": "retrieval",
    "InstructionReranking": "retrieval",
    "STS": "sts",
}
USUAL_METRIC = {"bitext": "f1", "classification": "acc", "retrieval": "ndcg", "sts": "spearman"}
SAME_METRIC = {  # mteb's main scores -> this suite's metric
    "bitext": {"f1": "f1", "accuracy": "acc"},
    "classification": {"accuracy": "acc", "f1": "f1"},
    "retrieval": {"ndcg": "ndcg", "map": "map", "recall": "recall", "mrr": "mrr", "hit_rate": "hit"},
    "sts": {"cosine_spearman": "spearman", "cosine_pearson": "pearson"},
}
FIRST_ONLY = {"accuracy": ("recall", 1), "precision_at_1": ("hit", 1)}  # of rankings, measures of the first place
KS = (1, 10, 100)  # of rankings, beside the k of the main score


def is_mteb(name: str) -> bool:
    """Return whether the name of a data set stands for a task of mteb."""
    return name.startswith(PREFIX)


@lru_cache
def mteb_row(name: str, data: str) -> DatasetSpec:
    """Return the row of the data set `mteb:TASK` for a script on this kind of data.

    Its subsets have mteb's names, followed by the split where the task has several. Raises UserError where mteb is not
    installed or has no such task, and for a task of another script or of no script.
    """
    task = open_task(name.removeprefix(PREFIX))
    meta = task.metadata
    _check_kind(task, name, data)
    splits = _splits(task)
    subsets = {
        subset if len(splits) == 1 else f"{subset}.{split}": (subset, split)
        for subset in task.hf_subsets
        for split in splits
    }
    metric, k = main_metric(meta.main_score, data)
    return DatasetSpec(
        name=f"{PREFIX}{meta.name}",
        task=data,
        kind=KIND,
        source=meta.dataset["path"],
        revision=meta.dataset["revision"],
        reader=KIND,
        subsets=tuple(subsets),
        main_metric=metric,
        pivot=None,
        licence=str(meta.license or ""),
        citation=str(meta.reference or ""),
        options=_options(task, data, subsets, k),
    )


def _options(task: AbsTask, data: str, subsets: dict[str, tuple[str, str]], k: int) -> dict[str, Any]:
    """Return what the row of a task has beside the usual; k: of the main score."""
    meta = task.metadata
    codes = meta.hf_subsets_to_langscripts
    options: dict[str, Any] = {
        "subsets": subsets,
        "codes": {own: [code.replace("-", "_") for code in codes[theirs]] for own, (theirs, _) in subsets.items()},
        "version": importlib.metadata.version(KIND),  # its loaders decide the texts beside the revision
        "type": meta.type,
        "main_score": meta.main_score,
        "prompts": {"name": meta.name, "type": meta.type, "query": _instruction(task)},
    }
    if data == "classification":
        options |= _regression(task)
    if data == "retrieval":
        options |= {"usual_pool": "same", "ks": tuple(sorted({*KS, k}))}
    return options


def _instruction(task: AbsTask) -> str:
    """Return mteb's instruction for the queries of a task, or for all of its texts."""
    prompt: Any = task.metadata.prompt
    told = prompt.get("query") if isinstance(prompt, dict) else prompt
    return str(told or getattr(task, "abstask_prompt", ""))


def _splits(task: AbsTask) -> list[str]:
    """Return the splits that mteb evaluates, without that of the training texts, each of which would find itself."""
    train = getattr(task, "train_split", None)
    splits = [split for split in task.eval_splits if split != train]
    if len(splits) < len(task.eval_splits):
        note(f"{PREFIX}{task.metadata.name}: the split {train!r} is left out: it has the training texts")
    if not splits:
        raise UserError(f"{PREFIX}{task.metadata.name} is tested on its training texts", "choose another task")
    return splits


def _regression(task: Any) -> dict[str, Any]:
    """Return how mteb's logistic regression is trained, for a task that has the usual one."""
    from sklearn.linear_model import LogisticRegression

    model = task.evaluator_model
    usual = LogisticRegression(max_iter=100).get_params()
    if not isinstance(model, LogisticRegression) or {**model.get_params(), "random_state": None} != usual:
        return {}
    how = {"samples_per_label": task.samples_per_label, "experiments": task.n_experiments, "seed": task.seed}
    return {"regression": how}


def data_of(name: str) -> str:
    """Return the kind of data of `mteb:TASK`: that of the script it belongs to. Raises UserError for other tasks."""
    task = open_task(name.removeprefix(PREFIX))
    known = DATA_OF.get(task.metadata.type, "")
    _check_kind(task, name, known)
    return known


def open_task(name: str, subsets: Sequence[str] | None = None, split: str | None = None) -> AbsTask:
    """Return a task of mteb, its data not loaded yet: all of it, or only these of mteb's subsets and this split.

    Raises UserError where mteb is not installed or has no such task.
    """
    if importlib.util.find_spec(KIND) is None:
        raise UserError(f"--dataset {PREFIX}{name}: mteb is not installed", "pip install -r requirements-mteb.txt")
    from utils.hub import is_offline

    is_offline()  # before the hub's libraries are imported: they read the setting once
    import logging
    import warnings

    import mteb

    logging.getLogger(KIND).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return mteb.get_task(
                name, hf_subsets=None if subsets is None else list(subsets), eval_splits=[split] if split else None
            )
        except KeyError:
            from mteb.get_tasks import TASK_LIST
    raise UserError(f"mteb has no task {name!r}", suggest(name, [kind.metadata.name for kind in TASK_LIST]))


def _check_kind(task: AbsTask, name: str, data: str) -> None:
    """Raise UserError for a task that belongs to another script, or to none."""
    from mteb.abstasks import AbsTaskBitextMining, AbsTaskClassification, AbsTaskRetrieval, AbsTaskSTS

    meta = task.metadata
    classes = {
        "bitext": AbsTaskBitextMining,
        "classification": AbsTaskClassification,
        "retrieval": AbsTaskRetrieval,
        "sts": AbsTaskSTS,
    }
    known = DATA_OF.get(meta.type)
    if known is None or not isinstance(task, classes[known]):
        kinds = ", ".join(DATA_OF)
        raise UserError(f"{name} is a task of {meta.type}, which no script evaluates", f"there are scripts for {kinds}")
    if known != data:
        raise UserError(
            f"{name} is a task of {meta.type}, not one for {data}", f"give it to {known}.py: --dataset {name}"
        )
    if set(meta.modalities) != {"text"}:
        raise UserError(f"{name} has {' and '.join(meta.modalities)}", "only tasks on texts are evaluated")
    if isinstance(task, AbsTaskClassification) and task.is_cross_validation:
        raise UserError(f"{name} has no training split: mteb divides its texts anew", "choose another task")
    if isinstance(task, AbsTaskRetrieval) and task.skip_first_result:
        raise UserError(f"{name} leaves out the first passage of each ranking", "choose another task")
    if meta.superseded_by:
        note(f"mteb has {PREFIX}{meta.superseded_by} in place of {name}")


def main_metric(main_score: str, data: str) -> tuple[str, int]:
    """Return this suite's name of mteb's main score, and the k of a ranking's; noted where there is none."""
    if data == "retrieval" and main_score in FIRST_ONLY:
        return FIRST_ONLY[main_score]
    measure, _, k = main_score.partition("_at_")
    found = SAME_METRIC[data].get(measure)
    if found is not None and (data != "retrieval" or re.fullmatch("[0-9]+", k)):
        return found, int(k or 1)
    note(f"mteb's main score of this task, {main_score}, is not computed; {USUAL_METRIC[data]} is shown")
    return USUAL_METRIC[data], KS[0]


def mteb_subsets(spec: DatasetSpec, langs: Sequence[str] | None) -> list[str]:
    """Return the subsets of a run in the task's order: those named, those of mteb's subset of a name, or all.

    Raises UserError for a name that no subset has.
    """
    if langs is None:
        return list(spec.subsets)
    theirs = {own: subset for own, (subset, _) in spec.options["subsets"].items()}
    for lang in langs:
        if lang not in theirs and lang not in theirs.values():
            raise UserError(f"{spec.name} has no subset {lang!r}", suggest_language(lang, list(theirs)))
    return [own for own in spec.subsets if own in langs or theirs[own] in langs]


def about_task(spec: DatasetSpec, subset: str) -> dict[str, Any]:
    """Return what mteb calls a subset of a task: its subset, its split, its languages and the main score."""
    theirs, split = spec.options["subsets"][subset]
    languages = [code.replace("_", "-") for code in spec.options["codes"][subset]]
    return {"subset": theirs, "split": split, "languages": languages, "main_score": spec.options["main_score"]}
