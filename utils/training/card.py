"""The model card of a trained model: its data, settings and figures, in the layout of the Hugging Face hub."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.data.languages import code_of
from utils.files import write_output

if TYPE_CHECKING:
    from utils.training.folder import TrainingFolder

FILE = "README.md"


def write_card(folder: TrainingFolder, about: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Write README.md into the folder of a trained model.

    about: what the objective says of itself (`Objective.card`); `languages`, those of the data, may be left out, and
    `use` is empty where the weights are not kept.
    record: what the record of the training has.
    """
    front = {"base_model": about["base_model"], "library_name": about["library"], "tags": about["tags"]}
    front |= {"language": sorted({code_of(lang) for lang in langs})} if (langs := about.get("languages")) else {}
    lines = ["---", *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in front.items()), "---", ""]
    lines += [f"# {about['title']}", "", about["summary"], "", "## Data", "", *_table(about["data"]), ""]
    lines += ["## Settings", "", *_settings(folder.identity), ""]
    lines += ["```bash", shlex.join(["python", *_command()]), "```", ""]
    for title, name in (("Figures", "rows"), ("Before and after", "evaluation")):
        if rows := record["figures"].get(name):
            lines += [f"## {title}", "", *_table(rows), ""]
    lines += [f"![learning curve]({name})" for name in record["pictures"] if name.endswith(".png")]
    lines += ["", "## Use", "", *_use(about["use"])]
    write_output(folder.path / FILE, ("\n".join(lines) + "\n").encode())


def _use(commands: Sequence[str]) -> list[str]:
    return ["```bash", *commands, "```"] if commands else ["The weights were not kept: the command above trains them."]


def _command() -> list[str]:
    """Return the command line; of files elsewhere on this machine only their names."""
    script, *arguments = sys.argv
    return [Path(script).name, *(Path(text).name if Path(text).is_absolute() else text for text in arguments)]


def _table(rows: Any) -> list[str]:
    """Return the lines of a table in Markdown, of rows that are mappings with the same names."""
    from tabulate import tabulate

    return tabulate(rows, headers="keys", tablefmt="github").splitlines() if rows else ["none"]


def _settings(identity: Mapping[str, Any]) -> list[str]:
    settings = identity.get("training", {})
    return _table([{"setting": name, "value": value} for name, value in settings.items() if value is not None])
