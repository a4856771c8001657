"""The grid of a sweep: reading it from a YAML file or from the command line, and expanding it into commands."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from utils.errors import UserError, suggest, warn
from utils.progress import bar
from utils.sweep.scripts import has_flag, parse, script_name, script_names, takes
from utils.sweep.yaml_text import read_yaml, yaml_values

Value: TypeAlias = str | bool | tuple[str, ...]
SECTIONS = ("name", "defaults", "runs", "exclude")
OWN_KEYS = ("script", "needs")  # keys of a grid that are no flags
REFUSED = ("help", "list", "dry_run", "verbose")  # flags that end a command before it has done anything, or say more
MOST = 100_000  # runs
NAME = re.compile(r"[\w.+][\w.+-]{0,99}")
PARTS = 50  # of a value that a message shows
NAME_BYTES = 200  # a folder is named so


@dataclass(frozen=True)
class Run:
    """One command of a sweep.

    argv: its flags as the sweep describes them. needs: what the machine must have for it, `gpu` or variables of the
    environment. places: flags of the sweep's own command line, which say where the run is, not what it is.
    """

    script: str
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All flags; a script that writes one output has a place of its own for each run that names none."""
        own = () if "--output" in self.argv or not has_flag(self.script, "output") else ("--output", f"swept/{self.id}")
        return (*self.argv, *self.places, *own)

    @property
    def command(self) -> str:
        """The command line as it is shown: without keys and passwords."""
        from utils.api.providers import redact

        return redact(shlex.join(["python", self.script, *self.words]))

    @property
    def id(self) -> str:
        """The name of the run's files: what it is, and a hash of the command without its places."""
        from utils.api.providers import redact

        words = [Path(self.script).stem, *(redact(word) for word in self.argv if not word.startswith("-"))]
        told = re.sub(r"[^A-Za-z0-9_.+-]+", "-", "-".join(words)).strip("-.")[:60]
        return f"{told}-{hashlib.sha256(json.dumps([self.script, *self.argv]).encode()).hexdigest()[:10]}"


@dataclass(frozen=True)
class Sweep:
    """A sweep: its name, and its runs in the order in which they are written."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class _Point:
    script: str
    flags: Mapping[str, Value]
    needs: tuple[str, ...]

    def run(self, places: Mapping[str, Value]) -> Run:
        return Run(self.script, _line(self.flags), self.needs, _line(places))


@dataclass(frozen=True)
class _Grid:
    """What a grid makes of one script: the values of each flag."""

    script: str
    axes: Mapping[str, Sequence[Value]]
    needs: tuple[str, ...]

    @property
    def size(self) -> int:
        return math.prod(map(len, self.axes.values()))

    def points(self) -> Iterator[_Point]:
        """Yield every combination of the values, the last key's changing fastest."""
        for values in itertools.product(*self.axes.values()):
            yield _Point(self.script, dict(zip(self.axes, values, strict=True)), self.needs)


def read_sweep(path: Path, defaults: Mapping[str, Value], name: str | None = None) -> Sweep:
    """Return the sweep of a YAML file, under a name that was asked for, that in the file, or the file's own.

    `defaults` are flags of the command line for runs that do not set them. Raises UserError for a file that is no
    sweep, and for the first command that its script's parser refuses.
    """
    content = read_yaml(path)
    for key in content:
        if key not in SECTIONS:
            raise UserError(f"{path}: unknown section {key!r}", suggest(key, SECTIONS))
    grids = content.get("runs")
    if not isinstance(grids, list) or not grids:
        raise UserError(f"{path}: there are no runs", "`runs:` is a list of grids, each with `script:` and its flags")
    named = _checked_name(content.get("name", path.stem), str(path)) if name is None else _checked_name(name, "--name")
    return make_sweep(named, str(path), grids, content.get("defaults") or {}, content.get("exclude") or [], defaults)


def _checked_name(name: Any, where: str) -> str:
    if isinstance(name, str) and NAME.fullmatch(name) and name.strip(".") and len(name.encode()) <= NAME_BYTES:
        return name
    rule = "a name has up to 100 letters, digits and _.+-, and does not begin with -"
    likely = re.sub(r"[^\w.+]+", "-", name).strip("-.")[:60] if isinstance(name, str) else ""
    raise UserError(f"{where}: {name!r} is no name of a sweep", f"{rule}: --name {likely or 'NAME'}")


def grid_of(words: Sequence[str], defaults: Mapping[str, Value], name: str | None = None) -> Sweep:
    """Return the sweep of `key=value,value` words of a command line. Raises UserError as `read_sweep` does."""
    grid: dict[str, Any] = {}
    for word in words:
        key, equals, values = word.partition("=")
        key = key.removeprefix("--")
        if key in grid:
            raise UserError(f"--grid: {key} is given twice", f"write its values in one: {key}=a,b")
        grid[key] = yaml_values(values, f"--grid {word}") if equals else ["true"]
    shown = hashlib.sha256(json.dumps(grid, sort_keys=True).encode()).hexdigest()[:8]
    return make_sweep(_checked_name(name or f"grid-{shown}", "--name"), "--grid", [grid], {}, [], defaults)


