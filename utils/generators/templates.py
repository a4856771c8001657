"""Templates: how a prompt shows an item, and which words its answers are.

A template is a file of data/templates, or the user's own, in TOML. `layout` is an item with its answer: names in braces
with a small letter are its fields, those with a capital letter are words, and `{answer}` is the answer. A prompt shows
demonstrations whole, and the item up to its answer. A section for each language has its words, `answers` the words of
its labels, and a table with the name of a field has what stands for each value of the field. A section `any` is for
the languages without one of their own.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.constants import LETTERS
from utils.data.languages import code_of
from utils.data.sources import PROJECT
from utils.data.subsets import Item
from utils.errors import UserError, first_line
from utils.generators.template_check import ANSWER, HINT, PLACE, TEXTS, check_template, fields_of
from utils.schema import DatasetSpec

FOLDER = PROJECT / "data" / "templates"
ENGLISH, ANY, NATIVE = "en", "any", "native"


@dataclass(frozen=True)
class Template:
    """A template in one language.

    layout: an item with its answer. letters: the same for options that are chosen by their letter. alone: what is left
    of an item without its question, for the scores of answers by themselves. between: what stands after each
    demonstration. ask: an instruction for models that are told what to do; of options it is for their letters, and
    ask_text for their texts. stop: before what a written answer ends.
    words: by the names that layouts have for them. answers: the words of the labels. values: of fields, what stands
    for each value.
    """

    kind: str
    layout: str
    letters: str = ""
    alone: str = ""
    between: str = "\n\n"
    ask: str = ""
    ask_text: str = ""
    stop: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of an item's fields, in the order of the layout."""
        return fields_of(self.layout)

    @property
    def without_question(self) -> str:
        """The layout of an answer by itself: `alone`, or what stands between the last field and the answer."""
        before, answer, after = self.layout.partition(ANSWER)
        end = max((before.rfind(f"{{{name}}}") + len(name) + 2 for name in self.fields), default=0)
        return self.alone or f"{before[end:].lstrip(chr(10))}{answer}{after}"

    def word(self, label: str) -> str:
        """Return the word of a label: the label itself where the template has none."""
        return self.answers.get(label, label)

    def fill(self, layout: str, item: Item, answer: str | None, options: Sequence[str] = ()) -> str:
        """Return an item in a layout: up to its answer where that is None, else with it."""
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
        fields = {name: self.values.get(name, {}).get(text, text) for name, text in item.fields.items()}
        known = {**self.words, **fields, "options": listed}
        before, _, after = layout.partition(ANSWER)
        parts = [PLACE.sub(lambda match: known.get(match[1], match[0]), part) for part in (before, after)]
        return parts[0] if answer is None else f"{parts[0]}{answer}{parts[1]}"

    @property
    def ends(self) -> tuple[str, ...]:
        """Where a generated answer ends: at `stop`, else at what follows it in the layout, such as a quotation mark.

        Where that is blank, it ends with its line.
        """
        if self.stop:
            return (self.stop,)
        behind = PLACE.sub(lambda match: self.words.get(match[1], match[0]), self.layout.partition(ANSWER)[2])
        behind = PLACE.split(behind)[0].strip()  # what a field stands for differs between items
        return (behind, "\n") if behind else ("\n",)

    def digest(self) -> str:
        """Return eight digits of the hash of all that the template has; what it lacks is no part of it."""
        content = {name: value for name, value in vars(self).items() if value}
        whole = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(whole.encode()).hexdigest()[:8]


@dataclass(frozen=True, eq=False)
class TemplateFile:
    """A file of templates; `content` is what it has, checked."""

    name: str
    content: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """How its items are answered."""
        return str(self.content["kind"])

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that it has sections for."""
        return tuple(name for name, value in self.content.items() if isinstance(value, dict))

    def section(self, lang: str) -> Mapping[str, Any]:
        """Return the section of a language; UserError where the file has sections, but none for it."""
        if not self.languages:
            return {}
        alike = (name for name in self.languages if lang == name or code_of(lang) == code_of(name))
        found = next(alike, ANY if ANY in self.languages else None)
        if found is None:
            told = ", ".join(self.languages)
            raise UserError(
                f"the template {self.name} has nothing for the language {lang!r}",
                f"it has {told}: choose one of them with --template_lang, or leave {lang} out with --langs, or add a "
                f"section [{lang}] or [{ANY}]",
            )
        section: Mapping[str, Any] = self.content[found]
        return section

    def has(self, lang: str) -> bool:
        """Return whether there is a section for a language, or none is needed."""
        known = {code_of(name) for name in self.languages}
        return not known or ANY in self.languages or lang in self.languages or code_of(lang) in known

    def layouts(self) -> list[Template]:
        """Return the template in every language that it has, or in none in particular."""
        return [self.in_language(lang, lang) for lang in self.languages or (ANY,)]

    def in_language(self, lang: str, answers: str) -> Template:
        """Return the template in a language, with the words of the labels in another one or the same."""
        section, of_labels = self.section(lang), self.section(answers)
        usual = self.content.get(ENGLISH, {})
        texts = {name: section.get(name, self.content.get(name, usual.get(name))) for name in TEXTS}
        return Template(
            kind=self.kind,
            words={name: value for name, value in section.items() if isinstance(value, str) and name[0].isupper()},
            answers=of_labels.get("answers", {}),
            values={name: value for name, value in section.items() if isinstance(value, dict) and name != "answers"},
            **{name: value for name, value in texts.items() if value is not None},
        )


def languages_of(lang: str, template_lang: str, answers: str | None) -> tuple[str, str]:
    """Return the languages of the layout and of the labels' words for items in a language.

    answers: None where an answer is no label; then both are the same.
    """
    own = lang if template_lang == NATIVE else template_lang
    if answers is None:
        return own, own
    return own, lang if answers == NATIVE else ENGLISH


@lru_cache
def template_id(file: TemplateFile, langs: tuple[str, ...], template_lang: str, answers: str | None) -> str:
    """Return the name of a template and eight digits of what it is, as records have it.

    They are those of one language, or where items have a template or words in their own language, those of all
    languages of the data set that the file has.
    """
    pairs = dict.fromkeys(languages_of(lang, template_lang, answers) for lang in langs)
    there = [pair for pair in pairs if all(map(file.has, pair))] if NATIVE in (template_lang, answers) else list(pairs)
    digests = [file.in_language(*pair).digest() for pair in there]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()[:8]
    return f"{file.name}-{whole}"


def usual_template(row: DatasetSpec | None, run: Mapping[str, Any]) -> str | None:
    """Return how records name a data set's own template, in the languages that a record says; None without one."""
    name = row.options.get("template") if row else None
    if row is None or name is None:
        return None
    return template_id(read_template(name), row.subsets, str(run.get("template_lang")), run.get("answers"))


@lru_cache
def read_template(name: str | Path) -> TemplateFile:
    """Return the templates of a file: one of data/templates by its name, or the user's own by its path.

    Raises UserError where the file cannot be read, or is no template.
    """
    path = FOLDER / f"{name}.toml" if isinstance(name, str) else name
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"--template {path} cannot be read: {first_line(error)}", HINT) from error
    check_template(content, path)
    return TemplateFile(path.stem, content)
