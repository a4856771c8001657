#!/usr/bin/env python3
"""Peak memory of retrieval over many passages: the search of a memory map, and the whole of retrieval.py.

    python bench/retrieval_memory.py
    python bench/retrieval_memory.py --passages 200000 --only command --folder /scratch
    python bench/retrieval_memory.py --passages 50000 --dim 128 --only search --kinds multi-vector sparse

`search` writes random rows of each of --kinds to files, and searches them in a process of its own. `command` writes a
folder in BEIR's layout and a static encoder with random weights, and runs retrieval.py on them, with an empty cache and
with a full one. It does so a second time with vectors of 8 numbers, which shows what the texts need by themselves.
Memory is counted in two ways: `private` is what the process has allocated, `mapped` the pages of files that it has in
memory, its libraries included. Everything is written to a temporary folder and removed. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import path, positive
from utils.retrieval.token_rows import TokenRows, offsets_of

SEARCH = """
import sys, time
import numpy as np
from bench.retrieval_memory import rows_of
from utils.retrieval.topk import topk
kind, folder, n, k = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
rows, queries = rows_of(kind, folder), rows_of(kind, folder, n)
import torch
topk(queries[:8], rows_of(kind, folder, 512), min(k, 8))
print("ready", flush=True)
sys.stdin.readline()
start = time.perf_counter()
topk(queries, rows, k)
print(time.perf_counter() - start)
"""
KINDS = ("dense", "multi-vector", "sparse")
LENGTH = 50  # vectors of a passage of a multi-vector encoder
SPARSE_WIDTH = 30_000
VALUES = 120  # that are not 0, of a row of a sparse encoder
EVERY = 0.01  # seconds between two looks at a process
FEW = 8  # dimensions of the second encoder
WORDS = 5000
Peak = dict[str, float]


def memory_of(process: int) -> Peak:
    """Return the private and the mapped memory of a process in MiB; nothing of one that has ended."""
    names = {"RssAnon:": "private", "RssFile:": "mapped", "RssShmem:": "mapped"}
    found: Peak = {}
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            name = names.get(line.split()[0])
            if name:
                found[name] = found.get(name, 0) + int(line.split()[1]) / 1024
    except (OSError, IndexError):
        return {}
    return found


def watch(process: subprocess.Popen[str]) -> Peak:
    """Return the greatest private and mapped memory of a process until it ends."""
    peak = {"private": 0.0, "mapped": 0.0}
    while process.poll() is None:
        for name, value in memory_of(process.pid).items():
            peak[name] = max(peak[name], value)
        time.sleep(EVERY)
    return peak


def measure_search(args: argparse.Namespace, folder: Path, kind: str) -> dict[str, object]:
    """Return the seconds of a search over files of vectors, and its peaks above what the process had before."""
    n_bytes = write_rows(kind, folder, args.passages, args.dim)
    command = [sys.executable, "-c", SEARCH, kind, str(folder), str(args.queries), str(args.k)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    process.stdout.readline()
    before = memory_of(process.pid)
    process.stdin.write("go\n")
    process.stdin.flush()
    peak = watch(process)
    for file in folder.glob("*.npy"):
        file.unlink()
    return {"MiB": n_bytes / 2**20, "seconds": float(process.stdout.read()), **_above(peak, before)}


def write_rows(kind: str, folder: Path, n: int, dim: int) -> int:
    """Write random rows of a kind to files, and return their bytes: vectors, or values and columns of sparse rows."""
    rng = np.random.default_rng(0)
    width = VALUES if kind == "sparse" else dim
    n *= LENGTH if kind == "multi-vector" else 1
    rows = np.lib.format.open_memmap(folder / "values.npy", mode="w+", dtype=np.float32, shape=(n, width))
    shape = (n if kind == "sparse" else 0, VALUES)
    columns = np.lib.format.open_memmap(folder / "columns.npy", mode="w+", dtype=np.int32, shape=shape)
    for start in range(0, n, 50_000):
        part = rows[start : start + 50_000]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32)
        if kind == "sparse":
            part[:] = np.abs(part)
            steps = rng.integers(1, SPARSE_WIDTH // VALUES, part.shape, dtype=np.int32)
            columns[start : start + 50_000] = np.cumsum(steps, axis=1, dtype=np.int32) - 1
    rows.flush()
    return rows.nbytes + columns.nbytes


def rows_of(kind: str, folder: str, n: int | None = None) -> Any:
    """Return the rows of `write_rows` as memory maps, or copies of the first n."""
    values, columns = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in ("values", "columns"))
    length = LENGTH if kind == "multi-vector" else 1
    if n is not None:
        values, columns = np.array(values[: n * length]), np.array(columns[: n * length])
    if kind == "dense":
        return values
    lengths = np.full(len(values) // length, length if kind == "multi-vector" else VALUES)
    if kind == "multi-vector":
        return TokenRows(values, offsets_of(lengths))
    from scipy.sparse import csr_array

    shape = (len(lengths), SPARSE_WIDTH)
    return csr_array((values.reshape(-1), columns.reshape(-1), offsets_of(lengths)), shape=shape)


def _above(peak: Peak, before: Peak) -> dict[str, float]:
    return {f"{name} above": peak[name] - before[name] for name in peak}


def make_data(args: argparse.Namespace, folder: Path) -> Path:
    """Write passages of ten words, and questions of six words of a passage, in BEIR's layout; return the folder."""
    data, rng = folder / "data", np.random.default_rng(0)
    (data / "qrels").mkdir(parents=True)
    with (data / "corpus.jsonl").open("w") as corpus:
        for number in range(args.passages):
            text = " ".join(f"w{word}" for word in rng.integers(WORDS, size=10))
            corpus.write(json.dumps({"_id": f"p{number:07}", "text": text}) + "\n")
            if number < args.queries:
                with (data / "queries.jsonl").open("a") as queries, (data / "qrels" / "test.tsv").open("a") as qrels:
                    queries.write(json.dumps({"_id": f"q{number}", "text": " ".join(text.split()[:6])}) + "\n")
                    qrels.write(
                        ("query-id\tcorpus-id\tscore\n" if not number else "") + f"q{number}\tp{number:07}\t1\n"
                    )
    return data


