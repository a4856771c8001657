"""Generators: what a name stands for, loading on first use, answers through the cache."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.api.limits import ApiOptions
from utils.api.response_cache import AnswerCache
from utils.loaders import BUNDLED_GENERATOR, cache_name, load_function
from utils.schema import Failed, GenerationSettings, Generator, GeneratorSpec, LabelScores, ScoreSettings

if TYPE_CHECKING:
    from utils.api.client import Traffic
    from utils.api.limiter import Budget
    from utils.generators.api import ApiGenerator


def answer_settings(spec: GeneratorSpec, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides an answer beside its prompt, the key of the cache; a local folder counts by its content."""
    return {
        "loader": cache_name(spec.loader),
        "checkpoint": "local" if spec.label and not spec.provider else spec.checkpoint,
        "revision": spec.revision,
        "kind": spec.kind,
        "dtype": spec.dtype,
        "quantization": spec.quantization,
        **({"provider": spec.provider, "base_url": spec.base_url} if spec.provider else {}),
        **how,
    }


class CachedGenerator:
    """A generator behind the cache of answers; the model is loaded when the first answer is missing."""

    def __init__(
        self, spec: GeneratorSpec, device: str, cache_dir: Path, api: tuple[ApiOptions, Budget] | None = None
    ) -> None:
        self.spec, self.device, self.cache_dir = spec, device, cache_dir
        self.counts = {"hits": 0, "misses": 0}
        self.traffic: Traffic | None = None
        self._generator: Generator | None = None
        self._api: ApiGenerator | None = None
        if spec.provider:
            from utils.api.client import Traffic
            from utils.api.limiter import Budget
            from utils.generators.api import ApiGenerator

            options, budget = api or (ApiOptions(), Budget(None))
            self.traffic = Traffic(spec.checkpoint, spec.provider, spec.base_url, options, budget)
            self._api = ApiGenerator(spec, self.traffic, cache_dir)

    def score(
        self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings
    ) -> list[LabelScores | Failed]:
        """Return the log-probabilities of the labels after each prompt."""
        if self._api is not None:
            return self._score_over_api(self._api, prompts, labels)

        def ask(missing: list[str]) -> Iterator[tuple[int, Any]]:
            for index, scores in self.loaded().score(missing, labels, settings):
                yield index, {"tokens": scores.tokens, "logprobs": scores.logprobs}

        how = {"score": dataclasses.asdict(settings), "labels": list(labels)}
        return [
            LabelScores(tuple(map(tuple, found["tokens"])), tuple(map(tuple, found["logprobs"])))
            for found in self._answers(prompts, how, ask)
        ]

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> list[str | Failed]:
        """Return the text that follows each prompt; what is drawn is kept apart for each seed."""
        how = {"generate": _drawn(settings)}
        generator = self._api
        ask = generator.generate if generator is not None else lambda *asked: self.loaded().generate(*asked)
        return [_text(found) for found in self._answers(prompts, how, lambda texts: ask(texts, settings))]

    def choose(self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings) -> list[str | Failed]:
        """Return the label that an API's structured output names for each prompt."""
        assert self._api is not None
        choose = self._api.choose
        how = {"choose": _drawn(settings), "labels": list(labels)}
        return [_text(found) for found in self._answers(prompts, how, lambda texts: choose(texts, labels, settings))]

    def n_tokens(self, prompts: Sequence[str]) -> list[int] | None:
        """Return each prompt's length in tokens; None where the embedded checkpoint is not expanded yet."""
        if self._api is not None:
            return [self._api.counter[0](prompt) for prompt in prompts]
        from utils.generators.transformers_model import open_reader

        path = self.spec.checkpoint
        if self.spec.loader == BUNDLED_GENERATOR:
            from utils.generators.bundled import bundled_folder

            if not bundled_folder(self.cache_dir).is_dir():
                return None
            path = str(bundled_folder(self.cache_dir))
        return [len(ids) for ids in open_reader(self.spec, path).prompt_ids(prompts)]

    def to_ask(
        self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings, decode: str
    ) -> tuple[int, int, int]:
        """Return how many requests the prompts still take of an API, their tokens, and those generated at most."""
        from utils.generators.api import CHOICE_TOKENS

        how: dict[str, Any] = {"generate": _drawn(settings)}
        items, texts, n_out = list(prompts), list(prompts), settings.max_new_tokens
        if decode == "score":
            pairs = [(prompt, label) for prompt in prompts for label in labels]
            how, items, n_out = {"score": "pairs"}, [json.dumps(pair, ensure_ascii=False) for pair in pairs], 1
            texts = ["".join(pair) for pair in pairs]
        if decode == "constrained":
            how, n_out = {"choose": _drawn(settings), "labels": list(labels)}, CHOICE_TOKENS
        known = AnswerCache(self.cache_dir, answer_settings(self.spec, how)).known(items)
        left = dict(pair for pair in zip(items, texts, strict=True) if pair[0] not in known)
        return len(left), sum(self.n_tokens(list(left.values())) or []), len(left) * n_out

    @property
    def counts_exactly(self) -> bool:
        """Whether `n_tokens` is the count of the model's own tokenizer."""
        return self._api is None or self._api.counter[1]

    def _score_over_api(
        self, generator: ApiGenerator, prompts: Sequence[str], labels: Sequence[str]
    ) -> list[LabelScores | Failed]:
        """Return the labels' log-probabilities; each label behind each prompt is asked for and kept by itself."""
        pairs = [(prompt, label) for prompt in prompts for label in labels]
        items = [json.dumps(pair, ensure_ascii=False) for pair in pairs]

        def ask(missing: list[str]) -> Iterable[tuple[int, Any]]:
            return generator.score_pairs([tuple(json.loads(item)) for item in missing])

        found = iter(self._answers(items, {"score": "pairs"}, ask))
        scores: list[LabelScores | Failed] = []
        for _ in prompts:
            answers = [next(found) for _ in labels]
            failed = [answer["failed"] for answer in answers if isinstance(answer, dict)]
            scores.append(Failed(failed[0]) if failed else LabelScores((), tuple(map(tuple, answers))))
        return scores

    def _answers(
        self, prompts: Sequence[str], how: Mapping[str, Any], ask: Callable[[list[str]], Iterable[tuple[int, Any]]]
    ) -> list[Any]:
        cache = AnswerCache(self.cache_dir, answer_settings(self.spec, how))
        strict = self.traffic is not None and self.traffic.options.strict
        found = cache.answers(
            prompts,
            lambda missing: _with_bar(ask(missing), len(missing), self.spec.name),
            lambda answer: not (strict and isinstance(answer, dict) and "failed" in answer),
        )
        self.counts = {"hits": cache.hits, "misses": cache.misses}  # of this call: a subset's
        return [found[prompt] for prompt in prompts]

    def loaded(self) -> Generator:
        """Return the model itself, by the loader that the spec names."""
        if self._generator is None:
            load = load_function(self.spec.loader)
            self._generator = load(self.spec, self.device, self.cache_dir)
        return self._generator


def _drawn(settings: GenerationSettings) -> dict[str, Any]:
    """Return the settings that decide a text: the seed only where something is drawn."""
    return {**dataclasses.asdict(settings), "seed": settings.seed if settings.temperature else None}


def _text(answer: Any) -> str | Failed:
    return Failed(str(answer["failed"])) if isinstance(answer, dict) else str(answer)


def _with_bar(answers: Iterable[tuple[int, Any]], total: int, name: str) -> Iterator[tuple[int, Any]]:
    """Pass answers on, with a bar over prompts on a terminal."""
    from tqdm import tqdm

    yield from tqdm(answers, total=total, desc=f"asking ({name})", unit=" prompts", leave=False, disable=None)
