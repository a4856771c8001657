"""Requests to the generator of an API: texts, choices among labels, and log-probabilities of labels."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from utils.answers import GenerationSettings
from utils.api.batch_notes import refuse_pending
from utils.api.batches import Line, batch_settings, build_line, request_in_batches
from utils.api.claims import Claims, shared_steps
from utils.api.client import ApiClient
from utils.api.concurrency import run_concurrently
from utils.api.errors import GARBLED, REFUSED, ApiError, as_user_error
from utils.api.labels import label_logprobs, parse_choice
from utils.api.provider import Reply
from utils.api.providers import open_client
from utils.api.response_cache import ResponseCache
from utils.api.texts import without_halves
from utils.api.token_counts import Counter, open_counter
from utils.errors import UserError
from utils.schema import GeneratorSpec

CHAT_TOKENS = 8  # tokens of a message beside its text
CHOICE_TOKENS = 64  # tokens of an answer that names a label in JSON

UNRESTRICTED = "none"  # how a server is asked for JSON that has no way to keep to a schema

Failure = dict[str, str]  # {"failed": reason}: an item that will never be answered
Request = Callable[[], "Reply[Any]"]


class PromptRequests:
    """Sends prompts to an API and yields the answers as they arrive, each with the index of its prompt.

    The SDK's client is opened for the first request.
    """

    def __init__(self, spec: GeneratorSpec, client: ApiClient, cache_dir: Path) -> None:
        self.spec, self.client, self.cache_dir = spec, client, cache_dir
        self._sdk: Any = None
        self._counter: tuple[Counter, bool] | None = None
        self._working: dict[str, str] = {}  # the way that worked before: of "choice", of "logprobs"

    @property
    def counter(self) -> tuple[Counter, bool]:
        """The function that counts a text's tokens, and whether it is exact."""
        if self._counter is None:
            self._counter = open_counter(self.spec.checkpoint, self.spec.provider, self.spec.base_url, self.cache_dir)
        return self._counter

    def generate(
        self, prompts: Sequence[str], settings: GenerationSettings, cache: ResponseCache
    ) -> Iterator[tuple[int, str | Failure]]:
        """Yield the text that follows each prompt, or why there will be none."""

        def refuse(left: Sequence[str]) -> None:
            refuse_pending(left, self._batch_settings(settings), self.cache_dir)

        ask = self._structured if settings.schema else self._plain

        def build(prompt: str) -> Request:
            return lambda: ask(prompt, settings)

        batch_api = self.client.options.batch_api
        if not batch_api:
            refuse(prompts)
        with Claims(cache, self.is_usable) as claims:
            done: set[int] = set()
            for place, text in self._generate_in_batches(prompts, settings, claims) if batch_api else ():
                done.add(place)
                yield place, text
            left = [place for place in range(len(prompts)) if place not in done]
            yield from self._send_all(prompts, left, claims, build, settings.max_new_tokens, refuse=refuse)

    def choose(
        self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings, cache: ResponseCache
    ) -> Iterator[tuple[int, str | Failure]]:
        """Yield the label that structured output gives for each prompt; UserError where the server has none."""

        def build(prompt: str) -> Request:
            return lambda: self._choice(prompt, labels, settings)

        with Claims(cache, self.is_usable) as claims:
            yield from self._send_all(prompts, range(len(prompts)), claims, build, CHOICE_TOKENS)

    def score_pairs(self, items: Sequence[str], cache: ResponseCache) -> Iterator[tuple[int, list[float] | Failure]]:
        """Yield the log-probabilities of a label's tokens after its prompt, for each item: JSON of (prompt, label).

        Prompt and label are tokenised together; a token belongs to the label when it ends after the prompt's last
        character. Raises UserError where the server returns no log-probabilities of a prompt.
        """
        if self.spec.kind != "base":
            raise UserError(
                f"--decode score with {self.spec.checkpoint}, a chat model",
                "use --decode generate, or --gen_loader base",
            )

        def build(item: str) -> Request:
            return lambda: self._label_scores(*json.loads(item))

        texts = ["".join(json.loads(item)) for item in items]
        with Claims(cache, self.is_usable) as claims:
            yield from self._send_all(items, range(len(items)), claims, build, 1, texts)

    def is_usable(self, answer: Any) -> bool:
        """Return whether a cached answer may be used: it has the form of one, and is no failure with --strict."""
        if isinstance(answer, dict):
            return isinstance(answer.get("failed"), str) and not self.client.options.strict
        if isinstance(answer, list):
            return bool(answer) and all(isinstance(value, int | float) for value in answer)
        return isinstance(answer, str)

    def _batch_settings(self, settings: GenerationSettings) -> dict[str, Any]:
        return batch_settings(self.spec, task="texts", settings=settings.identity())

    def _generate_in_batches(
        self, prompts: Sequence[str], settings: GenerationSettings, claims: Claims
    ) -> Iterator[tuple[int, str]]:
        """Yield the texts that the provider's batch files give."""
        how, counter = self.client.provider.batch_formats[self.spec.kind], self.counter[0]

        def build_lines(places: list[int]) -> list[Line]:
            chosen = [prompts[place] for place in places]
            return [
                build_line(how, self.spec, [prompt], [without_halves(prompt)], counter, settings) for prompt in chosen
            ]

        key = self._batch_settings(settings)
        yield from request_in_batches(
            prompts, key, self.client, claims, build_lines, lambda body: how.read(body, settings)
        )

    def _send_all(
        self,
        items: Sequence[str],
        left: Sequence[int],
        claims: Claims,
        build: Callable[[str], Request],
        tokens_out: int,
        texts: Sequence[str] | None = None,
        refuse: Callable[[list[str]], None] = lambda prompts: None,
    ) -> Iterator[tuple[int, Any]]:
        """Send the requests of the items at the places `left`, several at once.

        An item whose content is refused becomes a failure. `texts` are those whose tokens count where the items are not
        the texts themselves.
        """
        if self._sdk is None:
            self._sdk = open_client(self.spec.provider, self.spec.base_url, self.client.options.timeout)
        counter = self.counter[0]
        counted = texts if texts is not None else items

        def work(place: int) -> tuple[list[tuple[int, Any]], list[int]]:
            try:
                tokens = counter(counted[place]) + CHAT_TOKENS
                return [(place, self.client.send(build(items[place]), tokens, tokens_out))], []
            except ApiError as error:
                if self.client.is_of_item(error):
                    return [(place, {"failed": error.message})], []
                raise

        try:
            options = self.client.options
            steps = shared_steps(claims, items, ([place] for place in left), lambda places: places[0], refuse)
            yield from run_concurrently(steps, work, options.concurrency, self.client.stop)
        except ApiError as error:
            raise as_user_error(error) from error

    def _text(self, prompt: str, settings: GenerationSettings, more: Any) -> Reply[str]:
        """Return the text that the model generates after a prompt."""
        provider = self.client.provider
        generate = provider.complete if self.spec.kind == "base" else provider.chat
        assert generate is not None  # checked when the name is resolved
        return generate(self._sdk, self.spec, without_halves(prompt), settings, more)

    def _plain(self, prompt: str, settings: GenerationSettings) -> Reply[str]:
        return self._text(prompt, settings, {})

    def _structured(self, prompt: str, settings: GenerationSettings) -> Reply[str]:
        """Return a text that keeps to a JSON schema, in the first way that the server supports; else any text."""
        ways, known = self.client.provider.schema_arguments, self._working.get("schema")
        for way in [known] if known else ways:
            if way == UNRESTRICTED:
                break
            try:
                reply = self._text(prompt, settings, ways[way](json.loads(settings.schema or "{}")))
            except Exception as error:  # servers refuse unknown arguments in many ways
                self._raise_unless_unsupported(error, known)
            else:
                self._working["schema"] = way
                return reply
        reply = self._plain(prompt, settings)
        if self._working.setdefault("schema", "") != UNRESTRICTED:  # told once, and of a server that answers without
            self._working["schema"] = UNRESTRICTED
            print(f"note: {self.spec.name} has no structured output: JSON is asked for in words alone", file=sys.stderr)
        return reply

    def _choice(self, prompt: str, labels: Sequence[str], settings: GenerationSettings) -> Reply[str]:
        """Return the label that the server chooses, in the first way that it supports."""
        ways, short = self.client.provider.label_arguments, dataclasses.replace(settings, max_new_tokens=CHOICE_TOKENS)
        known = self._working.get("choice") or (next(iter(ways)) if len(ways) == 1 else None)
        problem = ""
        for way in [known] if known else ways:
            try:
                reply = parse_choice(self._text(prompt, short, ways[way](labels)), labels)
            except ApiError as error:
                if error.kind != GARBLED or known:
                    raise
                problem = problem or error.message
            except Exception as error:  # servers refuse unknown arguments in many ways
                self._raise_unless_unsupported(error, known)
            else:
                self._working["choice"] = way
                return reply
        problem = problem or "the server has no structured output"
        raise UserError(f"--decode constrained with {self.spec.checkpoint}: {problem}", "use --decode generate")

    def _label_scores(self, prompt: str, label: str) -> Reply[list[float]]:
        """Return the log-probabilities of the label's tokens, in the first way that the server supports."""
        prompt, label = without_halves(prompt), without_halves(label)
        ways, known = self.client.provider.logprobs, self._working.get("logprobs")
        problem = "the server returns no log-probabilities of a prompt (completions with echo, or prompt_logprobs)"
        for way in [known] if known else ways:
            try:
                reply = ways[way](self._sdk, self.spec, prompt + label)
            except Exception as error:  # servers refuse unknown arguments in many ways
                problem = self._raise_unless_unsupported(error, known)
                continue
            if reply.content:
                self._working["logprobs"] = way
                scores = label_logprobs(reply.content, prompt, label)
                return Reply(scores, reply.tokens_in, reply.tokens_out, reply.model)
        hint = "use --decode generate or constrained"
        raise UserError(f"--decode score with {self.spec.checkpoint}: {problem}", hint)

    def _raise_unless_unsupported(self, error: Exception, known: str | None) -> str:
        """Return the server's message where it refuses the arguments of a way; raise any other error.

        `known` is the way that worked before: an error in it is one of this item.
        """
        fault = self.client.classify(error)
        if fault.kind != REFUSED or fault.filtered or fault.too_long or known:
            raise error
        return fault.message
