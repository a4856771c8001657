#!/usr/bin/env python3
"""Retrieval with judgements: for each question, rank the passages of a pool, in one language or in many.

python retrieval.py                                           the sample questions with the embedded encoder
python retrieval.py --dataset xquad_r --pool same             each language's own passages
python retrieval.py --dataset my_beir_folder --k 10 100       your own corpus, queries and qrels
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import Parser, add_data_args, add_margin_args, add_pool_args, add_retrieval_args, add_run_args
from utils.cli.choices import build_settings, chosen_margin_k
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args
from utils.cli.reranking import add_rerank_args, chosen_reranker, rerank_settings, with_first_stage
from utils.cli.task_run import RetrievalTask
from utils.cli.types import path
from utils.errors import UserError, note
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.cli.pair_benchmark import PairBenchmark
    from utils.cli.reranking import Asked
    from utils.cli.run import Run
    from utils.cli.task_run import Found, Ranked
    from utils.data.pair_rows import PairRow
    from utils.data.subsets import Judged
    from utils.progress import Clock
    from utils.rerankers.spec import RerankerSpec
    from utils.retrieval.ensemble import Ensemble, Members
    from utils.schema import DatasetSpec, RunRecord
    from utils.settings.retrieval import RetrievalSettings

    Scored = tuple[RunRecord, dict[str, Any]]

MEANINGS = {
    "dataset": "a name that --list shows, a folder in BEIR's layout, or a table of questions and passages",
    "langs": "only questions and passages in these languages",
    "columns": "own table: QUERY PASSAGE [SCORE [LANG]] (default: columns of these names)",
}
EXAMPLES = """
python retrieval.py
python retrieval.py --dataset xquad_r --langs en de ru --pool same --data_dir ~/mirror
python retrieval.py --dataset tydiqa_r --langs sw --model_checkpoint baseline/char_ngram
python retrieval.py --dataset my_beir_folder --k 10 100 --model_checkpoint intfloat/multilingual-e5-base
python retrieval.py --export_run runs
python retrieval.py --import_run runs
"""
DEEP = 200  # passages that are ranked of a pool of many languages, for the ranks of the answers


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Retrieval with judgements: rank the passages of a pool for every question.", EXAMPLES)
    add_data_args(parser, MEANINGS)
    add_encoder_args(parser, tuning=False, sides=True)
    group = add_retrieval_args(parser, TASKS["retrieval"].default_ks, "; lexicons 1 5 10, rows of pairs 1 3 5 10")
    add_margin_args(group)
    add_pool_args(group)
    group.add_argument("--split", metavar="NAME", help="own folder: the judgements, qrels/NAME.tsv (default: test)")
    add_rerank_args(parser, first_stage=True)
    runs = parser.add_argument_group("run files")
    runs.add_argument("--export_run", type=path, metavar="FOLDER", help="write the rankings as run files of TREC")
    runs.add_argument(
        "--import_run",
        type=path,
        metavar="PATH",
        help="score the rankings of a run file, or of a folder with one for each subset, instead of an encoder's",
    )
    add_api_args(parser)
    add_run_args(parser)
    return parser.parse_args(argv)


def make_settings(
    args: argparse.Namespace, dataset: DatasetSpec, files: dict[str, Path], reranker: RerankerSpec | None = None
) -> RetrievalSettings:
    """Return the settings of the run; `files` are the run files that are scored, by subset."""
    from utils.data.judged import chosen_pool
    from utils.files import sha256_of, text_key
    from utils.settings.retrieval import RetrievalSettings

    if dataset.reader == "judged_pairs" and args.margin != "none":
        raise UserError(f"--margin {args.margin} with rows of query, pos and neg", "leave --margin out")
    pool = chosen_pool(dataset, args.pool)
    kind = dataset.options["usual_pool"] if pool == "usual" else pool
    joined = args.langs and kind != "same"
    langs = " ".join(lang for lang in dataset.subsets if lang in args.langs) if joined else ""
    imported = text_key("".join(sha256_of(file)[:32] for file in files.values()))[:8]
    return build_settings(
        RetrievalSettings,
        args,
        pool=pool,
        margin_k=chosen_margin_k(args),
        pool_langs=langs if langs and langs != " ".join(dataset.subsets) else None,
        imported=imported if files else None,
        **rerank_settings(args, reranker),
    )


class Retrieval(RetrievalTask["Judged"]):
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
        from utils.data.judged import load_judged

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
        from utils.cli.task_run import Ranked
        from utils.data.trec_runs import read_run

        found = read_run(self.files[data.name], data.queries, data.passages)
        clock.lap("retrieve")
        return Ranked({"forward": found}, {}, {})

    def search(self, ensemble: Ensemble, members: Members, k: int) -> Found:
        """Return the k nearest passages of each question, or all that have a vector."""
        from utils.retrieval.missing_vectors import n_present

        k, settings = min(k, n_present(members)), self.settings
        if settings.margin == "none":
            return {"forward": ensemble.search(members, k)}
        return {"forward": ensemble.search_by_margin(members, k, settings.margin, settings.margin_k or 1)}

    def search_in(self, data: Judged, ensemble: Ensemble, members: Members, k: int) -> Found:
        """Return the k nearest passages of each question, of its own candidates where the data have them."""
        from utils.retrieval.limited_pool import ranked_among, ranked_without_own

        if not data.own and not data.candidates:
            return self.search(ensemble, members, k)
        if self.settings.margin != "none":
            raise UserError(f"--margin with {self.run.dataset.name}", "its questions have passages of their own")
        if data.candidates:
            return {"forward": ranked_among(ensemble, members, data.candidates, k)}
        return {"forward": ranked_without_own(ensemble, members, data.own, k)}

    def score(self, data: Judged, found: Found, k: int) -> tuple[RunRecord, dict[str, Any]]:
        """Return the record at k and the predictions: the first passage, and each question's measures."""
        from utils.evaluation.language_bias import language_bias
        from utils.evaluation.ranking import ranking_figures
        from utils.schema import RunRecord

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


