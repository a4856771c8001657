"""Where the bytes of data sets are: in a mirror, on the hub, or in a repository of files at a pinned commit."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from utils.data.subsets import Origin
from utils.errors import UserError
from utils.files import sha256_of, write_atomic
from utils.hub import DATA_WITHOUT_A_NETWORK, wants_offline
from utils.proxies import proxy_of
from utils.schema import DatasetSpec

PROJECT = Path(__file__).resolve().parents[2]
FILES_URL = "https://raw.githubusercontent.com/{source}/{revision}/{path}"
TIMEOUT_S = 60
ELSEWHERE = {"hub": "read from the hub", "files": "downloaded"}  # what a mirror lacks, by the kind of the data set


@dataclass(frozen=True)
class Sources:
    """Where a run reads data sets from.

    data_dir: root of a mirror laid out as <owner>/<name>, which is read before the hub; None for no mirror.
    cache_dir: folder for downloads.
    """

    data_dir: Path | None
    cache_dir: Path


def mirror_folder(source: str, sources: Sources, kind: str = "mirror") -> Path | None:
    """Return the folder `<data_dir>/<owner>/<name>` of a data set, or None where the mirror does not have it.

    kind: that of the data set, by which a note says where else it is read from.
    """
    if sources.data_dir is None:
        return None
    folder = sources.data_dir / source
    if folder.is_dir():
        return folder
    if kind in ELSEWHERE:
        _note_not_mirrored(source, ELSEWHERE[kind])
    return None


@lru_cache
def _note_not_mirrored(source: str, instead: str) -> None:
    print(f"note: --data_dir has no folder {source}: the data set is {instead}", file=sys.stderr)


def planned_origin(spec: DatasetSpec, sources: Sources) -> dict[str, str | None]:
    """Return the kind, source and revision of what a data set will be read from, without reading it.

    Of a task of mteb also the version of what reads it. They are part of a record's identity.
    """
    kind = "mirror" if spec.kind in ("hub", "files") and mirror_folder(spec.source, sources, spec.kind) else spec.kind
    version = {"version": spec.options["version"]} if "version" in spec.options else {}
    return {"kind": kind, "source": spec.source, "revision": spec.revision, **version}


def read_file(spec: DatasetSpec, path: str, sources: Sources) -> tuple[Path, Origin]:
    """Return the local path of a pinned file, downloading it where it is missing, and its origin.

    Raises UserError where the file cannot be had, or its SHA-256 differs from the one in the registry's row.
    """
    folder = mirror_folder(spec.source, sources, spec.kind)
    if folder is not None:
        local = folder / path
        if not local.is_file():
            raise UserError(
                f"the mirror has a folder {spec.source}, but not its file {path}",
                "add the file to the mirror, or run without --data_dir and MINERS_DATA_DIR to download it",
            )
        origin = Origin("mirror", spec.source, None)
    else:
        local = sources.cache_dir / "files" / spec.source / str(spec.revision) / path
        if not local.is_file():
            _download(spec, path, local)
        origin = Origin("files", spec.source, spec.revision)
    _check_digest(spec, path, local, origin)
    return local, origin


def _check_digest(spec: DatasetSpec, path: str, local: Path, origin: Origin) -> None:
    """Raise UserError where a file is not the pinned one; a broken download is removed."""
    found, expected = _digest(local), spec.sha256[path]
    if found == expected:
        return
    _digest.cache_clear()
    if origin.kind == "files":
        local.unlink()
    raise UserError(
        f"{spec.source}: {path} has SHA-256 {found[:12]}..., expected {expected[:12]}...",
        "the download was incomplete and has been removed: run the same command again"
        if origin.kind == "files"
        else "the file in the mirror was altered: copy it again",
    )


_digest = lru_cache(sha256_of)  # the file of a pivot language is used by every pair


def _download(spec: DatasetSpec, path: str, local: Path) -> None:
    """Download a pinned file; raises UserError where that fails."""
    url = FILES_URL.format(source=spec.source, revision=spec.revision, path=path)
    if wants_offline():
        raise UserError(
            f"the file {path} of {spec.source} is not in the cache, and HF_HUB_OFFLINE is set", DATA_WITHOUT_A_NETWORK
        )
    import httpx2

    proxy_of(url)  # an error where the library could not use it
    try:
        response = httpx2.get(url, timeout=TIMEOUT_S, follow_redirects=True)
        response.raise_for_status()
    except httpx2.HTTPStatusError as error:
        status = error.response.status_code
        raise UserError(
            f"{path} of {spec.source} cannot be downloaded: the server answered {status}", "try again later"
        ) from error
    except httpx2.HTTPError as error:
        reason = type(error).__name__
        raise UserError(f"{path} of {spec.source} cannot be downloaded ({reason})", DATA_WITHOUT_A_NETWORK) from error
    write_atomic(local, response.content)
