"""Where the bytes are: a mirror under the data folder first, then the hub or a repository at a pinned commit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.files import sha256_of, write_atomic
from utils.hub import WITHOUT_A_NETWORK, forget_downloads, hub_errors, hub_token, is_offline, wants_offline
from utils.schema import DatasetSpec, Origin

if TYPE_CHECKING:
    import pyarrow as pa

PROJECT = Path(__file__).resolve().parents[2]
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
    if folder.is_dir():
        return folder
    _note_not_mirrored(source)
    return None


@lru_cache
def _note_not_mirrored(source: str) -> None:
    print(f"note: --data_dir has no folder {source}: it is asked of the hub", file=sys.stderr)


def planned_origin(spec: DatasetSpec, where: Where) -> dict[str, str | None]:
    """Return where a data set will be read from, without reading it: part of what makes two records the same."""
    kind = "mirror" if spec.kind in ("hub", "files") and mirror_folder(spec.source, where) else spec.kind
    return {"kind": kind, "source": spec.source, "revision": spec.revision}


def read_hub_table(
    spec: DatasetSpec, where: Where, columns: Sequence[str], config: str | None = None, split: str | None = None
) -> tuple[pa.Table, Origin]:
    """Return a split of a hub data set as an Arrow table, with where it came from.

    `config` names a configuration, None the default one; `split` is the row's own where it is not given. Raises
    UserError where the set, the configuration, the split or a column is missing.
    """
    folder = mirror_folder(spec.source, where)
    split = split or str(spec.options["split"])
    converted = str(spec.revision).startswith("refs/convert")  # a configuration is a folder there
    if folder is not None:
        converted = config is not None and (folder / config).is_dir()
        table = _load_table(str(folder), None, config, converted, split, str(where.cache_dir))
        origin = Origin("mirror", spec.source, None)
    else:
        revision = _resolve_revision(spec.source, spec.revision)
        table = _load_table(spec.source, revision, config, converted, split, str(where.cache_dir))
        origin = Origin("hub", spec.source, revision)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise UserError(
            f"{spec.source} has no column {', '.join(map(repr, missing))}; it has {', '.join(table.column_names)}",
            "the data set has changed since its row in utils/registry.py was written, or the mirror is of another one",
        )
    return table, origin


@lru_cache(maxsize=4)  # a pivot language stays in memory while its pairs are read
def _load_table(
    path: str, revision: str | None, config: str | None, converted: bool, split: str, cache_dir: str
) -> pa.Table:
    on_hub = not Path(path).is_dir()
    if on_hub:
        is_offline()  # before the library is imported: it reads the setting once
    what = f"the data set {path!r}" if on_hub else f"the mirror's {Path(path).parent.name}/{Path(path).name}"
    asked = f" ({f'configuration {config!r}, ' if config else ''}split {split!r})"
    with hub_errors(what, asked, local=not on_hub):
        import datasets
        import pyarrow as pa

        datasets.disable_progress_bars()
        datasets.logging.set_verbosity_error()
        try:
            loaded = datasets.load_dataset(
                path,
                name=None if converted else config,
                data_dir=config if converted else None,
                split=split,
                revision=revision,
                token=hub_token(),
                cache_dir=str(Path(cache_dir) / "datasets"),
            )
        except (pa.ArrowInvalid, datasets.exceptions.DatasetGenerationError) as error:
            cause = str(error.__cause__ or error).splitlines()[0]
            if "BatchSize must be greater than 0" in cause:
                raise UserError(f"{what}{asked}: a split has no rows", "its files are empty at the source") from error
            hint = "is the copy whole?"
            if on_hub:
                forget_downloads(path, "dataset")
                hint = "the broken download was removed: give the same command again"
            raise UserError(f"{what}{asked}: a file is broken ({cause})", hint) from error
        return loaded.with_format("arrow")[:]


@lru_cache
def _resolve_revision(source: str, revision: str | None) -> str | None:
    """Turn a moving name (refs/convert/parquet) into the commit that it stands for now, where the hub answers."""
    if revision is None or not revision.startswith("refs/") or is_offline():
        return revision  # without a network the libraries' own cache may still have it under this name
    from huggingface_hub import HfApi

    with hub_errors(f"the data set {source!r}"):
        return HfApi().dataset_info(source, revision=revision, token=hub_token()).sha


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
    if wants_offline():
        raise UserError(
            f"the file {path} of {spec.source} is not in the cache, and HF_HUB_OFFLINE is set", WITHOUT_A_NETWORK
        )
    import httpx2

    try:
        answer = httpx2.get(url, timeout=TIMEOUT_S, follow_redirects=True)
        answer.raise_for_status()
    except httpx2.HTTPStatusError as error:
        status = error.response.status_code
        raise UserError(f"{spec.source}: the server answered {status} for {path}", "try again later") from error
    except httpx2.HTTPError as error:
        reason = type(error).__name__
        raise UserError(f"{spec.source}: {path} cannot be downloaded ({reason})", WITHOUT_A_NETWORK) from error
    write_atomic(local, answer.content)