def make_sweep(
    name: str, where: str, grids: Sequence[Any], shared: Any, excluded: Any, low: Mapping[str, Value]
) -> Sweep:
    """Return the sweep of some grids, every command of which its script's parser has accepted.

    Raises UserError for more combinations than a sweep can have, before the first one is made.
    """
    if not isinstance(shared, dict):
        raise UserError(f"{where}: `defaults` is no table", "write a flag and its value in each line")
    places = [where if len(grids) == 1 else f"{where}, grid {number}" for number in range(1, len(grids) + 1)]
    read = [one for grid, place in zip(grids, places, strict=True) for one in _grids(grid, shared, place)]
    if (n := sum(one.size for one in read)) > MOST:
        told = f"{n:,}" if n < 1e15 else "more than 10^15"
        what = f"{where}: {told} combinations, and a sweep has at most {MOST:,} runs"
        raise UserError(what, "make the grid smaller, or several sweeps of it")
    points = [point for one in read for point in one.points()]
    _check_defaults(shared, {point.script for point in points}, where)
    kept = _without(points, excluded, where)
    runs: dict[str, Run] = {}
    with bar(len(kept), "checking", "commands") as advance:
        for point in kept:
            run = _checked(point, low, where)
            runs[run.id] = run
            advance(1)
    if not runs:
        raise UserError(f"{where}: every run is excluded", "take a line out of `exclude`")
    return Sweep(name, tuple(runs.values()))


def _grids(grid: Any, shared: Mapping[str, Any], where: str) -> Iterator[_Grid]:
    """Yield what a grid makes of each of its scripts. Raises UserError for what is no grid."""
    if not isinstance(grid, dict) or "script" not in grid:
        raise UserError(f"{where} has no `script`", f"name one of {', '.join(script_names())}")
    needs = tuple(_texts(grid.get("needs", []), f"{where}: needs"))
    for typed in _texts(grid["script"], f"{where}: script"):
        script = script_name(typed)
        own = {key: value for key, value in grid.items() if key not in OWN_KEYS}
        given = {key: value for key, value in shared.items() if key not in own and has_flag(script, key)}
        axes = {key: _axis(value, f"{where}: {key}") for key, value in (given | own).items()}
        for key in axes:
            if key in REFUSED or not re.fullmatch(r"[A-Za-z]\w*", key):
                raise UserError(f"{where}: {key!r} is no flag of a sweep", "leave it out")
        yield _Grid(script, axes, needs)


def _axis(value: Any, where: str) -> list[Value]:
    """Return the values that a key takes: those of a list, of which a list is one flag with several values."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise UserError(f"{where} is an empty list", "give a value, or leave the key out")
    found: list[Value] = []
    for each in values:
        if isinstance(each, str):
            found.append({"true": True, "false": False}.get(each, each))
        elif isinstance(each, list) and each and all(isinstance(part, str) for part in each):
            found.append(tuple(each))
        else:
            hint = "a list has the values of several runs; a list in it is one flag with several values: [[1, 5], [10]]"
            raise UserError(f"{where}: {_shown(each)} is no value of a flag", hint)
    return found


def _shown(value: Any) -> str:
    """Return the beginning of a value as JSON; aliases of YAML can stand for more than fits into memory."""
    parts = list(itertools.islice(json.JSONEncoder().iterencode(value), PARTS + 1))
    return "".join(parts[:PARTS]) + (" ..." if len(parts) > PARTS else "")


def _texts(value: Any, where: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in values):
        raise UserError(f"{where} is no name and no list of names", "write name or [name, name]")
    return values


def _line(flags: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(word for name, value in flags.items() for word in _words(name, value))


def _words(name: str, value: Value) -> list[str]:
    """Return the words of a flag: `true` is a bare flag, `false` none, and a list has several values."""
    if isinstance(value, bool):
        return [f"--{name}"] if value else []
    if isinstance(value, tuple):
        return [f"--{name}", *value]
    return [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]


def _check_defaults(shared: Mapping[str, Any], scripts: set[str], where: str) -> None:
    """Raise UserError for a default that is a flag of none of the scripts."""
    for name in shared:
        if name in OWN_KEYS or not any(has_flag(script, name) for script in scripts):
            script = min(scripts)
            try:
                parse(script, [f"--{name}"])
            except UserError as error:
                raise UserError(f"{where}: defaults: {error.what}", error.hint) from None


def _without(points: Sequence[_Point], excluded: Any, where: str) -> list[_Point]:
    """Return the points that no line of `exclude` describes: all of its keys have one of the values given there."""
    lines = excluded if isinstance(excluded, list) else [excluded]
    kept = list(points)
    for line in lines:
        if not isinstance(line, dict) or not line:
            raise UserError(f"{where}: `exclude` is no list of tables", "write - {dataset: a, k: 1} in each line")
        wanted = {key: _axis(value, f"{where}: exclude: {key}") for key, value in line.items()}
        known = {"script", *(name for point in points for name in point.flags)}
        for key in wanted:
            if key not in known:
                raise UserError(f"{where}: exclude: no run has {key!r}", suggest(key, sorted(known)))
        left = [point for point in kept if not _fits(point, wanted)]
        if len(left) == len(kept):
            warn(f"{where}: exclude: {json.dumps(line)} leaves no run out")
        kept = left
    return kept


def _fits(point: _Point, wanted: Mapping[str, Sequence[Value]]) -> bool:
    scripts = [str(each) if str(each).endswith(".py") else f"{each}.py" for each in wanted.get("script", ())]
    if scripts and point.script not in scripts:
        return False
    return all(point.flags.get(key, False) in values for key, values in wanted.items() if key != "script")


def _checked(point: _Point, low: Mapping[str, Value], where: str) -> Run:
    """Return the run of a point, with the flags of the sweep's own command line that it does not set."""
    usual = {name: value for name, value in low.items() if name not in point.flags and takes(point.script, name)}
    run = point.run(usual)
    try:
        parse(run.script, run.words)
    except UserError as error:
        raise UserError(f"{where}: {run.command}: {error.what}", error.hint) from None
    return run
