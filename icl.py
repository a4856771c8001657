#!/usr/bin/env python3
"""In-context learning: demonstrations retrieved from the training texts, then a language model names the label.

python icl.py                                                      the sample set's topics, embedded models
python icl.py --dataset nusax --langs eng ace --k 1                one retrieved demonstration, each language's own
python icl.py --dataset nusax --cross --src_lang eng --k 5         English demonstrations for every other language
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import Parser, add_data_args, add_run_args, add_similarity_arg
from utils.cli.choices import chosen_generator
from utils.cli.data_choice import LABELED_MEANINGS
from utils.cli.icl_arguments import (
    WITHOUT_ENCODER,
    add_demonstration_args,
    add_template_args,
    check_flags,
    chosen_instructions,
    make_settings,
)
from utils.cli.labeled_task import LabeledTask
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args, add_generator_args
from utils.errors import note

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.answers import GenerationSettings
    from utils.cli.icl_prompts import Prompting
    from utils.cli.run import Run
    from utils.data.train_test import TrainTest
    from utils.generators.decoding import Answers, DecodeSettings, Query
    from utils.generators.prompt_formats import PromptFormat
    from utils.protocols import Generator
    from utils.schema import RunRecord
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
    add_template_args(parser)
    add_api_args(parser, generator=True)
    add_run_args(parser)
    return parser.parse_args(argv)


@dataclass
class Shared:
    """What the runs of one command share: the texts of each language, and the demonstrations of a language at a k.

    mined: what records state of the translations that were mined for a language.
    """

    data: dict[str, TrainTest] = field(default_factory=dict)
    demonstrations: dict[tuple[str, int], list[Ints]] = field(default_factory=dict)
    mined: dict[str, dict[str, Any]] = field(default_factory=dict)


class Icl(LabeledTask):
    """In-context learning; a subset is a test language."""

    settings: IclSettings

    def __init__(
        self, run: Run, settings: IclSettings, generator: Generator, shared: Shared, prompting: Prompting
    ) -> None:
        super().__init__(run, settings)
        self.generator, self.shared, self.prompting = generator, shared, prompting
        self.k = run.ks.values[0]

    def load(self, subset: str, *, validation: bool = False) -> TrainTest:
        """Return the training and the test texts, which all runs of a command share."""
        if subset not in self.shared.data:
            data = self.prompting.with_examples(super().load(subset, validation=validation))
            if self.settings.mined and not self.run.dry_run:
                from utils.cli.icl_mined import mined_demonstrations

                data, self.shared.mined[subset] = mined_demonstrations(
                    self.run, self.settings, data, self.prompting.mined
                )
            self.shared.data[subset] = data
        return self.shared.data[subset]

    def sides(self, data: TrainTest) -> tuple[Sequence[str], Sequence[str]]:
        """Return the test texts and the training texts, or none where nothing is encoded."""
        return super().sides(data) if self.run.ensemble.encoders else ((), ())

    def evaluate(self, subset: str) -> None:
        """Load, retrieve demonstrations, ask the generator, score and log one language."""
        from utils.cli.icl_demonstrations import demonstrations_of
        from utils.generators.decoding import answer, options_of, warn_of_failures, write
        from utils.progress import Clock

        clock = Clock()
        data = self.load(subset)
        self.run.ks.allowed(subset, self.n_candidates(data))
        clock.lap("load")
        shown = self.shared.demonstrations.get((subset, self.k))
        if shown is None:
            shown = self.shared.demonstrations[subset, self.k] = demonstrations_of(
                self.run, self.settings, data, self.k, self.sides(data)
            )
        clock.lap("retrieve")
        form = self.format_of(data)
        queries, shown, n_cut = self.within_context(data, form, shown)
        if self.prompting.is_written:
            ends = self.prompting.template_in(data.lang, self.settings).ends
            answers, texts = write(self.generator, queries, ends, self.decode_settings())
        else:
            answers, texts = answer(self.generator, queries, data.names, self.decode_settings()), []
            answers = self.in_data_order(data, form, answers)
        clock.lap("answer")
        record, predictions = self.score(data, answers, texts)
        warn_of_failures(subset, answers, "are empty" if self.prompting.is_written else "name no label")
        clock.lap("score")
        prompts = {
            "prompts": [query.prompt for query in queries],
            "demonstrations": [indices.tolist() for indices in shown],
            "labels": list(data.names),
            "scores": answers.scores,
            "outputs": answers.outputs,
            **options_of(queries),
            **({"failures": answers.failures} if answers.failures else {}),
        }
        about = {**data.describe(self.run.dataset, cross=self.settings.cross), **self.prompting.describe(n_cut)}
        about |= {"mined_pairs": self.shared.mined[subset]} if subset in self.shared.mined else {}
        self.run.log(subset, record, predictions, about, clock.laps, prompts)

    def format_of(self, data: TrainTest) -> PromptFormat:
        """Return how the items of a language become prompts."""
        return self.prompting.format_of(data.lang, data.names, self.settings, self.generator.spec)

    def query_of(self, data: TrainTest, form: PromptFormat) -> Callable[[int, Ints], Query]:
        """Return the function that makes the query of a test item, given its place and its demonstrations."""
        from utils.generators.decoding import Query
        from utils.generators.prompts import CONTENT_FREE

        train, test = data.train.shown(), data.test.shown()
        blanks = CONTENT_FREE if self.settings.calibrate else ()
        is_generated = self.settings.decode == "generate"

        def query(place: int, indices: Ints) -> Query:
            examples, item = [train[index] for index in indices.tolist()], test[place]
            content_free = tuple(form.prompt(examples, form.blank(item, blank)) for blank in blanks)
            labels, prompt = form.labels_of(item), form.prompt(examples, item)
            return Query(
                prompt.rstrip(" ") if is_generated else prompt,  # a blank at the end is no beginning of a word
                content_free,
                form.alone(item) if self.settings.pmi else None,
                () if labels == data.names else labels,
            )

        return query

    def within_context(
        self, data: TrainTest, form: PromptFormat, shown: Sequence[Ints]
    ) -> tuple[list[Query], list[Ints], int]:
        """Return the queries, their demonstrations, and how many prompts were too long for all of theirs."""
        from utils.cli.icl_prompts import within_context

        settings, query = self.settings, self.query_of(data, form)
        n_new, last_first = settings.max_new_tokens or 0, settings.order == "nearest_last"
        found = within_context(self.generator, shown, query, data.names, n_new, drop_first=last_first)
        if found[2]:
            what = f"{found[2]} of {len(shown)} prompts are too long for the model and have fewer demonstrations"
            note(f"{self.run.dataset.name} {data.lang}: {what}")
        return found

    def in_data_order(self, data: TrainTest, form: PromptFormat, answers: Answers) -> Answers:
        """Return the answers, of which each option has its place in the data, in whatever order it was shown."""
        items = data.test.shown()
        pairs = enumerate(answers.hyp)
        hyp = [place if place < 0 else form.label_at(items[index], place) for index, place in pairs]
        return replace(answers, hyp=hyp)

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

    def score(
        self, data: TrainTest, answers: Answers, texts: Sequence[str] = ()
    ) -> tuple[RunRecord, dict[str, list[Any]]]:
        """Return the record, its `run` still empty, and the predictions; an answer that names no label is wrong.

        texts: the answers by themselves, where they are written.
        """
        import numpy as np

        if self.prompting.is_written:
            from utils.cli.icl_answers import written_record

            how = self.prompting.measured(data.lang)
            return written_record(data, answers, texts, self.k, self.settings, how, self.run.device)

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
        """Print what the run would do, with one prompt and what an API would cost."""
        from utils.cli.icl_plan import show_plan

        show_plan(self, subsets)


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.data_choice import chosen_prompted
    from utils.cli.ks import Ks
    from utils.cli.models import Models
    from utils.cli.open_run import open_run
    from utils.cli.run import Run, scores_printed
    from utils.data.answer_items import source_of
    from utils.data.classification import langs_to_test

    check_flags(args)
    dataset, prompting = chosen_prompted(args)
    asked = (None, None) if "pairs" in dataset.options else (args.langs, args.src_lang)
    src_lang, langs = langs_to_test(dataset, *asked, cross=args.cross)
    src_lang = source_of(dataset) if "pairs" in dataset.options else src_lang
    spec, models, shared = chosen_generator(args), Models(args), Shared()
    for instruction in (instructions := chosen_instructions(args, prompting)):
        settings, runs = make_settings(args, src_lang, spec, instruction, prompting), list[Run]()
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
                Icl(run, settings, run.generator, shared, prompting).compute(langs)


if __name__ == "__main__":
    run_script(main)