class PairRetrieval(Retrieval):
    """Retrieval over rows of a query, its positives and its negatives, with llama2-embedding's measures as well."""

    def __init__(self, run: Run, settings: RetrievalSettings, files: dict[str, Path]) -> None:
        super().__init__(run, settings, files)
        self.figures: dict[str, tuple[dict[str, float], dict[str, tuple[float, float]]]] = {}
        self._benchmark: PairBenchmark | None = None

    @functools.cached_property
    def rows(self) -> list[PairRow]:
        """The rows of the file."""
        from utils.data.pair_rows import read_pair_rows

        return read_pair_rows(Path(self.run.dataset.options["path"]))

    def benchmark(self, data: Judged) -> PairBenchmark:
        """Return the benchmark of a subset, which is made once."""
        from utils.cli.pair_benchmark import PairBenchmark

        if self._benchmark is None or self._benchmark.data is not data:
            self._benchmark = PairBenchmark(data, self.rows)
        return self._benchmark

    def sides(self, data: Judged) -> tuple[Sequence[str], Sequence[str]]:
        """Return the questions with all positives, which query too, and all texts."""
        return self.benchmark(data).sides

    def n_candidates(self, data: Judged) -> int:
        """Return the number of passages without a question's own text."""
        return self.benchmark(data).n_candidates

    def rank(self, data: Judged, k: int, clock: Clock) -> Ranked:
        """Return the rankings of the questions, and keep the figures of the pairs."""
        if self.files:
            return super().rank(data, k, clock)
        from utils.cli.task_run import Ranked

        ensemble, pairs, members = self.run.ensemble, self.benchmark(data), self.embed(data)
        k = self.deepest(k, self.n_candidates(data))
        clock.lap("encode")
        several = zip(ensemble.names, members, strict=True) if len(members) > 1 else ()
        alone = {name: {"forward": pairs.ranked(ensemble, [member], k)} for name, member in several}
        found = {"forward": pairs.ranked(ensemble, members, k)}
        self.figures[data.name] = pairs.figures(ensemble, members, self.settings.seed)
        clock.lap("retrieve")
        return Ranked(found, alone, self.run.size_of_vectors(members))

    def score_all(self, data: Judged, found: Found, alone: Mapping[str, Found], k: int) -> Scored:
        """Return the record at k with the figures of the pairs, and the predictions."""
        record, predictions = super().score_all(data, found, alone, k)
        metrics, ci95 = self.figures.get(data.name, ({}, {}))
        if self.run.reranking:  # these are measures of the vectors, which the reranker does not change
            metrics, ci95 = {f"before_{name}": value for name, value in metrics.items()}, {}
        both = {**record.metrics, **metrics}
        return dataclasses.replace(record, metrics=both, ci95={**record.ci95, **ci95}), predictions


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = with_first_stage(parse(argv))
    from utils.cli.open_run import open_run
    from utils.cli.run_files import export_runs, imported_files
    from utils.data.judged import judged_subsets
    from utils.data.own_judged import PAIR_ROWS, find_judged
    from utils.data.trec_runs import run_tag

    dataset = find_judged(args.dataset, args.columns, no_header=args.no_header, split=args.split)
    subsets = judged_subsets(dataset, args.langs, args.pairs)
    files = imported_files(args, subsets)
    reranker = chosen_reranker(args)
    settings = make_settings(args, dataset, files, reranker)
    tag = run_tag(next(iter(files.values()))) if files else None
    if files and not args.tag:
        note(f"tables call it {tag} (imported {settings.imported}); --tag NAME tells it by a name of your own")
    folder = settings.run_name("save_retrieval")
    run = open_run(args, dataset, "retrieval", settings, folder, without_encoder=tag, reranker=reranker)
    task = (PairRetrieval if dataset.reader == PAIR_ROWS else Retrieval)(run, settings, files)
    task.execute(subsets)
    if args.export_run and not args.dry_run:
        export_runs(task, args.export_run, subsets)


if __name__ == "__main__":
    run_script(main)
