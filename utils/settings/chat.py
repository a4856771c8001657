"""The settings of free answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from utils.constants import ANSWER_SEEDS, ANSWER_TOKENS, SAMPLING, TEMPLATES
from utils.settings.base import Settings, folder_part, setting


@dataclass(frozen=True, kw_only=True)
class ChatSettings(Settings):
    """Settings of free answers to instructions; of a greedy answer top_p, top_k and seeds are None.

    judge, judge_translated: the models that judge answers and translate them, or `file` and the digits of its hash.
    judge_precision: that of both, None for the one that they have by themselves.
    """

    template: str = setting("model", choices=TEMPLATES)
    temperature: float = setting(SAMPLING["temperature"], "number")
    top_p: float | None = setting(SAMPLING["top_p"], "number")
    top_k: int | None = setting(SAMPLING["top_k"], "whole")
    seeds: str | None = setting(" ".join(map(str, ANSWER_SEEDS)))
    max_new_tokens: int = setting(ANSWER_TOKENS, "whole")
    sample: int | None = setting(None, "whole", optional=True)
    judge: str | None = setting(None, optional=True)
    judge_precision: str | None = setting(None, optional=True)
    judge_tokens: int | None = setting(None, "whole", optional=True)
    judge_translated: str | None = setting(None, optional=True)
    judge_twice: bool | None = setting(None, "flag", optional=True)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield what is not plain, by name; `quantization` is that of the generator. Long names are cut."""
        yield of_models.get("quantization", "")
        own = dataclasses.fields(self)[len(dataclasses.fields(Settings)) :]
        for field in own:
            value = getattr(self, field.name)
            if value not in (None, field.default):
                yield f"{field.name}_{folder_part(str(value), 24)}"
