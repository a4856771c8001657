"""In-context learning on one run: demonstrations, prompts that fit the model, answers, scores and records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.cli.icl_options import in_data_order, logged_options, places_of
from utils.cli.labeled_task import LabeledTask, note_labels_without_word
from utils.errors import note

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.answers import GenerationSettings
    from utils.cli.icl_options import Places
    from utils.cli.icl_prompts import Prompting
    from utils.cli.run import Run
    from utils.data.train_test import TrainTest
    from utils.generators.decoding import Answers, DecodeSettings, Query
    from utils.generators.prompt_formats import PromptFormat
    from utils.progress import Clock
    from utils.protocols import Generator
    from utils.schema import RunRecord
    from utils.settings.icl import IclSettings

    Ints = npt.NDArray[np.int64]


@dataclass
class Shared:
    """What the runs of one command share: the texts of each language, and the demonstrations of a language at a k.

    data: by language, and by what demonstrations are taken from in place of its training texts, None for those. mined:
    what records state of the translations that were mined for a language.
    """

    data: dict[tuple[str, str | None], TrainTest] = field(default_factory=dict)
    demonstrations: dict[tuple[str, int], list[Ints]] = field(default_factory=dict)
    mined: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Prompts:
    """The prompts of a language: their format, the queries, their demonstrations, and how many lack some of theirs."""

    form: PromptFormat
    queries: list[Query]
    shown: list[Ints]
    n_cut: int

    def logged(self, data: TrainTest) -> dict[str, Any]:
        """Return what the file of prompts beside a record has of them."""
        return {
            "prompts": [query.prompt for query in self.queries],
            "demonstrations": [indices.tolist() for indices in self.shown],
            "labels": list(data.names),
            **logged_options(self.queries, self.places(data), data.test.shown()),
        }

    def places(self, data: TrainTest) -> Places:
        """Return the index in the label set of each label that a prompt asks for, in the order of the prompt."""
        return places_of(self.form, data.test.shown(), self.queries, data.names)


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
        key = subset, self.settings.mined or self.settings.demonstrations_file
        if key not in self.shared.data:
            data = self.prompting.with_examples(super().load(subset, validation=validation))
            if self.settings.mined and not self.run.dry_run:
                from utils.cli.icl_mined import mined_demonstrations

                data, self.shared.mined[subset] = mined_demonstrations(
                    self.run, self.settings, data, self.prompting.mined
                )
            self.shared.data[key] = data
        return self.shared.data[key]

    def sides(self, data: TrainTest) -> tuple[Sequence[str], Sequence[str]]:
        """Return the test texts and the training texts, or none where nothing is encoded."""
        return super().sides(data) if self.run.ensemble.encoders else ((), ())

    def compute(self, subsets: Sequence[str]) -> None:
        """Show the plan or evaluate all languages, after the user's files have been found to have what each needs."""
        for subset in subsets:
            if self.prompting.file is not None:
                self.prompting.template_in(subset, self.settings)
            if self.prompting.examples is not None:
                self.load(subset)
        super().compute(subsets)

    def check(self, subsets: Sequence[str]) -> None:
        """Load all languages of a user's own data, and find that their labels are those of the template."""
        super().check(subsets)
        for subset in subsets:
            data = self.load(subset)
            self.format_of(data)
            if self.prompting.file is not None:
                words = self.prompting.template_in(data.lang, self.settings).answers
                note_labels_without_word(f"{self.run.dataset.name} {data.lang}", data.names, words)

    def evaluate(self, subset: str) -> None:
        """Load, retrieve demonstrations, ask the generator, score and log one language."""
        from utils.generators.decoding import answer, warn_of_failures, write
        from utils.progress import Clock

        clock = Clock()
        data = self.load(subset)
        asked = self.ask(subset, data, clock)
        if self.prompting.is_written:
            ends = self.prompting.template_in(data.lang, self.settings).ends
            answers, texts = write(self.generator, asked.queries, ends, self.decode_settings())
        else:
            answers, texts = answer(self.generator, asked.queries, data.names, self.decode_settings()), []
            answers = in_data_order(answers, asked.places(data))
        clock.lap("answer")
        record, predictions = self.score(data, answers, texts)
        warn_of_failures(subset, answers, "are empty" if self.prompting.is_written else "name no label")
        clock.lap("score")
        prompts = {
            **asked.logged(data),
            "scores": answers.scores,
            "outputs": answers.outputs,
            **({"failures": answers.failures} if answers.failures else {}),
        }
        self.run.log(subset, record, predictions, self.describe(subset, data, asked), clock.laps, prompts)

    def ask(self, subset: str, data: TrainTest, clock: Clock) -> Prompts:
        """Return the prompts of a language's test items; what all runs of a command share is computed once."""
        from utils.cli.icl_demonstrations import demonstrations_of

        self.run.ks.allowed(subset, self.n_candidates(data))
        clock.lap("load")
        shown = self.shared.demonstrations.get((subset, self.k))
        if shown is None:
            shown = self.shared.demonstrations[subset, self.k] = demonstrations_of(
                self.run, self.settings, data, self.k, self.sides(data)
            )
        clock.lap("retrieve")
        form = self.format_of(data)
        return Prompts(form, *self.within_context(data, form, shown))

    def describe(self, subset: str, data: TrainTest, asked: Prompts) -> dict[str, Any]:
        """Return what a record says of a language's data and prompts."""
        about = {**data.describe(self.run.dataset, cross=self.settings.cross), **self.prompting.describe(asked.n_cut)}
        return about | ({"mined_pairs": self.shared.mined[subset]} if self.settings.mined else {})

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
            return written_record(data, answers, texts, self.k, self.settings.seed, how, self.run.device)

        from utils.evaluation.scores import label_figures
        from utils.schema import RunRecord

        hyp, settings = np.array(answers.hyp, dtype=np.int64), self.settings
        gold, of_train = data.indices(data.gold), data.indices(data.train.labels)
        n_options = None
        if self.prompting.kind == "choice":
            n_options = np.array([len(item.choices) for item in data.test.shown()[: len(hyp)]], dtype=np.int64)
        figures = label_figures(
            gold, hyp, data.names, of_train, settings.seed, legacy=settings.legacy, n_options=n_options
        )
        metrics = {**figures.metrics, "unparsed": float((hyp < 0).mean())}
        metrics |= {"failed": len(answers.failures) / len(hyp)} if answers.failures else {}
        metrics |= {"tied": answers.n_tied / len(hyp)} if answers.n_tied else {}
        record = RunRecord(metrics, figures.ci95, len(hyp), self.k, {}, figures.details)
        return record, data.predictions(hyp.tolist())

    def show_plan(self, subsets: Sequence[str]) -> None:
        """Print what the run would do, with one prompt and what an API would cost."""
        from utils.cli.icl_plan import show_plan

        show_plan(self, subsets)
