"""Exact late interaction: the k candidates of greatest MaxSim for each query, over all candidates.

The score of a query and a candidate is the sum over the query's vectors of the greatest product with a vector of the
candidate (Khattab and Zaharia 2020, arXiv 2004.12832, section 3.3), in float64 and rounded to float32; ties go to the
lower index. So a score depends neither on the tiles of the search nor on the device. A scan in bfloat16 keeps the
candidates that can be among the k best by the worst case of its errors. They are scored in float32, and those that this
leaves in doubt in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.errors import UserError
from utils.numerics import full_precision
from utils.parallel import Worker, cpu_workers, map_parts
from utils.retrieval.max_sim_scan import Scan
from utils.retrieval.max_sim_sides import PairScores, Side
from utils.retrieval.rows import LEAST, MOST, U32
from utils.schema import TopK

if TYPE_CHECKING:
    from utils.retrieval.token_rows import Ints, TokenRows

EMPTY = np.float32(-1e9)  # the score of a candidate without vectors, as sentence-transformers has it
FEW = 128  # candidates below which all are scored in float32
RANKING = 4  # so many times k candidates are needed for a scan to pay
MAX_K = 1024  # with more neighbours, a scan does not pay
PART = {"cpu": 512, "cuda": 4096}  # queries that are searched at once
PAIRS = 1 << 20  # pairs that are scored at once where all are


def max_sim_topk(
    queries: TokenRows, candidates: TokenRows, k: int, *, device: str = "cpu", precision: str | None = None
) -> TopK:
    """Return the k candidates of greatest MaxSim for each query, best first, ties to the lower index.

    queries and candidates have n and m texts; the vectors of the candidates may be a memory map. `precision` is that of
    the scan, bf16 or fp32, by default the faster one; "plain" is fp32. The results do not depend on it. A candidate
    without vectors has the score -1e9. Raises UserError for NaN, for sides of other dimensions, and for products
    outside the range of float32.
    """
    indices = np.empty((len(queries), k), dtype=np.int64)
    scores = np.empty((len(queries), k), dtype=np.float32)
    present, none = np.flatnonzero(candidates.lengths > 0), np.flatnonzero(candidates.lengths == 0)
    asked, unasked = np.flatnonzero(queries.lengths > 0), np.flatnonzero(queries.lengths == 0)
    found = min(k, len(present))
    indices[:, found:], scores[:, found:] = none[: k - found], EMPTY
    indices[unasked, :found], scores[unasked, :found] = present[:found], 0.0
    if found and len(asked):
        left, right = queries.without_empty(), candidates.without_empty()
        with full_precision(device):
            for part, (best, value) in _search(_pair_scores(left, right, device), found, precision):
                indices[asked[part], :found], scores[asked[part], :found] = present[best], value
    return TopK(indices, scores)


def max_sim_scores(
    queries: TokenRows, candidates: TokenRows, device: str = "cpu"
) -> Callable[[Ints], npt.NDArray[np.float64]]:
    """Return a function from query numbers (q,) to their float64 MaxSim with all candidates (q, m).

    Errors as `max_sim_topk`.
    """
    import torch

    present, asked = np.flatnonzero(candidates.lengths > 0), np.flatnonzero(queries.lengths > 0)
    pairs = None
    if len(present) and len(asked):
        pairs = _pair_scores(queries.without_empty(), candidates.without_empty(), device)
    scan = Scan(pairs, "fp64") if pairs is not None else None

    def scores(numbers: Ints) -> npt.NDArray[np.float64]:
        found = np.full((len(numbers), len(candidates)), float(EMPTY))
        found[:, present] = 0.0
        whole = np.flatnonzero(queries.lengths[numbers] > 0)
        if scan is not None and pairs is not None and len(whole):
            with full_precision(device), torch.inference_mode():
                values = scan.full(np.searchsorted(asked, numbers[whole]))
            found[np.ix_(whole, present)] = values / (pairs.queries.scale * pairs.candidates.scale)
        return found

    return scores


def _pair_scores(queries: TokenRows, candidates: TokenRows, device: str) -> PairScores:
    if queries.shape[1] != candidates.shape[1]:
        raise UserError(
            f"queries have vectors of {queries.shape[1]} dimensions, candidates of {candidates.shape[1]}",
            "encode both with the same encoder",
        )
    pairs = PairScores(Side.of(queries, device, "queries"), Side.of(candidates, device, "candidates"))
    back = 1 / (pairs.queries.scale * pairs.candidates.scale)
    most = float(pairs.queries.norms.max() * pairs.candidates.norms.max()) * back
    if not (most == 0 or LEAST <= most * pairs.queries.lengths.max() <= MOST):
        what = f"products of vectors of up to {most:.0e} exceed the range of float32"
        raise UserError(what, "multiply the embeddings by a constant")
    return pairs


def _search(
    pairs: PairScores, k: int, precision: str | None
) -> Iterator[tuple[Ints, tuple[Ints, npt.NDArray[np.float32]]]]:
    """Yield parts of the queries (q,) with the k best candidates (q, k) and their scores (q, k)."""
    device, m = pairs.queries.device, len(pairs.candidates.lengths)
    scan = Scan(pairs, precision) if m >= FEW and k <= MAX_K and RANKING * k <= m else None
    order = np.argsort(-pairs.queries.lengths, kind="stable")
    workers = cpu_workers(None) if device == "cpu" else [Worker(None, device, 1)]
    rounds = -(-len(order) // (len(workers) * PART[device[:4].rstrip(":")]))
    size = -(-len(order) // (len(workers) * rounds))  # the same number of parts for every worker

    def work(_: Worker, part: Ints) -> tuple[Ints, npt.NDArray[np.float32]]:
        return _search_part(pairs, scan, part, k)

    yield from map_parts(workers, work, [order[at : at + size] for at in range(0, len(order), size)], "queries")


def _search_part(pairs: PairScores, scan: Scan | None, part: Ints, k: int) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Return the k best candidates of some queries (q,) and their scores, both (q, k)."""
    m = len(pairs.candidates.lengths)
    indices, scores = np.empty((len(part), k), dtype=np.int64), np.empty((len(part), k), dtype=np.float32)
    whole = np.arange(len(part))  # the queries that are scored with all candidates
    if scan is not None:
        place, candidate, upper, overflowed = scan.keep(part, k)
        place, candidate = _prune_by_likeliest(pairs, part, place, candidate, upper, k)
        whole = np.flatnonzero(overflowed)
        kept = np.flatnonzero(~overflowed)
        indices[kept], scores[kept] = _rank(pairs, part[kept], np.searchsorted(kept, place), candidate, k)
    step = max(1, PAIRS // m)
    for start in range(0, len(whole), step):
        some = whole[start : start + step]
        ours, theirs = (axis.reshape(-1) for axis in np.indices((len(some), m)))
        indices[some], scores[some] = _rank(pairs, part[some], ours, theirs, k)
    return indices, scores


def _prune_by_likeliest(
    pairs: PairScores, part: Ints, place: Ints, candidate: Ints, upper: npt.NDArray[np.float32], k: int
) -> tuple[Ints, Ints]:
    """Prune what cannot reach the scores of the k likeliest, by upper bound, of their query; places are in `part`."""
    likely = np.lexsort((-upper, place))
    likely = likely[_ranks(place[likely]) < k]
    values = pairs.approximate(part[place[likely]], candidate[likely]) - pairs.error[part[place[likely]]]
    floor = np.full(len(part), np.inf)
    np.minimum.at(floor, place[likely], values)
    kept = upper >= floor[place]
    return place[kept], candidate[kept]


def _rank(pairs: PairScores, part: Ints, place: Ints, candidate: Ints, k: int) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Return the k best of the candidates (s,) of queries, whose places in `part` are given (s,), and their scores.

    Every query has at least k candidates.
    """
    values = pairs.approximate(part[place], candidate).astype(np.float64)
    order = np.lexsort((-values, place))
    worst = values[order[_ranks(place[order]) == k - 1]]  # the k-th best of each query
    floor = worst - 2 * pairs.error[part] - 8 * U32 * np.abs(worst)
    near = np.flatnonzero(values >= floor[place])
    place, candidate = place[near], candidate[near]
    scores = pairs.exact(part[place], candidate).astype(np.float32)
    order = np.lexsort((candidate, -scores, place))
    best = order[_ranks(place[order]) < k]
    return candidate[best].reshape(len(part), k), scores[best].reshape(len(part), k)


def _ranks(groups: Ints) -> Ints:
    """Return the place of each item in its group (s,), counted from 0; groups are in order."""
    first = np.flatnonzero(np.diff(groups, prepend=-1))
    ranks: Ints = np.arange(len(groups)) - np.repeat(first, np.diff(np.append(first, len(groups))))
    return ranks
