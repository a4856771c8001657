"""What the settings of every task are: fields with plain values, which identify records and name a run's folder."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from utils.constants import DEFAULT_SEED, FUSES, NORMALIZERS

FUSION_SETTINGS = ("fuse", "normalize")  # settings of an ensemble; a single encoder has the plain ones


def setting(
    default: Any,
    kind: str = "name",
    *,
    also: tuple[Any, ...] = (),
    choices: tuple[str, ...] = (),
    implies: Mapping[str, Any] | None = None,
    late: bool = False,
    optional: bool = False,
) -> Any:
    """Return a field of a task's settings.

    default: the value of a plain run, and of records that do not have the setting.
    kind: the type of its column in tables of records (utils/records/columns.py).
    also: other values that a table takes beside the chosen one.
    choices: the values that there are, for the flags of the tables; empty for any text.
    implies: of a flag, the values that other settings have where it is set.
    late: whether earlier versions wrote records of all its values to one folder. `utils.records.variants` names its
    part of the folder, and records are also looked for where these versions wrote them.
    optional: whether a record lacks the setting where it is None, as those of earlier versions do.
    """
    metadata = {"kind": kind, "also": also, "choices": choices, "implies": implies or {}, "late": late}
    metadata["optional"] = optional
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that decide a figure in every task; a task adds its own fields.

    They are made once, from the arguments, and never change. Their names and values are part of every record.
    """

    fuse: str = setting("score", choices=FUSES)
    normalize: str = setting("none", choices=NORMALIZERS)
    seed: int = setting(DEFAULT_SEED, "count")
    limit: int | None = setting(None, "whole")
    tag: str | None = setting(None, late=True, optional=True)

    def identity(self) -> dict[str, Any]:
        """Return the settings by name, as a record has them: records with equal ones are the same.

        A run without a tag or a reranker has none, as in records of earlier versions.
        """
        common = [field.name for field in dataclasses.fields(Settings)]
        fields = sorted(dataclasses.fields(self), key=lambda field: field.name in common)
        found = ((field, getattr(self, field.name)) for field in fields)
        return {field.name: value for field, value in found if value is not None or not field.metadata.get("optional")}

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield what is not plain in the task's own settings, as the name of a run's folder has it, in their order.

        of_models: what the models decide, for tasks whose folders name it.
        """
        common = {field.name for field in dataclasses.fields(Settings)}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in common and value != field.default and not field.metadata["late"]:
                yield field.name if value is True else value if isinstance(value, str) else f"{field.name}_{value}"

    def figure_of(self, metric: str) -> str:
        """Return the name under which a record of these settings has the figure that is shown of a metric."""
        return metric

    def unusual(self, name: str) -> str:
        """Return the value of a named setting, or an empty text where it is the default."""
        (default,) = (field.default for field in dataclasses.fields(self) if field.name == name)
        value = str(getattr(self, name))
        return value if value != default else ""

    def run_name(self, prefix: str, **of_models: str) -> str:
        """Return the folder of the run: its prefix, then each departure from the plain setting."""
        return "_".join(
            [prefix, *filter(None, (*self.departures(**of_models), self.unusual("fuse"), self.unusual("normalize")))]
        )


def folder_part(name: str, most: int = 60) -> str:
    """Return a text as a folder's name has it: without characters that a file system may refuse, cut from its front."""
    return re.sub(r"[^\w.+-]+", "-", name, flags=re.ASCII)[-most:]
