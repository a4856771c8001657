"""mine.py --ray: the same bytes as without it, lost workers, and errors in two lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Run
from script_runner import TIMEOUT


@pytest.mark.slow
def test_two_nodes_mine_the_same_bytes_and_lost_workers_cost_the_task_in_hand(
    run: Run,
    tmp_path: Path,
    sides: list[str],
) -> None:
    pytest.importorskip("ray")
    script = ROOT / "tests" / "mining" / "ray_tasks.py"
    command = [sys.executable, str(script), sides[-1]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["workers"] == 2
    assert found["squares"] == [[["desk", n * n] for n in range(9)], 90]
    assert done.stderr.count("note: a worker was lost, and its task is given to another") == 1 + 1
    assert found["user"] == "a number below 0"
    assert found["hopeless"].startswith("2 workers died at the same task: ")
    assert found["hidden"] == (
        f"a node of the Ray cluster does not see what is written to the store {tmp_path / 'hidden'}"
    )
    assert found["cuda"] == "--cuda, but the Ray cluster has no GPU" and found["left"] == []
    assert run("mine.py", *sides, "--output", "here.tsv").returncode == 0
    assert (tmp_path / "ray.tsv").read_bytes() == (tmp_path / "here.tsv").read_bytes() != b""


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster at 127.0.0.1:1: [Errno 111] Connection refused"),
        ("127.0.0.1:99999", "no Ray cluster at 127.0.0.1:99999: "),
        ("cluster", "no Ray cluster at cluster: it is no HOST:PORT"),
    ],
)
def test_where_no_cluster_answers_is_told_at_once(run: Run, sides: list[str], address: str, message: str) -> None:
    pytest.importorskip("ray")
    done = run("mine.py", *sides, "--ray", address)
    assert done.returncode == 2 and done.stderr.splitlines()[-2].startswith(f"error: {message}")
    assert "`ray start --head`" in done.stderr.splitlines()[-1]


def test_without_ray_the_file_is_named(run: Run, sides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run("mine.py", *sides, "--ray")
    assert done.returncode == 2
    assert done.stderr == "error: the package ray is not installed\nhint: pip install -r requirements-cluster.txt\n"
