"""Checkpoints: their revisions, their small files, and what a library's error while loading them means."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError, is_disk_full, suggest
from utils.files import fingerprint, sha256_of, write_atomic
from utils.hub import MODEL_WITHOUT_A_NETWORK, hub_errors, hub_token, is_offline, last_downloaded

IGNORED_FILES = (
    ".git",
    ".cache",
    "README.md",
    ".gitattributes",
    "onnx",
    "openvino",
    *(
        "training.json",
        "training.lock",
        "curve.csv",
        "curve.png",
        "curve.pdf",
    ),  # that finetune.py writes; they have times in them
)  # not part of a checkpoint's content
WEIGHTS = (".safetensors", ".bin", ".gguf", ".model")
CONFIGURED = ("Pooling", "Dense", "WeightedLayerPooling")  # modules that need a configuration
WEIGHTED = ("Dense", "LSTM", "CNN", "LayerNorm", "WeightedLayerPooling", "StaticEmbedding", "SparseAutoEncoder")
WEIGHTS_OF_MODULES = ("model.safetensors", "pytorch_model.bin")
PANIC = "PanicException"  # of a library in Rust, which is no Exception
COMPLETE = "check that all its files are there and complete"
ADAPTER = "adapter_config.json"  # of a folder with adapters alone, which names the checkpoint that they belong to
SHOWN = 300  # characters of a library's message


def local_label(path: Path, digest: str) -> str:
    """Return the name of a local checkpoint for folders and tables: the folder's name and digits of its hash."""
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in path.resolve().name)
    return f"local/{name}-{digest[:8]}"


def local_digest(path: Path, cache_dir: Path) -> str:
    """Return the SHA-256 of a checkpoint's file, or of all files in its folder; UserError where it has none."""
    if path.is_file():
        return _folder_digest(path.parent, [path], cache_dir)
    files, links = checkpoint_files(path)
    if not any(file.name in ("config.json", "modules.json", ADAPTER) for file in files):
        hint = "it needs a config.json or modules.json, as save_pretrained() writes them"
        if (path / "training.json").is_file():
            hint = "it has the record of a training alone: run finetune.py again, without --drop_weights"
        raise UserError(f"{path} is not the folder of a checkpoint", hint)
    return _folder_digest(path, files, cache_dir, links)


