"""Opening a generator, and local generators behind the cache of responses."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.answers import Choice, Failed, GenerationSettings, LabelScores, ScoreSettings
from utils.api.limits import ApiOptions
from utils.api.response_cache import ResponseCache
from utils.errors import UserError
from utils.generators.cache import AnswerCounts, cached_answers, response_settings, sampling_settings
from utils.generators.cached_scores import as_answers, as_scores, is_rounded, is_scores, may_be_rounded
from utils.generators.label_choice import constrained_choice, label_scores
from utils.loaders import BUNDLED_GENERATOR, load_model
from utils.progress import counted_off
from utils.protocols import Generator, TextGenerator
from utils.schema import GeneratorSpec

if TYPE_CHECKING:
    from utils.api.limiter import Budget


def open_generator(
    spec: GeneratorSpec, device: str, cache_dir: Path, api: tuple[ApiOptions, Budget] | None = None
) -> Generator:
    """Return a generator; nothing is loaded, and no server contacted, before an answer is missing in the cache."""
    if spec.provider:
        from utils.api.client import ApiClient
        from utils.api.limiter import Budget
        from utils.generators.api import ApiGenerator

        options, budget = api or (ApiOptions(), Budget(None))
        return ApiGenerator(spec, ApiClient(spec, options, budget), cache_dir)
    return CachedGenerator(spec, device, cache_dir)


class CachedGenerator(AnswerCounts):
    """A local generator behind the cache of responses; the model is loaded when an answer is not in the cache."""

    client = None
    counts_exactly = True

    def __init__(self, spec: GeneratorSpec, device: str, cache_dir: Path) -> None:
        self.spec, self.device, self.cache_dir = spec, device, cache_dir
        super().__init__()
        self._generator: TextGenerator | None = None

    def score(
        self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings
    ) -> list[LabelScores | Failed]:
        """Return the log-probabilities of each label's tokens after each prompt."""
        return [*self._scores(prompts, labels, settings)]

    def score_each(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: ScoreSettings
    ) -> list[LabelScores | Failed]:
        """Return the log-probabilities of the tokens of each prompt's own labels after it (n,)."""

        def request(missing: list[str]) -> Iterator[tuple[int, Any]]:
            asked = [json.loads(item) for item in missing]
            prompts, of_each = [prompt for prompt, _ in asked], [labels for _, labels in asked]
            return as_answers(self.spec, self.loaded().score_each(prompts, of_each, settings))

        items = [
            json.dumps((prompt, list(each)), ensure_ascii=False) for prompt, each in zip(prompts, labels, strict=True)
        ]
        how = {"score": dataclasses.asdict(settings), "labels": "each"}
        return [*self._scores_of(items, how, request)]

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> list[str | Failed]:
        """Return the text that follows each prompt; sampled texts are cached for each seed."""
        how = {"generate": sampling_settings(settings)}
        found = self.answers(prompts, how, lambda missing: self.loaded().generate(missing, settings), _is_text)
        return [str(text) for text in found]

    def choose(
        self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings
    ) -> list[Choice | Failed]:
        """Return the label that decoding within the labels' tokens ends at, and all labels' log-likelihoods.

        A prompt's sample depends on the seed and the prompt's index.
        """
        choices: list[Choice | Failed] = []
        for place, scores in enumerate(self._scores(prompts, labels, ScoreSettings(terminated=True))):
            rng = np.random.default_rng([settings.seed, place])
            index = constrained_choice(scores, settings.temperature, rng)
            choices.append(Choice(index, labels[index], tuple(label_scores(scores, labels, "sum").tolist())))
        return choices

    def n_tokens(self, prompts: Sequence[str]) -> list[int] | None:
        """Return each prompt's number of tokens; None where the bundled checkpoint is not expanded yet."""
        from utils.generators.loading import open_reader

        path = self._place()
        return None if path is None else [len(ids) for ids in open_reader(self.spec, path).prompt_ids(prompts)]

    def context(self) -> int | None:
        """Return how many tokens the model takes; None where there is no limit, or it is not known."""
        from utils.generators.loading import read_context

        path = self._place()
        with contextlib.suppress(UserError):  # answers may be there of a checkpoint that is not
            return None if path is None else read_context(self.spec, path)
        return None

    def _place(self) -> str | None:
        """Return where the checkpoint is; None where the bundled one is not expanded yet."""
        if self.spec.loader != BUNDLED_GENERATOR:
            return self.spec.checkpoint
        from utils.generators.bundled import bundled_folder

        folder = bundled_folder(self.cache_dir)
        return str(folder) if folder.is_dir() else None

    def count_requests(
        self, prompts: Sequence[str], labels: Sequence[Sequence[str]], settings: GenerationSettings, decode: str
    ) -> tuple[int, int, int]:
        """Return zeros: a local generator sends no requests."""
        return 0, 0, 0

    def quote(self, n_requests: int, n_tokens: int, n_out: int, *, exact: bool) -> str:
        """Return nothing: a local generator has no costs."""
        return ""

    def _scores(self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings) -> list[LabelScores]:
        def request(missing: list[str]) -> Iterator[tuple[int, Any]]:
            return as_answers(self.spec, self.loaded().score(missing, labels, settings))

        how = {"score": dataclasses.asdict(settings), "labels": list(labels)}
        return self._scores_of(prompts, how, request)

    def _scores_of(
        self,
        items: Sequence[str],
        how: Mapping[str, Any],
        request: Callable[[list[str]], Iterator[tuple[int, Any]]],
    ) -> list[LabelScores]:
        """Return the scores of each item; those that an earlier version rounded to ties are computed again."""
        found = dict(zip(items, self.answers(items, how, request, is_scores), strict=True))
        tied = [item for item, answer in found.items() if is_rounded(answer)] if may_be_rounded(self.spec) else []
        if tied:
            cache = ResponseCache(self.cache_dir, response_settings(self.spec, how))
            found.update(
                cache.request(tied, lambda some: counted_off(request(some), len(some), self.spec.name, "prompts"))
            )
            self.count({"hits": -len(tied), "misses": len(tied)})
        return [as_scores(found[item]) for item in items]

    def answers(
        self,
        prompts: Sequence[str],
        how: Mapping[str, Any],
        request: Callable[[list[str]], Iterable[tuple[int, Any]]],
        is_usable: Callable[[Any], bool],
    ) -> list[Any]:
        """Return the answer to each prompt as the cache keeps it, requesting those that it lacks or cannot use.

        how: what decides an answer beside the model and the prompt.
        """
        cache = ResponseCache(self.cache_dir, response_settings(self.spec, how))
        found, counts = cached_answers(cache, prompts, request, self.spec.name, is_usable)
        self.count(counts)
        return found

    def loaded(self) -> TextGenerator:
        """Return the model itself, loaded by the function that the spec names."""
        if self._generator is None:
            generator: TextGenerator = load_model(self.spec.loader, self.spec, self.device, self.cache_dir)
            self._generator = generator
        return self._generator


def _is_text(answer: Any) -> bool:
    return isinstance(answer, str)
