"""Command lines, records and files that nobody would write on purpose, for the tests that attack the scripts."""

from __future__ import annotations

import copy
import json
import os
import re
import runpy
import sys
from argparse import SUPPRESS, Action
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from conftest import ROOT
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from utils.cli.arguments import Parser

EXAMPLES = int(os.environ.get("MINERS_FUZZ_EXAMPLES", "0"))  # per test; 0: so many that the tests end soon
NGRAM = "baseline/char_ngram"
SCRIPTS = (
    *("bitext.py", "classification.py", "icl.py", "mine.py", "visualize.py", "script/report.py"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "script").glob("*/[!_]*.py"))),
    *("utils/prefetch.py", "utils/parity.py"),
)
TEXTS = (
    *("", " ", "-", "--", "-1", "0", "1", "3", "1e400", "nan", "-0.5", "9" * 5000, "4294967296", "true", "none", "all"),
    *("eng", "हिन्दी", "a\udcff", "\ud83d", "\0", "\x1b[31m", "a\nb", "=1+1", "$(x)", "%s", "%(default)s", "{0}", "["),
    *("x" * 300, "k=1", "=", "margin=", "margin=ratio", "legacy=maybe", "a/../../b", "openai:", "cohere:x", "openai:x"),
    *("http://[::1", "http://127.0.0.1:abc", "http://u:p@h/?q", "ftp://h", "http://127.0.0.1:9"),
)
NAMES = (
    *("sample", "nusax", "sib200", "mine", NGRAM, "bundled/none", "paper", "f1", "acc", "LaBSE", "org/a", "org/b"),
    *("eng", "fra", "swh", "text", "label", "margin=none", "own.csv", "own.tsv", "fire", "save_bitext"),
)
SPOKEN = ("--help", "--list", "--verbose")  # print a traceback where they are asked to, or end at once
NUMBERS = ("0", "1", "2", "5", "42", "0.5", "2147483647")
NUMERIC = ("positive", "natural", "seed", "seconds", "dollars", "temperature", "positive_number", "inches", "float")
PATHS = (
    *("", "~", "~nosuchuser/x", "~/x", "logs", ".", "new/folder", "x" * 300, "a\udcff", "file", "folder", "/dev/null"),
    *("own.csv", "own.jsonl", "own.tsv", "broken.json", "empty.csv", "binary.bin", "deep.jsonl", "reference.csv"),
    *("link", "file/below", "/nonexistent/x", "\0", "pairs", "model", "a b", "%s", "own.csv/", "binary.tsv", "a\nb"),
)
VALUES: tuple[Any, ...] = (
    *(None, [], {}, "", "x", "\ud83d", -1, 0, 1, 5.0, 2**70, True, float("nan"), float("inf"), 1e308, -0.5),
    *([None], [1, "a", None], [[1]], {"a": None}, {"a": {"b": [1]}}, {"\ud83d": 1}, "~nosuchuser/x", "=1", "9" * 5000),
)


