"""Tables of data sets on the hub: from the mirror where it has them, else from the hub at the pinned revision."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from utils.data.parquet_files import (
    find_parquet_files,
    folders_of_configs,
    is_conversion,
    names_config,
    read_parquet_files,
)
from utils.data.sources import Sources, mirror_folder
from utils.data.subsets import Origin
from utils.errors import UserError, first_line, is_disk_full
from utils.hub import DATA_WITHOUT_A_NETWORK, forget_downloads, hub_errors, hub_token, is_offline
from utils.schema import DatasetSpec

if TYPE_CHECKING:
    import pyarrow as pa

KEPT_BYTES = 256 << 20  # of tables in memory: all languages of every registered data set take less


class HubTable:
    """A table in memory, and on demand its rows grouped by the values of a column."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._grouped: dict[str, tuple[pa.Table, dict[str, tuple[int, int]]]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return sum(table.nbytes for table in (self.table, *(grouped for grouped, _ in self._grouped.values())))

    def rows_with(self, column: str, value: str) -> pa.Table:
        """Return the rows that have this value in a column, in their order; a table without rows where none has."""
        if column not in self._grouped:
            self._grouped[column] = _group(self.table, column)
        grouped, places = self._grouped[column]
        return grouped.slice(*places.get(value, (0, 0)))


def _group(table: pa.Table, column: str) -> tuple[pa.Table, dict[str, tuple[int, int]]]:
    """Return the table with the rows of each value together, and each value's first row and number of rows."""
    import pyarrow.compute as pc

    grouped = table.take(pc.sort_indices(table, [(column, "ascending")]))  # a stable sort
    places, start = {}, 0
    for entry in pc.value_counts(grouped[column]).to_pylist():
        places[entry["values"]] = (start, entry["counts"])
        start += entry["counts"]
    return grouped, places


