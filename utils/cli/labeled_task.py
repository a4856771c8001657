"""What the tasks on labelled texts share: their data, their sizes, and the number of neighbours they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from utils.cli.task_run import TaskRun
from utils.data.items import answer_kind
from utils.errors import note

if TYPE_CHECKING:
    from utils.cli.run import Run
    from utils.data.train_test import TrainTest
    from utils.schema import DatasetSpec
    from utils.settings.labeled import LabeledSettings


SHOWN = 5  # labels in a note before "..."


class LabeledTask(TaskRun["TrainTest"]):
    """A task on training and test texts; a subset is a test language."""

    settings: LabeledSettings

    def __init__(self, run: Run, settings: LabeledSettings) -> None:
        super().__init__(run)
        self.settings = settings
        self.headers = ("language", "train", settings.split)

    def load(self, subset: str, *, validation: bool = False) -> TrainTest:
        """Return the training and the test texts; all validation texts, whatever --limit is, to tune weights on."""
        from utils.data.train_test import load_train_test

        data = load_train_test(self.run.dataset, subset, self.run.sources, self.settings, validation=validation)
        note_unknown_labels(self.run.dataset, data)
        return data

    def sizes(self, data: TrainTest) -> Sequence[int]:
        """Return the numbers of training and test texts."""
        return len(data.train.texts), len(data.queries)

    def sides(self, data: TrainTest) -> tuple[Sequence[str], Sequence[str]]:
        """Return the test texts, which query, and the training texts."""
        return data.queries, data.train.texts

    def n_candidates(self, data: TrainTest) -> int:
        """Return the number of training texts."""
        return len(data.train.texts)


def note_labels_without_word(place: str, names: Sequence[str], words: Mapping[str, str]) -> None:
    """Print a note where a template has words for some labels, given by their names, and none for others."""
    lacking = [name for name in names if name not in words] if words else []
    if lacking:
        shown = ", ".join(map(repr, lacking[:SHOWN])) + (", ..." if len(lacking) > SHOWN else "")
        note(f"{place}: the template has no word for the label {shown}, which is shown as it is: is it mistyped?")


def note_unknown_labels(dataset: DatasetSpec, data: TrainTest) -> None:
    """Print a note where the test of a user's own data has labels that no training text has.

    The answers to questions, options or texts that a model writes, are no labels.
    """
    is_labelled = dataset.kind == "local" and answer_kind(dataset) in ("label", "pair")
    unknown = sorted(set(data.gold) - set(data.train.labels)) if is_labelled else []
    if unknown:
        shown = ", ".join(map(repr, unknown[:SHOWN])) + (", ..." if len(unknown) > SHOWN else "")
        note(f"{dataset.name} {data.lang}: labels of the test that no training text has: {shown}")
