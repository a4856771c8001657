"""Files: atomic writes, JSON, hashes, and the keys of texts and settings."""

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
    """Return the key of a text: 32 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the key of an encoder's settings: 32 hex digits of the SHA-256 of their canonical JSON."""
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_output(path: Path, content: bytes) -> None:
    """Write a file that the user named a place for, atomically; raises UserError where it cannot be written."""
    try:
        write_atomic(path, content)
    except OSError as error:
        hint = "name another place (--output or --output_dir)"
        raise UserError(f"{path} cannot be written ({error.strerror})", hint) from error


def build_folder(folder: Path, marker: str, write: Callable[[Path], None]) -> Path:
    """Return a folder that holds `marker`, writing it aside and renaming it where it does not: no half is ever seen."""
    if (folder / marker).is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        write(part)
        part.chmod(0o755)
        try:
            part.rename(folder)
        except OSError:  # another run was first
            if not (folder / marker).is_file():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write JSON atomically; NaN is refused."""
    write_atomic(path, (json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None, with a warning, where the file is not one."""
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
    """Return a small file's content; what a Path or a buffer would add costs more than the reading."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