def usual(examples: int) -> Callable[[Any], Any]:
    """Return hypothesis' settings: the same examples in each run, and as many as the environment asks for."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class Captured(SystemExit):
    """A parser, before it parses."""


def parser_of(script: str, *args: str) -> Parser:
    """Return the parser of a script as it is when it parses."""

    def capture(parser: Parser, *_: Any, **__: Any) -> None:
        raise Captured(parser)

    with (
        mock.patch.object(Parser, "parse_args", capture),
        mock.patch.object(sys, "argv", [script, *args]),
        mock.patch.object(sys, "path", [str((ROOT / script).parent), *sys.path]),
    ):
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except Captured as caught:
            parser = caught.args[0]
            assert isinstance(parser, Parser)
            return parser
    raise AssertionError(f"{script} parses nothing")


def values_of(action: Action) -> st.SearchStrategy[list[str]]:
    """Return the values after a flag, as many as it takes or one too few: mostly of the right kind, some of no kind."""
    kind = getattr(action.type, "__name__", "")
    likely = [str(choice) for choice in action.choices or ()]
    likely = likely or [*(PATHS if kind == "path" else NUMBERS if kind in NUMERIC else (*NAMES, *TEXTS, *PATHS))]
    one = st.integers(0, 7).flatmap(lambda n: st.sampled_from(likely if n else (*TEXTS, *PATHS)))
    if action.nargs == 0:
        return st.just([])
    if action.nargs in ("+", "*"):
        return st.lists(one, max_size=3)
    return st.lists(one, min_size=1, max_size=1)


def command_lines(script: str, parser: Parser, always: Sequence[str] = ()) -> st.SearchStrategy[list[str]]:
    """Return command lines of a script, made of its own flags."""
    actions = [action for action in parser._actions if action.default != SUPPRESS or action.nargs != 0]
    flags = [action for action in actions if action.option_strings and action.option_strings[-1] not in SPOKEN]
    places = [action for action in actions if not action.option_strings]

    @st.composite
    def draw(pick: Any) -> list[str]:
        line: list[str] = []
        for action in pick(st.lists(st.sampled_from(flags), max_size=4)):
            name, values = action.option_strings[-1], pick(values_of(action))
            joined = len(values) == 1 and pick(st.booleans())
            line += [f"{name}={values[0]}"] if joined else [name, *values]
        for action in places:
            line = [*pick(values_of(action)), *line]
        return [*always, *line]

    return draw()


def fault_of(done: Any, folder: Path, before: set[str]) -> str:
    """Return what is wrong with the end of a script in a folder beside which nothing may be written; empty if nothing.

    It may end well, with exit code 0, or with a user's error: exit code 2 and two lines.
    """
    told = done.stderr
    for path in folder.rglob("error-*.txt"):
        told += path.read_text(encoding="utf-8", errors="replace")
        path.unlink()
    if done.returncode not in (0, 2) or "Traceback" in told:
        return f"exit code {done.returncode}\n{told[-3000:]}"
    if done.returncode == 2 and not re.search(r"(^|\n)error: .+\nhint: .+\n$", done.stderr, flags=re.S):
        return f"no two lines\n{told[-3000:]}"
    beside = {path.name for path in folder.parent.iterdir()} - before
    return f"written outside: {beside}" if beside else ""


def make_files(folder: Path) -> None:
    """Write the files and folders that `PATHS` names."""
    (folder / "folder").mkdir()
    (folder / "model").mkdir()
    (folder / "model/config.json").write_text("[]")
    (folder / "pairs").mkdir()
    (folder / "pairs/x.eng").write_text("a\nb\n")
    (folder / "pairs/x.deu").write_bytes(b"\xff\xfe")
    (folder / "file").write_text("text")
    (folder / "link").symlink_to("nowhere")
    (folder / "empty.csv").touch()
    (folder / "broken.json").write_text("{")
    for name in ("binary.bin", "binary.tsv"):
        (folder / name).write_bytes(bytes(range(256)) * 10)
    (folder / "deep.jsonl").write_text("[" * 100_000)
    (folder / "own.csv").write_text("text,label\n" + "".join(f"some words {n},{n % 2}\n" for n in range(12)))
    (folder / "own.tsv").write_text("eng\tdeu\n" + "".join(f"a b {n}\tc d {n}\n" for n in range(6)))
    (folder / "own.jsonl").write_text('{"text": "a", "label": 1}\n{"text": null, "label": [1]}\n')
    (folder / "reference.csv").write_text(
        "source,task,k,model,column,metric,value\na,bitext," + "9" * 5000 + ",m,c,f1,1\n"
    )


def places_in(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value in JSON, that of the whole first."""
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, part in inner:
        yield from places_in(part, (*place, name))


def with_value(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    """Return JSON with another value at a place, or without the key there where the value is `...`."""
    if not place:
        return {} if value is ... else value
    changed = copy.deepcopy(content)
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return changed


def write_raw(path: Path, content: Any) -> None:
    """Write JSON as an editor could: NaN, halves of surrogate pairs and all."""
    path.write_text(json.dumps(content), encoding="utf-8")
