"""The prompts of a checkpoint for one task of mteb: those that it names by the task, or the task's instruction."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from utils.encoders.kinds import DOCUMENT_PROMPTS, prompts_of

INSTRUCTED = re.compile(r"(Instruct: ).*?(\n ?Query:\s*)", flags=re.DOTALL)  # a prompt that tells the task


def task_sides(
    checkpoint: str, revision: str | None, name: str, task: Mapping[str, str], *, has_sides: bool
) -> tuple[str, str | None] | None:
    r"""Return the prompts before queries and before passages for a task of mteb; None where they are the usual ones.

    A prompt of the checkpoint that has the name of the task, or that of its type, is taken as mteb takes it. A prompt
    for queries that tells the task, as `Instruct: ...\nQuery: `, tells mteb's instruction. task: its name, its type
    and its instruction, `query`. has_sides: whether the two differ; if not, the second is None.
    """
    prompts = prompts_of(checkpoint, revision)
    query, passage = (_named(prompts, task, side if has_sides else "") for side in ("query", "document"))
    told = INSTRUCTED.fullmatch(prompts.get("query", ""))
    if query is None and told is not None and task["query"]:
        query = f"{told[1]}{task['query']}{told[2]}"
    if query is None and (passage is None or not has_sides):
        return None
    if not has_sides:
        _tell(name, task, f"{query!r} is put before every text")
        return str(query), None
    query = prompts.get("query", "") if query is None else query
    passage = next(filter(None, map(prompts.get, DOCUMENT_PROMPTS)), "") if passage is None else passage
    _tell(name, task, f"{query!r} is put before every query and {passage!r} before every passage")
    return query, passage


def _named(prompts: Mapping[str, str], task: Mapping[str, str], side: str) -> str | None:
    """Return the prompt that is named by the task or its type, for one side alone or for both."""
    names = [key for one in (task["name"], task["type"]) for key in ([f"{one}-{side}"] if side else []) + [one]]
    return next((prompts[key] for key in names if key in prompts), None)


def _tell(name: str, task: Mapping[str, str], what: str) -> None:
    print(f"note: {what} for {name}, as mteb has it for {task['name']} (--prompt TEXT for another)", file=sys.stderr)