def checkpoint_files(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the files of a checkpoint's folder, sorted, and the links to folders that are among them already.

    Links are followed, and each folder is entered once, so that links in a circle end. A link to a folder that was
    entered before is given as `<link> -> <folder>`.
    """
    files, links = [], []
    entered = {folder.resolve(): folder}
    todo = [folder]
    while todo:
        for path in sorted(todo.pop().iterdir()):
            is_of_training = path.name == "checkpoints" and (path.parent / "training.json").is_file()
            if path.name in IGNORED_FILES or is_of_training:
                continue
            if path.is_file():
                files.append(path)
            elif path.is_dir():
                first = entered.setdefault(path.resolve(), path)
                if first is path:
                    todo.append(path)
                else:
                    links.append(f"{_readable(path.relative_to(folder))} -> {_readable(first.relative_to(folder))}")
    return sorted(files), sorted(links)


def _folder_digest(folder: Path, files: Sequence[Path], cache_dir: Path, links: Sequence[str] = ()) -> str:
    """Return the SHA-256 of some files of a folder; it is cached until the size or a time of a file changes.

    Both times count: images and copies may give all files the same time of modification.
    """
    names = [_readable(path.relative_to(folder)) for path in files]
    found = zip(names, (path.stat() for path in files), strict=True)
    stats = [(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found]
    key = {"folder": _readable(folder.resolve()), "files": stats, **({"links": list(links)} if links else {})}
    memo = cache_dir / "fingerprints" / f"{fingerprint(key)}.json"
    try:
        return str(json.loads(memo.read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = hashlib.sha256()
    for name, path in zip(names, files, strict=True):
        digest.update(f"{name} {sha256_of(path)}\n".encode())
    for link in links:
        digest.update(f"{link}\n".encode())
    with contextlib.suppress(OSError):  # a cache that cannot be written to is no reason to stop here
        write_atomic(memo, json.dumps({"sha256": digest.hexdigest()}).encode())
    return digest.hexdigest()


def _readable(path: Path) -> str:
    """Return a path as text that can be encoded, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


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
    hint = f"{close} Or, {MODEL_WITHOUT_A_NETWORK}" if close.startswith("did") else MODEL_WITHOUT_A_NETWORK
    raise UserError(f"the checkpoint {checkpoint!r} is not in the cache, and the hub cannot be reached", hint)


@contextlib.contextmanager
def checkpoint_errors(
    name: str, revision: str | None, folder: str | Path = "", *, fails: str = "does not load", hint: str = COMPLETE
) -> Iterator[None]:
    """Raise whatever a library raises of a checkpoint as a UserError that names it.

    revision: the commit on the hub, None for a folder. folder: the local folder, whose files are looked at to say what
    is wrong. fails: what the checkpoint does not do, `hint` what to do about it. Errors of memory and of a full disk
    are left to those that tell them apart.
    """
    try:
        if revision is None:
            with _refused_code(name):
                yield
        else:
            with hub_errors(f"the checkpoint {name!r}"), _refused_code(name):
                yield
    except (UserError, MemoryError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        if is_disk_full(error) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error):
            raise
        if revision is not None and isinstance(error, OSError) and is_offline():
            what = f"the checkpoint {name!r} is not in the cache, and the hub cannot be reached"
            raise UserError(what, MODEL_WITHOUT_A_NETWORK) from error
        fault = None
        with contextlib.suppress(OSError, ValueError):
            fault = _broken_file(Path(folder)) if revision is None and folder else None
        if fault is not None:
            raise UserError(f"the checkpoint {name!r} {fails}: {fault}", COMPLETE) from error
        raise UserError(f"the checkpoint {name!r} {fails}: {_reason(error)}", hint) from error


@contextlib.contextmanager
def _refused_code(name: str) -> Iterator[None]:
    """Raise UserError where a library refuses to run code of a checkpoint; its message names the argument."""
    try:
        yield
    except Exception as error:
        if "trust_remote_code" not in str(error):
            raise
        raise UserError(
            f"the checkpoint {name!r} needs code of its own", "read that code; --trust_remote_code runs it"
        ) from error


def _reason(error: BaseException) -> str:
    """Return the first lines of an error's message, with the error's type where the message alone would say little."""
    if type(error).__name__ == "UnpicklingError":  # whose message recommends to run what the file holds
        return "its weights are not a file of tensors, and a pickle of anything else is not opened"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = " ".join(lines[: 2 if lines[0].endswith(":") else 1])[:SHOWN]
    plain = isinstance(error, OSError | ValueError | RuntimeError | ImportError) and not isinstance(error, UnicodeError)
    return line if plain or line == type(error).__name__ else f"{type(error).__name__}: {line}"


def _broken_file(folder: Path) -> str | None:
    """Return what is wrong with a file of a checkpoint's folder, as far as its beginning shows; None where nothing."""
    files = checkpoint_files(folder)[0] if folder.is_dir() else [folder] if folder.is_file() else []
    for file in files:
        if file.suffix not in (".json", *WEIGHTS):
            continue
        name = file.relative_to(folder) if file != folder else file.name
        with file.open("rb") as content:
            start = content.read(512).lstrip()
        if not start:
            return f"{name} is empty"
        if start.startswith(b"version https://git-lfs"):
            return f"{name} is the pointer of git-lfs to a file, not the file itself: git lfs pull gets it"
        if start.lower().startswith((b"<!doctype", b"<html")):
            return f"{name} is a web page"
        if file.suffix == ".json" and (fault := _json_fault(file)) is not None:
            return f"{name} {fault}"
    return _missing_module(folder)


def _json_fault(file: Path) -> str | None:
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return "is no JSON"
    if file.name == "modules.json":
        return (
            None
            if isinstance(content, list) and all(isinstance(row, dict) for row in content)
            else "is no list of modules"
        )
    is_object = "config" in file.name or file.name == "tokenizer.json"
    return "holds no JSON object" if is_object and not isinstance(content, dict) else None


def _missing_module(folder: Path) -> str | None:
    """Return which file a sentence-transformers model lacks that modules.json needs."""
    if not (folder / "modules.json").is_file():
        return None
    for module in json.loads((folder / "modules.json").read_bytes()):
        kind, part = str(module.get("type", "")).rpartition(".")[2], str(module.get("path", ""))
        if kind in CONFIGURED and not (folder / part / "config.json").is_file():
            return f"{Path(part) / 'config.json'}, which modules.json needs, is missing"
        if kind in WEIGHTED and not any((folder / part / name).is_file() for name in WEIGHTS_OF_MODULES):
            return f"{Path(part) / WEIGHTS_OF_MODULES[0]}, which modules.json needs, is missing"
    return None


def checkpoint_file(checkpoint: str, revision: str | None, name: str) -> bytes | None:
    """Return the content of a small file of a checkpoint, or None where it has none of this name.

    revision: the commit on the hub, None for a folder. Raises UserError where the hub cannot be read.
    """
    if revision is None:
        path = Path(checkpoint) / name
        return path.read_bytes() if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    with hub_errors(f"the checkpoint {checkpoint!r}"):
        try:
            offline = is_offline()
            found = hf_hub_download(checkpoint, name, revision=revision, token=hub_token(), local_files_only=offline)
            return Path(str(found)).read_bytes()
        except EntryNotFoundError:
            return None


def checkpoint_json(checkpoint: str, revision: str | None, name: str) -> dict[str, Any]:
    """Return the JSON object in a file of a checkpoint; an empty one where there is none, or something else in it."""
    content = checkpoint_file(checkpoint, revision, name)
    try:
        found = json.loads(content) if content is not None else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def model_config(checkpoint: str, revision: str | None) -> dict[str, Any]:
    """Return the config.json of a checkpoint; of adapters alone, that of the checkpoint that they belong to.

    Raises UserError where that is a folder which is not there.
    """
    found = checkpoint_json(checkpoint, revision, "config.json")
    about = checkpoint_json(checkpoint, revision, ADAPTER) if not found else {}
    base = about.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        return found
    if Path(base).is_dir():
        return checkpoint_json(base, None, "config.json")
    if Path(base).is_absolute():
        what = f"the adapters in {checkpoint} belong to the checkpoint {base}, which is not there"
        raise UserError(what, f"put it back, or write its place into base_model_name_or_path of {ADAPTER}")
    return checkpoint_json(base, about.get("revision") or "main", "config.json")


def check_adapter(checkpoint: str, revision: str | None, name: str) -> None:
    """Raise UserError for a checkpoint with an adapter (LoRA) where the package that loads it is not installed.

    transformers would leave the adapter out without a word, and compute the base model.
    """
    if importlib.util.find_spec("peft") is None and checkpoint_file(checkpoint, revision, ADAPTER):
        raise UserError(
            f"the checkpoint {name!r} has an adapter (adapter_config.json), which needs the package peft",
            "pip install peft, or merge the adapter into the weights (merge_and_unload) and save them",
        )
