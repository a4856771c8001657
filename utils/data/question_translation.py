"""Rows of question translation: the inputs of a task in one language, and the same in another, without answers.

A model that learns to translate the inputs of a task to or from English improves at the task itself, in these languages
and in others (Zhang et al. 2024, "Getting More from Less: Large Language Models are Good Spontaneous Multilingual
Learners", arXiv 2405.13816).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.data.conversations import Conversation, question
from utils.data.languages import SAMPLE_CS, code_of, is_language, language_name
from utils.data.sources import PROJECT, Sources, mirror_folder
from utils.data.tables import Table, is_blank, read_table
from utils.errors import UserError, suggest

SOURCE = "Shimao-Zhang/LLM-Multilingual-Learner"
SAMPLE = PROJECT / "data" / "sample" / "parallel.tsv"
SNLI, NAMED = "snli", ("sample", "snli")
INSTRUCTION = "\nTranslate the input from "
TO_ENGLISH, FROM_ENGLISH = "l2en", "en2l"
DIRECTIONS = (TO_ENGLISH, FROM_ENGLISH)
ENGLISH = "eng"
NO_COLUMN = (*SAMPLE_CS, "id")  # code-switched texts, and the usual name of numbers, which is Indonesian's code too

Pairs = dict[str, list[tuple[str, str, str]]]  # by language: the item, its text in the language, its text in English


def translation_row(text: str, lang: str, english: str, direction: str, item: str) -> Conversation:
    """Return a row of question translation, in the words of the paper; a row to English has the other language."""
    name = language_name(lang)
    if direction == TO_ENGLISH:
        return question(f"{text}{INSTRUCTION}{name} to English:\n", english, lang, item)
    return question(f"{english}{INSTRUCTION}English to {name}:\n", text, lang, item)


def read_translations(name: str, langs: Sequence[str] | None, sources: Sources) -> Pairs:
    """Return the inputs of a set in each language with those in English, in the order of the set.

    name: `sample`, `snli` (the rows that the paper's authors published, from a mirror), or a table with a column for
    each language, one of them English; of a table with a column `split`, only the rows of its training split are read.
    langs: None for all. Raises UserError for a language that is not there.
    """
    if name == SNLI:
        return _published(langs, sources)
    path = SAMPLE if name == "sample" else Path(name).expanduser()
    if not path.is_file():
        raise UserError(
            f"--question_translation {name}: no such file, and not a known name",
            f"{suggest(name, NAMED)} Or give a table with a column for each language",
        )
    return _of_table(path, read_table(path), langs)


def _of_table(path: Path, table: Table, langs: Sequence[str] | None) -> Pairs:
    columns = [name for name in table if is_language(name) and (name not in NO_COLUMN or name in (langs or ()))]
    english = next((name for name in columns if code_of(name) == ENGLISH), None)
    if english is None:
        raise UserError(f"{path.name} has no column in English", "name the columns by languages, one of them eng")
    columns.remove(english)
    unknown = [lang for lang in langs or () if lang not in columns]
    if unknown or not columns:
        what = f"has no column of the language {unknown[0]!r}" if unknown else "has no column of another language"
        raise UserError(f"{path.name} {what}", suggest(unknown[0], columns) if unknown else "add one")
    places = range(len(table[english]))
    if "split" in table:
        places = [place for place in places if str(table["split"][place]).strip() == "train"]  # type: ignore[assignment]
    found: Pairs = {}
    for lang in langs or columns:
        both = [(str(place), table[lang][place], table[english][place]) for place in places]
        found[lang] = [row for row in both if not is_blank(row[1]) and not is_blank(row[2])]
    return found


def _published(langs: Sequence[str] | None, sources: Sources) -> Pairs:
    """Return the rows of SNLI: the published prompts up to the instruction, and their answers."""
    folder = mirror_folder(SOURCE, sources)
    if folder is None:
        raise UserError(
            "the rows of question translation on SNLI are read from a mirror only",
            f"--data_dir names a mirror with the folder {SOURCE}; or give a table with a column for each language",
        )
    files = {path.parent.name.partition("_")[2]: path for path in folder.glob("question_translation/snli_*/*.parquet")}
    files = {lang: path for lang, path in sorted(files.items()) if "_" not in lang}
    found: Pairs = {}
    for lang in langs or list(files):
        if lang not in files:
            raise UserError(f"question translation on SNLI has no language {lang!r}", suggest(lang, files))
        table = read_table(files[lang])
        rows = zip(table["idx"], table["input"], table["answer"], strict=True)
        found[lang] = [(str(item), text.partition(INSTRUCTION)[0], english) for item, text, english in rows]
    return found


def snli_test_texts(sources: Sources) -> list[str]:
    """Return the English inputs of the test items of SNLI as the rows have them; none where there is no mirror."""
    folder = mirror_folder(SOURCE, sources)
    path = folder / "snli" / "en" / "test.parquet" if folder is not None else None
    if path is None or not path.is_file():
        return []
    table = read_table(path)
    both = zip(table["premise"], table["hypothesis"], strict=True)
    return [f'Premise: {premise}\nHypothesis: {hypothesis}\nAnswer: "' for premise, hypothesis in both]
