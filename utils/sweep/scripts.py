"""The scripts of the suite as a sweep sees them: their names, and their own parsers, which check every command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from utils.constants import DEFAULT_ENCODER
from utils.errors import UserError, suggest

ROOT = Path(__file__).resolve().parents[2]
SWEEP = ROOT / "sweep.py"
MODEL_FLAGS = (  # runs that agree in these load the same models
    *("dtype", "fp16", "max_length", "pooling", "attention", "layer", "backend", "batch_size", "cuda"),
    *("base_url", "gen_model_checkpoint", "gen_dtype", "gen_loader", "gen_backend", "load_in_8bit", "load_in_4bit"),
    *("judge", "judge_precision", "rerank", "rerank_dtype"),
)


@lru_cache
def script_names() -> tuple[str, ...]:
    """Return the names of the scripts that a sweep can run: those in the root folder that parse a command line."""
    found = (path for path in sorted(ROOT.glob("*.py")) if path != SWEEP)
    return tuple(path.name for path in found if "\ndef parse(" in path.read_text(encoding="utf-8"))


def script_name(typed: str) -> str:
    """Return the file name of a script, typed with or without its ending; raises UserError where there is none."""
    name = typed if typed.endswith(".py") else f"{typed}.py"
    if name not in script_names():
        raise UserError(f"unknown script {typed!r}", suggest(name, script_names()))
    return name


@lru_cache
def _module(script: str) -> ModuleType:
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(Path(script).stem)


def parse(script: str, argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a script's command; raises UserError as the script does. No library is loaded."""
    arguments: argparse.Namespace = _module(script).parse(argv)
    return arguments


@lru_cache
def has_flag(script: str, name: str) -> bool:
    """Return whether a script has a flag, as its parser says."""
    try:
        parse(script, [f"--{name}"])
    except UserError as error:
        return not error.what.startswith("unrecognized arguments")
    return True


def takes(script: str, name: str) -> bool:
    """Return whether a flag of the sweep is handed to a script; --output_dir is where the script writes logs there."""
    return has_flag(script, name) and (name != "output_dir" or parse(script, []).output_dir == Path("logs"))


def models_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return what decides which models a command loads: an encoder's name first, then the flags that it sets."""
    given = vars(arguments)
    several = given.get("model_checkpoints")
    encoder = " + ".join(several) if several else given.get("model_checkpoint") or DEFAULT_ENCODER
    told = {name: given[name] for name in MODEL_FLAGS if given.get(name) and given[name] != "torch"}
    return (encoder, *(name if value is True else f"{name} {value}" for name, value in told.items()))


def run_main(script: str, argv: Sequence[str]) -> None:
    """Run a script's command in this process; raises UserError as the script does."""
    _module(script).main(argv)
