"""--eval of finetune.py: the tasks that the checkpoint and the trained model are measured by, and their test texts.

A measurement is a command of the suite. It is run as any other, with records of its own, once for the checkpoint and
once for the trained model; what has records already is not computed again.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError, suggest
from utils.training import ranks

if TYPE_CHECKING:
    from utils.cli.finetune_run import Objective
    from utils.data.sources import Sources
    from utils.training.folder import TrainingFolder
    from utils.training.loop import Trained
    from utils.training.options import TrainingOptions

PLACES = ("data_dir", "cache_dir")
SAME = 10  # a field that has, in the mean, one value for so many items is a word, such as the name of a language

Parse = Callable[[str, Sequence[str]], argparse.Namespace]  # a script's arguments
Measure = Callable[[str, Sequence[str]], "list[Path]"]  # runs a script's command, and returns its records
Compare = Callable[[Sequence[Path], Sequence[Path]], "list[dict[str, Any]]"]  # rows of records before and after


@dataclass(frozen=True)
class MeasuredAs:
    """How scripts take what an objective trains: the flag that names it, and the tasks whose scripts have that flag.

    what: how messages call it. others: further flags that name such models.
    """

    what: str
    flag: str
    tasks: tuple[str, ...]
    others: tuple[str, ...] = ()


AS_ENCODER = MeasuredAs(
    "an encoder",
    "model_checkpoint",
    ("bitext", "classification", "icl", "retrieval", "sts"),
    others=("model_checkpoints",),
)
AS_CLASSIFIER = MeasuredAs("a classifier", "model_checkpoint", ())  # which its own records measure
AS_RERANKER = MeasuredAs("a reranker", "rerank", ("bitext", "retrieval"))
AS_GENERATOR = MeasuredAs("a language model", "gen_model_checkpoint", ("icl", "chat"))


@dataclass(frozen=True)
class Evaluation:
    """A command of the suite without its model. script: its file. args: what the script makes of the flags."""

    script: str
    argv: tuple[str, ...]
    args: argparse.Namespace

    def command(self, flags: Sequence[str]) -> str:
        """Return the command with a model."""
        return shlex.join(["python", self.script, *self.argv, *flags])


def add_eval_args(parser: argparse.ArgumentParser) -> None:
    """Add the flag that measures the model before and after the training."""
    parser.add_argument_group("evaluation").add_argument(
        "--eval",
        nargs="+",
        default=[],
        metavar="TASK:DATASET",
        help="measure the model before and after the training: bitext:nusax, or a whole command in quotation marks, "
        '"bitext.py --dataset tatoeba --langs swh_eng"',
    )


def evaluations_of(args: argparse.Namespace, way: MeasuredAs, parse: Parse) -> list[Evaluation]:
    """Return the commands of --eval: each `TASK:DATASET`, or a script with its flags.

    Raises UserError for an unknown task, one that measures no such model, flags that the script does not take, and
    flags that name a model.
    """
    return [_evaluation(text, args, way, parse) for text in args.eval]


def _evaluation(text: str, args: argparse.Namespace, way: MeasuredAs, parse: Parse) -> Evaluation:
    first, *words = _words(text)
    if words or first.endswith(".py"):
        task = first.removesuffix(".py")
    else:
        task, _, dataset = first.partition(":")
        words = ["--dataset", dataset] if dataset else []
    if task not in READERS:
        raise UserError(f"--eval {text}: there is no task {task!r} that measures a model", suggest(task, READERS))
    if task not in way.tasks:
        others = f"choose from: {', '.join(way.tasks)}" if way.tasks else "its own test is in its records: leave it out"
        raise UserError(f"--eval {text}: {task}.py does not measure {way.what}", others)
    typed = {word.split("=")[0] for word in words}
    for name in (way.flag, *way.others):
        if f"--{name}" in typed:
            raise UserError(f"--eval {text}: --{name} is the model that is trained", "leave it out")
    for place in PLACES:
        if (value := getattr(args, place)) is not None and f"--{place}" not in typed:
            words += [f"--{place}", str(value)]
    if args.cuda and "--cuda" not in typed:
        words.append("--cuda")
    script = f"{task}.py"
    return Evaluation(script, tuple(words), parse(script, [*words, *model_flags(args, way, Path("FOLDER"))]))


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--eval {text}: {error}", "write the command as in a shell") from error
    words = words[1:] if words[:1] == ["python"] else words
    if not words:
        raise UserError("--eval with an empty command", "write TASK:DATASET, or a script with its flags")
    return words


def model_flags(args: argparse.Namespace, way: MeasuredAs, path: Path | None) -> list[str]:
    """Return the flags by which a script takes the checkpoint (None), or the trained model in its folder.

    A reranker is measured against no reranking, since its checkpoint has no scores.
    """
    if path is not None:
        return [f"--{way.flag}", str(path)]
    if way == AS_RERANKER:
        return []
    ways = [(name, getattr(args, name, None)) for name in ("pooling", "attention")]
    return [
        f"--{way.flag}",
        str(args.model_checkpoint),
        *(word for name, way in ways if way for word in (f"--{name}", way)),
    ]


class Measured:
    """A training whose model is measured before and after it."""

    def __init__(
        self, objective: Objective, args: argparse.Namespace, way: MeasuredAs, measure: Measure, compare: Compare
    ) -> None:
        self.objective, self.args, self.way, self.measure, self.compare = objective, args, way, measure, compare
        self.options: TrainingOptions = objective.options
        self.before: list[Path] = []

    @property
    def output(self) -> Path:
        """The folder that the training has unless --output names one."""
        return self.objective.output

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights."""
        return self.objective.identity()

    def plan(self) -> str:
        """Return what the training would do, and the commands that measure the model."""
        flags = [model_flags(self.args, self.way, path) for path in (None, Path("FOLDER"))]
        commands = [each.command(some) for some in flags for each in self.args.evaluations]
        return "\n".join([self.objective.plan(), *commands])

    def train(self, folder: TrainingFolder) -> Trained:
        """Measure the checkpoint, and train."""
        if ranks.is_first():
            self.before = self._measured(None)
        return self.objective.train(folder)

    def save(self, folder: Path) -> None:
        """Write the trained model."""
        self.objective.save(folder)

    def figures(self, folder: TrainingFolder) -> dict[str, Any]:
        """Measure the trained model; print and return the figures before and after."""
        from tabulate import tabulate

        figures = self.objective.figures(folder)
        rows = self.compare(self.before, self._measured(folder.path))
        print(tabulate(rows, headers="keys", disable_numparse=True))
        return {**figures, "evaluation": rows}

    def lacks_records(self) -> bool:
        """Return whether the trained model is needed for records that are not there, apart from those of --eval."""
        return self.objective.lacks_records()

    def card(self) -> dict[str, Any]:
        """Return what the model card says."""
        return self.objective.card()

    def _measured(self, path: Path | None) -> list[Path]:
        flags = model_flags(self.args, self.way, path)
        found: dict[Path, None] = {}
        for each in self.args.evaluations:
            print(each.command(flags))
            found |= dict.fromkeys(self.measure(each.script, [*each.argv, *flags]))
        return list(found)


