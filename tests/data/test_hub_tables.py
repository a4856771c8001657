"""Tables of the hub's data sets: what is read without the `datasets` library is what that library reads."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from utils.data import hub_tables
from utils.data.bitext import load_bitext
from utils.data.bitext_sets import BITEXT
from utils.data.classification_sets import CLASSIFICATION
from utils.data.hub_tables import HubTable, TableMemo, read_hub_table
from utils.data.parquet_files import find_parquet_files, read_parquet_files
from utils.data.prompted_sets import PROMPTED
from utils.data.sources import Sources
from utils.errors import UserError
from utils.schema import DatasetSpec

CONFIGS = """---
license: other
configs:
- config_name: default
  default: true
  data_files:
  - split: train
    path: train.parquet
  - split: test
    path: "{path}"
- config_name: b
  data_files:
  - split: test
    path: test/b.parquet
---
configs: none of this is read
""".replace('"', "")


def write_table(path: Path, *texts: str, langs: tuple[str, ...] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": list(texts), "lang": list(langs) or ["x"] * len(texts)}), path)


def converted(folder: Path) -> Path:
    """Write the layout of a Parquet conversion: a folder per configuration and split, its files numbered."""
    for split in ("train", "validation", "test"):
        for number in (1, 0):
            write_table(folder / "a" / split / f"000{number}.parquet", f"{split} {number}", "x")
    return folder


def with_readme(folder: Path, path: str = "test/*.parquet") -> Path:
    """Write a README that names the files of each configuration and split."""
    write_table(folder / "train.parquet", "train")
    for name in ("c", "a", "b", ".hidden"):
        write_table(folder / "test" / f"{name}.parquet", f"test {name}", "x")
    (folder / "README.md").write_text(CONFIGS.format(path=path), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("build", "config", "split"),
    [
        (converted, "a", "train"),
        (converted, "a", "test"),
        (with_readme, None, "test"),
        (with_readme, None, "train"),
        (with_readme, "b", "test"),
    ],
)
def test_known_layouts_are_read_as_the_datasets_library_reads_them(
    build: object, config: str | None, split: str, tmp_path: Path
) -> None:
    import datasets

    folder = build(tmp_path / "set")  # type: ignore[operator]
    files = find_parquet_files(folder, config, split)
    own = read_parquet_files(files)
    by_folder = config is not None and (folder / config).is_dir()
    theirs = datasets.load_dataset(
        str(folder),
        name=None if by_folder else config,
        data_dir=config if by_folder else None,
        split=split,
        cache_dir=str(tmp_path / "cache"),
    )
    assert files and own is not None
    assert own.to_pydict() == theirs.to_dict()


def test_other_layouts_are_left_to_the_datasets_library(tmp_path: Path) -> None:
    folder = converted(tmp_path / "a")
    assert find_parquet_files(folder, "b", "test") == [] == find_parquet_files(folder, "a", "dev")
    (folder / "a" / "train.csv").write_text("text\nx\n")
    assert find_parquet_files(folder, "a", "test") == []
    for number, path in enumerate(["**/*.parquet", "test/[ab].parquet", "test/a.csv", "'test/a.parquet'", "[a, b]"]):
        assert find_parquet_files(with_readme(tmp_path / str(number), path), None, "test") == []
    folder = with_readme(tmp_path / "other")
    assert find_parquet_files(folder, "nothing", "test") == [] == find_parquet_files(folder, None, "validation")
    (folder / ".huggingface.yaml").write_text("configs: []")
    assert find_parquet_files(folder, None, "test") == []


def test_files_that_cannot_be_joined_are_left_to_the_datasets_library(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", "x")
    pq.write_table(pa.table({"text": [1]}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_text("no parquet")
    assert read_parquet_files([tmp_path / "a.parquet", tmp_path / "b.parquet"]) is None
    assert read_parquet_files([tmp_path / "c.parquet"]) is None


def test_rows_with_a_value_keep_their_order() -> None:
    table = HubTable(pa.table({"text": ["1", "2", "3", "4", "5"], "lang": ["b", "a", "b", None, "a"]}))
    assert table.rows_with("lang", "b")["text"].to_pylist() == ["1", "3"]
    assert table.rows_with("lang", "a")["text"].to_pylist() == ["2", "5"]
    assert table.rows_with("lang", "c").num_rows == 0


def test_tables_in_memory_are_bounded_and_the_oldest_goes_first() -> None:
    table = pa.table({"a": list(range(1000))})
    memo, loaded = TableMemo(limit=2 * table.nbytes), list[str]()

    def load(key: str) -> pa.Table:
        loaded.append(key)
        return table

    for key in ("a", "b", "a", "c", "a", "b"):
        memo.get(key, lambda key=key: load(key))  # type: ignore[misc]
    assert loaded == ["a", "b", "c", "b"]


@pytest.fixture
def mirrored(tmp_path: Path) -> tuple[DatasetSpec, Sources]:
    spec = dataclasses.replace(BITEXT["nusax"], source="org/made")
    return spec, Sources(tmp_path / "mirror", tmp_path / "cache")


def test_every_configuration_is_read_once(
    mirrored: tuple[DatasetSpec, Sources], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, sources = mirrored
    for lang in ("eng", "ace", "ban"):
        path = sources.data_dir / spec.source / lang / "train" / "0000.parquet"  # type: ignore[operator]
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table({"id": [1], "text": [lang]}), path)
    read: list[str] = []
    monkeypatch.setattr(hub_tables, "read_parquet_files", lambda files: read.extend(files) or read_parquet_files(files))
    for target in ("ace", "ban", "ace"):
        assert load_bitext(spec, "eng", target, sources).targets == (target,)
    assert len(read) == 3


def test_a_mirror_with_the_hubs_loading_script_is_told_from_a_broken_one(tmp_path: Path) -> None:
    nusax, folder = BITEXT["nusax"], tmp_path / "mirror" / BITEXT["nusax"].source
    (folder / "data").mkdir(parents=True)
    (folder / "NusaX-senti.py").write_text("import datasets\n")
    (folder / "data" / "train.csv").write_text("id,text\n1,x\n")
    with pytest.raises(UserError) as caught:
        read_hub_table(nusax, Sources(tmp_path / "mirror", tmp_path / "cache"), ["text"], "eng")
    assert "has the hub's loading script" in caught.value.what
    assert f"hf download {nusax.source} --repo-type dataset --revision refs/convert/parquet" in caught.value.hint


def test_a_pointer_of_git_lfs_is_told_from_a_broken_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nusax, folder = BITEXT["nusax"], tmp_path / "mirror" / BITEXT["nusax"].source / "eng" / "train"
    folder.mkdir(parents=True)
    (folder / "0000.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(UserError) as caught:
        read_hub_table(nusax, Sources(tmp_path / "mirror", tmp_path / "cache"), ["text"], "eng")
    assert "eng/train/0000.parquet is a pointer of git-lfs" in caught.value.what and "git lfs pull" in caught.value.hint
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_broken_file(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def fill(*args: object, **flags: object) -> None:
        raise datasets.exceptions.DatasetGenerationError("An error occurred") from OSError(number, os.strerror(number))

    monkeypatch.setattr(datasets, "load_dataset", fill)
    (tmp_path / "mirror" / BITEXT["nusax"].source).mkdir(parents=True)
    with pytest.raises(UserError, match="no space is left on the disk"):
        read_hub_table(BITEXT["nusax"], Sources(tmp_path / "mirror", tmp_path / "cache"), ["text"], "eng")


def test_a_missing_column_and_a_broken_file_are_named(mirrored: tuple[DatasetSpec, Sources]) -> None:
    spec, sources = mirrored
    folder = sources.data_dir / spec.source  # type: ignore[operator]
    write_table(folder / "eng" / "train" / "0000.parquet", "x")
    with pytest.raises(UserError) as caught:
        read_hub_table(spec, sources, ("text", "id"), "eng", "train")
    assert caught.value.what == "org/made has no column 'id'; it has text, lang" and "mirror" in caught.value.hint
    with pytest.raises(UserError) as caught:
        read_hub_table(spec, sources, ("text",), "ace", "train")
    assert caught.value.what == "the mirror's org/made has no ace, but eng" and "--langs" in caught.value.hint
    (folder / "ace" / "train").mkdir(parents=True)
    (folder / "ace" / "train" / "0000.parquet").write_text("broken")
    with pytest.raises(UserError) as caught:
        read_hub_table(spec, Sources(sources.data_dir, sources.cache_dir / "b"), ("text",), "ace", "train")
    assert "the mirror's org/made (configuration 'ace', split 'train')" in caught.value.what


def test_a_mirror_whose_files_are_numbered_says_which_languages_it_has(tmp_path: Path) -> None:
    spec = PROMPTED["xnli"]
    for lang in ("de", "sw"):
        write_table(tmp_path / "mirror" / spec.source / lang / "test-00000-of-00001.parquet", "x")
    write_table(tmp_path / "mirror" / spec.source / "fr" / "validation-00000-of-00001.parquet", "x")
    with pytest.raises(UserError) as caught:
        read_hub_table(spec, Sources(tmp_path / "mirror", tmp_path / "cache"), ["text"], "th", "test")
    assert caught.value.what == "the mirror's facebook/xnli has no th, but de, sw"
    assert caught.value.hint == "choose languages that it has with --langs, or copy the rest"


def test_a_mirror_without_the_test_split_says_how_the_other_one_is_tested(tmp_path: Path) -> None:
    spec = CLASSIFICATION["massive_intent"]
    write_table(tmp_path / "mirror" / spec.source / "validation.parquet", "x")
    with pytest.raises(UserError) as caught:
        read_hub_table(spec, Sources(tmp_path / "mirror", tmp_path / "cache"), ["text"], split="test")
    assert "(split 'test') does not load: Unknown split \"test\"" in caught.value.what
    assert caught.value.hint == "complete it, or give --split validation where the script has this flag"
