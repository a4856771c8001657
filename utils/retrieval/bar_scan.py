"""Scan of all candidates on a GPU, which compares products in registers and keeps those that reach a query's bar.

Rows are rounded to bfloat16. A product is off by at most |dq||c| + |q||dc|, as in utils/retrieval/quantized_scan.py. A
sample of the candidates gives each query a score that k of them are certain to reach; the bar is this score minus the
error. All candidates are multiplied in a few launches, and the numbers of those that reach the bar are appended to the
query's list. Between launches the candidates found are scored in float32, which raises the bar. Neither products nor
maxima of all candidates are written to memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from utils.retrieval.fused_kernels import Kernels
from utils.retrieval.pair_scores import Queries, float32_error, pair_values
from utils.retrieval.pruning import MAX_KEPT, KeptCandidates
from utils.retrieval.quantized_scan import ROUND_UP, mean_candidate
from utils.retrieval.rows import U32
from utils.retrieval.torch_kernels import WORD, Lists

if TYPE_CHECKING:
    from torch import Tensor

    from utils.retrieval.score_forms import Form
    from utils.retrieval.similarities import Margin, Product

SAMPLE, SAMPLE_SHARE = 16_384, 16  # candidates that give the first bar: so many, or one in SAMPLE_SHARE of them
BLOCKS_PER_K, MOST_PER_BLOCK = 4, 128  # blocks of the sample, of which the maxima are compared
FIRST_SHARE = 5  # the first launch takes one in FIRST_SHARE of the candidates
MOST_QUERIES = 65_536  # of a tile
MEMORY_SHARE = 8  # the lists of a tile take at most 1 / MEMORY_SHARE of the free memory
MOST_WORDS = 1 << 22  # words of lists that are expanded at once
ROUND_CHUNK = 1 << 27  # numbers that are rounded at once


class BarScan:
    """The candidates of a scorer, rounded once, which are scanned for one tile of queries after the other."""

    precision = "bf16"

    def __init__(self, scorer: Product | Margin, form: Form, kernels: Kernels) -> None:
        self.scorer, self.form, self.kernels = scorer, form, kernels
        self.mean = mean_candidate(
            scorer
        )  # (d,) float32, subtracted from all candidates: smaller rows have smaller residues
        self.rounded, self.norm, self.residue = self._round()  # (m, d) bfloat16, and the greatest norms
        self._sampled: tuple[int, Tensor] | None = None

    def _round(self) -> tuple[Tensor, float, float]:
        """Return the rounded candidates (m, d), padded, and the greatest norm of a row and of a residue."""
        import torch

        m, d = self.scorer.c.shape
        rounded = torch.zeros((m, d + -d % 8), dtype=torch.bfloat16, device=self.mean.device)
        greatest = torch.zeros(2, device=self.mean.device)
        step = max(1, ROUND_CHUNK // d)
        for start in range(0, m, step):
            which = slice(start, start + step)
            rows = self.scorer.c[which] * self.scorer.c_factor[which].float()[:, None]
            rows -= self.mean
            rounded[which, :d] = rows
            norms = rows.norm(dim=1).max(), rows.sub_(rounded[which, :d]).norm(dim=1).max()
            greatest = greatest.maximum(torch.stack(norms))
        norm, residue = (greatest * ROUND_UP).tolist()
        return rounded, norm + residue, residue

    def _sample(self, k: int) -> tuple[int, Tensor]:
        """Return a step, and every step-th of the rounded candidates."""
        step = max(1, min(len(self.rounded) // max(SAMPLE, BLOCKS_PER_K * k), SAMPLE_SHARE))
        if self._sampled is None or self._sampled[0] != step:
            self._sampled = step, self.rounded[::step].contiguous()
        return self._sampled

    def tile_rows(self, k: int) -> int:
        """Return the number of queries that are searched at once."""
        import torch

        if self.mean.device.type == "cpu":
            return MOST_QUERIES
        free = torch.cuda.mem_get_info(self.mean.device)[0] // MEMORY_SHARE
        return max(128, min(MOST_QUERIES, free // (8 * capacity(k))))

    def keep_candidates(self, tile: Queries, k: int) -> Iterator[tuple[slice, KeptCandidates]]:
        """Yield parts of a tile of queries with all candidates that can be among the k best of each."""
        import torch

        m = len(self.rounded)
        rounded, error = self._rounded_queries(tile)
        reached = self._reached_by_sample(tile, rounded, error, k)
        room = min(capacity(k), -(-m // WORD))
        counts = torch.zeros(len(rounded), dtype=torch.int32, device=rounded.device)
        words, bits = (counts.new_empty((len(rounded), room)) for _ in range(2))
        lists = Lists(counts, words, bits)
        first = m // FIRST_SHARE // WORD * WORD
        ends = [m] if first < SAMPLE else [first, m]
        for start, end in zip([0, *ends], ends, strict=False):
            if start:
                reached = reached.maximum(self._reached_by_lists(tile, lists, k))
            bar, slope = self.form.bar(reached, tile.rows)
            offset = None if self.form.offset is None else self.form.offset[start:end]
            bar -= error + (tile.scaled @ self.mean) + self._slack(bar, slope)
            self.kernels.append_hits(rounded, self.rounded[start:end], bar, slope, offset, start // WORD, lists)
        yield from self._expanded(lists, k)

    def _rounded_queries(self, tile: Queries) -> tuple[Tensor, Tensor]:
        """Return the rounded queries (q, d), padded, and how far their products can be from the true ones (q,)."""
        import torch

        d = tile.scaled.shape[1]
        rounded = torch.nn.functional.pad(tile.scaled, (0, -d % 8)).bfloat16()
        residues = (tile.scaled - rounded[:, :d].float()).norm(dim=1) * ROUND_UP
        norms = tile.scaled.norm(dim=1) * ROUND_UP + residues
        slack = 4 * (d + 16) * U32  # of float32 sums of unit rows
        return rounded, residues * self.norm + norms * self.residue + slack * (1 + norms)

    def _slack(self, bar: Tensor, slope: Tensor) -> Tensor:
        """Return how far bars (q,) can be off by the rounding of their own terms (q,)."""
        terms: Tensor = bar.abs() + self.mean.norm()
        if self.form.offset is not None:
            terms += slope.abs() * self.form.offset.abs().max()
        return 16 * U32 * terms

    def _reached_by_sample(self, tile: Queries, rounded: Tensor, error: Tensor, k: int) -> Tensor:
        """Return a score that k candidates of the sample are certain to reach (q,)."""
        import torch

        step, sample = self._sample(k)
        block = 1
        while block < MOST_PER_BLOCK and len(sample) // (2 * block) >= BLOCKS_PER_K * k:
            block *= 2
        shift = tile.scaled @ self.mean
        maxima = self.kernels.block_maxima(rounded, sample, block, self.form.terms(tile.rows, shift, step))
        ends = torch.arange(1, len(maxima) + 1, device=maxima.device) * maxima.shape[1]
        value = self.kernels.reached_values(maxima.view(-1), ends - maxima.shape[1], ends, k)
        return self.form.score(value, error + self._slack(value, torch.ones_like(value)), shift, tile.rows)

    def _reached_by_lists(self, tile: Queries, lists: Lists, k: int) -> Tensor:
        """Return a score that k of the candidates found so far are certain to reach (q,)."""
        import torch

        parts = []
        for part, kept in self._expanded(lists, k):
            rows = Queries(tile.rows[part], tile.scaled[part])
            values = pair_values(self.scorer, rows, kept.queries, kept.candidates)
            ends = kept.queries.bincount(minlength=len(rows.rows)).cumsum(0)
            starts = torch.cat((ends.new_zeros(1), ends[:-1]))
            value = self.kernels.reached_values(values, starts, ends, k)
            parts.append(value - float32_error(self.scorer, rows.rows, value[:, None])[:, 0])
        return torch.cat(parts)

    def _expanded(self, lists: Lists, k: int) -> Iterator[tuple[slice, KeptCandidates]]:
        """Yield parts of the queries with the candidates of their lists, sorted by query.

        A query with too many candidates, or too few, has overflowed, and none of its candidates is listed.
        """
        import torch

        room = lists.words.shape[1]
        filled = torch.where(lists.counts > room, 0, lists.counts).long()
        ends = filled.cumsum(0).cpu().numpy()
        start = 0
        while start < len(ends):
            before = int(ends[start - 1]) if start else 0
            end = max(start + 1, int(ends.searchsorted(before + MOST_WORDS, side="right")))
            mine = filled[start:end]
            query = torch.arange(len(mine), device=mine.device).repeat_interleave(mine)
            place = torch.arange(len(query), device=mine.device) - (mine.cumsum(0) - mine)[query]
            place += (query + start) * room
            words, bits = (each.view(-1)[place] for each in (lists.words, lists.bits))
            n_kept = torch.zeros_like(mine).index_add_(0, query, bit_counts(bits).long())
            overflowed = (n_kept > max(MAX_KEPT, 16 * k)) | (lists.counts[start:end] > room)
            overflowed |= n_kept < min(k, len(self.rounded))  # at the end there are k, if all bars are numbers
            is_listed = ~overflowed[query]
            which, candidate = positions(words[is_listed], bits[is_listed])
            yield slice(start, start + len(mine)), KeptCandidates(query[is_listed][which], candidate, None, overflowed)
            start += len(mine)


def capacity(k: int) -> int:
    """Return the number of words that a query's list has room for."""
    limit = max(MAX_KEPT, 16 * k)
    return 1 << (limit - 1).bit_length()


def bit_counts(words: Tensor) -> Tensor:
    """Return how many bits of each int32 are set, in the shape of the argument."""
    counts = words - ((words >> 1) & 0x55555555)
    counts = (counts & 0x33333333) + ((counts >> 2) & 0x33333333)
    counts = (counts + (counts >> 4)) & 0x0F0F0F0F
    return (counts * 0x01010101 >> 24) & 0x3F


def positions(words: Tensor, bits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the set bits of words (e,): the place of each one's word (s,), and the number of its candidate (s,)."""
    import torch

    n_bits = bit_counts(bits).long()
    which = torch.arange(len(bits), device=bits.device).repeat_interleave(n_bits)
    rank = torch.arange(len(which), device=bits.device) - (n_bits.cumsum(0) - n_bits)[which]
    left = bits[which]
    for cleared in range(int(n_bits.max()) - 1 if len(bits) else 0):
        left = torch.where(rank > cleared, left & (left - 1), left)
    lowest = bit_counts((left & -left) - 1)
    return which, words[which].long() * WORD + lowest
