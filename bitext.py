#!/usr/bin/env python3
"""Bitext retrieval: for each source sentence, rank the target sentences of its language pair.

python bitext.py                                   the sample set with the embedded encoder
python bitext.py --dataset nusax --src_lang eng    a data set of MINERS
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import Parser, add_data_args, add_margin_args, add_retrieval_args, add_run_args
from utils.cli.choices import build_settings, chosen_margin_k
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args
from utils.cli.reranking import add_rerank_args, chosen_reranker, rerank_settings
from utils.cli.task_run import RetrievalTask
from utils.constants import DIRECTIONS
from utils.retrieval.missing_vectors import n_present

if TYPE_CHECKING:
    from utils.cli.reranking import Asked
    from utils.cli.run import Run
    from utils.cli.task_run import Found
    from utils.data.subsets import BitextSubset
    from utils.rerankers.spec import RerankerSpec
    from utils.retrieval.ensemble import Ensemble, Members
    from utils.schema import RunRecord, TopK
    from utils.settings.retrieval import BitextSettings

MEANINGS = {
    "dataset": "a name that --list shows, a .tsv, .csv, .jsonl or .parquet file, or a folder of line-aligned files",
    "src_lang": "source language (default: the pivot of the data set, or all of its pairs)",
    "langs": "only the pairs with these languages on the other side",
    "columns": "own table: the source's and the target's column",
}
EXAMPLES = """
python bitext.py
python bitext.py --dataset nusax --src_lang eng --langs ind jav
python bitext.py --src_lang de --dataset bucc --seed 42 --cuda --model_checkpoint sentence-transformers/LaBSE
python bitext.py --dataset my_pairs.tsv --columns german english --margin ratio
python bitext.py --model_checkpoints bundled/multilingual-e5-small baseline/char_ngram --weights 3 1
python bitext.py --dataset tatoeba --data_dir ~/mirror --dry_run
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Bitext retrieval: rank the target sentences of each pair for every source sentence.", EXAMPLES)
    add_data_args(parser, MEANINGS)
    add_encoder_args(parser)
    group = add_retrieval_args(parser)
    add_margin_args(group)
    group.add_argument(
        "--direction",
        choices=DIRECTIONS,
        default="forward",
        help="forward: sources query targets (default: %(default)s)",
    )
    add_rerank_args(parser)
    add_api_args(parser)
    add_run_args(parser)
    return parser.parse_args(argv)


def make_settings(args: argparse.Namespace, reranker: RerankerSpec | None = None) -> BitextSettings:
    """Return the settings of the run. Raises UserError for flags that exclude each other."""
    from utils.settings.retrieval import BitextSettings

    return build_settings(BitextSettings, args, margin_k=chosen_margin_k(args), **rerank_settings(args, reranker))


