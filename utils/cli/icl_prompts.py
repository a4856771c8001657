"""How in-context learning shows the items of a data set: the template, and prompts that fit the model."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.icl_answers import Measures
from utils.cli.icl_mined import AUTO
from utils.cli.translation_measures import translation_measures
from utils.constants import USUAL_MEASURES, WRITTEN
from utils.data.answer_items import pair_of
from utils.data.items import answer_kind, measures_of
from utils.errors import UserError
from utils.files import sha256_of
from utils.generators.templates import languages_of, template_id

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.data.own_items import Shape
    from utils.data.train_test import TrainTest
    from utils.generators.decoding import Query
    from utils.generators.prompt_formats import PromptFormat
    from utils.generators.templates import Template, TemplateFile
    from utils.protocols import Generator
    from utils.schema import DatasetSpec, GeneratorSpec
    from utils.settings.icl import IclSettings

    Ints = npt.NDArray[np.int64]

SHORT = 512  # bytes of a prompt that every model takes: a token has at least one
MARGIN = 256  # tokens that a chat template may add to a prompt


@dataclass(frozen=True)
class Prompting:
    """How the items of a data set are shown: by a template, or, where `file` is None, in the format of MINERS.

    examples: a file of demonstrations that stand in every prompt. measures: those of a corpus of written answers, by
    the names of their figures. mined: a file of mined translations, where one is given. comet: a model of COMET.
    """

    dataset: DatasetSpec
    file: TemplateFile | None
    examples: Path | None = None
    measures: Mapping[str, Any] = field(default_factory=dict)
    mined: Path | None = None
    comet: str | None = None

    @property
    def kind(self) -> str:
        """How an item is answered."""
        return self.file.kind if self.file else "label"

    def zero_shot(self) -> Prompting:
        """Return the same without what demonstrations are taken from."""
        return replace(self, examples=None, mined=None)

    def with_examples(self, data: TrainTest) -> TrainTest:
        """Return the items with those of the file of demonstrations, where there is one, in place of the pool.

        The label set stays that of the data.
        """
        from utils.data.own_items import read_examples

        if self.examples is None:
            return data
        fields = self.file.layouts()[0].fields if self.file else ("text",)
        labelled = replace(self.dataset, label_names=data.names)
        shown = read_examples(self.examples, labelled, (self.kind, fields), data.source)
        return replace(data, train=shown, test=replace(data.test, label_names=data.names))

    def examples_digest(self) -> str | None:
        """Return eight digits of the hash of the file of demonstrations; None without one."""
        return sha256_of(self.examples)[:8] if self.examples else None

    @property
    def is_written(self) -> bool:
        """Whether answers are texts that the model writes."""
        return self.kind in WRITTEN

    def measured(self, lang: str) -> Measures:
        """Return what written answers to items in a language are measured by."""
        of_words = tuple(name for name in measures_of(self.dataset) if name in USUAL_MEASURES["span"])
        return Measures(lang, self.dataset.options.get("rules", "mlqa"), of_words, self.measures, self.comet)

    def describe(self, n_cut: int) -> dict[str, Any]:
        """Return what a record states: the kind of the items, and how many prompts were cut, where any was."""
        about: dict[str, Any] = {"answer_kind": self.kind} if self.file else {}
        about |= {"measures": list(measures_of(self.dataset))} if "measures" in self.dataset.options else {}
        return {**about, **({"prompts_cut": n_cut} if n_cut else {})}

    def template_id(self, template_lang: str | None, answers: str | None) -> str | None:
        """Return how records name the template in these languages; None without one."""
        if self.file is None or template_lang is None:
            return None
        langs = tuple(dict.fromkeys(map(self._lang_of, self.dataset.subsets)))
        return template_id(self.file, langs, template_lang, answers)

    def template_in(self, lang: str, settings: IclSettings) -> Template:
        """Return the template for the items of a language. Raises UserError where the file has nothing for it."""
        assert self.file is not None
        return self.file.in_language(*languages_of(self._lang_of(lang), str(settings.template_lang), settings.answers))

    def _lang_of(self, subset: str) -> str:
        """Return the language of a subset's items, of translations that of the answers."""
        return pair_of(self.dataset, subset)[1] if "pairs" in self.dataset.options else subset

    def format_of(self, lang: str, names: tuple[str, ...], settings: IclSettings, spec: GeneratorSpec) -> PromptFormat:
        """Return how the items of a language become prompts, given the label set; UserError where they cannot.

        Models that are not base models are told the labels, and what to do.
        """
        from utils.generators.prompt_formats import OriginalFormat, TemplateFormat

        told = spec.kind != "base"
        if self.file is None:
            return OriginalFormat(settings.instruction, names, told)
        return TemplateFormat(
            self.template_in(lang, settings),
            names,
            by_letter=settings.choices == "letter",
            told=told,
            instruction=settings.instruction,
            seed=settings.seed if settings.permute else None,
        )


