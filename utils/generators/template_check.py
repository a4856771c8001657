"""What a file of templates has to have: texts, layouts whose names are known, and words for each language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.constants import ANSWER_KINDS
from utils.errors import UserError, suggest

PLACE = re.compile(r"\{(\w+)\}")
WIDE = re.compile(r"\{(?:\s+\w+\s*|\w+\s+)\}")
ANSWER, OPTIONS = "{answer}", "{options}"
LAYOUTS = ("layout", "letters", "alone")
ASKS = ("ask", "ask_text")
AS_THEY_ARE = ("between", "stop")  # in which nothing is filled
TEXTS = (*LAYOUTS, *ASKS, *AS_THEY_ARE)  # keys that a section may replace
NAMED = {**dict.fromkeys(LAYOUTS, ("answer", "options")), **dict.fromkeys(ASKS, ("labels", "options"))}
HINT = "docs/icl.md describes templates"


def check_template(content: Mapping[str, Any], path: Path) -> None:
    """Raise UserError for a file that is no template, or has a name or a key that nothing stands for."""
    if content.get("kind") not in ANSWER_KINDS:
        what = f"--template {path}: its kind is {content.get('kind')!r}"
        raise UserError(what, f"write kind = ... with one of {', '.join(ANSWER_KINDS)}")
    sections = {name: value for name, value in content.items() if isinstance(value, dict) and name not in TEXTS}
    for place, part in (("", content), *sections.items()):
        _check_texts(part, f"{path}: {place}".rstrip(" :"))
    if unknown := [name for name in content if name not in ("kind", *TEXTS, *sections)]:
        _refuse(f"--template {path}: it has {unknown[0]!r}, which no template has", unknown[0], TEXTS)
    if "layout" not in content and not (sections and all("layout" in section for section in sections.values())):
        raise UserError(f"--template {path} has no layout", HINT)
    for lang, section in (sections or {"": {}}).items():
        where = f"--template {path}: [{lang}]" if lang else f"--template {path}:"
        texts = {name: section.get(name, content.get(name, "")) for name in TEXTS}
        _check_section(section, str(content["kind"]), fields_of(texts["layout"]), where)
        _check_names(texts, section, where)


def fields_of(layout: str) -> tuple[str, ...]:
    """Return the names of the fields of an item in a layout, each once and in order."""
    names = dict.fromkeys(PLACE.findall(layout))
    return tuple(name for name in names if name[0].islower() and name not in ("answer", "options"))


def _check_texts(part: Mapping[str, Any], where: str) -> None:
    """Raise UserError for a text that is none, and a layout without one answer, or letters without options."""
    for name in TEXTS:
        if not isinstance(part.get(name, ""), str):
            raise UserError(f"--template {where} {name} is no text", HINT)
    for name in LAYOUTS:
        if name in part and part[name].count(ANSWER) != 1:
            what = f"--template {where} {name} has {ANSWER} {part[name].count(ANSWER)} times"
            raise UserError(what, "write it once, where the answer stands")
        if name in part and (wide := WIDE.search(part[name])):
            raise UserError(f"--template {where} {name} has {wide[0]!r}", "write the name in braces without blanks")
    if "layout" in part and not fields_of(part["layout"]):
        raise UserError(f"--template {where} layout shows no field of an item", "write a column's name in braces")
    if "letters" in part and OPTIONS not in part["letters"]:
        raise UserError(f"--template {where} letters has no {OPTIONS}", "write it where the options are listed")


def _check_section(section: Mapping[str, Any], kind: str, fields: Sequence[str], where: str) -> None:
    """Raise UserError for a section with a key that is no word, text or field, and for words that are no text."""
    if "answers" in section and not isinstance(section["answers"], dict):
        raise UserError(f"{where} answers is no table", HINT)
    if "answers" in section and kind not in ("label", "pair"):
        raise UserError(f"{where} has answers, but items of the kind {kind} have no labels", "leave them out")
    for name, value in section.items():
        tables = ("answers", *fields)
        known = tables if isinstance(value, dict) else TEXTS
        if name not in known and (isinstance(value, dict) or not name[0].isupper()):
            what = "a table that is no field of its layout" if isinstance(value, dict) else "which no template has"
            _refuse(f"{where} has {name!r}, {what}", name, (*TEXTS, *tables))
        texts = value.values() if isinstance(value, dict) else [value]
        if wrong := [each for each in texts if not isinstance(each, str)]:
            raise UserError(f"{where} {name} has {wrong[0]!r}, which is no text", HINT)
        if name == "answers" and (blank := [label for label, word in value.items() if not word.strip()]):
            raise UserError(f"{where} answers has no word for {blank[0]!r}", "write one, or leave the label out")


def _check_names(texts: Mapping[str, str], section: Mapping[str, Any], where: str) -> None:
    """Raise UserError for a name in braces that nothing stands for."""
    fields = fields_of(texts["layout"])
    for text, name in _names_in(texts):
        if text in AS_THEY_ARE:
            raise UserError(f"{where} {text} has {{{name}}}, and nothing is filled in there", "write the text itself")
        if name[0].isupper() and name not in section:
            raise UserError(f"{where} has no {name}", "write the word that stands there")
        if not name[0].isupper() and name not in (*fields, *NAMED[text]):
            what = f"{where} {text} has {{{name}}}, which is no field of its layout"
            _refuse(what, name, (*fields, *NAMED[text]))


def _names_in(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((text, name) for text, value in texts.items() for name in PLACE.findall(value))


def _refuse(what: str, name: str, known: Sequence[str]) -> None:
    """Raise UserError with the names that there are, or the one that is close."""
    raise UserError(what, suggest(name, known))
