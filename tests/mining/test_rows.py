"""Stored rows: how each type rounds them, and that finished shards are reused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from utils.errors import UserError
from utils.mining.cleaning import Cleaning, cleaned
from utils.mining.collections import Collection
from utils.mining.row_store import LazyEncoder, encoded, packed, unpacked
from utils.mining.text_store import TextStore
from utils.schema import EncoderSpec


def test_types_round_to_the_nearest() -> None:
    rows = np.array([[1.0, -0.5, 0.1], [0.003, 0.001, -0.002]], dtype=np.float32)
    assert (unpacked(packed(rows, "float32"), "float32") == rows).all()
    assert (unpacked(packed(rows, "float16"), "float16") == rows.astype(np.float16)).all()
    torch = pytest.importorskip("torch")
    rounded = torch.from_numpy(rows).bfloat16().float().numpy()
    assert (unpacked(packed(rows, "bfloat16"), "bfloat16") == rounded).all()
    stored = packed(rows, "int8")
    assert stored.shape == (2, 7) and stored[:, :3].tolist() == [[127, -64, 13], [127, 42, -85]]
    assert np.abs(unpacked(stored, "int8") - rows).max() <= 0.5 / 127
    with pytest.raises(UserError, match="exceed the range of float16"):
        packed(rows * 1e6, "float16")


class Counting(LazyEncoder):
    """An encoder whose vectors are the lengths and first letters of texts, and that counts the texts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(EncoderSpec("count", "local"), "cpu", folder)
        self.seen: list[str] = []

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.seen += texts
        return np.array([[len(text), ord(text[0]), 1] for text in texts], dtype=np.float32)


@pytest.fixture
def texts(tmp_path: Path) -> TextStore:
    (tmp_path / "a.txt").write_text("".join(f"{'abcde'[i % 5]}{'x' * (i % 3)}\n" for i in range(10)))
    collection = Collection("source", (tmp_path / "a.txt",))
    return cleaned(collection, Cleaning(duplicates="none"), tmp_path / "store")


def test_shards_are_encoded_once_and_in_the_order_of_the_texts(tmp_path: Path, texts: TextStore) -> None:
    encoder = Counting(tmp_path)
    store = encoded(texts, encoder, "float32", 4, tmp_path / "store", "source")
    assert store.bounds == (0, 4, 8, 10) and len(store) == 10 and store.dimensions == 3
    expected = [[len(text), ord(text[0]), 1] for text in texts.texts(slice(None))]
    assert store.load(0, 3).tolist() == expected and store.load(1, 2).tolist() == expected[4:8]
    assert encoder.seen[:4] == ["cxx", "bx", "a", "d"]  # the longest first
    again = Counting(tmp_path)
    assert encoded(texts, again, "float32", 4, tmp_path / "store", "source") == store and again.seen == []
    store.paths[1].write_bytes(b"broken")
    assert encoded(texts, again, "float32", 4, tmp_path / "store", "source") == store and len(again.seen) == 4
    assert store.load(0, 3).tolist() == expected
    assert encoded(texts, again, "int8", 4, tmp_path / "store", "source").key() != store.key()


@pytest.mark.parametrize("other", [np.ones((4, 2), np.float32), np.ones(4, np.float32), np.ones((4, 3)), np.float32(1)])
def test_a_shard_of_another_shape_is_encoded_again(tmp_path: Path, texts: TextStore, other: object) -> None:
    store = encoded(texts, Counting(tmp_path), "float32", 4, tmp_path / "store", "source")
    whole, again = store.paths[1].read_bytes(), Counting(tmp_path)
    np.save(store.paths[1], np.asarray(other))
    encoded(texts, again, "float32", 4, tmp_path / "store", "source")
    assert store.paths[1].read_bytes() == whole and len(again.seen) == 4


def test_a_text_is_encoded_once_in_a_shard(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("b\na\nb\nb\n")
    kept = cleaned(Collection("source", (tmp_path / "a.txt",)), Cleaning(duplicates="none"), tmp_path / "store")
    encoder = Counting(tmp_path)
    store = encoded(kept, encoder, "float32", 9, tmp_path / "store", "source")
    assert encoder.seen == ["a", "b"] and store.load(0, 1)[:, 1].tolist() == [98, 97, 98, 98]
