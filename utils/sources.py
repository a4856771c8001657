"""Where the bytes are: a mirror under the data folder first, then the hub or a repository at a pinned commit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cache import write_atomic
from utils.schema import DatasetSpec, Origin, UserError

if TYPE_CHECKING:
    import pyarrow as pa

PROJECT = Path(__file__).resolve().parent.parent
FILES_URL = "https://raw.githubusercontent.com/{source}/{revision}/{path}"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Where:
    """The folders of one run: the mirror's root (None: no mirror) and the cache."""

    data_dir: Path | None
    cache_dir: Path


def mirror_folder(source: str, where: Where) -> Path | None:
    """Return `<data_dir>/<owner>/<name>` where the mirror has it, else None."""
    if where.data_dir is None:
        return None
    folder = where.data_dir / source
    return folder if folder.is_dir() else None


def planned_origin(spec: DatasetSpec, where: Where) -> dict[str, str | None]:
    """Return where a data set will be read from, without reading it: part of what makes two records the same."""
    kind = "mirror" if spec.kind in ("hub", "files") and mirror_folder(spec.source, where) else spec.kind
    return {"kind": kind, "source": spec.source, "revision": spec.revision}


def read_hub_table(
    spec: DatasetSpec, where: Where, columns: Sequence[str], config: str | None = None
) -> tuple[pa.Table, Origin]:
    """Return the split of a hub data set as an Arrow table, with where it came from.

    `config` names a folder of a parquet conversion (`<config>/<split>/*.parquet`); None reads the default
    configuration. Raises UserError where the set, the configuration, the split or a column is missing.
    """
    folder = mirror_folder(spec.source, where)
    split = spec.options["split"]
    if folder is not None:
        table = _load_table(str(folder), None, config, split, str(where.cache_dir))
        origin = Origin("mirror", spec.source, None)
    else:
        revision = _resolve_revision(spec.source, spec.revision)
        table = _load_table(spec.source, revision, config, split, str(where.cache_dir))
        origin = Origin("hub", spec.source, revision)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise UserError(
            f"{spec.source} has no column {', '.join(map(repr, missing))}; it has {', '.join(table.column_names)}",
            "the data set has changed since its row in utils/registry.py was written, or the mirror is of another one",
        )
    return table, origin


@lru_cache(maxsize=4)  # a pivot language stays in memory while its pairs are read
def _load_table(path: str, revision: str | None, config: str | None, split: str, cache_dir: str) -> pa.Table:
    with hub_errors(f"the data set {path if revision else Path(path).name!r}", config, split):
        import datasets

        datasets.disable_progress_bars()
        datasets.logging.set_verbosity_error()
        loaded = datasets.load_dataset(
            path, data_dir=config, split=split, revision=revision, cache_dir=str(Path(cache_dir) / "datasets")
        )
        return loaded.with_format("arrow")[:]


@lru_cache
def _resolve_revision(source: str, revision: str | None) -> str | None:
    """Turn a moving name (refs/convert/parquet) into the commit that it stands for now, where the hub answers."""
    if revision is None or not revision.startswith("refs/"):
        return revision
    with hub_errors(f"the data set {source!r}"):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import OfflineModeIsEnabled

        try:
            return HfApi().dataset_info(source, revision=revision).sha
        except OfflineModeIsEnabled:
            return revision  # the libraries' own cache may still have it under this name


@contextmanager
def hub_errors(what: str, config: str | None = None, split: str | None = None) -> Iterator[None]:
    """Turn what the hub's libraries raise into a UserError that says how to go on."""
    import httpx
    from huggingface_hub import errors as hub

    offline = (
        "without a network: --data_dir FOLDER (or MINERS_DATA_DIR) with a mirror laid out as <owner>/<name>, "
        "or a machine whose cache already has it; unset HF_HUB_OFFLINE to download"
    )
    try:
        yield
    except UserError:
        raise
    except hub.GatedRepoError as error:
        raise UserError(f"{what} is gated", "accept its terms on the hub and set HF_TOKEN") from error
    except hub.RevisionNotFoundError as error:
        raise UserError(
            f"{what}: the pinned revision is not on the hub", "has it been removed? see utils/registry.py"
        ) from error
    except (hub.OfflineModeIsEnabled, hub.LocalEntryNotFoundError, httpx.TransportError, ConnectionError) as error:
        raise UserError(f"{what} cannot be had: the hub is not reached ({type(error).__name__})", offline) from error
    except hub.RepositoryNotFoundError as error:
        raise UserError(
            f"{what} is not on the hub, or is private", "check the name; a private one needs HF_TOKEN"
        ) from error
    except hub.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        raise UserError(f"{what}: the hub answered {status}", "try again later; finished work is kept") from error
    except (ValueError, FileNotFoundError) as error:
        asked = ", ".join(f"{word} {value!r}" for word, value in (("configuration", config), ("split", split)) if value)
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{what} does not load{' (' + asked + ')' if asked else ''}: {first}", offline) from error


def read_file(spec: DatasetSpec, path: str, where: Where) -> tuple[Path, Origin]:
    """Return a local copy of one pinned file whose SHA-256 is the registry's, with where it came from."""
    folder = mirror_folder(spec.source, where)
    if folder is not None:
        local = folder / path
        if not local.is_file():
            raise UserError(
                f"the mirror has {spec.source} but not its file {path}", "complete the mirror, or leave out --data_dir"
            )
        origin = Origin("mirror", spec.source, None)
    else:
        local = where.cache_dir / "files" / spec.source / str(spec.revision) / path
        if not local.is_file():
            _download(spec, path, local)
        origin = Origin("files", spec.source, spec.revision)
    found, expected = sha256_of(local), spec.sha256[path]
    if found != expected:
        if origin.kind == "files":
            local.unlink()  # so that the next run downloads it again
        raise UserError(
            f"{spec.source}: {path} has SHA-256 {found[:12]}..., expected {expected[:12]}...",
            "the download was broken: run again"
            if origin.kind == "files"
            else "the mirror's file was altered: copy it again",
        )
    return local, origin


def _download(spec: DatasetSpec, path: str, local: Path) -> None:
    url = FILES_URL.format(source=spec.source, revision=spec.revision, path=path)
    hint = "without a network: --data_dir FOLDER (or MINERS_DATA_DIR) with a mirror laid out as <owner>/<name>"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise UserError(f"the file {path} of {spec.source} is not in the cache and HF_HUB_OFFLINE is set", hint)
    import httpx

    try:
        answer = httpx.get(url, timeout=TIMEOUT_S, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise UserError(f"{spec.source}: the server answered {error.response.status_code} for {path}", hint) from error
    except httpx.HTTPError as error:
        raise UserError(f"{spec.source}: {path} cannot be downloaded ({type(error).__name__})", hint) from error
    write_atomic(local, answer.content)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
