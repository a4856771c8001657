#!/usr/bin/env python3
"""In-context learning: demonstrations retrieved from the training texts, then a language model names the label.

python icl.py                                                      the sample set's topics, embedded models
python icl.py --dataset nusax --langs eng ace --k 1                one retrieved demonstration, each language's own
python icl.py --dataset nusax --cross --src_lang eng --k 5         English demonstrations for every other language
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import Parser, add_data_args, add_run_args, add_similarity_arg
from utils.cli.choices import chosen_generator
from utils.cli.data_choice import LABELED_MEANINGS
from utils.cli.icl_arguments import (
    WITHOUT_ENCODER,
    add_demonstration_args,
    check_flags,
    chosen_instructions,
    make_settings,
)
from utils.cli.labeled_task import LabeledTask
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args, add_generator_args
from utils.cli.plan import Plan

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.answers import GenerationSettings
    from utils.cli.run import Run
    from utils.data.train_test import TrainTest
    from utils.generators.decoding import Answers, DecodeSettings, Query
    from utils.protocols import Generator
    from utils.schema import RunRecord, TopK
    from utils.settings import IclSettings

    Ints = npt.NDArray[np.int64]

MEANINGS = {
    **LABELED_MEANINGS,
    "src_lang": "--cross: the language of the demonstrations (default: the dataset's pivot)",
}
EXAMPLES = """
python icl.py
python icl.py --dataset nusax --k 0 1 5 --gen_model_checkpoint bigscience/bloomz-560m --cuda
python icl.py --dataset nusax --k 1 --balance --model_checkpoint intfloat/multilingual-e5-base
python icl.py --dataset nusax --cross --src_lang eng --gen_model_checkpoint facebook/xglm-564M
python icl.py --dataset nusax --sample_percentile --min_percentile 90 --max_percentile 100
python icl.py --dataset sib200 --gen_model_checkpoint meta-llama/Meta-Llama-3-8B-Instruct --load_in_8bit --cuda
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("In-context learning with retrieved demonstrations.", EXAMPLES)
    add_data_args(parser, MEANINGS)
    add_encoder_args(parser, tuning=False)
    parser.add_argument("--tune_weights", action="store_true", help=argparse.SUPPRESS)  # refused with a hint
    add_generator_args(parser)
    add_demonstration_args(add_similarity_arg(parser))
    add_api_args(parser, generator=True)
    add_run_args(parser)
    return parser.parse_args(argv)


@dataclass
class Shared:
    """What the runs of one command share: the texts of each language, and the demonstrations of a language at a k."""

    data: dict[str, TrainTest] = field(default_factory=dict)
    demonstrations: dict[tuple[str, int], list[Ints]] = field(default_factory=dict)


