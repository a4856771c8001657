"""The tables of a task, as its row describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class View:
    """One table of a task: which records it has, and what its columns are.

    name: the name in the data sets' rows, whose `groups` say which mean a data set enters.
    title: what is evaluated, for headings.
    groups: names of the means over data sets, in the order of their columns.
    groups_of: the name that the data sets' rows use for these means, where it is not that of this table.
    cross: whether its records are of cross-lingual runs; None where a flag of the table chooses.
    by: settings whose values are the columns, instead of the data sets. `column` names such a column from the values,
    and `made_with` is the flag with which the task's script makes the records.
    """

    name: str
    title: str
    groups: tuple[str, ...] = ()
    groups_of: str = ""
    cross: bool | None = False
    by: tuple[str, ...] = ()
    column: str = "{}"
    made_with: str = ""

    @property
    def key(self) -> str:
        """The name without blanks, as flags and files of published figures have it."""
        return self.name.replace(" ", "_")

    def values_of(self, run: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return a record's values of the settings `by`, by its `run` part; None where it lacks one."""
        values = tuple(run.get(name) for name in self.by)
        return values if values and None not in values else None
