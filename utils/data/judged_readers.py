"""Readers of questions and judged passages, one function per format.

A reader takes (spec, name, sources) and returns the part of this name, a language or a pair of languages such as de_en,
and its origin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.data.hub_tables import read_hub_table
from utils.data.judged_parts import Named, Part, grade_of, joined, named
from utils.data.labeled_tables import origin_of
from utils.data.pair_rows import read_judged_pairs
from utils.data.sources import PROJECT, Sources, mirror_folder
from utils.data.subsets import Origin
from utils.data.tables import DELIMITED, ENDINGS, Table, ending_of, is_blank, read_table
from utils.data.text_files import read_lines
from utils.errors import UserError
from utils.schema import DatasetSpec

Columns = Mapping[str, Sequence[Any]]
PARTS = ("corpus", "queries", "qrels")
TREC_ENDINGS = (".txt", ".qrels", ".trec")  # of judgements as TREC has them
SPLITS = ("test", "dev", "validation", "train")  # the judgements that are read, the first that there are


def read_sample_questions(spec: DatasetSpec, name: str, sources: Sources) -> tuple[Part, Origin]:
    """Read a table of questions, a column a language, judged by the identifiers of a parallel table."""
    asked, told = (read_table(PROJECT / str(path)) for path in (spec.source, spec.options["passages"]))
    grades = []
    for question, cell in zip(asked["id"], asked["judgements"], strict=True):
        for judgement in cell.split():
            passage, _, grade = judgement.partition(":")
            grades.append((question, f"{name}:{passage}", int(grade)))
    passages = [(f"{name}:{place}", text) for place, text in zip(told["id"], told[name], strict=True)]
    questions = list(zip(asked["id"], asked[name], strict=True))
    return Part(f"{spec.name} {name}", name, name, questions, passages, grades), origin_of(spec)


def read_beir_folders(spec: DatasetSpec, name: str, sources: Sources) -> tuple[Part, Origin]:
    """Read a folder in BEIR's layout, or one for each language: of one's own, or in the mirror."""
    if spec.kind == "local":
        files = beir_files(Path(spec.options["folders"][name]), spec.options.get("split"))
        return _beir(spec, name, files), origin_of(spec)
    folder = mirror_folder(spec.source, sources)
    if folder is None or not (folder / name).is_dir():
        raise UserError(
            _not_there(spec, f"{spec.source}/{name}", sources),
            "it is read from a mirror only: give --data_dir, where each language has a folder in BEIR's layout with "
            "corpus, queries and qrels (docs/retrieval.md)",
        )
    return _beir(spec, name, beir_files(folder / name)), Origin("mirror", spec.source, None)


def _not_there(spec: DatasetSpec, folder: str, sources: Sources) -> str:
    """Return what an error says of a folder that is not in the mirror, or where none is named."""
    if sources.data_dir is None:
        return f"{spec.name}: no mirror is named, which has its folder {folder}"
    return f"{spec.name}: there is no folder {folder} in the mirror {sources.data_dir}"


def has_beir_part(folder: Path) -> bool:
    """Return whether a folder has a corpus, queries or judgements, be it some of them only."""
    entries = (path for path in folder.glob("*") if path.name.partition(".")[0] in PARTS)
    return any(path.name == "qrels" if path.is_dir() else ending_of(path) in ENDINGS for path in entries)


def beir_files(folder: Path, split: str | None = None) -> dict[str, Path]:
    """Return the files of the corpus, the queries and the judgements of a folder; raises UserError where one lacks.

    split: whose judgements are read; None for the first of SPLITS that has any, or those of the only file.
    """
    judged = {path.name.partition(".")[0]: path for path in reversed(_tables_in(folder, "qrels/[!.]*", TREC_ENDINGS))}
    if split and split not in judged:
        has = f"it has those of {', '.join(sorted(judged))}" if judged else "it has no files qrels/NAME.tsv"
        raise UserError(f"the folder {folder} has no judgements of the split {split!r} (qrels/{split}.tsv)", has)
    usual = [judged[name] for name in SPLITS if name in judged] + _tables_in(folder, "qrels", TREC_ENDINGS)
    places = {
        "corpus": _tables_in(folder, "corpus"),
        "queries": _tables_in(folder, "queries"),
        "qrels": [judged[split]] if split else usual or sorted(folder.glob("qrels/*.tsv")),
    }
    for part, paths in places.items():
        if not paths:
            raise UserError(
                f"the folder {folder} has no {'qrels/test.tsv' if part == 'qrels' else f'{part}.jsonl'}",
                "BEIR's layout is corpus.jsonl, queries.jsonl and qrels/test.tsv; .tsv, .csv, .parquet work too",
            )
    return {part: paths[0] for part, paths in places.items()}


def _tables_in(folder: Path, name: str, more: Sequence[str] = ()) -> list[Path]:
    """Return the files of a name whose endings, or `more`, say that they are tables, in the order of their paths."""
    return [path for path in sorted(folder.glob(f"{name}.*")) if ending_of(path) in (*ENDINGS, *more)]


def _beir(spec: DatasetSpec, name: str, files: Mapping[str, Path]) -> Part:
    judgements = files["qrels"]
    tables = {part: read_table(files[part]) for part in ("corpus", "queries")}
    tables["qrels"] = trec_judgements(judgements) or read_table(judgements)
    return _from_tables(spec, name, tables, {part: str(path) for part, path in files.items()})


def trec_judgements(path: Path) -> Table | None:
    """Return judgements as TREC has them, `question iteration passage grade` in each line, with the names of BEIR.

    Returns None where a line has another layout, unless the file's ending says that it is TREC's: UserError then.
    """
    if ending_of(path) not in (*DELIMITED, *TREC_ENDINGS):
        return None
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 4 or not re.fullmatch(r"[+-]?\d+", fields[3]):
            if ending_of(path) in DELIMITED:
                return None
            raise UserError(f"{path}: line {number} is no judgement of TREC", "each is: question 0 passage grade")
        rows.append((number, fields))
    columns = zip(*(fields for _, fields in rows), strict=True)
    questions, _, passages, grades = map(list, columns) if rows else ([], [], [], [])
    columns_of = {"query-id": questions, "corpus-id": passages, "score": grades}
    return Table(columns_of, [number for number, _ in rows])


def read_beir_configs(spec: DatasetSpec, name: str, sources: Sources) -> tuple[Part, Origin]:
    """Read a configuration of the hub for each of corpus, queries and judgements of a language (MIRACL, Mr. TyDi)."""
    tables: dict[str, Columns] = {}
    needed = {"corpus": ("_id", "text"), "queries": ("_id", "text"), "qrels": ("query-id", "corpus-id", "score")}
    for part in PARTS:
        split = spec.options["splits"][part]
        table, origin = read_hub_table(spec, sources, needed[part], f"{name}-{part}", split)
        tables[part] = table.to_pydict()
    return _from_tables(spec, name, tables, {part: f"{spec.source} {name}-{part}" for part in PARTS}), origin


def _from_tables(spec: DatasetSpec, name: str, tables: Mapping[str, Columns], places: Mapping[str, str]) -> Part:
    """Return a part of three tables with the columns of BEIR."""
    texts: dict[str, Named] = {}
    for part in ("corpus", "queries"):
        table = tables[part]
        ids, bodies = _column(table, ("_id", "id"), places[part]), _column(table, ("text",), places[part])
        texts[part] = named(ids, bodies, places[part])
        if part == "corpus" and "title" in table:
            titles = named(ids, table["title"], places[part], "title")
            texts[part] = [
                (name, joined(title, text)) for (name, text), (_, title) in zip(texts[part], titles, strict=True)
            ]
    columns = [_column(tables["qrels"], (column,), places["qrels"]) for column in ("query-id", "corpus-id", "score")]
    grades = []
    for row, (question, passage, grade) in enumerate(zip(*columns, strict=True)):
        at = f"{tables['qrels'].place(row)}, " if isinstance(tables["qrels"], Table) else ""
        whole = grade_of(grade, f"{places['qrels']}: {at}{question} {passage}")
        grades.append((str(question), str(passage), whole))
    return Part(f"{spec.source} {name}", name, name, texts["queries"], texts["corpus"], grades)


def _column(table: Columns, names: Sequence[str], place: str) -> Sequence[Any]:
    for name in names:
        if name in table:
            return table[name]
    raise UserError(
        f"{place} has no column {names[0]!r}; it has {', '.join(table)}",
        "write the names of the columns in the first line",
    )


def read_reading_comprehension(spec: DatasetSpec, name: str, sources: Sources) -> tuple[Part, Origin]:
    """Read a table in SQuAD's layout: each row has a question and the paragraph that answers it (MLQA, TyDi QA).

    A paragraph is one passage in how many rows it may be, and two questions of equal identifiers are an error.
    """
    asked, told = name.split("_") if "pairs" in spec.options else (name, name)
    config = spec.options["config"].format(questions=asked, passages=told)
    table, origin = read_hub_table(spec, sources, ("id", "question", "context"), config)
    rows = table.to_pydict()
    numbers = {text: f"p{number:06}" for number, text in enumerate(dict.fromkeys(rows["context"]))}
    titles = dict(zip(rows["context"], rows["title"], strict=True)) if "title" in rows else {}
    passages = [(number, joined(titles.get(text), text)) for text, number in numbers.items()]
    grades = [(str(one), numbers[text], 1) for one, text in zip(rows["id"], rows["context"], strict=True)]
    questions = named(rows["id"], rows["question"], f"{spec.source} {config}")
    return Part(f"{spec.source} {config}", asked, told, questions, passages, grades), origin


def read_lexicon(spec: DatasetSpec, name: str, sources: Sources) -> tuple[Part, Origin]:
    """Read a bilingual lexicon: the distinct words of one language are asked, all their translations are answers."""
    asked, told = name.split("_")
    if mirror_folder(spec.source, sources) is None:
        hint = "it is read from a mirror only: give --data_dir, with the columns source and target for each pair"
        raise UserError(_not_there(spec, spec.source, sources), hint)
    table, origin = read_hub_table(spec, sources, ("source", "target"), f"{asked}-{told}")
    rows = dict.fromkeys(zip(*(table.column(side).to_pylist() for side in ("source", "target")), strict=True))
    ids: tuple[dict[str, str], dict[str, str]] = ({}, {})
    grades = []
    for pair in rows:
        if any(map(is_blank, pair)):
            raise UserError(f"{spec.source} {name}: a word of the pair {pair!r} is empty", "remove the row")
        word, answer = (
            ids[side].setdefault(text, f"{'qp'[side]}{len(ids[side]):06}") for side, text in enumerate(pair)
        )
        grades.append((word, answer, 1))
    sides = [[(number, text) for text, number in known.items()] for known in ids]
    return Part(f"{spec.source} {name}", asked, told, sides[0], sides[1], grades), origin


def read_judged_table(spec: DatasetSpec, name: str, sources: Sources) -> tuple[Part, Origin]:
    """Read one's own table: each row has a question and a passage, and may have a grade and a language.

    Equal texts of a language are one question or passage; a row without a passage has a question only.
    """
    options = spec.options
    table: Table = read_table(Path(options["path"]), header=options["header"])
    ids: tuple[dict[str, str], dict[str, str]] = ({}, {})
    grades: dict[tuple[str, str], int] = {}
    for row in range(len(next(iter(table.values()), []))):
        if "lang" in options and str(table[options["lang"]][row]).strip() != name:
            continue
        place = f"{spec.source}: {table.place(row)}"
        both = [table[options[side]][row] for side in ("query", "passage")]
        for side, text in zip(("question", "passage"), both, strict=True):
            if is_blank(text) or not isinstance(text, str):
                raise UserError(f"{place}: the {side} is {'empty' if is_blank(text) else 'not a text'}", "correct it")
        question, passage = (
            known.setdefault(text, f"{side}{len(known):06}") for known, text, side in zip(ids, both, "qp", strict=True)
        )
        grade = grade_of(table[options["score"]][row], place) if "score" in options else 1
        if grades.setdefault((question, passage), grade) != grade:
            raise UserError(f"{place}: the pair has another grade in an earlier row", "remove one of the two rows")
    sides = [[(name, text) for text, name in known.items()] for known in ids]
    judgements = [(*pair, grade) for pair, grade in grades.items()]
    return Part(f"{spec.source} {name}", name, name, sides[0], sides[1], judgements), origin_of(spec)


READERS: dict[str, Callable[[DatasetSpec, str, Sources], tuple[Part, Origin]]] = {
    "sample_questions": read_sample_questions,
    "beir_folders": read_beir_folders,
    "beir_configs": read_beir_configs,
    "reading_comprehension": read_reading_comprehension,
    "judged_table": read_judged_table,
    "judged_pairs": read_judged_pairs,
    "lexicon": read_lexicon,
}
