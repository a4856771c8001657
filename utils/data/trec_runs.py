"""Rankings as run files of TREC: `question Q0 passage rank score tag`, one line for each passage of a question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from utils.data.subsets import Texts
from utils.data.text_files import read_lines
from utils.errors import UserError, counted, note
from utils.files import write_output
from utils.schema import TopK

LARGEST = float(np.finfo(np.float32).max)
LONGEST_TAG = 255  # bytes of a folder's name
LAYOUT = "each line is: question Q0 passage rank score tag"


def write_run(path: Path, queries: Texts, passages: Texts, found: TopK, tag: str) -> None:
    """Write the ranking of each question; blanks in the tag and in identifiers, which separate columns, become _.

    Raises UserError where two identifiers would become the same.
    """
    lines = []
    asked, told = _columns(queries.ids, "questions"), _columns(passages.ids, "passages")
    for name, row, scores in zip(asked, found.indices, found.scores, strict=True):
        for rank, (index, score) in enumerate(zip(row, scores, strict=True), start=1):
            if index >= 0:
                lines.append(" ".join((name, "Q0", told[index], str(rank), str(score), "_".join(tag.split()))))
    write_output(path, "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace"))


def run_tag(path: Path) -> str:
    """Return the tag of a run file's first line, which names the system; raises UserError for an empty file."""
    for line in read_lines(path):
        if line.strip():
            tag = _fields(line, path, 1)[5]
            if (size := len(tag.encode(errors="replace"))) > LONGEST_TAG:
                what = f"{path}: the tag in the sixth column has {size:,} bytes"
                raise UserError(what, f"records are named by it: shorten it to {LONGEST_TAG} at most")
            return tag
    raise UserError(f"{path} is empty", LAYOUT)


def read_run(path: Path, queries: Texts, passages: Texts) -> TopK:
    """Return the ranking of each question (n, depth), depth being the longest; -1 where a ranking is shorter.

    Passages are ordered by score as float32, equal scores by identifier, the last first, as trec_eval does; the ranks
    of the file are not read. Raises UserError for another layout, scores that are not numbers, unknown passages, and a
    passage that is ranked twice. Questions that are not asked are left out, and those that the file does not rank find
    nothing; notes tell how many are, and where the file has several tags. Also where two identifiers of the set are the
    same with _ for blanks.
    """
    places = {name: index for index, name in enumerate(_columns(passages.ids, "passages"))}
    asked = {name: row for row, name in enumerate(_columns(queries.ids, "questions"))}
    ranked: list[dict[int, float]] = [{} for _ in asked]
    tags, others = dict[str, None](), dict[str, None]()
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        question, _, passage, _, score, tag = _fields(line, path, number)
        tags.setdefault(tag)
        if question not in asked:
            others.setdefault(question)
        else:
            _add(ranked[asked[question]], places, passage, score, f"{path}: line {number}")
    if not any(ranked):
        raise UserError(f"{path} ranks nothing for any question of the set", "check the questions' identifiers")
    _note_gaps(path, [name for name, row in asked.items() if not ranked[row]], len(asked), list(others), list(tags))
    depth = max(map(len, ranked))
    found = TopK(np.full((len(ranked), depth), -1, dtype=np.int64), np.zeros((len(ranked), depth), dtype=np.float32))
    for row, scores in enumerate(ranked):
        order = sorted(scores, key=lambda index: (-np.float32(scores[index]), index))
        found.indices[row, : len(order)] = order
        found.scores[row, : len(order)] = [scores[index] for index in order]
    return found


def _note_gaps(path: Path, lacking: Sequence[str], n: int, others: Sequence[str], tags: Sequence[str]) -> None:
    """Print notes on questions that a run file does not rank, on those that are not asked, and on several tags."""
    if lacking:
        note(
            f"{path}: {len(lacking)} of {counted(n, 'question')} are not ranked and count as 0, such as {lacking[0]!r}"
        )
    if others:
        note(f"{path}: {counted(len(others), 'question')} that the set does not ask left out, such as {others[0]!r}")
    if len(tags) > 1:
        shown = ", ".join(tags[:3]) + (", ..." if len(tags) > 3 else "")
        note(f"{path}: the lines have {len(tags)} tags ({shown}); the first one names the records")


def _columns(ids: Sequence[str], kind: str) -> Sequence[str]:
    """Return identifiers as a run file has them; raises UserError where two become the same."""
    first: dict[str, str] = {}
    for name in ids:
        column = "_".join(name.split())
        if column in first:
            what = f"the {kind} {first[column]!r} and {name!r} have one name in a run file, which has _ for blanks"
            raise UserError(what, "rename one of the two")
        first[column] = name
    return tuple(first)


def _fields(line: str, path: Path, number: int) -> Sequence[str]:
    fields = line.split()
    if len(fields) != 6:
        raise UserError(f"{path}: line {number} has {len(fields)} columns, expected 6", LAYOUT)
    return fields


def _add(ranked: dict[int, float], places: Mapping[str, int], passage: str, score: str, place: str) -> None:
    if passage not in places:
        raise UserError(f"{place}: unknown passage {passage!r}", "a run ranks passages of the pool: check --pool")
    try:
        value = float(score)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{place}: the score {score!r} is not a number", LAYOUT)
    if abs(value) > LARGEST:
        raise UserError(
            f"{place}: the score {score!r} is too large", f"scores are compared as float32, up to {LARGEST:.2g}"
        )
    if places[passage] in ranked:
        raise UserError(f"{place}: {passage!r} is ranked twice for the question", "remove one of the lines")
    ranked[places[passage]] = value
