"""The benchmark of llama2-embedding over rows of a query, positives and negatives: what is encoded and ranked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from utils.retrieval.token_rows import TokenRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.data.pair_rows import PairRow
    from utils.data.subsets import Judged
    from utils.retrieval.ensemble import Ensemble, Members
    from utils.schema import TopK

    Ints = npt.NDArray[np.int64]

NOBODY = -2  # in place of the number of a passage, where a question's text is none


class PairBenchmark:
    """The rows of a data set, in the order of its questions, and their places among the texts that are encoded."""

    def __init__(self, data: Judged, rows: Sequence[PairRow]) -> None:
        self.data, self.rows = data, rows[: len(data.queries)]
        self.positives = list(dict.fromkeys(text for row in self.rows for text in row.pos))
        self.texts = list(dict.fromkeys([*data.passages.texts, *(row.query for row in self.rows)]))

    @cached_property
    def place(self) -> dict[str, int]:
        """The number of each text; a passage has that which it has in its pool."""
        return {text: number for number, text in enumerate(self.texts)}

    @property
    def sides(self) -> tuple[list[str], list[str]]:
        """What queries, the questions and then all positives, and all texts, the passages first."""
        return [*self.data.queries.texts, *self.positives], self.texts

    @cached_property
    def own(self) -> Ints:
        """The passage that is the text of each question (n,), where it is not judged."""
        import numpy as np

        places = [
            NOBODY if row.query in (*row.pos, *row.neg) else self.place[row.query]
            for row in self.rows
        ]  # fmt: skip
        return np.array([place if place < len(self.data.passages) else NOBODY for place in places], dtype=np.int64)

    @property
    def n_candidates(self) -> int:
        """The number of passages that every question can be asked of."""
        return len(self.data.passages) - int((self.own >= 0).any())

    def ranked(self, ensemble: Ensemble, members: Members, k: int) -> TopK:
        """Return the k nearest passages of each question, its own text left out."""
        from utils.retrieval.aligned import without_own
        from utils.retrieval.missing_vectors import n_present

        n, m = len(self.rows), len(self.data.passages)
        usual = [(queries[:n], candidates[:m]) for queries, candidates in members]
        has_own = bool((self.own >= 0).any())
        found = ensemble.search(usual, min(k + has_own, n_present(usual)))
        return without_own(found, self.own) if has_own else found

    def figures(
        self, ensemble: Ensemble, members: Members, seed: int
    ) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Return the benchmark's measures and their intervals; several vectors a text have no cosines."""
        import numpy as np

        from utils.evaluation.pair_measures import TOP, pair_figures
        from utils.retrieval.aligned import aligned_scores, without_own
        from utils.retrieval.missing_vectors import n_present

        cosines: list[Any] = [[], []]
        if not any(isinstance(queries, TokenRows) for queries, _ in members):
            for side, texts in enumerate(("pos", "neg")):
                pairs = [(i, self.place[text]) for i, row in enumerate(self.rows) for text in getattr(row, texts)]
                left, right = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
                weights = ensemble.weights if len(members) > 1 else [1.0]
                cosines[side] = aligned_scores(members, weights, left, right, device=ensemble.device)
        asked = [(queries[len(self.rows) :], candidates) for queries, candidates in members]
        found = ensemble.search(asked, min(max(TOP) + 1, n_present(asked)))
        others = without_own(found, np.array([self.place[text] for text in self.positives])).indices
        number = {text: row for row, text in enumerate(self.positives)}
        tried = [(number[text], self.place[row.query]) for row in self.rows for text in row.pos]
        which, wanted = np.array(tried, dtype=np.int64).T
        return pair_figures(cosines[0], cosines[1], others[which], wanted, seed)
