#!/usr/bin/env python3
"""Exact top-k search, compared with other libraries on the same rows.

    python bench/retrieval.py
    python bench/retrieval.py --queries 5000 --candidates 100000 --dim 768 --data clustered --repeats 5
    python bench/retrieval.py --precisions --only none
    python bench/retrieval.py --rows embeddings.npy --queries 2000 --cuda

Needs torch only; faiss, sentence-transformers and scikit-learn are compared if they are installed. Each repeat runs all
of them in turn. Medians and ranges are printed and written to bench/results/. `product` is the matrix product in the
scan's precision and nothing else, a lower bound for any search that scores every pair. `--precisions` also measures the
suite with each precision of the scan forced, and how long the choice among them takes. Some rows of the suite's results
are checked against float64 scores of all candidates, rounded to float32.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._memory import peak_above, start_peak
from bench._results import write_results
from utils.cli.main import run
from utils.cli.types import positive
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.schema import Rows

TILE = 16384  # candidates per tile of the plain torch search
QUERIES = 1024


def make_rows(args: argparse.Namespace) -> tuple[Rows, Rows]:
    """Return queries (n, d) and candidates (m, d): random, clustered as embeddings of E5 are, or from a file."""
    n, m = args.queries, args.candidates
    if args.rows:
        found = load_rows(args.rows)
        picked = np.random.default_rng(0).permutation(len(found))
        if len(found) < n + m:
            what = f"{args.rows} has {len(found)} rows, --queries and --candidates ask for {n + m}"
            raise UserError(what, "use smaller numbers")
        return found[picked[:n]], found[picked[n : n + m]]
    rng = np.random.default_rng(0)
    q, c = (rng.standard_normal((size, args.dim), dtype=np.float32) for size in (n, m))
    if args.data == "clustered":  # cosines of 0.7 to 0.95
        centre = rng.standard_normal((1, args.dim), dtype=np.float32) * 2
        topics = rng.standard_normal((200, args.dim), dtype=np.float32) * 0.5
        q += centre + topics[rng.integers(0, 200, n)]
        c += centre + topics[rng.integers(0, 200, m)]
    return q, c


def load_rows(path: Path) -> Rows:
    """Return the rows (n, d) of a file that numpy.save wrote."""
    try:
        found = np.load(path)
    except ValueError as error:
        raise UserError(f"{path} is not a .npy file", "write the rows with numpy.save") from error
    if found.ndim != 2:
        raise UserError(f"{path} has the shape {found.shape}, expected (n, d)", "give one row per text")
    return np.asarray(found, dtype=np.float32)


def unit(rows: Rows) -> Rows:
    """Return the rows scaled to unit length."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def ours(q: Rows, c: Rows, k: int, device: str) -> Any:
    """Return the indices by the suite's search."""
    from utils.retrieval.topk import topk

    return topk(q, c, k, device=device).indices


def forced(precision: str) -> Callable[..., Any]:
    """Return the suite's search with a precision of the scan that is not chosen by the data."""

    def search(q: Rows, c: Rows, k: int, device: str) -> Any:
        from utils.retrieval.topk import topk

        return topk(q, c, k, device=device, precision=precision).indices

    return search


def choice(q: Rows, c: Rows, k: int, device: str) -> float:
    """Return the seconds that a first choice of the precision takes, its measurements of the machine included."""
    from utils.retrieval import scan_choice
    from utils.retrieval.topk import build_product

    scorer = build_product(q, c, "cosine", device)
    scan_choice.forget_rates()
    start = time.perf_counter()
    scan_choice.chosen_precision(scorer, k)
    _synchronize(device)
    return time.perf_counter() - start


