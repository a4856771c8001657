"""Readers of items whose answers are texts: questions about a text, and sentences with their translations.

A reader takes (spec, lang, split, sources), where the split is named as the data set has it, and returns the rows as
dictionaries and their origin (utils/data/items.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from utils.data.hub_tables import read_hub_table
from utils.data.language_names import code_with_script, title_of
from utils.data.languages import suggest_language
from utils.data.sources import mirror_folder
from utils.data.tables import is_blank
from utils.errors import UserError

if TYPE_CHECKING:
    from utils.data.sources import Sources
    from utils.data.subsets import Origin
    from utils.schema import DatasetSpec

Row = Mapping[str, Any]
SQUAD_COLUMNS = ("id", "context", "question", "answers")


def read_questions(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> tuple[list[Row], Origin]:
    """Read a table in SQuAD's layout, a configuration per language of the text (XQuAD, MLQA, TyDi QA).

    With `prompt_lang` in the options, the question is in that language: the configuration has a place for it, or it is
    the question of the same identifier in the configuration of that language. A row has the number of its text among
    the texts of the table, which is the same in all languages of an aligned set. Raises UserError where no question
    has an answer.
    """
    asked = spec.options.get("prompt_lang") or lang
    pattern = str(spec.options["config"])
    config = pattern.format(lang=lang, prompt_lang=asked)
    table, origin = read_hub_table(spec, sources, SQUAD_COLUMNS, config, split)
    rows = table.select(list(SQUAD_COLUMNS)).to_pylist()
    numbers = {text: f"{place:04}" for place, text in enumerate(dict.fromkeys(row["context"] for row in rows))}
    if asked != lang and "{prompt_lang}" not in pattern:
        other, _ = read_hub_table(spec, sources, SQUAD_COLUMNS, pattern.format(lang=asked), split)
        told = dict(zip(other["id"].to_pylist(), other["question"].to_pylist(), strict=True))
        rows = [{**row, "question": told.get(row["id"])} for row in rows]
    found: list[Row] = [
        {
            **row,
            "answer": [text for text in row["answers"]["text"] if not is_blank(text)],
            "text": numbers[row["context"]],
        }
        for row in rows
    ]
    if rows and not any(row["answer"] for row in found):
        raise UserError(
            f"{spec.source} {config}: none of {len(rows)} questions has an answer",
            "the copy is of those that XTREME publishes without answers: get the data set from its source",
        )
    return found, origin


def pair_of(spec: DatasetSpec, name: str) -> tuple[str, str]:
    """Return the source and the target language of a pair by its name: of the run's pairs, or those from the pivot."""
    pairs = spec.options.get("pairs") or with_pairs(spec, None, None).options["pairs"]
    source, target = pairs[name]
    return str(source), str(target)


def source_of(spec: DatasetSpec) -> str:
    """Return the language that the pairs of a run are translated from."""
    return pair_of(spec, spec.subsets[0])[0]


def pair_name(source: str, target: str) -> str:
    """Return the name of a pair of languages, which is that of its records."""
    return f"{source}-{target}"


def with_pairs(spec: DatasetSpec, src_lang: str | None, langs: Sequence[str] | None) -> DatasetSpec:
    """Return the row of parallel data with the pairs of languages of a run as its subsets.

    src_lang: the language that is translated from; None for the pivot. langs: those that are translated into; None for
    all. Languages may be named by their codes with or without a script. Raises UserError for those that it does not
    have, and for pairs that it does not have.
    """
    languages, known = _languages(spec), spec.options.get("directions")
    source = _known(spec, src_lang or str(spec.pivot), languages)
    there = _targets_of(spec, source)
    targets = there if langs is None else list(dict.fromkeys(_known(spec, lang, languages) for lang in langs))
    for target in targets:
        if target not in there:
            what = f"{spec.name} has no translations from {source!r} into {target!r}"
            raise UserError(what, _instead_of(source, target, there, known or ()))
    pairs = {pair_name(source, target): (source, target) for target in targets}
    codes = {name: [code_with_script(target)] for name, (_, target) in pairs.items()}
    return replace(spec, subsets=tuple(pairs), options={**spec.options, "pairs": pairs, "codes": codes})


def translated_from(spec: DatasetSpec, source: str) -> list[str]:
    """Return the names of all pairs that parallel data have from a language, in their order; none where it has none."""
    return [pair_name(source, target) for target in _targets_of(spec, source)] if source in _languages(spec) else []


def _languages(spec: DatasetSpec) -> Sequence[str]:
    """Return the languages of parallel data, in any direction."""
    known = spec.options.get("directions")
    languages: Sequence[str] = spec.options.get("languages", ())
    return list(dict.fromkeys(lang for pair in known for lang in pair)) if known else languages


