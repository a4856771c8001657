"""The texts of a task of mteb, read by mteb's own loaders: pairs, judged sentences, judged passages, labelled texts.

Nothing is left out or changed, so that what is measured is what mteb measures: blank texts stay, and so do questions
without an answer and judgements of passages that the corpus lacks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from utils.data.judged_parts import as_bytes
from utils.data.mteb_rows import PREFIX, open_task
from utils.data.subsets import BitextSubset, Judged, LabeledTexts, Origin, SentencePairs, Texts
from utils.errors import UserError, first_line
from utils.hub import hub_errors
from utils.schema import DatasetSpec

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask


def origin_of_task(spec: DatasetSpec) -> Origin:
    """Return the origin of a task's texts."""
    return Origin(spec.kind, spec.source, spec.revision)


ONLINE_ONCE = (  # a mirror is not read by mteb's loaders
    "mteb's loaders read the hub or its cache, and no --data_dir: run once with a network, or copy the cache of the "
    "hub (HF_HOME) from a machine that has one"
)


@contextmanager
def reading(spec: DatasetSpec, subset: str) -> Iterator[None]:
    """Raise what mteb and the hub's libraries raise while a subset is read as UserErrors."""
    theirs, split = spec.options["subsets"][subset]
    what, asked = f"the data set {spec.source!r} of {spec.name}", f" (subset {theirs!r}, split {split!r})"
    with hub_errors(what, asked, without_network=ONLINE_ONCE):
        try:
            yield
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise UserError(
                f"mteb cannot read the data of {spec.name} {subset} ({type(error).__name__}: {first_line(error)})",
                "the data set on the hub is not the one that this version of mteb reads",
            ) from error


def load_rows(spec: DatasetSpec, subset: str) -> tuple[AbsTask, Any]:
    """Return the task with its data loaded, and the data of the split of a subset, as mteb's own evaluation has them.

    Of a task of classification these are all splits.
    """
    theirs, split = spec.options["subsets"][subset]
    name = spec.name.removeprefix(PREFIX)
    task = _loaded(name, None if _reads_all(name) else theirs, split)
    data: Any = task.dataset
    of_subset = data.get(theirs, data)
    return task, of_subset if spec.task == "classification" else of_subset[split]


@lru_cache(maxsize=1)
def _loaded(name: str, subset: str | None, split: str) -> AbsTask:
    """Return a task with one of its subsets loaded, None for all; the last one is kept in memory."""
    task = open_task(name, None if subset is None else [subset], split)
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task.load_data()
        if hasattr(task, "convert_v1_dataset_format_to_v2"):
            task.convert_v1_dataset_format_to_v2(num_proc=None)
    return task


@lru_cache
def _reads_all(name: str) -> bool:
    """Return whether mteb reads all subsets of a task at once: from one table, by columns or by a column of names."""
    task = open_task(name)
    return bool(getattr(task, "parallel_subsets", False) or task.fast_loading)


def _texts(spec: DatasetSpec, subset: str, rows: Any, column: str) -> tuple[str, ...]:
    """Return the texts of a column; raises UserError for a value that is none."""
    texts = tuple(rows[column])
    for row, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            what = f"{spec.name} {subset}: row {row} has {text!r} ({type(text).__name__}), not a text"
            raise UserError(what, "mteb cannot evaluate it either")
    return texts


def mteb_pairs(spec: DatasetSpec, subset: str) -> BitextSubset:
    """Return the pairs of a subset of a bitext mining task; raises UserError where they cannot be had."""
    with reading(spec, subset):
        task, rows = load_rows(spec, subset)
        theirs, _ = spec.options["subsets"][subset]
        columns = theirs.split("-") if getattr(task, "parallel_subsets", False) else ["sentence1", "sentence2"]
        sources, targets = (_texts(spec, subset, rows, column) for column in columns)
    if "gold" in rows or len(sources) != len(targets):
        raise UserError(f"{spec.name} has sentences beside its pairs", "choose a task whose sides are aligned: BUCC.v2")
    langs = spec.options["codes"][subset]
    gold = tuple(range(len(sources)))
    return BitextSubset(subset, langs[0], langs[-1], sources, targets, gold, "xl", origin_of_task(spec))


def mteb_sentences(spec: DatasetSpec, subset: str) -> SentencePairs:
    """Return the sentence pairs of a subset of a task of semantic textual similarity, and their judged similarity."""
    with reading(spec, subset):
        task, rows = load_rows(spec, subset)
        columns: Any = getattr(task, "column_names", ("sentence1", "sentence2"))
        first, second = (_texts(spec, subset, rows, column) for column in columns)
        scores = tuple(float(score) for score in rows["score"])
    langs = spec.options["codes"][subset]
    return SentencePairs(subset, langs[0], langs[-1], first, second, scores, origin_of_task(spec))


