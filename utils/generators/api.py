"""Generators of an API behind the cache of responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.answers import Choice, Failed, GenerationSettings, LabelScores, ScoreSettings
from utils.api.client import ApiClient
from utils.api.response_cache import ResponseCache
from utils.generators.api_requests import CHOICE_TOKENS, PromptRequests
from utils.generators.cache import AnswerCounts, cached_answers, response_settings, sampling_settings
from utils.generators.prompts import parse_label
from utils.schema import GeneratorSpec

Request = Callable[[list[str], ResponseCache], Iterable[tuple[int, Any]]]


class ApiGenerator(AnswerCounts):
    """A generator of an API; a prompt that the provider will never answer is a failure."""

    def __init__(self, spec: GeneratorSpec, client: ApiClient, cache_dir: Path) -> None:
        self.spec, self.client, self.cache_dir = spec, client, cache_dir
        super().__init__()
        self.requests = PromptRequests(spec, client, cache_dir)

    def score(
        self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings
    ) -> list[LabelScores | Failed]:
        """Return the labels' log-probabilities; each label after each prompt is a request of its own."""
        return self.score_each(prompts, [labels] * len(prompts), settings)

    def score_each(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: ScoreSettings
    ) -> list[LabelScores | Failed]:
        """Return the log-probabilities of each prompt's own labels after it (n,), by the same requests."""
        found = iter(self._answers(_pair_items(prompts, labels), _pair_settings(), self.requests.score_pairs))
        scores: list[LabelScores | Failed] = []
        for of_prompt in labels:
            answers = [next(found) for _ in of_prompt]
            failed = [answer["failed"] for answer in answers if isinstance(answer, dict)]
            scores.append(Failed(failed[0]) if failed else LabelScores((), tuple(map(tuple, answers))))
        return scores

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> list[str | Failed]:
        """Return the text that follows each prompt."""
        how = {"generate": sampling_settings(settings)}
        found = self._answers(prompts, how, lambda missing, cache: self.requests.generate(missing, settings, cache))
        return [_text(answer) for answer in found]

    def choose(
        self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings
    ) -> list[Choice | Failed]:
        """Return the label that the API's structured output gives for each prompt."""
        how = _choice_settings(labels, settings)
        found = self._answers(
            prompts, how, lambda missing, cache: self.requests.choose(missing, labels, settings, cache)
        )
        texts = [_text(answer) for answer in found]
        return [text if isinstance(text, Failed) else Choice(parse_label(text, labels), text) for text in texts]

    def n_tokens(self, prompts: Sequence[str]) -> list[int] | None:
        """Return each prompt's number of tokens, estimated where `counts_exactly` is false."""
        return [self.requests.counter[0](prompt) for prompt in prompts]

    def context(self) -> int | None:
        """Return None: the provider refuses a prompt that is too long."""
        return None

    @property
    def counts_exactly(self) -> bool:
        """Whether `n_tokens` counts with the model's own tokenizer."""
        return self.requests.counter[1]

    def count_requests(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: GenerationSettings, decode: str
    ) -> tuple[int, int, int]:
        """Return the requests that the prompts still need, their tokens, and the tokens generated at most."""
        how: dict[str, Any] = {"generate": sampling_settings(settings)}
        items, texts, n_out = list(prompts), list(prompts), settings.max_new_tokens
        if decode == "score":
            how, items, n_out = _pair_settings(), _pair_items(prompts, labels), 1
            texts = [prompt + label for prompt, each in zip(prompts, labels, strict=True) for label in each]
        if decode == "constrained":
            how, n_out = _choice_settings(next(iter(labels), ()), settings), CHOICE_TOKENS
        known = ResponseCache(self.cache_dir, response_settings(self.spec, how)).read(items, self.requests.is_usable)
        left = dict(pair for pair in zip(items, texts, strict=True) if pair[0] not in known)
        return len(left), sum(self.n_tokens(list(left.values())) or []), len(left) * n_out

    def quote(self, n_requests: int, n_tokens: int, n_out: int, *, exact: bool) -> str:
        """Return a line with these requests and tokens and their cost."""
        return self.client.quote(n_requests, n_tokens, exact, n_out)

    def _answers(self, prompts: Sequence[str], how: Mapping[str, Any], request: Request) -> list[Any]:
        cache = ResponseCache(self.cache_dir, response_settings(self.spec, how))
        found, counts = cached_answers(
            cache, prompts, lambda missing: request(missing, cache), self.spec.name, self.requests.is_usable
        )
        self.count(counts)
        return found


def _pair_items(prompts: Sequence[str], labels: Sequence[Sequence[str]]) -> list[str]:
    """Return each prompt with each of its labels, as the cache has them."""
    pairs = ((prompt, label) for prompt, each in zip(prompts, labels, strict=True) for label in each)
    return [json.dumps(pair, ensure_ascii=False) for pair in pairs]


def _pair_settings() -> dict[str, Any]:
    return {"score": "pairs"}


def _choice_settings(labels: Sequence[str], settings: GenerationSettings) -> dict[str, Any]:
    return {"choose": sampling_settings(settings), "labels": list(labels)}


def _text(answer: Any) -> str | Failed:
    return Failed(str(answer["failed"])) if isinstance(answer, dict) else str(answer)
