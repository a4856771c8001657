"""What the dry run of free answers prints: sizes, one prompt, and what answers, judgements and translations cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from utils.cli.chat_arguments import ENGLISH, JUDGE, TRANSLATED, TRANSLATOR
from utils.cli.plan import Plan
from utils.constants import JUDGE_TOKENS
from utils.data.languages import code_of
from utils.generators.judging import level_prompt, translate_prompt

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.cli.chat_run import Chat
    from utils.data.instructions import Instructions
    from utils.protocols import Generator

    Counts = npt.NDArray[np.int64]  # requests, tokens that are sent, tokens that are generated at most


def show_plan(task: Chat, subsets: Sequence[str]) -> None:
    """Print each language's sizes and state, one whole prompt, and what APIs would cost."""
    plan, shown = Plan(task.run, [*task.headers, "records"]), list[str]()
    costs = {name: np.zeros(3, dtype=np.int64) for name in ("", JUDGE, TRANSLATOR)}
    judge, translator = (task.run.beside.get(name) for name in (JUDGE, TRANSLATOR))
    for subset in subsets:
        data = task.load(subset)
        done = task.run.store.is_done(subset, len(task.seeds))
        plan.rows.append([subset, *task.sizes(data), "logged" if done else "to do"])
        shown = shown or task.prompts(data)
        if done:
            continue
        costs[""] += _of_answers(task, data)
        costs[JUDGE] += _of_judgements(task, judge, data)
        costs[TRANSLATOR] += _of_translations(task, translator, data)
    plan.show()
    print(f"\none prompt of {subsets[0]}:\n{shown[0]}\n")
    for what, model, name in (
        ("", task.generator, ""),
        ("judge: ", judge, JUDGE),
        ("translator: ", translator, TRANSLATOR),
    ):
        if model is not None and model.client is not None and (line := model.quote(*costs[name].tolist(), exact=False)):
            print(f"{what}{line}")


def _of_answers(task: Chat, data: Instructions) -> Counts:
    """Return what the answers that are not cached need of an API."""
    seeds = task.seeds if task.generator.client else []
    left = [task.generator.count_requests(task.prompts(data), (), task.how(seed), "generate") for seed in seeds]
    total: Counts = np.array(left, dtype=np.int64).reshape(-1, 3).sum(axis=0)
    return total


def _of_judgements(task: Chat, judge: Generator | None, data: Instructions) -> Counts:
    """Return what the judgements of a language need of an API, whose answers are as long as they may be."""
    if judge is None or judge.client is None:
        return np.zeros(3, dtype=np.int64)
    settings, n_answers = task.settings, len(data.ids) * len(task.seeds)
    of_prompts = len(task.seeds) * sum(judge.n_tokens([level_prompt(text, "") for text in data.texts]) or [])
    lengths = [settings.max_new_tokens] * (1 + bool(settings.judge_twice))
    if settings.judge_translated:
        lengths.append(settings.max_new_tokens * (TRANSLATED if _is_translated(data) else 1))
    tokens = sum(of_prompts + length * n_answers for length in lengths)
    n = n_answers * len(lengths)
    return np.array([n, tokens, n * (settings.judge_tokens or JUDGE_TOKENS)], dtype=np.int64)


def _of_translations(task: Chat, translator: Generator | None, data: Instructions) -> Counts:
    """Return what translating the answers of a language needs of an API; those to English instructions are English."""
    if translator is None or translator.client is None or not _is_translated(data):
        return np.zeros(3, dtype=np.int64)
    n, most = len(data.ids) * len(task.seeds), task.settings.max_new_tokens
    around = sum(translator.n_tokens([translate_prompt("")]) or [])
    return np.array([n, n * (around + most), n * TRANSLATED * most], dtype=np.int64)


def _is_translated(data: Instructions) -> bool:
    return code_of(data.lang) != ENGLISH
