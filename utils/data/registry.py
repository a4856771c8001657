"""The registered data sets of each task, one row each, and the means of tables that they enter (docs/adding.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from utils.data.answer_sets import ANSWERED
from utils.data.bitext_sets import BITEXT
from utils.data.chat_sets import CHAT
from utils.data.classification_sets import CLASSIFICATION
from utils.data.lexicon_sets import LEXICONS
from utils.data.prompted_sets import PROMPTED
from utils.data.retrieval_sets import RETRIEVAL
from utils.data.sts_sets import STS
from utils.schema import DatasetSpec

if TYPE_CHECKING:
    from utils.task_spec import TaskSpec
    from utils.views import View

DATASETS: dict[str, dict[str, DatasetSpec]] = {
    "bitext": BITEXT,
    "classification": CLASSIFICATION,
    "retrieval": {**RETRIEVAL, **LEXICONS},
    "sts": STS,
    "prompted": {**PROMPTED, **ANSWERED},
    "chat": CHAT,
}  # by task, then by name


def sets_of(data: str) -> dict[str, DatasetSpec]:
    """Return the data sets that a task on data of this kind takes, by name: labelled texts can be prompted too."""
    return {**CLASSIFICATION, **DATASETS[data]} if data == "prompted" else DATASETS[data]


def group_means(task: TaskSpec, view: View) -> dict[str, list[str]]:
    """Return the data sets of each mean of a table; both are in the order of the table's columns."""
    of_view = {spec.name: spec.groups.get(view.groups_of or view.name) for spec in sets_of(task.data).values()}
    return {name: [dataset for dataset, mean in of_view.items() if mean == name] for name in view.groups}