def plain(q: Rows, c: Rows, k: int, device: str, dtype: torch.dtype = torch.float32) -> Any:
    """Return the indices by products of tiles and torch.topk."""
    a, b = (torch.from_numpy(unit(rows)).to(device, dtype) for rows in (q, c))
    found = []
    for start in range(0, len(a), QUERIES):
        values = torch.full((len(a[start : start + QUERIES]), k), -torch.inf, device=device)
        indices = torch.zeros_like(values, dtype=torch.long)
        for first in range(0, len(b), TILE):
            top = (a[start : start + QUERIES] @ b[first : first + TILE].T).float().topk(min(k, len(b) - first), dim=1)
            both = torch.cat((values, top.values), dim=1)
            order = both.topk(k, dim=1)
            values, indices = order.values, torch.cat((indices, top.indices + first), dim=1).gather(1, order.indices)
        found.append(indices)
    return torch.cat(found).cpu().numpy()


def by_faiss(q: Rows, c: Rows, k: int, device: str) -> Any:
    """Return the indices by faiss's exact index."""
    import faiss  # type: ignore[import-untyped, import-not-found, unused-ignore]

    index: Any = faiss.IndexFlatIP(c.shape[1])
    if device == "cuda":
        index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
    index.add(unit(c))
    return index.search(unit(q), k)[1]


def by_sentence_transformers(q: Rows, c: Rows, k: int, device: str) -> Any:
    """Return the indices by sentence-transformers' semantic_search."""
    from sentence_transformers.util import semantic_search

    found = semantic_search(torch.from_numpy(q).to(device), torch.from_numpy(c).to(device), top_k=k)
    return np.array([[hit["corpus_id"] for hit in row] for row in found])