def texts_of_tests(evaluations: Iterable[Evaluation]) -> Iterator[str]:
    """Return the texts that the commands test on: all of pairs, of classification those of the split that is tested.

    Of retrieval they are the questions and the passages that answer them; of items that prompts show, their fields,
    each by itself and as they are encoded, and the references of translations.
    """
    from utils.cli.open_run import chosen_sources

    for each in evaluations:
        yield from READERS[each.script.removesuffix(".py")](each.args, chosen_sources(each.args))


def _of_bitext(args: argparse.Namespace, sources: Sources) -> Iterator[str]:
    from utils.cli.data_choice import chosen_pairs
    from utils.data.bitext import bitext_subsets, load_bitext

    dataset = chosen_pairs(args)
    for name, pair in bitext_subsets(dataset, args.src_lang, args.langs).items():
        data = load_bitext(dataset, *pair, sources, name=name)
        yield from (*data.sources, *data.targets)


def _of_classification(args: argparse.Namespace, sources: Sources) -> Iterator[str]:
    from utils.cli.data_choice import chosen_labeled
    from utils.data.classification import langs_to_test, load_labeled

    dataset = chosen_labeled(args)
    for lang in langs_to_test(dataset, args.langs, args.src_lang, cross=args.cross)[1]:
        yield from load_labeled(dataset, lang, args.split, sources).texts


def _of_items(args: argparse.Namespace, sources: Sources) -> Iterator[str]:
    from utils.cli.data_choice import chosen_prompted
    from utils.data.classification import langs_to_test, load_labeled
    from utils.data.items import has_items, load_items

    dataset, prompting = chosen_prompted(args)
    asked = (None, None) if "pairs" in dataset.options else (args.langs, args.src_lang)
    for lang in langs_to_test(dataset, *asked, cross=args.cross)[1]:
        if not has_items(dataset):
            yield from load_labeled(dataset, lang, args.split, sources).texts
            continue
        tested = load_items(dataset, lang, args.split, sources)
        yield from tested.texts
        for name in tested.items[0].fields:
            values = [item.fields[name] for item in tested.items]
            yield from values if len(set(values)) * SAME > len(values) else ()
        yield from (text for item in tested.items for text in item.references if prompting.kind == "text")


def _of_retrieval(args: argparse.Namespace, sources: Sources) -> Iterator[str]:
    from utils.data.judged import chosen_pool, judged_subsets, load_judged
    from utils.data.own_judged import find_judged

    dataset = find_judged(args.dataset, args.columns, no_header=args.no_header, split=args.split)
    for subset in judged_subsets(dataset, args.langs, args.pairs):
        data = load_judged(dataset, subset, sources, pool=chosen_pool(dataset, args.pool), langs=args.langs)
        answers = {name for grades in data.judgements.values() for name, grade in grades.items() if grade > 0}
        yield from data.queries.texts
        yield from (text for name, text in zip(data.passages.ids, data.passages.texts, strict=True) if name in answers)


def _of_sts(args: argparse.Namespace, sources: Sources) -> Iterator[str]:
    from utils.data.judged import judged_subsets
    from utils.data.own_sts import find_sts
    from utils.data.sts import load_sts

    dataset = find_sts(args.dataset, args.columns, no_header=args.no_header)
    for subset in judged_subsets(dataset, args.langs):
        data = load_sts(dataset, subset, sources)
        yield from (*data.first_texts, *data.second_texts)


def _of_chat(args: argparse.Namespace, sources: Sources) -> Iterator[str]:
    from utils.data.instructions import find_instructions, langs_asked, load_instructions

    dataset = find_instructions(args.dataset, args.columns, args.langs, no_header=args.no_header)
    for lang in langs_asked(dataset, args.langs):
        yield from load_instructions(dataset, lang, sources).texts


READERS: Mapping[str, Callable[[argparse.Namespace, Sources], Iterator[str]]] = {
    "bitext": _of_bitext,
    "classification": _of_classification,
    "icl": _of_items,
    "retrieval": _of_retrieval,
    "sts": _of_sts,
    "chat": _of_chat,
}