def mteb_judged(spec: DatasetSpec, subset: str) -> Judged:
    """Return the questions, the corpus and the judgements of a subset of a task of retrieval or reranking.

    A question's text ends with its instruction, and a passage's begins with its title, as mteb encodes them. Where the
    task says so, the passage with a question's own identifier is not ranked; for reranking, only the question's
    candidates are. Raises UserError where the data cannot be had.
    """
    with reading(spec, subset):
        task, rows = load_rows(spec, subset)
        lang = "-".join(spec.options["codes"][subset])
        grades = {str(name): {str(one): int(grade) for one, grade in of.items()} for name, of in _judged(rows).items()}
        asked = [(name, text) for name, text in _questions(rows["queries"]) if grades.get(name)]
        passages = sorted(_passages(rows["corpus"]), key=lambda row: as_bytes(row[0]), reverse=True)
        ranked = rows["top_ranked"]
    if not asked or not passages:
        raise UserError(f"{spec.name} {subset}: {len(asked)} questions, {len(passages)} passages", "it has no data")
    queries, pool = (
        Texts(tuple(name for name, _ in side), tuple(text for _, text in side), (lang,) * len(side))
        for side in (asked, passages)
    )
    places = {name: place for place, name in enumerate(pool.ids)}
    own = [places.get(name, -2) for name in queries.ids] if getattr(task, "ignore_identical_ids", False) else []
    candidates: list[tuple[int, ...]] = []
    if ranked is not None:
        candidates = [tuple(dict.fromkeys(places[str(one)] for one in ranked.get(name) or ())) for name in queries.ids]
    judgements = {name: grades[name] for name in queries.ids}
    own = own if any(place >= 0 for place in own) else []
    return Judged(subset, queries, pool, judgements, origin_of_task(spec), 0, tuple(own), tuple(candidates))


def _judged(rows: Any) -> Mapping[str, Mapping[str, int]]:
    found: Mapping[str, Mapping[str, int]] = rows["relevant_docs"]
    return found


def _questions(rows: Any) -> list[tuple[str, str]]:
    """Return identifiers and texts of questions: a text is followed by its instruction, a conversation follows it."""
    texts = list(rows["text"])
    told: list[Any] = list(rows["instruction"]) if "instruction" in rows.column_names else [None] * len(texts)
    if texts and isinstance(texts[0], dict | list):
        texts = [_conversation(turns) for turns in texts]
        if "instruction" in rows.column_names:
            texts = [f"{instruction} {text}" for instruction, text in zip(told, texts, strict=True)]
    else:
        texts = [
            text if instruction is None else f"{text} {instruction}"
            for text, instruction in zip(texts, told, strict=True)
        ]
    return list(zip(map(str, rows["id"]), texts, strict=True))


def _conversation(turns: Any) -> str:
    """Return the turns of a conversation as mteb joins them: texts, or texts behind their roles."""
    return "; ".join(turn if isinstance(turn, str) else f"{turn['role']}: {turn['content']}" for turn in turns)


def _passages(rows: Any) -> list[tuple[str, str]]:
    """Return identifiers and texts of passages; a title stands before its text, and blanks around them go."""
    titles = list(rows["title"]) if "title" in rows.column_names else [""] * len(rows)
    texts = [
        f"{title} {text}".strip() if title else text.strip() for title, text in zip(titles, rows["text"], strict=True)
    ]
    return list(zip(map(str, rows["id"]), texts, strict=True))


def mteb_labeled(spec: DatasetSpec, subset: str, split: str) -> LabeledTexts:
    """Return the training or the test texts of a subset of a task of classification, and their labels.

    The label set is that of both, in the order of mteb's labels, which are numbers in most tasks. Raises UserError
    where the data cannot be had.
    """
    if split not in ("train", "test"):
        what = f"{spec.name} has no {split} split beside those that mteb evaluates"
        raise UserError(what, f"choose from its subsets with --langs: {', '.join(spec.subsets[:8])}")
    with reading(spec, subset):
        task, splits = load_rows(spec, subset)
        names = {"train": getattr(task, "train_split", "train"), "test": spec.options["subsets"][subset][1]}
        column = getattr(task, "label_column_name", "label")
        raw = {part: list(splits[name][column]) for part, name in names.items()}
        told = getattr(splits[names["test"]].features[column], "names", None)  # of a ClassLabel
        known = sorted({*raw["train"], *raw["test"]})
        name_of = {label: told[label] if told else str(label) for label in known}
        texts = _texts(spec, subset, splits[names[split]], str(getattr(task, "input_column_name", "text")))
    labels = tuple(name_of[label] for label in raw[split])
    return LabeledTexts(texts, labels, tuple(name_of[label] for label in known), origin_of_task(spec))
