#!/usr/bin/env python3
"""Semantic textual similarity: how the cosines of sentence pairs agree with what people say of their likeness.

python sts.py --langs en es ar --data_dir ~/mirror       SemEval 2017, in one language and across two
python sts.py --dataset stsb_multi --langs en de         STSbenchmark, two of its ten languages
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import Parser, add_data_args, add_run_args, add_similarity_arg
from utils.cli.choices import build_settings
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args
from utils.cli.task_run import TaskRun
from utils.constants import DENSE, MULTI_VECTOR

if TYPE_CHECKING:
    from utils.cli.run import Run
    from utils.data.subsets import SentencePairs
    from utils.retrieval.ensemble import Members
    from utils.settings.retrieval import StsSettings

MEANINGS = {
    "dataset": "a name that --list shows, a table of sentence pairs and scores, or a folder of such tables",
    "langs": "only pairs in these languages",
    "columns": "own table: SENTENCE1 SENTENCE2 SCORE [LANG] (default: columns of these names)",
}
EXAMPLES = """
python sts.py --langs en es ar
python sts.py --dataset stsb_multi --langs en de --model_checkpoint baseline/char_ngram
python sts.py --dataset my_pairs.tsv --columns left right rating
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Semantic textual similarity: correlate cosines of sentence pairs with judgements.", EXAMPLES)
    add_data_args(parser, MEANINGS)
    add_encoder_args(parser, fusion=False, tuning=False)
    add_similarity_arg(parser)
    add_api_args(parser)
    add_run_args(parser)
    parser.set_defaults(dataset="sts17", fuse="score", normalize="none", tune_weights=False)
    return parser.parse_args(argv)


class Sts(TaskRun["SentencePairs"]):
    """Semantic textual similarity; a subset is one language, or the two of a pair."""

    headers = ("subset", "pairs")

    def __init__(self, run: Run, settings: StsSettings) -> None:
        super().__init__(run)
        self.settings = settings

    def load(self, subset: str, *, validation: bool = False) -> SentencePairs:
        """Return the pairs; --limit cuts them."""
        from utils.data.sts import load_sts

        return load_sts(self.run.dataset, subset, self.run.sources).first(self.settings.limit)

    def sizes(self, data: SentencePairs) -> Sequence[int]:
        """Return the number of pairs."""
        return [len(data.gold)]

    def sides(self, data: SentencePairs) -> tuple[Sequence[str], Sequence[str]]:
        """Return the sentences of both sides, the first ones before the second, and no candidates.

        Likeness is symmetric: an encoder that tells queries from documents encodes all sentences as queries.
        """
        return [*data.first_texts, *data.second_texts], ()

    def n_candidates(self, data: SentencePairs) -> int:
        """Return 1: a sentence is compared with one other."""
        return 1

    def embed(self, data: SentencePairs) -> Members:
        """Return the vectors of both sides, which are encoded alike.

        Fitted encoders alone have rows of other kinds on the two sides: BM25's are counts and weights of words.
        """
        n, (texts, _) = len(data.gold), self.sides(data)
        members = []
        for encoder in self.run.ensemble.encoders:
            rows, others = encoder.embed(texts, texts if encoder.spec.fitted else ())
            members.append((rows[:n], (others if encoder.spec.fitted else rows)[n:]))
        return members

    def prepare(self, subsets: Sequence[str]) -> None:
        """Say how pairs are compared where a sentence has several vectors."""
        for encoder in self.run.ensemble.encoders:
            if encoder.spec.kind == MULTI_VECTOR:
                what = "both sentences are encoded as queries and compared by MaxSim, the sum"
                print(f"note: {encoder.spec.name}: {what} over the vectors of the first one", file=sys.stderr)

    def compared_by(self) -> dict[str, str]:
        """Return how the rows of each encoder that are not one dense vector are compared, by the encoder's name."""
        specs = [encoder.spec for encoder in self.run.ensemble.encoders if encoder.spec.kind != DENSE]
        usual = self.settings.similarity
        return {spec.name: spec.own_similarity if spec.kind == MULTI_VECTOR else usual for spec in specs}

    def evaluate(self, subset: str) -> None:
        """Load, encode, compare and log one subset."""
        import numpy as np

        from utils.errors import UserError, counted
        from utils.evaluation.correlation import correlations
        from utils.progress import Clock
        from utils.retrieval.aligned import aligned_scores
        from utils.schema import RunRecord

        clock, run = Clock(), self.run
        data = self.load(subset)
        clock.lap("load")
        members = self.embed(data)
        clock.lap("encode")
        every = np.arange(len(data.gold))
        scores = aligned_scores(
            members, run.ensemble.weights, every, every, similarity=self.settings.similarity, device=run.device
        )
        there = ~np.isnan(scores)
        if there.sum() < 2:
            raise UserError(
                f"{subset} has {counted(int(there.sum()), 'pair')}, and a correlation takes two", "raise --limit"
            )
        gold = np.asarray(data.gold)[there]
        for what, values in (("scores", scores[there]), ("judgements", gold)):
            if np.ptp(values) == 0:
                print(f"note: {subset}: all {what} are equal: a correlation is undefined, shown as 0", file=sys.stderr)
        metrics, ci95 = correlations(scores[there].astype(np.float64), gold, self.settings.seed)
        clock.lap("score")
        predictions = {"judged": list(data.gold), "scores": [float(one) if one == one else None for one in scores]}
        record = RunRecord(metrics, ci95, int(there.sum()), 1, {})
        about = {**run.size_of_vectors(members), **self.describe(data)}
        run.log(subset, record, predictions, about, clock.laps)

    def describe(self, data: SentencePairs) -> dict[str, Any]:
        """Return the origin, the languages, and how rows are compared that are not one dense vector."""
        langs = {"src_lang": data.src_lang, "tgt_lang": data.tgt_lang}
        others = self.compared_by()
        setting = "mono" if data.src_lang == data.tgt_lang else "xl"
        return {"origin": vars(data.origin), **langs, "setting": setting, **({"compared_by": others} if others else {})}


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.open_run import open_run
    from utils.data.judged import judged_subsets
    from utils.data.own_sts import find_sts
    from utils.settings.retrieval import StsSettings

    dataset = find_sts(args.dataset, args.columns, no_header=args.no_header)
    settings = build_settings(StsSettings, args)
    run = open_run(args, dataset, "sts", settings, settings.run_name("save_sts"))
    Sts(run, settings).execute(judged_subsets(dataset, args.langs))


if __name__ == "__main__":
    run_script(main)