class TableMemo:
    """Tables that this process has read; beyond `limit` bytes those that were not used for longest are dropped."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._tables: dict[Hashable, HubTable] = {}  # the table used last stands last

    def get(self, key: Hashable, load: Callable[[], pa.Table]) -> HubTable:
        """Return the table of a key, loading it where it is not in memory."""
        found = self._tables.pop(key, None) or HubTable(load())
        self._tables[key] = found
        size = sum(table.nbytes for table in self._tables.values())
        while size > self.limit and len(self._tables) > 1:
            size -= self._tables.pop(next(iter(self._tables))).nbytes
        return found


_memo = TableMemo(KEPT_BYTES)


def read_hub_table(
    spec: DatasetSpec,
    sources: Sources,
    columns: Sequence[str],
    config: str | None = None,
    split: str | None = None,
    only: tuple[str, str] | None = None,
) -> tuple[pa.Table, Origin]:
    """Return one split of a data set of the hub as an Arrow table, and the origin of its bytes.

    columns: names that the table must have; it may have more.
    config: a configuration's name; None for the default one.
    split: a split's name; None for the split of the registry's row.
    only: a column and a value; rows with another value are left out.
    Raises UserError where the data set, the configuration, the split or a column is missing.
    """
    split = split or str(spec.options["split"])
    found, origin = _find_table(spec, sources, config, split)
    names = found.table.column_names
    missing = [column for column in columns if column not in names]
    if missing:
        raise UserError(
            f"{spec.source} has no column {', '.join(map(repr, missing))}; it has {', '.join(names)}",
            "the mirror's copy is of another version of the data set: copy it again"
            if origin.kind == "mirror"
            else f"the data set was changed on the hub since its row in utils/data/{spec.task}_sets.py was written",
        )
    return found.rows_with(*only) if only else found.table, origin


def _find_table(spec: DatasetSpec, sources: Sources, config: str | None, split: str) -> tuple[HubTable, Origin]:
    """Return a split from memory, the mirror or the hub, and its origin."""
    folder, cache_dir = mirror_folder(spec.source, sources, spec.kind), sources.cache_dir
    if folder is not None:
        found = _memo.get((folder, config, split), lambda: _mirrored_table(folder, config, split, cache_dir))
        return found, Origin("mirror", spec.source, None)
    revision = _resolve_revision(spec.source, spec.revision)
    converted = str(spec.revision).startswith("refs/convert")  # a configuration is a folder there
    found = _memo.get(
        (spec.source, revision, config, split),
        lambda: _load_table(spec.source, revision, config, split, cache_dir, converted=converted),
    )
    return found, Origin("hub", spec.source, revision)


def _mirrored_table(folder: Path, config: str | None, split: str, cache_dir: Path) -> pa.Table:
    """Read a split from the mirror, where its layout allows it without the `datasets` library."""
    files = find_parquet_files(folder, config, split)
    table = read_parquet_files(files) if files else None
    if table is not None and table.num_rows:
        return table
    is_missing = config is not None and not (folder / config).is_dir() and not names_config(folder, config)
    if is_missing and (there := folders_of_configs(folder, split)):
        raise UserError(
            f"the mirror's {folder.parent.name}/{folder.name} has no {config}, but {', '.join(there)}",
            "choose languages that it has with --langs, or copy the rest",
        )
    return _load_table(str(folder), None, config, split, cache_dir, converted=is_conversion(folder, config))


def _load_table(
    path: str, revision: str | None, config: str | None, split: str, cache_dir: Path, *, converted: bool
) -> pa.Table:
    """Load a split with the `datasets` library from a folder or from the hub; raises UserError for what it raises."""
    on_hub = not Path(path).is_dir()
    if on_hub:
        is_offline()  # before the library is imported: it reads the setting once
    what = f"the data set {path!r}" if on_hub else f"the mirror's {Path(path).parent.name}/{Path(path).name}"
    asked = f" ({f'configuration {config!r}, ' if config else ''}split {split!r})"
    with hub_errors(what, asked, local=not on_hub, without_network=DATA_WITHOUT_A_NETWORK):
        import datasets
        import pyarrow as pa

        datasets.disable_progress_bars()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what is wrong is told once, below
        try:
            loaded = datasets.load_dataset(
                path,
                name=None if converted else config,
                data_dir=config if converted else None,
                split=split,
                revision=revision,
                token=hub_token(),
                cache_dir=str(cache_dir / "datasets"),
            )
        except (pa.ArrowInvalid, datasets.exceptions.DatasetGenerationError) as error:
            if is_disk_full(error):
                raise  # not the fault of a file
            raise _broken(error, path, what + asked, on_hub=on_hub) from error
        except RuntimeError as error:
            if "scripts are no longer supported" not in str(error):
                raise
            raise _with_script(what, path) from error
        return loaded.with_format("arrow")[:]


def _broken(error: Exception, path: str, what: str, *, on_hub: bool) -> UserError:
    """Return the UserError for a file that cannot be read; what was downloaded is removed."""
    cause = first_line(error.__cause__ or error)
    if "BatchSize must be greater than 0" in cause:
        return UserError(f"{what}: a split has no rows", "its files are empty at the source")
    if not on_hub and (pointer := _pointer_in(Path(path))) is not None:
        what = f"{what}: {pointer} is a pointer of git-lfs, not the file itself"
        return UserError(what, f"run git lfs pull in {path}, or copy the data set with: hf download")
    if not on_hub:
        return UserError(f"{what}: a file cannot be read ({cause})", "copy the data set into the mirror again")
    forget_downloads(path, "dataset")
    return UserError(
        f"{what}: a file cannot be read ({cause})", "the broken download was removed: run the same command again"
    )


def _pointer_in(folder: Path) -> str | None:
    """Return the path of a file in a folder that git-lfs has not fetched; None where there is none."""
    for file in sorted(folder.rglob("*.*")):
        if file.is_file() and file.stat().st_size < 1024 and file.read_bytes().startswith(b"version https://git-lfs"):
            return file.relative_to(folder).as_posix()
    return None


def _with_script(what: str, path: str) -> UserError:
    """Return the UserError for a data set whose files are made by a script of its own, which is never run."""
    source = "/".join(Path(path).parts[-2:])
    return UserError(
        f"{what} has the hub's loading script in place of Parquet files; scripts are not run",
        f"copy the branch with its Parquet files into an empty folder of the mirror: hf download {source} "
        "--repo-type dataset --revision refs/convert/parquet --local-dir FOLDER",
    )


@lru_cache
def _resolve_revision(source: str, revision: str | None) -> str | None:
    """Return the commit that a moving name (refs/convert/parquet) stands for now, where the hub answers."""
    if revision is None or not revision.startswith("refs/") or is_offline():
        return revision  # without a network the libraries' own cache may still have it under this name
    from huggingface_hub import HfApi

    with hub_errors(f"the data set {source!r}", without_network=DATA_WITHOUT_A_NETWORK):
        return HfApi().dataset_info(source, revision=revision, token=hub_token()).sha
