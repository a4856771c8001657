"""Retrieval with judgements as a task on a run: the passages of a pool, ranked for every question."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.task_run import Ranked, RetrievalTask
from utils.data.judged import load_judged
from utils.data.subsets import Judged
from utils.data.trec_runs import read_run
from utils.errors import UserError
from utils.evaluation.language_bias import language_bias
from utils.evaluation.ranking import ranking_figures
from utils.retrieval.limited_pool import ranked_among, ranked_without_own
from utils.retrieval.missing_vectors import n_present
from utils.schema import RunRecord

if TYPE_CHECKING:
    from utils.cli.reranking import Asked
    from utils.cli.run import Run
    from utils.cli.task_run import Found
    from utils.progress import Clock
    from utils.retrieval.ensemble import Ensemble, Members
    from utils.settings.retrieval import RetrievalSettings

DEEP = 200  # passages that are ranked of a pool of many languages, for the ranks of the answers


class Retrieval(RetrievalTask[Judged]):
    """Retrieval with judgements; a subset is the questions in one language, `files` the run files that are scored."""

    headers = ("subset", "questions", "passages")

    def __init__(self, run: Run, settings: RetrievalSettings, files: dict[str, Path]) -> None:
        super().__init__(run)
        self.settings, self.files = settings, files
        self.load_once = functools.lru_cache(maxsize=1)(self._load)

    def load(self, subset: str, *, validation: bool = False) -> Judged:
        """Return the questions, the pool and the judgements; --limit cuts the questions."""
        return self.load_once(subset)

    def _load(self, subset: str) -> Judged:
        run, settings = self.run, self.settings
        data = load_judged(run.dataset, subset, run.sources, pool=settings.pool, langs=run.langs)
        return data.first(settings.limit)

    def sizes(self, data: Judged) -> Sequence[int]:
        """Return the numbers of questions and passages."""
        return len(data.queries), len(data.passages)

    def sides(self, data: Judged) -> tuple[Sequence[str], Sequence[str]]:
        """Return the texts of the questions and of the passages."""
        return data.queries.texts, data.passages.texts

    def asked(self, data: Judged) -> Asked:
        """Return the texts of the questions and of the passages."""
        return {"forward": (data.queries.texts, data.passages.texts)}

    def n_candidates(self, data: Judged) -> int:
        """Return the number of passages that a question can find."""
        return len(data.passages) - bool(data.own)

    def largest_k(self, data: Judged) -> int:
        """Return the largest k of the run: as in trec_eval, it counts shorter rankings of small pools too."""
        return max(self.run.ks.values)

    def rank(self, data: Judged, k: int, clock: Clock) -> Ranked:
        """Return the rankings of the encoders, or of the run file; deeper ones of a pool of many languages."""
        if len(set(data.passages.langs)) > 1:
            k = min(max(k, DEEP), len(data.passages))
        if not self.files:
            return super().rank(data, k, clock)
        found = read_run(self.files[data.name], data.queries, data.passages)
        clock.lap("retrieve")
        return Ranked({"forward": found}, {}, {})

    def search(self, ensemble: Ensemble, members: Members, k: int) -> Found:
        """Return the k nearest passages of each question, or all that have a vector."""
        k, settings = min(k, n_present(members)), self.settings
        if settings.margin == "none":
            return {"forward": ensemble.search(members, k)}
        return {"forward": ensemble.search_by_margin(members, k, settings.margin, settings.margin_k or 1)}

    def search_in(self, data: Judged, ensemble: Ensemble, members: Members, k: int) -> Found:
        """Return the k nearest passages of each question, of its own candidates where the data have them."""
        if not data.own and not data.candidates:
            return self.search(ensemble, members, k)
        if self.settings.margin != "none":
            raise UserError(f"--margin with {self.run.dataset.name}", "its questions have passages of their own")
        if data.candidates:
            return {"forward": ranked_among(ensemble, members, data.candidates, k)}
        return {"forward": ranked_without_own(ensemble, members, data.own, k)}

    def score(self, data: Judged, found: Found, k: int) -> tuple[RunRecord, dict[str, Any]]:
        """Return the record at k and the predictions: the first passage, and each question's measures."""
        ranked, queries, passages = found["forward"], data.queries.ids, data.passages.ids
        figures = ranking_figures(
            ranked.indices, ranked.scores, queries, passages, data.judgements, k, self.settings.seed
        )
        gold, first = data.best_answers(), ranked.indices[:, 0].tolist()
        hits = figures.items["hit"].tolist()
        predictions = {
            "gold": gold,
            "hyp": [best if hit else other for best, hit, other in zip(gold, hits, first, strict=True)],
            "first": [passages[index] if index >= 0 else None for index in first],
            "questions": list(queries),
            "values": {name: values.tolist() for name, values in figures.items.items()},
        }
        langs = data.passages.langs
        several = len(set(langs)) > 1
        deep = ranked.indices[:, : max(k, DEEP)]  # whatever the other ks are
        bias = language_bias(deep, queries, passages, langs, data.judgements, k) if several else None
        details = {"languages": bias} if bias else {}
        return RunRecord(figures.metrics, figures.ci95, len(queries), k, {}, details), predictions

    def describe(self, data: Judged) -> dict[str, Any]:
        """Return the origin, and the languages of the questions and the passages."""
        asked, told = data.queries.langs[0], sorted(set(data.passages.langs))
        is_of_one = told == [asked] and "-" not in asked  # a subset of mteb in two languages has both codes
        return {
            "origin": vars(data.origin),
            **({"src_lang": asked, "tgt_lang": told[0]} if "pairs" in self.run.dataset.options else {}),
            "setting": "mono" if is_of_one else "xl",
            "passage_langs": told,
            "n_passages": len(data.passages),
            "n_dropped": {"questions": data.n_dropped},
        }
