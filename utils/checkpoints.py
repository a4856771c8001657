"""Revisions of checkpoints: the hash of a local folder, the commit of a repository on the hub."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from utils.errors import UserError, suggest
from utils.files import fingerprint, sha256_of, write_atomic
from utils.hub import WITHOUT_A_NETWORK, hub_errors, hub_token, is_offline, last_downloaded

IGNORED_FILES = (
    ".git",
    ".cache",
    "README.md",
    ".gitattributes",
    "onnx",
    "openvino",
)  # not part of a checkpoint's content


def local_label(path: Path, digest: str) -> str:
    """Return the name of a local checkpoint for folders and tables: the folder's name and digits of its hash."""
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in path.resolve().name)
    return f"local/{name}-{digest[:8]}"


def local_digest(path: Path, cache_dir: Path) -> str:
    """Return the SHA-256 of a checkpoint's file, or of all files in its folder; UserError where it has none."""
    if path.is_file():
        return _folder_digest(path.parent, [path], cache_dir)
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not set(file.relative_to(path).parts) & set(IGNORED_FILES)
    )
    if not any(file.name in ("config.json", "modules.json") for file in files):
        raise UserError(
            f"{path} is not the folder of a checkpoint",
            "it needs a config.json or modules.json, as save_pretrained() writes them",
        )
    return _folder_digest(path, files, cache_dir)


def _folder_digest(folder: Path, files: Sequence[Path], cache_dir: Path) -> str:
    """Return the SHA-256 of some files of a folder; it is cached until the size or time of a file changes."""
    stats = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    memo = cache_dir / "fingerprints" / f"{fingerprint({'folder': str(folder.resolve()), 'files': stats})}.json"
    try:
        return str(json.loads(memo.read_text())["sha256"])
    except (OSError, ValueError, KeyError):
        pass
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder)} {sha256_of(path)}\n".encode())
    write_atomic(memo, json.dumps({"sha256": digest.hexdigest()}).encode())
    return digest.hexdigest()


def hub_revision(checkpoint: str, known: Collection[str]) -> str:
    """Return the commit of the hub's main branch, or without a network the commit in the hub's cache.

    Raises UserError with the closest known names where neither has the checkpoint.
    """
    with hub_errors(f"the checkpoint {checkpoint!r}"):
        if not is_offline():
            from huggingface_hub import HfApi

            return str(HfApi().model_info(checkpoint, token=hub_token()).sha)
    commit = last_downloaded(checkpoint, "model")
    if commit is not None:
        print(f"note: the last downloaded revision of {checkpoint} is used", file=sys.stderr)
        return commit
    close = suggest(checkpoint, known) if checkpoint not in known else ""
    hint = f"{close} Or, {WITHOUT_A_NETWORK}" if close.startswith("did") else WITHOUT_A_NETWORK
    raise UserError(f"the checkpoint {checkpoint!r} is not in the cache, and the hub cannot be reached", hint)
