"""Atomic writes, JSON files, hashes, and the keys of texts and settings in caches."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from utils.errors import UserError, warn


def text_key(text: str) -> str:
    """Return the key of a text: the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the key of settings: the first 32 hex digits of the SHA-256 of their canonical JSON."""
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that readers see either the old content or the new one, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_output(path: Path, content: bytes) -> None:
    """Write a file to a path that the user chose, atomically; raises UserError where it cannot be written."""
    try:
        write_atomic(path, content)
    except OSError as error:
        hint = "choose another path with --output or --output_dir"
        raise UserError(f"{path} cannot be written ({error.strerror})", hint) from error


def build_folder(folder: Path, marker: str, write: Callable[[Path], None]) -> Path:
    """Return `folder`, calling `write` to fill it where it does not contain the file `marker` yet.

    The content is written to a temporary folder that is then renamed, so that no incomplete folder is ever visible.
    """
    if (folder / marker).is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        write(part)
        part.chmod(0o755)
        try:
            part.rename(folder)
        except OSError:  # another process has made it meanwhile
            if not (folder / marker).is_file():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write JSON atomically; raises ValueError for NaN and infinities."""
    write_atomic(path, (json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; prints a warning and returns None where the file holds none."""
    try:
        content = json.loads(str(read_bytes(path), "utf-8"))  # read_text decodes line by line, in twice the time
    except (OSError, ValueError, RecursionError) as error:
        warn(f"{path} is broken and left out ({type(error).__name__})")
        return None
    if not isinstance(content, dict):
        warn(f"{path} holds no JSON object and is left out")
        return None
    return content


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a small file; without the overhead of pathlib and of a buffer."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