def chosen_file(args: argparse.Namespace, usual: str | None) -> TemplateFile | None:
    """Return the file of --template, or the usual one by its name; None where neither is there."""
    from utils.generators.templates import FOLDER, read_template

    name = args.template or usual
    if name is None:
        return None
    path = Path(name).expanduser()
    is_ours = (FOLDER / f"{name}.toml").is_file() and not path.is_file()
    if not is_ours and not path.is_file():
        ours = ", ".join(sorted(each.stem for each in FOLDER.glob("*.toml")))
        raise UserError(f"--template {name}: no such file", f"give the path of a file, or one of: {ours}")
    return read_template(name if is_ours else path)


def shape_of(file: TemplateFile) -> Shape:
    """Return the kind of a template and the fields that it shows, by which a user's own file is read."""
    return file.kind, file.layouts()[0].fields


def chosen_prompting(args: argparse.Namespace, dataset: DatasetSpec) -> Prompting:
    """Return how the items of a data set are shown. Raises UserError where a template is of another kind or fields."""
    file, examples = chosen_file(args, dataset.options.get("template")), args.demonstrations_file
    if examples is not None and not examples.is_file():
        raise UserError(f"--demonstrations_file {examples}: no such file", "give the path of a table of demonstrations")
    if file is None:
        return Prompting(dataset, None, examples)
    kind, fields = answer_kind(dataset), tuple(dataset.options.get("fields", ("text",)))
    if file.kind != kind:
        raise UserError(
            f"--template {file.name} is for items of the kind {file.kind}, but {dataset.name} has the kind {kind}",
            "choose another template, or write one (docs/icl.md)",
        )
    for layout in file.layouts():
        if lacking := [name for name in layout.fields if name not in fields]:
            what = f"--template {file.name} shows a field {lacking[0]!r}, which {dataset.name} does not have"
            raise UserError(what, f"its fields are {', '.join(fields)}")
    measures = translation_measures(args.bleu_tokenize, measures_of(dataset))
    mined = None if args.mined in (None, AUTO) else Path(args.mined).expanduser()
    return Prompting(dataset, file, examples, measures, mined, args.comet)


def within_context(
    generator: Generator,
    shown: Sequence[Ints],
    build: Callable[[int, Ints], Query],
    labels: Sequence[str],
    new_tokens: int,
    *,
    drop_first: bool = False,
) -> tuple[list[Query], list[Ints], int]:
    """Return the queries of all items and their demonstrations, of which prompts that are too long leave out the last.

    build: makes the query of an item with its demonstrations. labels: those of queries without labels of their own.
    new_tokens: how many are generated. drop_first: whether the demonstrations that matter least stand first. The third
    value is the number of prompts that were cut. An item is never cut: a prompt that is too long without demonstrations
    is left as it is.
    """
    kept = list(shown)
    queries = [build(item, indices) for item, indices in enumerate(kept)]

    def whole(item: int) -> str:
        return queries[item].prompt + max(queries[item].labels or labels, key=len, default="")

    left = [item for item in range(len(kept)) if len(kept[item]) and len(whole(item).encode()) + new_tokens > SHORT]
    limit, cut = generator.context() if left else None, set[int]()
    if limit is None:
        return queries, kept, 0
    left = [item for item in left if len(whole(item).encode()) + new_tokens + MARGIN > limit]
    while left:
        lengths = generator.n_tokens(list(map(whole, left))) or [0] * len(left)
        left = [item for item, n in zip(left, lengths, strict=True) if n + new_tokens > limit and len(kept[item])]
        for item in left:
            kept[item] = kept[item][1:] if drop_first else kept[item][:-1]
            queries[item] = build(item, kept[item])
        cut.update(left)
    return queries, kept, len(cut)
