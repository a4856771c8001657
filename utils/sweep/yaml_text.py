"""Reading YAML as texts: every scalar stays as it is written, so that `no` is a language and 0.10 keeps its digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.errors import UserError

HINT = "docs/sweeps.md shows a file; indent with blanks, and quote texts that have a colon"
LARGEST = 1_000_000  # bytes
SHOWN = 5  # files of a folder that a hint names


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the table in a YAML file, whose leaves are texts; raises UserError where there is none."""
    try:
        with path.open("rb") as file:
            read = file.read(LARGEST + 1)
        text = read.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file", "name a YAML file, or give --grid script=... dataset=...") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8", HINT) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", _instead(path)) from error
    if len(read) > LARGEST:
        raise UserError(f"{path} is too large for a sweep", "name the YAML file that describes it")
    content = _load(text, str(path))
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no table", HINT)
    return content


def _instead(path: Path) -> str:
    """Return what to name instead of something that is no file that can be read."""
    inner = sorted(each.name for each in path.glob("*.yaml")) if path.is_dir() else []
    return (
        f"name a YAML file in it: {', '.join(inner[:SHOWN])}" if inner else "name a YAML file, or check its permissions"
    )


def yaml_values(text: str, where: str) -> list[Any]:
    """Return the values of a list as it stands between brackets: `a,b` or `[1,5],10`."""
    values = _load(f"[{text}]", where)
    if not isinstance(values, list) or not values:
        raise UserError(f"{where} has no value", "write key=value,value")
    return values


def _load(text: str, where: str) -> Any:
    import yaml

    class Texts(yaml.BaseLoader):  # type: ignore[misc]
        """Keeps scalars as texts, and refuses a key that stands twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            """Return a table."""
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for place, key in enumerate(keys):
                if not isinstance(key, str):
                    raise UserError(f"{where}, line {node.start_mark.line + 1}: a key is no text", HINT)
                if key in keys[:place]:
                    raise UserError(
                        f"{where}, line {node.value[place][0].start_mark.line + 1}: {key} stands twice", HINT
                    )
            return dict(super().construct_mapping(node, deep=deep))

    try:
        return yaml.load(text, Loader=Texts)
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply", HINT) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{where}{line}: {getattr(error, 'problem', None) or error}", HINT) from error