def make_encoder(folder: Path, dim: int) -> Path:
    """Save a static encoder with random weights, and return its folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, **{f"w{word}": word + 1 for word in range(WORDS)}}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    weights = np.random.default_rng(0).standard_normal((WORDS + 1, dim), dtype=np.float32)
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu").save(str(folder))
    return folder


def measure_command(data: Path, encoder: Path, folder: Path, k: int) -> dict[str, object]:
    """Return the seconds and peaks of retrieval.py, with an empty cache and with a full one."""
    found: dict[str, object] = {}
    for state in ("empty", "full"):
        places = ["--cache_dir", str(folder / "cache"), "--output_dir", str(folder / f"logs_{state}")]
        command = [sys.executable, "retrieval.py", "--dataset", str(data), "--model_checkpoint", str(encoder)]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--k", str(k), *places],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        peak = watch(process)
        if process.returncode:
            raise RuntimeError(f"retrieval.py ended with the exit code {process.returncode}")
        found[f"{state} cache"] = {"seconds": time.perf_counter() - start, **peak}
    return found


def measure(args: argparse.Namespace) -> None:
    """Print the figures, and write them to bench/results/."""
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        if "search" in args.only:
            figures["search"] = {kind: measure_search(args, folder, kind) for kind in args.kinds}
        if "command" in args.only:
            data = make_data(args, folder)
            for dim in (args.dim, FEW):
                encoder = make_encoder(folder / f"encoder_{dim}", dim)
                figures[f"command, {dim} dimensions"] = measure_command(data, encoder, folder / str(dim), args.k)
    print(f"{args.queries:,} queries, {args.passages:,} passages, {args.dim} dimensions, k = {args.k}")
    print(json.dumps(figures, indent=2))
    about = {name: str(value) for name, value in vars(args).items()}
    write_results(f"retrieval_memory_{args.passages}x{args.dim}", {"args": about, **figures})


def main(argv: Sequence[str]) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Peak memory of retrieval over many passages.")
    parser.add_argument("--passages", type=positive, default=1_000_000)
    parser.add_argument("--queries", type=positive, default=100)
    parser.add_argument("--dim", type=positive, default=384)
    parser.add_argument("--k", type=positive, default=10)
    parser.add_argument("--only", nargs="+", choices=("search", "command"), default=("search", "command"))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=("dense",), help="of the rows of `search`")
    parser.add_argument("--folder", type=path, help="where temporary files are written (default: the system's folder)")
    measure(parser.parse_args(argv))


if __name__ == "__main__":
    run(main)