def _targets_of(spec: DatasetSpec, source: str) -> list[str]:
    known = spec.options.get("directions")
    return [lang for lang in _languages(spec) if lang != source and (not known or (source, lang) in known)]


def _instead_of(source: str, target: str, there: Sequence[str], known: Iterable[tuple[str, str]]) -> str:
    """Return the hint about a pair that a data set does not have: other sources of its target, or other targets."""
    if target == source:
        return "give another --src_lang, or --langs without it"
    if others := [one for one, other in known if other == target]:
        return f"{target} is translated from {', '.join(others)}: --src_lang {others[0]}"
    return suggest_language(target, there)


def _known(spec: DatasetSpec, lang: str, languages: Sequence[str]) -> str:
    """Return a language as the data set names it; a code without a script stands for the only one that has it."""
    if lang in languages:
        return lang
    of_code = [name for name in languages if name.replace("-", "_").partition("_")[0] == lang]
    if len(of_code) == 1:
        return of_code[0]
    raise UserError(f"{spec.name} has no language {lang!r}", suggest_language(lang, languages))


def read_parallel(spec: DatasetSpec, lang: str, split: str, sources: Sources) -> tuple[list[Row], Origin]:
    """Read sentences in one language and their translations into another, in the layout that the row names.

    `layout` is `rows` (a table with a column for the language, aligned by `id`), `configs` (a configuration a language,
    aligned by `id`), `columns` (a column a language) or `translation` (a configuration a pair, in either direction,
    with a member for each language). Blanks and line ends at both ends of a sentence are no part of it.
    """
    if spec.kind == "mirror" and mirror_folder(spec.source, sources) is None:
        hint = "it is read from a mirror only: give --data_dir, with a table that has a column for each language"
        raise UserError(f"{spec.name}: no mirror is named, which has its folder {spec.source}", hint)
    source, target = pair_of(spec, lang)
    sides, about, origin = LAYOUTS[spec.options["layout"]](spec, source, target, split, sources)
    names = {"source_lang": title_of(source), "target_lang": title_of(target)}
    rows = list[Row]()
    for place, (one, other) in enumerate(zip(*sides, strict=True)):
        texts = {"source": _stripped(one), "target": _stripped(other)}
        rows.append({"id": str(place), **{name: values[place] for name, values in about.items()}, **texts, **names})
    return rows, origin


def _stripped(text: Any) -> str | None:
    return text.strip() if isinstance(text, str) else None


Read = tuple[tuple[Sequence[Any], Sequence[Any]], dict[str, Sequence[Any]], "Origin"]


def _of_rows(spec: DatasetSpec, source: str, target: str, split: str, sources: Sources) -> Read:
    """Read both sides of a table with a language column, or of a configuration for each language."""
    options, found, origin = spec.options, list[dict[Any, Any]](), None
    for lang in (source, target):
        columns = (options["column"], options["text"])
        if options["layout"] == "rows":
            table, origin = read_hub_table(spec, sources, (*columns, "lang"), split=split, only=("lang", lang))
        else:
            table, origin = read_hub_table(spec, sources, columns, options["config"].format(lang=lang), split)
        found.append(dict(zip(*(table[name].to_pylist() for name in columns), strict=True)))
    ids = [name for name in found[0] if name in found[1]]
    assert origin is not None
    return ([found[0][name] for name in ids], [found[1][name] for name in ids]), {"id": ids}, origin


def _of_columns(spec: DatasetSpec, source: str, target: str, split: str, sources: Sources) -> Read:
    """Read two columns of a table with a column for each language."""
    more = [spec.options["document"]] if "document" in spec.options else []
    table, origin = read_hub_table(spec, sources, (source, target, *more), split=split)
    about = {"document": table[more[0]].to_pylist()} if more else {}
    return (table[source].to_pylist(), table[target].to_pylist()), about, origin


def _of_translations(spec: DatasetSpec, source: str, target: str, split: str, sources: Sources) -> Read:
    """Read a configuration of a pair, whose column `translation` has a member for each language."""
    first, second = (source, target) if (source, target) in spec.options["configs"] else (target, source)
    config = spec.options["config"].format(src=first, tgt=second)
    table, origin = read_hub_table(spec, sources, ("translation",), config, split)
    rows = table["translation"].to_pylist()
    return ([row[source] for row in rows], [row[target] for row in rows]), {}, origin


LAYOUTS = {"rows": _of_rows, "configs": _of_rows, "columns": _of_columns, "translation": _of_translations}
