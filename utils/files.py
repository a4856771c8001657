"""Atomic writes, JSON files, hashes, and the keys of texts and settings in caches."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from utils.errors import UserError, counted, is_disk_full, warn

PART = re.compile(r"\..*\.\d+\.[0-9a-f]{8}\.part")  # names of files that are being written
HASHED = 1 << 20  # bytes of a file that are read at once for its hash
SHORT = 100  # characters of a file's own name in such a name
BUILT, LOCK = ".part-", ".lock"  # folders that are being filled, and their locks
ABANDONED, ABANDONED_FOLDER = 3600, 86400  # seconds after which nobody writes such a file or unlocked folder any more
PAIRED, UNPAIRED = re.compile("[\ud800-\udbff][\udc00-\udfff]"), re.compile("[\ud800-\udfff]")


def text_key(text: str) -> str:
    """Return the key of a text: the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the key of settings: the first 32 hex digits of the SHA-256 of their canonical JSON."""
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that readers see either the old content or the new one, never a part of it.

    Raises OSError, which names the file, where it cannot be written; the old content is then still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    part = _part_of(path)
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


@lru_cache
def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder, once per process."""
    oldest = time.time() - ABANDONED
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if PART.fullmatch(entry.name) and entry.stat().st_mtime < oldest:
                Path(entry.path).unlink(missing_ok=True)


def write_output(path: Path, content: bytes) -> None:
    """Write a file to a path that the user chose, atomically; raises UserError where it cannot be written.

    What a link leads to is replaced, and a device or pipe, such as /dev/stdout, is written to.
    """
    try:
        if path.exists() and (not path.is_file() or path.absolute().parts[1:2] in (("dev",), ("proc",))):
            path.write_bytes(content)
        else:
            write_atomic(path.resolve(), content)
    except OSError as error:
        hint = "choose another path with --output or --output_dir"
        raise UserError(f"{path} cannot be written ({error.strerror})", hint) from error


@contextlib.contextmanager
def open_atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a file at a path that the user chose, to be written piece by piece; it takes its name when all is written.

    Where an error ends the writing, what was there before stays. Raises UserError where the file cannot be written.
    """
    part: Path | None = None
    try:
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path.parent)
        part = _part_of(path)
        with part.open("wb") as file:
            yield file
        os.replace(part, path)
    except OSError as error:
        hint = "choose another path with --output or --output_dir"
        raise UserError(f"{path} cannot be written ({error.strerror})", hint) from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()


def _part_of(path: Path) -> Path:
    """Return the name under which a file is written before it takes its own."""
    return path.with_name(f".{path.name[:SHORT]}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")


def build_folder(
    folder: Path, marker: str, write: Callable[[Path], None], is_whole: Callable[[Path], bool] | None = None
) -> Path:
    """Return `folder`, calling `write` to fill it where it does not contain the file `marker` yet.

    The content is written to a temporary folder that is then renamed, so that no incomplete folder is ever visible.
    What a killed process left is removed by the next one. is_whole: whether the files of a folder that is there fit
    each other; where they do not, a warning says so, and it is made again. Raises UserError where the disk is full.
    """
    if (folder / marker).is_file():
        if is_whole is None or is_whole(folder):
            return folder
        warn(f"{folder} is damaged; it is made again")
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(folder.parent) as part:
            write(part)
            try:
                part.rename(folder)
            except OSError:  # another process has made it meanwhile
                if not (folder / marker).is_file():
                    raise
    except Exception as error:
        if is_disk_full(error):
            hint = "free some space, or choose another place with --cache_dir"
            raise UserError(f"no space left on the disk for {folder}", hint) from error
        raise
    return folder


@contextlib.contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """Create a folder that is removed at the end, and remove those of processes that have ended.

    A process holds a lock as long as it uses its folder.
    """
    for lock in parent.glob(f"{BUILT}*{LOCK}"):
        with _locked(lock) as ours:
            if ours:
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
    for left in parent.glob(f"{BUILT}*"):  # of versions that held no lock
        if left.is_dir() and not left.with_name(left.name + LOCK).exists():
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > ABANDONED_FOLDER:
                    shutil.rmtree(left)
    part = parent / f"{BUILT}{uuid.uuid4().hex[:8]}"
    lock = part.with_name(part.name + LOCK)
    try:
        with _locked(lock):
            part.mkdir()
            yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        lock.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a file, which is created; yields whether no other process holds it."""
    import fcntl

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process holds it, or the file system has no locks
            yield False
        else:
            yield True


@contextlib.contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is created, once no other process holds it; not where no locks are possible."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        with contextlib.suppress(OSError):  # the file system has no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def held(path: Path, busy: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock of a file, which says which process holds it and is removed at the end; not without locks.

    busy: called with the name of another holder, as long as there is one; it waits for a while, or raises. A process
    that has died holds nothing. Raises OSError where the file cannot be written.
    """
    file = None
    while file is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # its holder has removed it, or the folder, meanwhile
            file = _try_to_hold(path, busy)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _try_to_hold(path: Path, busy: Callable[[str], object]) -> IO[str] | None:
    """Return the locked file; None where another process holds it, or held it when it was opened."""
    import fcntl

    file = path.open("a+")
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            busy(file.read(SHORT).strip() or "another process")
            file.close()
            return None
        except OSError:  # the file system has no locks
            pass
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.close()
            return None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def writable(text: str) -> tuple[str, int]:
    """Return a text with U+FFFD for halves of surrogate pairs, which cannot be written as UTF-8, and their number.

    Halves that belong together are joined.
    """
    if text.isascii():
        return text, 0
    return UNPAIRED.subn("\ufffd", PAIRED.sub(lambda pair: _joined(pair[0]), text))


def _joined(halves: str) -> str:
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write JSON atomically; raises ValueError for NaN and infinities.

    Characters that cannot be written are replaced, and counted on standard error.
    """
    text, n_replaced = writable(json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False))
    if n_replaced:
        warn(f"{path}: replaced by U+FFFD: {counted(n_replaced, 'character')} that no Unicode text has")
    write_atomic(path, f"{text}\n".encode())


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


def sha256_of(path: Path, advance: Callable[[int], object] | None = None) -> str:
    """Return the SHA-256 of a file as 64 hex digits; `advance` is told how many more bytes were read."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(HASHED):
            found.update(block)
            if advance is not None:
                advance(len(block))
    return found.hexdigest()
