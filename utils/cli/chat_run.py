"""The flow of free answers in one language: ask, tell the languages, judge, measure and log."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from utils.answers import Failed, GenerationSettings
from utils.cli.chat_arguments import ENGLISH, JUDGE, JUDGE_FLAGS, TRANSLATED, TRANSLATOR, translations_file
from utils.cli.chat_measures import (
    Measured,
    add_agreement,
    add_judgements,
    identifier_error,
    measured,
    most_told,
    shown_columns,
    tell_held,
)
from utils.cli.task_run import TaskRun
from utils.data.instructions import Instructions, load_instructions
from utils.data.language_id import Told, identified_as, told_by
from utils.data.languages import code_of
from utils.data.refusals import has_phrases
from utils.errors import UserError, counted, note, warn
from utils.files import read_json
from utils.generators.chat_prompts import prompts_for, stops_of
from utils.generators.judging import Said, judged, translated
from utils.generators.reasoning import behind_reasoning
from utils.progress import Clock, part_of_run
from utils.schema import RunRecord

if TYPE_CHECKING:
    from utils.cli.run import Run
    from utils.protocols import Generator
    from utils.settings.chat import ChatSettings

Judgements = list[list[Said[int]]]  # (n, answers)


def read_translations(args: argparse.Namespace) -> dict[str, str] | None:
    """Return the English translation of each answer of the file that --judge_translated names; None without one."""
    from utils.data.tables import is_blank, read_table

    path = translations_file(args)
    if path is None:
        return None
    table = read_table(path)
    for name in ("answer", "translation"):
        if name not in table:
            raise UserError(f"{path} has no column {name!r}", "name its columns answer and translation")
    rows = zip(table["answer"], table["translation"], strict=True)
    return {str(answer): str(text) for answer, text in rows if not is_blank(answer) and not is_blank(text)}


class Chat(TaskRun[Instructions]):
    """Free answers; a subset is a language."""

    headers = ("subset", "instructions", "answers")

    def __init__(self, run: Run, settings: ChatSettings, translations: Mapping[str, str] | None = None) -> None:
        super().__init__(run)
        assert run.generator is not None
        self.settings, self.generator, self.translations = settings, run.generator, translations
        self.seeds = [int(seed) for seed in (settings.seeds or "0").split()]

    def load(self, subset: str, *, validation: bool = False) -> Instructions:
        """Return the instructions of a language: those drawn by --sample, of them the first --limit."""
        settings = self.settings
        data = load_instructions(self.run.dataset, subset, self.run.sources).sampled(settings.sample, settings.seed)
        return data.at(range(len(data.ids))[: settings.limit])

    def sizes(self, data: Instructions) -> Sequence[int]:
        """Return the numbers of instructions and of answers to them."""
        return len(data.ids), len(data.ids) * len(self.seeds)

    def sides(self, data: Instructions) -> tuple[Sequence[str], Sequence[str]]:
        """Return nothing: no text is encoded."""
        return (), ()

    def n_candidates(self, data: Instructions) -> int:
        """Return the number of answers to an instruction, which nothing limits."""
        return len(self.seeds)

    def execute(self, subsets: Sequence[str]) -> None:
        """Show the plan of a dry run, or evaluate all languages and print their figures."""
        super().execute(subsets)
        if not self.run.dry_run:
            self.print_figures(subsets)

    def print_figures(self, subsets: Sequence[str]) -> None:
        """Print what records have beside the main metric, a line a language; columns without a value are left out."""
        from tabulate import tabulate

        paths = [self.run.store.path_of(subset, len(self.seeds)) for subset in subsets]
        rows = [shown_columns((read_json(path) if path.is_file() else None) or {}) for path in paths]
        names = [name for name in rows[0] if any(row[name] not in (None, 0.0) for row in rows)]
        table = [[subset, *(row[name] for name in names)] for subset, row in zip(subsets, rows, strict=True)]
        print(tabulate(table, ["", *names], floatfmt=".2f"))

    def how(self, seed: int) -> GenerationSettings:
        """Return how the answers of a seed are generated."""
        settings = self.settings
        return GenerationSettings(
            settings.max_new_tokens,
            settings.temperature,
            seed,
            settings.top_p if settings.top_p != 1 else None,
            settings.top_k or None,
            stops_of(self.generator.spec, settings.template),
        )

    def prompts(self, data: Instructions) -> list[str]:
        """Return the prompt of each instruction (n,)."""
        return prompts_for(self.generator.spec, data.texts, self.settings.template)

    def evaluate(self, subset: str) -> None:
        """Load, ask, judge, measure and log one language."""
        clock = Clock()
        data = self.load(subset)
        clock.lap("load")
        answers, failures, unfinished = self.answers(data)
        clock.lap("answer")
        told = [[told_by(text) for text in row] for row in answers]
        found = measured(answers, subset, told, self.settings.seed)
        self.add_counts(found, data, failures, unfinished)
        clock.lap("measure")
        judgements = self.judge(data, answers, told, found)
        clock.lap("judge")
        record = RunRecord(found.metrics, found.ci95, len(data.ids), len(self.seeds), {}, found.details)
        items = {"gold": [subset] * len(data.ids), "hyp": [most_told(row, subset) for row in told]}
        beside = {
            "ids": list(data.ids),
            "prompts": self.prompts(data),
            "references": list(data.references),
            "seeds": self.seeds,
            "answers": answers,
            "answered_in": [[one.lang for one in row] for row in told],
            **judgements,
            **({"failures": failures} if failures else {}),
        }
        about = {"origin": vars(data.origin), "lang": subset}
        self.run.log(subset, record, {**items, "values": found.values}, about, clock.laps, beside)

    def answers(self, data: Instructions) -> tuple[list[list[str]], dict[str, str], int]:
        """Return the answers by instruction, behind the model's reasoning, and how many were cut within it.

        Answers that there will never be are empty; the reasons are by `instruction answer`, both numbers.
        """
        prompts, columns = self.prompts(data), []
        failures, unfinished = dict[str, str](), 0
        for number, seed in enumerate(self.seeds):
            texts = []
            with part_of_run(f"answers of seed {seed}" if self.settings.seeds else "answers"):
                generated = self.generator.generate(prompts, self.how(seed))
            for place, one in enumerate(generated):
                behind = None if isinstance(one, Failed) else behind_reasoning(one)
                if isinstance(one, Failed):
                    failures[f"{place} {number}"] = one.reason
                else:
                    unfinished += behind is None
                texts.append((behind or "").strip())
            columns.append(texts)
        return [list(row) for row in zip(*columns, strict=True)], failures, unfinished

    def add_counts(self, found: Measured, data: Instructions, failures: Mapping[str, str], unfinished: int) -> None:
        """Add the identifier's error on reference texts, and what went wrong; say what a reader should know."""
        lang, n = data.lang, len(data.ids) * len(self.seeds)
        if error := identifier_error(data):
            found.metrics["lid_error"], found.details["lid_references"] = error
        if not identified_as(lang):
            note(f"{lang}: the identifier does not know this language: fidelity is not measured")
        elif "fidelity" not in found.metrics:
            note(f"{lang}: all answers are too short to tell their language: fidelity is not measured")
        if not has_phrases(lang):
            note(f"{lang}: there are no phrases of refusal in this language: only English ones are counted")
        found.details["refusal_phrases"] = [ENGLISH, *([code_of(lang)] if has_phrases(lang) else [])]
        if failures:
            found.metrics["failed"] = len(failures) / n
            first = next(iter(failures.values()))
            warn(f"{lang}: {counted(len(failures), 'answer')} missing, counted as empty: {first}")
        if unfinished:
            found.metrics["unfinished"] = unfinished / n
            what = f"{counted(unfinished, 'answer')} cut off within the model's reasoning, counted as empty"
            warn(f"{lang}: {what}: give a larger --max_new_tokens")

    def judge(
        self, data: Instructions, answers: Sequence[Sequence[str]], told: Sequence[Sequence[Told]], found: Measured
    ) -> dict[str, Any]:
        """Add what the judge says of the answers and their translations; return its judgements as records have them."""
        judge = self.run.beside.get(JUDGE)
        if judge is None:
            return {}
        seed, tokens = self.settings.seed, self.settings.judge_tokens
        with part_of_run("judgements"):
            first = levels_of(judge, data, answers, tokens)
        add_judgements(found, first, seed, name="help", unread="unread", about="judge_levels")
        said: dict[str, Any] = {"judgements": _as_records(first)}
        if self.settings.judge_twice:
            with part_of_run("second judgements"):
                second = levels_of(judge, data, answers, tokens, second=True)
            add_agreement(found, first, second)
            said["second_judgements"] = _as_records(second)
        if self.settings.judge_translated:
            with part_of_run("translations"):
                english = self.in_english(answers, told)
            with part_of_run("judgements of translations"):
                third = levels_of(judge, data, english, tokens)
            add_judgements(
                found, third, seed, name="help_translated", unread="unread_translated", about="judge_levels_translated"
            )
            said |= {"translations": english, "translated_judgements": _as_records(third)}
        for suffix in ("", "_translated"):
            if counts := found.details.get(f"judge_levels{suffix}"):
                _tell_unread(data.lang, counts, suffix)
        return said

    def in_english(self, answers: Sequence[Sequence[str]], told: Sequence[Sequence[Told]]) -> list[list[str]]:
        """Return the English translation of each answer; one that is in English or empty stays as it is.

        An answer that the translator does not translate is empty. Raises UserError where a file lacks an answer.
        """
        pairs = [pair for row, tags in zip(answers, told, strict=True) for pair in zip(row, tags, strict=True)]
        others = list(dict.fromkeys(text for text, tag in pairs if text and tag.lang != ENGLISH))
        translator = self.run.beside.get(TRANSLATOR)
        if translator is not None:
            with JUDGE_FLAGS.in_errors():
                found = translated(translator, others, TRANSLATED * self.settings.max_new_tokens)
            english = {text: one or "" for text, one in zip(others, found, strict=True)}
        else:
            english = dict(self.translations or {})
            if missing := [text for text in others if text not in english]:
                what = f"--judge_translated: the file lacks {len(missing)} of {counted(len(others), 'answer')}"
                raise UserError(
                    f"{what}, the first is {missing[0][:60]!r}", "add them, or name a model that translates"
                )
        return [[english.get(text, text) for text in row] for row in answers]

    def show_plan(self, subsets: Sequence[str]) -> None:
        """Print each language's sizes and state, one whole prompt, and what APIs would cost."""
        from utils.cli.chat_plan import show_plan

        show_plan(self, subsets)


def levels_of(
    judge: Generator,
    data: Instructions,
    answers: Sequence[Sequence[str]],
    tokens: int | None,
    *,
    second: bool = False,
) -> Judgements:
    """Return the level of each answer, all of which the judge is asked for at once, by instruction."""
    instructions = [text for text, row in zip(data.texts, answers, strict=True) for _ in row]
    every = [text for row in answers for text in row]
    with JUDGE_FLAGS.in_errors():
        said = iter(judged(judge, instructions, every, tokens, second=second))
    return [[next(said) for _ in row] for row in answers]


def _as_records(said: Judgements) -> list[list[dict[str, Any]]]:
    return [[one.as_record("level") for one in row] for row in said]


def _tell_unread(lang: str, counts: Mapping[str, Any], suffix: str) -> None:
    """Say which part of a language's judgements no judge gave in a form that can be read.

    suffix: that of the metrics of these judgements.
    """
    n, unread = sum(counts["levels"]) + counts["unread"], counts["unread"]
    tell_held(lang, counts.get("held", 0), n, f"help{suffix} is of its most probable levels")
    if unread:
        what = f"{counted(unread, 'judgement')} of help{suffix} that cannot be read, asked for twice and left out"
        warn(f"{lang}: {what} (share: unread{suffix})")
