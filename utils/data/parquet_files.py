"""Parquet files of a data set in a local folder, read without the `datasets` library.

Importing that library takes half a second. It is needed only for layouts other than the two that are known here: the
layout of the hub's Parquet conversions, and a README that names the files of every configuration and split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from utils.data.text_files import lines_of
from utils.errors import UserError, first_line

if TYPE_CHECKING:
    import pyarrow as pa

CONVERTED = re.compile(r"(train|validation|test)(/\d+)?\.parquet")  # within the folder of a configuration
README = "README.md"
METADATA = {README, ".gitattributes"}  # files without rows


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Raise what pyarrow raises while it reads a file of a user as UserError."""
    import pyarrow as pa

    try:
        yield
    except (ValueError, OSError, pa.ArrowException) as error:
        hint = "check that the file is whole and has the format that its ending names"
        raise UserError(f"{path} cannot be read as parquet: {first_line(error)}", hint) from error


def find_parquet_files(folder: Path, config: str | None, split: str) -> list[Path]:
    """Return the Parquet files of a split, in the order in which the `datasets` library reads them.

    Returns an empty list where the folder has another layout, or no such configuration or split.
    """
    if config is not None and (folder / config).is_dir():
        return _converted_files(folder / config, split)
    if (folder / ".huggingface.yaml").exists() or not (folder / README).is_file():
        return []
    pattern = _pattern_of(folder / README, config, split)
    if pattern is None or not re.fullmatch(r"([\w.-]+/)*[\w.*-]+\.parquet", pattern) or "**" in pattern:
        return []
    return sorted(path for path in folder.glob(pattern) if not _is_hidden(path.relative_to(folder)))


def is_conversion(folder: Path, config: str | None) -> bool:
    """Return whether a configuration is a folder of a Parquet conversion, and not one whose files the README names."""
    return config is not None and (folder / config).is_dir() and not names_config(folder, config)


def names_config(folder: Path, config: str) -> bool:
    """Return whether the README of a folder has this configuration."""
    readme = folder / README
    return readme.is_file() and ("- config_name", config) in list(_entries(readme))


def folders_of_configs(folder: Path, split: str) -> list[str]:
    """Return the configurations that are folders of their own with Parquet files of this split.

    `data` is the folder of a data set without configurations.
    """
    folders = [one for one in sorted(folder.iterdir()) if one.is_dir() and one.name != "data"]
    return [one.name for one in folders if any(_is_of(path.relative_to(one), split) for path in one.rglob("*.parquet"))]


def _is_of(path: Path, split: str) -> bool:
    """Return whether a file is `<split>/0000.parquet`, `<split>.parquet` or `<split>-00000-of-00001.parquet`."""
    return re.split("[/.-]", path.as_posix())[0] == split


def read_parquet_files(files: Sequence[Path]) -> pa.Table | None:
    """Return the rows of the files, one after another; None where one is broken, or their columns differ."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    tables = []
    try:
        for path in files:
            with ParquetFile(path) as file:  # read_table would take folders such as a=b for columns
                tables.append(file.read())
        return pa.concat_tables(tables)
    except (pa.ArrowInvalid, OSError):
        return None


def _converted_files(folder: Path, split: str) -> list[Path]:
    """Return the files of `<split>/0000.parquet` or `<split>.parquet`; none where the folder has other files."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    names = sorted(name for name in found if name not in METADATA)
    if not all(CONVERTED.fullmatch(name) for name in names) or len({name.count("/") for name in names}) != 1:
        return []
    return [found[name] for name in names if re.split("[/.]", name)[0] == split]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.parts)


def _pattern_of(readme: Path, config: str | None, split: str) -> str | None:
    """Return the pattern that the README's front matter gives for a split; None where it is written otherwise.

    Without `config` the default configuration is meant.
    """
    patterns: dict[tuple[str, str], list[str]] = {}
    names, default, name, of_split = [], "default", "", ""
    for key, value in _entries(readme):
        if key == "- config_name":
            name, of_split = value, ""
            names.append(name)
        elif key == "default" and value == "true":
            default = name
        elif key == "- split":
            of_split = value
        elif key == "path":
            patterns.setdefault((name, of_split), []).append(value)
        elif (key, value) != ("data_files", ""):
            return None
    wanted = config or (names[0] if len(names) == 1 else default)
    found = patterns.get((wanted, split), [])
    return found[0] if len(found) == 1 and names.count(wanted) == 1 else None


def _entries(readme: Path) -> Iterator[tuple[str, str]]:
    """Yield key and value of each line below `configs:` in the front matter; what is no such line, with key ""."""
    lines = lines_of(readme.read_text(encoding="utf-8", errors="replace"))
    if not lines or lines[0] != "---" or "---" not in lines[1:]:
        return
    inside = False
    for line in lines[1 : lines.index("---", 1)]:
        if line[:1] not in (" ", "-"):  # a key of the top level
            inside = line.rstrip() == "configs:"
        elif inside:
            entry = re.fullmatch(r"\s*((?:- )?\w+):(?: +([^\s'\"#&*!|>{}\[\]][^\s#]*))?\s*", line)
            yield (entry[1], entry[2] or "") if entry else ("", line)
