"""The training and the test texts of one language, as the tasks on labelled texts use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from utils.data.classification import describe, label_set, load_labeled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.data.sources import Where
    from utils.schema import DatasetSpec, LabeledTexts
    from utils.tasks import LabeledSettings

    Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainTest:
    """Training texts of `source`, test texts of `lang`, and the labels of both; --limit keeps the first test texts."""

    source: str
    lang: str
    train: LabeledTexts
    test: LabeledTexts
    limit: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The label set."""
        return label_set(self.train, self.test)

    @property
    def queries(self) -> tuple[str, ...]:
        """The test texts (n,)."""
        return self.test.texts[: self.limit]

    @property
    def gold(self) -> tuple[str, ...]:
        """The labels of the test texts (n,)."""
        return self.test.labels[: self.limit]

    def indices(self, labels: Sequence[str]) -> Ints:
        """Return the place of each label in the label set (n,)."""
        import numpy as np

        place = {name: index for index, name in enumerate(self.names)}
        return np.array([place[label] for label in labels], dtype=np.int64)

    def predictions(self, hyp: Sequence[int]) -> dict[str, list[Any]]:
        """Return gold and predicted labels by name (n,); a negative prediction names no label."""
        names = self.names
        return {"gold": list(self.gold), "hyp": [names[index] if index >= 0 else None for index in hyp]}

    def describe(self, spec: DatasetSpec, *, cross: bool) -> dict[str, Any]:
        """Return what a record says of these texts."""
        return describe(spec, self.source, self.train, self.lang, self.test, cross=cross)


def load_train_test(
    spec: DatasetSpec, lang: str, where: Where, settings: LabeledSettings, *, validation: bool = False
) -> TrainTest:
    """Load the training texts that the settings ask for and the test texts of a language.

    validation: take all texts of the validation split in place of the split and the limit of the settings. Raises
    UserError where a language or split has no texts, or a label is not in the label set.
    """
    source = settings.src_lang if settings.cross and settings.src_lang else lang
    train = load_labeled(spec, source, "train", where, legacy=settings.legacy)
    split, limit = ("validation", None) if validation else (settings.split, settings.limit)
    return TrainTest(source, lang, train, load_labeled(spec, lang, split, where, legacy=settings.legacy), limit)
