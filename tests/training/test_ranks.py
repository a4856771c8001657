"""A training by two processes gives the weights of one, and only the first process writes and prints."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import Nursery
from safetensors.numpy import load_file
from script_runner import ROOT
from tiny_encoders import bert_config, make_encoder

from utils.errors import UserError
from utils.training import loop, ranks
from utils.training.parts import shares_of

Run = Callable[..., Any]
WORDS = ["cat", "dog", "house", "tree", "rain", "snow", "wood", "roof"]
COMMON = ("--batch_size", "6", "--learning_rate", "0.001", "--output", "out")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # each process draws its own
    return make_encoder(tmp_path_factory.mktemp("encoder"), bert_config(**plain))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """With one thread, as launchers start processes: more of them would wait for the cores."""
    heavy = ("torch", "transformers.trainer", "sentence_transformers", "accelerate", "matplotlib.pyplot", "pandas")
    found = Nursery(heavy, {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"})
    yield found
    found.close()


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")


def contrastive(folder: Path) -> tuple[str, ...]:
    rows = [
        {"query": f"the {word} {number}", "pos": [f"a {word} sat there {number}"], "neg": [f"no {word}" * (1 + number)]}
        for number in range(2)
        for word in WORDS[:7]
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return ("--objective", "contrastive", "--dataset", "rows.jsonl", "--epochs", "1")


def started(nursery: Nursery, folder: Path, command: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Run a command as two processes that train together; return their exit codes and what they wrote."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    usual = {**os.environ, **place, "MINERS_DATA_DIR": "", "MINERS_CACHE_DIR": str(folder / "cache")}
    processes = [
        nursery.start([str(ROOT / "finetune.py"), *command], folder, {**usual, "RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    found = []
    for process in processes:
        out, err = process.communicate(timeout=600)
        found.append((process.wait(), out, err))
    return found


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(run_in: Run, nursery: Nursery, checkpoint: Path, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        command = (*contrastive(folder), "--model_checkpoint", str(checkpoint), *COMMON)
    alone = run_in(folders[0], "finetune.py", *command)
    assert alone.returncode == 0, alone.stderr
    (code, out, err), other = started(nursery, folders[1], command)
    assert code == 0, err
    assert other == (0, "", "")
    assert "2 processes share each batch of 6 examples" in err and "model: out" in out
    first, second = (load_file(folder / "out" / "model.safetensors") for folder in folders)
    for name, value in first.items():
        if not name.endswith("key.bias"):  # its gradient is zero but for rounding
            np.testing.assert_allclose(second[name], value, rtol=0, atol=2e-6, err_msg=name)
    records = [json.loads((folder / "out" / "training.json").read_text()) for folder in folders]
    assert [record.get("processes") for record in records] == [None, 2]
    assert records[0]["steps"] == records[1]["steps"] and records[0]["run"] == records[1]["run"]


def test_a_batch_that_does_not_divide(two: None) -> None:
    assert ranks.share_of(6) == 3
    with pytest.raises(UserError, match="--batch_size 7 in 2 processes"):
        ranks.share_of(7)


def test_every_text_is_embedded_by_one_process(two: None) -> None:
    lengths = np.array([5, 9, 2, 7, 3], dtype=np.int64)
    shares = shares_of(lengths, 10, None)
    assert [[part.tolist() for part in share] for share in shares] == [[[1], [0, 4]], [[3], [2]]]
    assert [[part.tolist() for part in share] for share in shares_of(lengths[:1], 10, None)] == [[[0]], []]


def test_memory_that_runs_out_in_one_process_is_an_error(two: None) -> None:
    with pytest.raises(ranks.OwnError, match="process 1 of 2: out of memory with 4 examples"):
        loop._half(4, 8, MemoryError())


def test_a_variable_that_no_launcher_set_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    assert ranks.count() == 1 and ranks.is_first()