class Bitext(RetrievalTask["BitextSubset"]):
    """Bitext retrieval; `pairs` has the two languages of each subset."""

    headers = ("subset", "sources", "targets")

    def __init__(self, run: Run, settings: BitextSettings, pairs: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(run)
        self.settings, self.pairs = settings, pairs

    def load(self, subset: str, *, validation: bool = False) -> BitextSubset:
        """Return a language pair, or its validation split."""
        from utils.data.bitext import load_bitext

        return load_bitext(self.run.dataset, *self.pairs[subset], self.run.sources, name=subset, validation=validation)

    def sizes(self, data: BitextSubset) -> Sequence[int]:
        """Return how many sources and targets are encoded."""
        return [len(texts) for texts in self.sides(data)]

    def sides(self, data: BitextSubset) -> tuple[Sequence[str], Sequence[str]]:
        """Return the texts of both sides; --limit cuts a side that only queries."""
        direction, limit = self.settings.direction, self.settings.limit
        sources = data.sources[:limit] if direction == "forward" else data.sources
        return sources, data.targets[:limit] if direction == "backward" else data.targets

    def n_candidates(self, data: BitextSubset) -> int:
        """Return the number of texts on the side that is searched."""
        return len(data.sources) if self.settings.direction == "backward" else len(data.targets)

    def embed(self, data: BitextSubset) -> Members:
        """Return the vectors of sources and targets of each encoder; the side that queries is encoded as queries."""
        sources, targets = self.sides(data)
        members = []
        for encoder in self.run.ensemble.encoders:
            if self.settings.direction == "backward" and encoder.spec.has_sides:
                members.append(encoder.embed(targets, sources)[::-1])
            else:
                members.append(encoder.embed(sources, targets))
        return members

    def asked(self, data: BitextSubset) -> Asked:
        """Return the queries and the candidates of both directions."""
        sources, targets = self.sides(data)
        return {"forward": (sources, targets), "backward": (targets, sources)}

    def n_asked(self, data: BitextSubset) -> int:
        """Return how many texts query, in one direction or in both."""
        sizes = {"forward": len(data.sources), "backward": len(data.targets)}
        asked = sizes if self.settings.direction == "both" else (self.settings.direction,)
        return sum(min(sizes[side], self.settings.limit or sizes[side]) for side in asked)

    def n_reranked(self, data: BitextSubset, members: Members) -> int:
        """Return how many candidates can be found in every direction that is searched."""
        both = {"forward": n_present(members), "backward": n_present([(b, a) for a, b in members])}
        asked = both if self.settings.direction == "both" else (self.settings.direction,)
        return min(both[side] for side in asked)

    def search(self, ensemble: Ensemble, members: Members, k: int) -> dict[str, TopK]:
        """Return the neighbours in the directions asked for: the sources query forward, the targets backward."""
        asked, limit = self.settings.direction, self.settings.limit
        by_margin = partial(
            ensemble.search_by_margin, margin=self.settings.margin, margin_k=self.settings.margin_k or 1
        )
        found = {}
        for direction in ("forward", "backward") if asked == "both" else (asked,):
            sides = members if direction == "forward" else [(targets, sources) for sources, targets in members]
            sides = [(queries[:limit], candidates) for queries, candidates in sides]
            search = ensemble.search if self.settings.margin == "none" else by_margin
            found[direction] = search(sides, k)
        return found

    def score(self, data: BitextSubset, found: Found, k: int) -> tuple[RunRecord, dict[str, Any]]:
        """Return the record at k and the predictions by direction, those of the first direction on top."""
        import numpy as np

        from utils.evaluation.metrics import text_ids
        from utils.evaluation.scores import bitext_figures, join_directions
        from utils.schema import RunRecord

        seed, gold = self.settings.seed, np.asarray(data.gold, dtype=np.int64)
        sides = {"forward": (gold, data.targets), "backward": (np.argsort(gold), data.sources)}
        figures, predictions = {}, {}
        for direction, neighbors in found.items():
            n = len(neighbors.indices)
            answers, candidates = sides[direction]
            figures[direction] = bitext_figures(answers[:n], neighbors.indices, text_ids(candidates), k, seed)
            predictions[direction] = {"gold": answers[:n].tolist(), "hyp": figures[direction].hyp.tolist()}
        first, *rest = predictions
        values, ci95 = join_directions(figures, seed)
        others = {name: predictions[name] for name in rest}
        return RunRecord(values, ci95, n, k, {}), {**predictions[first], **others}

    def describe(self, data: BitextSubset) -> dict[str, Any]:
        """Return the origin and the languages of a pair."""
        return {
            "origin": vars(data.origin),
            "src_lang": data.src_lang,
            "tgt_lang": data.tgt_lang,
            "setting": data.setting,
            "n_dropped": {"pairs": data.n_dropped},
        }


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.data_choice import chosen_pairs
    from utils.cli.open_run import OtherModels, open_run
    from utils.data.bitext import bitext_subsets

    reranker = chosen_reranker(args)
    settings = make_settings(args, reranker)
    dataset = chosen_pairs(args)
    run = open_run(args, dataset, "bitext", settings, settings.run_name("save_bitext"), OtherModels(reranker=reranker))
    pairs = bitext_subsets(dataset, args.src_lang, args.langs)
    Bitext(run, settings, pairs).execute(list(pairs))


if __name__ == "__main__":
    run_script(main)
