"""Delimited tables (TSV, CSV): the delimiter, the quotes, the header, and the line of each row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.data.text_files import lines_of, read_text, with_line_feeds
from utils.errors import UserError, note

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
QUOTED = r'"([^"]*+(?:""[^"]*+)*+)"({d}|\r?(?:\n|\Z))'
PLAIN = r"([^\n{d}{q}]*+)({d}|\n|\Z)"
BARE = r'(?!")' + PLAIN.replace("{q}", "")  # also a field with quotes inside, which CSV would quote
Row = tuple[int, list[str]]  # line in the file, fields


@dataclass(frozen=True)
class Parsed:
    """The rows of a text, read with one delimiter; `quoted` says that quotes were read as CSV has them.

    why: why they were not.
    """

    delimiter: str
    quoted: bool
    rows: list[Row]
    why: str = "the quotation marks are not balanced as CSV has them"

    @property
    def is_even(self) -> bool:
        """Whether all rows have as many fields as the first one, and more than one."""
        return bool(self.rows) and {len(fields) for _, fields in self.rows} == {len(self.rows[0][1])} != {1}


def read_delimited(path: Path, usual: str, *, header: bool) -> tuple[list[str], list[Row]]:
    """Return the names of a table's columns, and its rows with the lines where they start; blank lines are left out.

    usual: the delimiter that the file's ending names; another one is taken where only that makes an even table.
    header: whether the first row names the columns; without it they are called 1, 2 and so on.
    Quotes are read as CSV has them where they are balanced so, and as text where they are not, which is noted. Raises
    UserError where the table is empty or uneven, or two columns have the same name.
    """
    parsed = parse(path, with_line_feeds(path, read_text(path)), usual)
    if not parsed.rows:
        raise UserError(f"{path} is empty", "the first line must name the columns")
    number, first = parsed.rows[0]
    names = [name.strip() for name in first] if header else [str(place + 1) for place in range(len(first))]
    rows = parsed.rows[1:] if header else parsed.rows
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            f"{path}: two columns have the same name: {', '.join(names)}",
            "rename one of them" + (", or add --no_header if this line is data" if all(twice) else ""),
        )
    _check_lengths(path, parsed, number)
    _note_spanning(path, rows)
    return names, rows


def parse(path: Path, text: str, usual: str) -> Parsed:
    """Return the rows of a delimited text, with the delimiter and the quoting that make its rows equally long."""
    readings = (found for delimiter in dict.fromkeys((usual, *DELIMITERS)) for found in _readings(text, delimiter))
    first = next(readings)
    chosen = first if first.is_even else next((found for found in readings if found.is_even), None)
    if chosen is None:  # one column, or rows of different lengths: the errors are about the usual reading
        return first
    if chosen.delimiter != usual:
        _note(path, f"the columns are separated by {DELIMITERS[chosen.delimiter]}")
    if not chosen.quoted and any(field[:1] == '"' for _, fields in chosen.rows for field in fields):
        _note(path, f"{chosen.why}, and are read as text")
    elif (
        chosen.quoted and '"' in text and (count := _doubtful_quotes(_split(text, chosen.delimiter), len(chosen.rows)))
    ):
        _note(path, f"CSV's quotation marks are taken off some fields ({count}); double those that belong to texts")
    return chosen


def _readings(text: str, delimiter: str) -> Iterator[Parsed]:
    """Yield the ways to read a text with a delimiter, the most likely first: as CSV, as plain text, as careless CSV."""
    if '"' not in text:
        yield Parsed(delimiter, quoted=True, rows=_split(text, delimiter))
        return
    plain = Parsed(delimiter, quoted=False, rows=_split(text, delimiter))
    if (rows := _scan(text, delimiter, _pattern(PLAIN, delimiter))) is not None:
        if (lines := _swallowed(rows, delimiter)) and plain.is_even:
            yield replace(plain, why=f"the quotation marks around lines {lines} would make one text of whole rows")
        yield Parsed(delimiter, quoted=True, rows=rows)
    yield plain
    if (rows := _scan(text, delimiter, _pattern(BARE, delimiter))) is not None:
        yield Parsed(delimiter, quoted=True, rows=rows)


def _swallowed(rows: Sequence[Row], delimiter: str) -> str:
    """Return the lines of the first quoted field that has whole rows in it, as a stray quotation mark makes it.

    Tabs and line ends together are none of a text; commas are, unless each line between the first and the last has as
    many as a row. Empty where there is none.
    """
    n_delimiters = len(rows[0][1]) - 1 if rows else 0
    for number, fields in rows:
        line = number
        for field in (field for field in fields if "\n" in field):
            first, *others = (part.count(delimiter) for part in field.split("\n"))
            whole = set(others[:-1]) == {n_delimiters} if delimiter == "," else first or any(others)
            if whole:
                return f"{line} to {line + len(others)}"
            line += len(others)
    return ""


def _split(text: str, delimiter: str) -> list[Row]:
    lines = enumerate(lines_of(text), start=1)
    return [(number, line.split(delimiter)) for number, line in lines if line.strip(" \r")]


def _pattern(field: str, delimiter: str) -> re.Pattern[str]:
    named = f"{QUOTED}|{field}".replace("{d}", re.escape(delimiter)).replace("{q}", '"')
    return re.compile(named)


def _scan(text: str, delimiter: str, pattern: re.Pattern[str]) -> list[Row] | None:
    """Return the rows of a text with quoted fields; None where a quoted field does not end as CSV has it."""
    rows: list[Row] = []
    fields: list[str] = []
    place, line, start = 0, 1, 1
    while place < len(text) or fields:
        match = pattern.match(text, place)
        if match is None:
            return None
        quoted, end_quoted, plain, end_plain = match.groups()
        end = end_plain if quoted is None else end_quoted
        line += match[0].count("\n")
        place = match.end()
        if end == delimiter:
            fields.append(plain if quoted is None else quoted.replace('""', '"'))
            continue
        fields.append(plain.removesuffix("\r") if quoted is None else quoted.replace('""', '"'))
        if len(fields) > 1 or fields[0].strip(" \r"):
            rows.append((start, fields))
        fields, start = [], line
    return rows


def _doubtful_quotes(plain: Sequence[Row], n_rows: int) -> int:
    """Return how many fields are quoted without need while others of their column are not, as no writer of CSV does.

    plain: the rows, read without quotes. n_rows: their number with quotes.
    """
    if len(plain) != n_rows or len({len(fields) for _, fields in plain}) != 1:
        return 0  # a field needs its quotes
    columns = list(zip(*(fields for _, fields in plain[1:]), strict=True))
    quoted = [sum(field.startswith('"') for field in column) for column in columns]
    if any('""' in field[1:-1] for column in columns for field in column):
        return 0
    return sum(count for count, column in zip(quoted, columns, strict=True) if count < sum(map(bool, column)))


def _opened_at(parsed: Parsed) -> int | None:
    """Return the line of the first field that begins with a quotation mark and does not end with one."""
    fields = ((number, field.rstrip()) for number, fields in parsed.rows for field in fields if field[:1] == '"')
    return next((number for number, field in fields if len(field) == 1 or field[-1] != '"'), None)


def _check_lengths(path: Path, parsed: Parsed, first: int) -> None:
    """Raise UserError for the first row whose length differs from that of the first row."""
    expected = len(parsed.rows[0][1])
    for number, fields in parsed.rows:
        if len(fields) != expected:
            opened = None if parsed.quoted else _opened_at(parsed)
            raise UserError(
                f"{path}: line {number} has {len(fields)} fields, but line {first}, the first, has {expected}"
                + (f"; the quotation mark in line {opened} may be the cause" if opened else ""),
                f"check the delimiter ({DELIMITERS[parsed.delimiter]}) and the quotes; a quote within a quoted text is "
                'written ""',
            )


def _note_spanning(path: Path, rows: Sequence[Row]) -> None:
    spanning = [(number, field.count("\n") + 1) for number, fields in rows for field in fields if "\n" in field]
    if spanning:
        texts = "1 quoted text spans" if len(spanning) == 1 else f"{len(spanning)} quoted texts span"
        n_lines, (first, _) = sum(count for _, count in spanning), spanning[0]
        where = f"several lines ({n_lines} in all, the first in the row from line {first})"
        _note(path, f"{texts} {where}; if they should not, double their quotes")


def _note(path: Path, text: str) -> None:
    note(f"{path}: {text}")
