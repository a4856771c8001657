"""A folder of files with one text per line, aligned line by line, as a user's own data."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.data.languages import suggest_language
from utils.data.own_folders import is_beside
from utils.data.text_files import inner_name
from utils.errors import UserError, counted
from utils.files import sha256_of


def aligned_folder(
    path: Path, src_lang: str | None, langs: Sequence[str] | None
) -> tuple[str, str, str | None, dict[str, Any]]:
    """Return the digest, the reader, the pivot and the options of a folder's row.

    The names of the files give their languages. All pairs of languages are read; src_lang: only those from it; langs:
    only those into one of these. Raises UserError where the files do not tell their languages.
    """
    by_lang = _by_language(path)
    for lang in (src_lang, *(langs or ())):
        if lang is not None and lang not in by_lang:
            raise UserError(
                f"the folder {path} has no file for the language {lang!r}", suggest_language(lang, list(by_lang))
            )
    digest = hashlib.sha256("".join(map(sha256_of, by_lang.values())).encode()).hexdigest()
    pairs = tuple(_pairs(list(by_lang), src_lang, langs))
    if not pairs:
        raise UserError(f"source and target are both {src_lang!r}", f"choose from: {', '.join(by_lang)}")
    options = {"paths": {lang: str(file) for lang, file in by_lang.items()}, "pairs": pairs}
    sources = {source for source, _ in pairs}
    return digest, "aligned_files", sources.pop() if len(sources) == 1 else None, options


def _pairs(names: Sequence[str], src_lang: str | None, langs: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return the pairs of languages; of a pair without a named source, a language of `langs` is the target."""
    if src_lang is not None:
        return [(src_lang, target) for target in names if target != src_lang and target in (langs or names)]
    pairs = []
    for first, second in itertools.combinations(names, 2):
        if langs is None or second in langs:
            pairs.append((first, second))
        elif first in langs:
            pairs.append((second, first))
    return pairs


def _by_language(path: Path) -> dict[str, Path]:
    """Return the files of a folder by language, in the order of their names."""
    files = sorted(file for file in path.iterdir() if file.is_file() and not is_beside(file))
    if len(files) < 2:
        raise UserError(
            f"the folder {path} has {counted(len(files), 'file')}, expected at least two",
            "give a folder with files that are aligned line by line, such as text.de and text.en",
        )
    by_lang: dict[str, Path] = {}
    for file in files:
        lang = _language_of(file, files)
        if lang in by_lang:
            raise UserError(
                f"the names of {by_lang[lang].name} and {file.name} in {path} both give the language {lang!r}",
                "name the files by their languages, such as text.de and text.en, and keep others elsewhere",
            )
        by_lang[lang] = file
    return by_lang


def _language_of(file: Path, files: Sequence[Path]) -> str:
    """Return the language that a file's name gives: its ending, or its stem where all files have the same ending."""
    name = Path(inner_name(file))
    same_ending = len({Path(inner_name(other)).suffix for other in files}) == 1
    return name.stem if same_ending or not name.suffix else name.suffix[1:]