class Icl(LabeledTask):
    """In-context learning; a subset is a test language."""

    settings: IclSettings

    def __init__(self, run: Run, settings: IclSettings, generator: Generator, shared: Shared) -> None:
        super().__init__(run, settings)
        self.generator, self.shared = generator, shared
        self.k = run.ks.values[0]

    def load(self, subset: str, *, validation: bool = False) -> TrainTest:
        """Return the training and the test texts, which all runs of a command share."""
        if subset not in self.shared.data:
            self.shared.data[subset] = super().load(subset, validation=validation)
        return self.shared.data[subset]

    def sides(self, data: TrainTest) -> tuple[Sequence[str], Sequence[str]]:
        """Return the test texts and the training texts, or none where nothing is encoded."""
        return super().sides(data) if self.run.ensemble.encoders else ((), ())

    def evaluate(self, subset: str) -> None:
        """Load, retrieve demonstrations, ask the generator, score and log one language."""
        from utils.generators.decoding import answer, warn_of_failures
        from utils.progress import Clock

        clock = Clock()
        data = self.load(subset)
        self.run.ks.allowed(subset, self.n_candidates(data))
        clock.lap("load")
        shown = self.shared.demonstrations.get((subset, self.k))
        if shown is None:
            shown = self.shared.demonstrations[subset, self.k] = self.demonstrations(data)
        clock.lap("retrieve")
        queries = self.build_queries(data, shown)
        answers = answer(self.generator, queries, data.names, self.decode_settings())
        clock.lap("answer")
        record, predictions = self.score(data, answers)
        warn_of_failures(subset, answers)
        clock.lap("score")
        prompts = {
            "prompts": [query.prompt for query in queries],
            "demonstrations": [indices.tolist() for indices in shown],
            "labels": list(data.names),
            "scores": answers.scores,
            "outputs": answers.outputs,
            **({"failures": answers.failures} if answers.failures else {}),
        }
        about = data.describe(self.run.dataset, cross=self.settings.cross)
        self.run.log(subset, record, predictions, about, clock.laps, prompts)

    def demonstrations(self, data: TrainTest) -> list[Ints]:
        """Return the indices of each test text's demonstrations, in the order of the prompt."""
        import numpy as np

        from utils.generators import demonstrations as ways

        settings, n_train, k = self.settings, len(data.train.texts), self.k
        if k == 0:
            return [np.zeros(0, dtype=np.int64) for _ in data.queries]
        if settings.demonstrations == "random":
            found = ways.at_random(len(data.queries), n_train, k, settings.seed)
        elif settings.demonstrations == "bm25":
            found = ways.by_bm25(data.queries, data.train.texts, k)
        else:
            found = self.retrieved(data)
        return [indices[::-1] for indices in found] if settings.order == "nearest_last" else found

    def retrieved(self, data: TrainTest) -> list[Ints]:
        """Return the indices of the demonstrations that the encoder retrieves, nearest first."""
        from utils.generators import demonstrations as ways

        settings, ensemble, n_train, k = self.settings, self.run.ensemble, len(data.train.texts), self.k
        members = ensemble.embed(*self.sides(data))

        def search(candidates: Ints, k: int, queries: slice) -> TopK:
            whole = len(candidates) == n_train
            return ensemble.search([(q[queries], t if whole else t[candidates]) for q, t in members], k)

        if settings.balance:
            found = ways.balanced(search, data.indices(data.train.labels), len(data.names), k)
        elif settings.min_percentile is not None and settings.max_percentile is not None:
            low, high = settings.min_percentile, settings.max_percentile
            found = ways.rank_band(search, len(data.queries), n_train, k, low, high)
        elif settings.demonstrations == "diverse":
            found = ways.diverse(search, ensemble.pairwise_cosines([t for _, t in members]), n_train, k)
        else:
            found = ways.nearest(search, n_train, k)
        return [indices[indices >= 0] for indices in found]  # a text without a vector is shown none

    def build_queries(self, data: TrainTest, shown: Sequence[Ints]) -> list[Query]:
        """Return each test text's prompt; chat and sequence-to-sequence models are told the options."""
        from utils.generators.decoding import Query
        from utils.generators.prompts import CONTENT_FREE, build_prompt

        instruction, options = self.settings.instruction, None if self.generator.spec.kind == "base" else data.names
        blanks = CONTENT_FREE if self.settings.calibrate else ()
        queries = []
        for text, indices in zip(data.queries, shown, strict=True):
            pairs = [(data.train.texts[index], data.train.labels[index]) for index in indices.tolist()]
            content_free = tuple(build_prompt(instruction, pairs, blank, options) for blank in blanks)
            queries.append(Query(build_prompt(instruction, pairs, text, options), content_free))
        return queries

    def generation_settings(self) -> GenerationSettings:
        """Return how text is generated; a choice among the labels has a length of its own."""
        from utils.answers import GenerationSettings

        settings = self.settings
        return GenerationSettings(settings.max_new_tokens or 0, settings.temperature, settings.seed)

    def decode_settings(self) -> DecodeSettings:
        """Return how an answer becomes a label."""
        from utils.generators.decoding import DecodeSettings

        settings = self.settings
        return DecodeSettings(
            settings.decode,
            settings.length_norm or "token",
            settings.calibrate,
            settings.legacy,
            settings.max_new_tokens or 0,
            settings.temperature,
            settings.seed,
        )

    def score(self, data: TrainTest, answers: Answers) -> tuple[RunRecord, dict[str, list[Any]]]:
        """Return the record, its `run` still empty, and the predictions; an answer that names no label is wrong."""
        import numpy as np

        from utils.evaluation.scores import label_figures
        from utils.schema import RunRecord

        hyp, settings = np.array(answers.hyp, dtype=np.int64), self.settings
        gold, of_train = data.indices(data.gold), data.indices(data.train.labels)
        figures = label_figures(gold, hyp, data.names, of_train, settings.seed, legacy=settings.legacy)
        metrics = {**figures.metrics, "unparsed": float((hyp < 0).mean())}
        metrics |= {"failed": len(answers.failures) / len(hyp)} if answers.failures else {}
        record = RunRecord(metrics, figures.ci95, len(hyp), self.k, {}, figures.details)
        return record, data.predictions(hyp.tolist())

    def show_plan(self, subsets: Sequence[str]) -> None:
        """Print each language's sizes and state, one whole prompt, the prompts' lengths, and what an API would cost."""
        import numpy as np

        plan, shown = Plan(self.run, [*self.headers, "to encode", "records"]), list[str]()
        quoted = np.zeros(3, dtype=np.int64)  # requests, tokens, tokens generated
        for subset in subsets:
            data = self.load(subset)
            queries, candidates = self.sides(data)
            plan.add(subset, self.sizes(data), queries, candidates)
            costs = self.generator.client is not None and not self.run.store.is_done(subset, self.k)
            if shown and not costs:
                continue
            stand_ins = [np.arange(min(self.k, len(data.train.texts)))] * len(data.queries)  # the nearest need vectors
            prompts = self.build_queries(data, stand_ins)
            shown = shown or [query.prompt for query in prompts]
            if costs:
                texts = [text for query in prompts for text in (query.prompt, *query.content_free)]
                settings = self.generation_settings()
                quoted += self.generator.count_requests(texts, data.names, settings, self.settings.decode)
        plan.show()
        self.show_prompts(subsets[0], shown, quoted)

    def show_prompts(self, subset: str, prompts: Sequence[str], quoted: Ints) -> None:
        """Print the first prompt of a language, the lengths of all of them, and the requests' cost."""
        print(f"\none prompt of {subset}{' (the first training texts stand in)' if self.k else ''}:\n{prompts[0]}\n")
        lengths, exact = self.generator.n_tokens(prompts), self.generator.counts_exactly
        if lengths is None:
            print("tokens: known after the first run, which expands the embedded generator")
            return
        about = "" if exact else "about "
        print(f"{about}{min(lengths)} to {max(lengths)} tokens a prompt, {sum(lengths):,} in all of {subset}")
        if line := self.generator.quote(*map(int, quoted), exact=exact and self.k == 0):
            print(line)


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.data_choice import chosen_labeled
    from utils.cli.ks import Ks
    from utils.cli.models import Models
    from utils.cli.open_run import open_run
    from utils.cli.run import Run, scores_printed
    from utils.data.classification import langs_to_test

    check_flags(args)
    dataset = chosen_labeled(args)
    src_lang, langs = langs_to_test(dataset, args.langs, args.src_lang, cross=args.cross)
    spec, models, shared = chosen_generator(args), Models(args), Shared()
    for instruction in (instructions := chosen_instructions(args, dataset)):
        settings, runs = make_settings(args, src_lang, spec, instruction), list[Run]()
        folder = settings.run_name("save_icl", quantization=spec.quantization, usual_decode=spec.decode)
        if len(instructions) > 1:
            print(f"instruction: {instruction!r}")
        with scores_printed(runs, langs):
            for k in sorted(set(args.k)):
                without = "none" if k == 0 else args.demonstrations if args.demonstrations in WITHOUT_ENCODER else None
                common: dict[str, Any] = {"generator": spec, "models": models, "ks": Ks((k,), typed=True)}
                run = open_run(args, dataset, "icl", settings, folder, without_encoder=without, **common)
                assert run.generator is not None
                runs.append(run)
                Icl(run, settings, run.generator, shared).compute(langs)


if __name__ == "__main__":
    run_script(main)
