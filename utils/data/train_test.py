"""The training and the test texts of one language, as the tasks on labelled texts use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from utils.data.classification import has_validation, load_labeled
from utils.data.items import has_items, load_items, load_pool
from utils.data.labeled_tables import stratified
from utils.data.languages import family_and_script
from utils.errors import UserError, note

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.data.sources import Sources
    from utils.data.subsets import LabeledTexts
    from utils.schema import DatasetSpec
    from utils.settings.labeled import LabeledSettings

    Ints = npt.NDArray[np.int64]


_COLUMNS = ("texts", "labels", "ids", "items")  # of labelled texts
HELD_OUT = 0.1  # of the training texts, where a data set has no validation split


@dataclass(frozen=True)
class TrainTest:
    """Training texts in the language `source` and test texts in `lang`.

    limit: number of test texts that are used; None for all of them.
    """

    source: str
    lang: str
    train: LabeledTexts
    test: LabeledTexts
    limit: int | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The label set of the data set, or the sorted labels of both splits where it has no fixed one.

        Items whose answers are written have no labels.
        """
        if any(item.references for item in self.test.items):
            return ()
        return self.test.label_names or tuple(sorted({*self.train.labels, *self.test.labels}))

    @property
    def queries(self) -> tuple[str, ...]:
        """The test texts (n,)."""
        return self.test.texts[: self.limit]

    @property
    def gold(self) -> tuple[str, ...]:
        """The labels of the test texts (n,)."""
        return self.test.labels[: self.limit]

    def indices(self, labels: Sequence[str]) -> Ints:
        """Return the index of each label in the label set (n,), int64."""
        import numpy as np

        index_of = {name: index for index, name in enumerate(self.names)}
        return np.array([index_of[label] for label in labels], dtype=np.int64)

    def predictions(self, hyp: Sequence[int]) -> dict[str, list[Any]]:
        """Return gold and predicted labels by name (n,); a negative prediction is no label, and becomes None."""
        return {"gold": list(self.gold), "hyp": [self.names[index] if index >= 0 else None for index in hyp]}

    def describe(self, spec: DatasetSpec, *, cross: bool) -> dict[str, Any]:
        """Return what a record states about these texts; family and script are None for an unknown language code."""
        code, *_ = spec.options.get("codes", {}).get(self.lang, [self.lang])
        family, script = family_and_script(code)
        code_switched = spec.code_switched or self.lang in spec.options.get("cs_languages", ())
        setting = "cs" if code_switched else "mono"
        return {
            "origin": vars(self.test.origin),
            "lang": self.lang,
            "train_lang": self.source,
            "family": family,
            "script": script,
            "setting": {"mono": "xl", "cs": "xl_cs"}[setting] if cross else setting,
            "n_train": len(self.train.texts),
            "n_dropped": {"train": self.train.n_dropped, "test": self.test.n_dropped},
            **({"demonstrations_from": self.train.taken_from} if self.train.taken_from else {}),
            **({"tested_on": self.test.taken_from} if self.test.taken_from else {}),
            **(_about_pair(*spec.options["pairs"][self.lang]) if "pairs" in spec.options else {}),
        }


def _about_pair(source: str, target: str) -> dict[str, Any]:
    """Return what a record states about translations: their languages, of which the target is that of the answers."""
    return {"src_lang": source, "tgt_lang": target, "lang": target, "train_lang": None, "setting": "xl"}


def load_train_test(
    spec: DatasetSpec, lang: str, sources: Sources, settings: LabeledSettings, *, validation: bool = False
) -> TrainTest:
    """Load the training texts that the settings ask for, and the test texts of a language.

    validation: use all texts of the validation split as test texts, whatever split and limit the settings have.
    Raises UserError where a language or split has no texts, or a label is not in the label set.
    """
    source = settings.src_lang if settings.cross and settings.src_lang else lang
    split, limit = ("validation", None) if validation else (settings.split, settings.limit)
    if has_items(spec):
        pool, tested = load_pool(spec, source, split, sources), load_items(spec, lang, split, sources)
        return TrainTest(source, lang, pool if source == lang else not_tested(pool, tested), tested, limit)
    train = load_labeled(spec, source, "train", sources, legacy=settings.legacy)
    return TrainTest(source, lang, train, load_labeled(spec, lang, split, sources, legacy=settings.legacy), limit)


def not_tested(pool: LabeledTexts, tested: LabeledTexts) -> LabeledTexts:
    """Return a pool of demonstrations without the items that are tested in another language, by their identifiers."""
    if not pool.ids:
        return pool
    asked = set(tested.ids)
    return part_of(pool, [row for row, name in enumerate(pool.ids) if name not in asked])


class TrainValidation(NamedTuple):
    """Texts that a model is trained on, and those that validate it; drawn: whether these are of the training split."""

    train: LabeledTexts
    validation: LabeledTexts
    drawn: bool


def load_to_train(spec: DatasetSpec, lang: str, sources: Sources, seed: int) -> TrainValidation:
    """Return the texts that a model of a language is trained on, and those that validate it.

    They are the validation split. Where there is none, or where it is the test, they are a tenth of the training texts,
    stratified by label and drawn by the seed, which a note says. Raises UserError where there are too few.
    """
    train = load_labeled(spec, lang, "train", sources)
    if has_validation(spec, lang):
        return TrainValidation(train, load_labeled(spec, lang, "validation", sources), drawn=False)
    place = f"{spec.name} {lang}"
    drawn = stratified(train.labels, HELD_OUT, seed)
    if not drawn:
        raise UserError(
            f"{place}: no validation split, and no label has two training texts, of which one could be held out",
            "add rows, or rows of the split validation",
        )
    rest = [row for row in range(len(train.texts)) if row not in drawn]
    note(f"{place}: no validation split: {len(drawn)} of {len(train.texts)} training texts are held out (seed {seed})")
    return TrainValidation(part_of(train, rest), part_of(train, sorted(drawn)), drawn=True)


def joined(parts: Sequence[LabeledTexts]) -> LabeledTexts:
    """Return the texts of several languages of a data set as one split."""
    columns: dict[str, Any] = {name: tuple(each for part in parts for each in getattr(part, name)) for name in _COLUMNS}
    n_dropped = sum(part.n_dropped for part in parts)
    return replace(parts[0], **columns, n_dropped=n_dropped)


def part_of(split: LabeledTexts, rows: Sequence[int]) -> LabeledTexts:
    """Return some rows of a split, by their places."""
    columns: dict[str, Any] = {
        name: tuple(column[row] for row in rows) if (column := getattr(split, name)) else () for name in _COLUMNS
    }
    return replace(split, **columns)