def by_sklearn(q: Rows, c: Rows, k: int, device: str) -> Any:
    """Return the indices by scikit-learn's brute-force neighbours."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(c).kneighbors(q)[1]


def product(q: Rows, c: Rows, k: int, device: str) -> None:
    """Compute only the matrix products of the scan, in its precision."""
    from utils.retrieval.quantized_scan import CANDIDATE_TILE, QUERY_TILE
    from utils.retrieval.scan_choice import choose_scan
    from utils.retrieval.topk import build_product

    scan = choose_scan(build_product(q, c, "cosine", device), k)
    precision = scan.precision if scan is not None else "fp32"
    kind = {"int8": torch.int8, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    a = torch.ones((QUERY_TILE, q.shape[1] + -q.shape[1] % 8), dtype=kind, device=device)
    b = torch.ones((CANDIDATE_TILE, a.shape[1]), dtype=kind, device=device)
    n_tiles = -(-len(q) // QUERY_TILE) * -(-len(c) // CANDIDATE_TILE)
    _synchronize(device)
    start = time.perf_counter()
    for _ in range(n_tiles):
        torch._int_mm(a, b.t()) if precision == "int8" else a @ b.t()
    _synchronize(device)
    product.seconds = time.perf_counter() - start  # type: ignore[attr-defined]
    product.precision = precision  # type: ignore[attr-defined]


def _synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def check(q: Rows, c: Rows, found: Any, k: int, n_rows: int) -> int:
    """Return how many of n_rows rows equal the k best by float64 scores rounded to float32, ties to the lower index."""
    rows = np.linspace(0, len(q) - 1, min(n_rows, len(q))).astype(int)
    b = unit(c.astype(np.float64)).astype(np.float64) if len(c) * c.shape[1] < 5e7 else None
    right = 0
    lengths = np.sqrt(np.einsum("nd,nd->n", c, c, dtype=np.float64))
    for row in rows:
        query = q[row].astype(np.float64)
        scores = (c @ query if b is None else b @ query) / (lengths if b is None else 1) / np.linalg.norm(query)
        right += int((np.argsort(-scores.astype(np.float32), kind="stable")[:k] == found[row]).all())
    return right


def methods(device: str, only: list[str] | None, precisions: Sequence[str]) -> dict[str, Callable[..., Any]]:
    """Return the methods to compare by name: ours, and of the others those that are installed and among `only`."""
    ways: dict[str, Callable[..., Any]] = {"ours": ours, "torch fp32": plain}
    of_ours = {f"ours, {name}": forced(name) for name in precisions}
    if device == "cuda":
        ways["torch bf16"] = lambda q, c, k, device: plain(q, c, k, device, torch.bfloat16)
    optional = {"faiss": by_faiss, "sentence_transformers": by_sentence_transformers, "sklearn": by_sklearn}
    ways |= {name: way for name, way in optional.items() if importlib.util.find_spec(name)}
    chosen = {name: way for name, way in ways.items() if name == "ours" or not only or name in only}
    return {"ours": chosen.pop("ours"), **of_ours, **chosen}


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Exact top-k search, compared with other libraries.")
    parser.add_argument("--queries", type=positive, default=5000)
    parser.add_argument("--candidates", type=positive, default=100_000)
    parser.add_argument("--dim", type=positive, default=768)
    parser.add_argument("--k", type=positive, default=10)
    parser.add_argument("--data", choices=("random", "clustered"), default="random")
    parser.add_argument("--rows", type=Path, metavar="FILE.npy", help="rows (n, d) to draw both sides from")
    parser.add_argument("--repeats", type=positive, default=5)
    parser.add_argument("--only", nargs="+", help="only these methods, and ours")
    parser.add_argument(
        "--check", type=positive, default=200, metavar="N", help="number of rows checked by brute force"
    )
    parser.add_argument("--precisions", action="store_true", help="also each precision of the scan")
    parser.add_argument("--cuda", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure, print and write."""
    args = parse()
    device = "cuda" if args.cuda else "cpu"
    if args.k > args.candidates:
        raise UserError(f"--k {args.k}, but --candidates {args.candidates}", "give at least k candidates")
    q, c = make_rows(args)
    precisions = [name for name in ("int8", "bf16", "fp32") if args.precisions]
    ways = methods(device, args.only, precisions)
    for way in ways.values():  # warm-up: imports and first calls
        way(q[:300], c[:9000], args.k, device)
    before = start_peak()
    ours(q, c, args.k, device)
    memory = peak_above(before)
    seconds: dict[str, list[float]] = {}
    answers: dict[str, Any] = {}
    for _ in range(args.repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            answers[name] = way(q, c, args.k, device)
            _synchronize(device)
            seconds.setdefault(name, []).append(time.perf_counter() - start)
        if precisions:
            seconds.setdefault("choice", []).append(choice(q, c, args.k, device))
        product(q, c, args.k, device)
        seconds.setdefault("product", []).append(product.seconds)  # type: ignore[attr-defined]
    report(args, q, c, seconds, answers, memory)


def report(
    args: argparse.Namespace, q: Rows, c: Rows, seconds: dict[str, list[float]], answers: dict[str, Any], memory: float
) -> None:
    """Print medians, ranges and ratios, and write them."""
    machine = torch.cuda.get_device_name() if args.cuda else f"{platform.machine()}, {torch.get_num_threads()} threads"
    precision = product.precision  # type: ignore[attr-defined]
    data = args.rows.name if args.rows else args.data
    print(f"{len(q):,} x {len(c):,} x {q.shape[1]}, k = {args.k}, {data}, {machine}; scan in {precision}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    figures = {}
    for name, values in seconds.items():
        same = (answers[name] == answers["ours"]).all(axis=1).mean() if name in answers else None
        figures[name] = {"median": medians[name], "seconds": values, "same rows as ours": same}
        shown = "" if same is None else f"   rows as ours {100 * same:7.3f} %"
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"  {name:<22}{medians[name]:8.2f} s ({spread})  ours / it {medians['ours'] / medians[name]:6.2f}{shown}")
    if args.precisions:
        best = min(medians[name] for name in medians if name.startswith("ours, "))
        share = 100 * medians["choice"] / medians["ours"]
        print(f"  ours / the best precision {medians['ours'] / best:.2f}; the choice takes {share:.1f} % of ours")
    right = check(q, c, answers["ours"], args.k, args.check)
    print(f"  ours: {right} of {min(args.check, len(q))} checked rows exact, {memory:.0f} MiB above the inputs")
    about = {name: str(value) for name, value in vars(args).items()}
    content = {"args": about, "machine": machine, "ways": figures, "precision": precision, "exact_rows": right}
    write_results(f"retrieval_{len(q)}x{len(c)}x{q.shape[1]}_{Path(data).stem}", {**content, "MiB": memory})


if __name__ == "__main__":
    run(lambda _: main())
