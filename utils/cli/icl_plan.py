"""The dry run of in-context learning: sizes, one whole prompt, the lengths of prompts, and what an API would cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from utils.cli.icl_demonstrations import demonstrations_of
from utils.cli.plan import Plan
from utils.generators.decoding import asked_of

if TYPE_CHECKING:
    from utils.cli.icl_task import Icl

Ints = npt.NDArray[np.int64]


def show_plan(task: Icl, subsets: Sequence[str]) -> None:
    """Print each language's sizes and state, one whole prompt, the prompts' lengths, and what an API would cost."""
    plan, shown = Plan(task.run, [*task.headers, "to encode", "records"]), list[str]()
    quoted = np.zeros(3, dtype=np.int64)  # requests, tokens, tokens generated
    for subset in subsets:
        data = task.load(subset)
        queries, candidates = task.sides(data)
        plan.add(subset, task.sizes(data), queries, candidates)
        costs = task.generator.client is not None and not task.run.store.is_done(subset, task.k)
        if shown and not costs:
            continue
        k = min(task.k, len(data.train.texts))
        shown_texts = [np.arange(k)] * len(data.queries)  # the nearest need vectors
        if not task.run.ensemble.encoders:
            shown_texts = demonstrations_of(task.run, task.settings, data, k, ((), ()))
        query = task.query_of(data, task.format_of(data))
        asked = [query(place, indices) for place, indices in enumerate(shown_texts)]
        shown = shown or [each.prompt for each in asked]
        if costs:
            texts, of_each = zip(*asked_of(asked, data.names), strict=True)
            settings = task.generation_settings()
            quoted += task.generator.count_requests(texts, of_each, settings, task.settings.decode)
    plan.show()
    _show_prompts(task, subsets[0], shown, quoted)


def _show_prompts(task: Icl, subset: str, prompts: Sequence[str], quoted: Ints) -> None:
    """Print the first prompt of a language, the lengths of all of them, and the requests' cost."""
    about = " (the first training texts stand in)" if task.run.ensemble.encoders else ""
    print(f"\none prompt of {subset}{about}:\n{prompts[0]}\n")
    lengths, exact = task.generator.n_tokens(prompts), task.generator.counts_exactly
    if lengths is None:
        print("tokens: known after the first run, which expands the embedded generator")
        return
    about = "" if exact else "about "
    print(f"{about}{min(lengths)} to {max(lengths)} tokens a prompt, {sum(lengths):,} in all of {subset}")
    if line := task.generator.quote(*map(int, quoted), exact=exact and task.k == 0):
        print(line)
