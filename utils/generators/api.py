"""Generators of an API: chats, completions, labels' log-probabilities, and choices among the labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.api.batches import refuse_pending, settings_of
from utils.api.chat_requests import (
    chat_request,
    choice_arguments,
    choice_schema,
    completion_request,
    first_choice,
    label_logprobs,
    label_of,
    parsed_chat,
    parsed_cohere,
    parsed_completion,
    prompt_tokens,
    reply_of,
)
from utils.api.client import Reply, Traffic
from utils.api.concurrency import in_flight
from utils.api.errors import GARBLED, REFUSED, ApiError, ended
from utils.api.providers import open_client
from utils.api.token_counts import Counter, open_counter
from utils.errors import UserError
from utils.schema import GenerationSettings, GeneratorSpec

CHAT_TOKENS = 8  # what a message costs beside its text
CHOICE_TOKENS = 64  # of an answer that names a label in JSON
SCORE_WAYS = ("echo", "prompt_logprobs")  # as OpenAI's completions had it, and as vLLM has it
CHOICE_WAYS = ("json_schema", "structured_outputs", "guided_choice")  # the last two are vLLM's, new and old
NO_SCORES = "it gives no log-probabilities of a prompt (completions with echo, or prompt_logprobs)"

Failure = dict[str, str]  # {"failed": why}: an item that will never be answered
Send = Callable[[], "Reply[Any]"]


class ApiGenerator:
    """A language model of an API; the client is opened when the first answer is asked for."""

    def __init__(self, spec: GeneratorSpec, traffic: Traffic, cache_dir: Path) -> None:
        self.spec, self.traffic, self.cache_dir = spec, traffic, cache_dir
        self._client: Any = None
        self._counter: tuple[Counter, bool] | None = None
        self._ways: dict[str, str] = {}  # what the server was seen to have: for scores, for choices

    @property
    def counter(self) -> tuple[Counter, bool]:
        """The function that counts a text's tokens, and whether it is exact."""
        if self._counter is None:
            self._counter = open_counter(self.spec.checkpoint, self.spec.provider, self.spec.base_url, self.cache_dir)
        return self._counter

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> Iterator[tuple[int, str | Failure]]:
        """Yield the text that follows each prompt, or why there never will be one."""
        done: set[int] = set()
        if not self.traffic.options.batch_api:
            refuse_pending(prompts, self._batch_settings(settings), self.cache_dir)
        else:
            for place, text in self._in_batches(prompts, settings):
                done.add(place)
                yield place, text
        left = [place for place in range(len(prompts)) if place not in done]

        def send(prompt: str) -> Send:
            return lambda: self._text(prompt, settings, {})

        for place, found in self._ask([prompts[place] for place in left], send, settings.max_new_tokens):
            yield left[place], found

    def _in_batches(self, prompts: Sequence[str], settings: GenerationSettings) -> Iterator[tuple[int, str]]:
        """Yield what the provider's batch files answer."""
        from openai.types import Completion
        from openai.types.chat import ChatCompletion

        from utils.api.batches import Line, line_of, through_batches

        is_chat = self.spec.kind == "chat"
        url = "/v1/chat/completions" if is_chat else "/v1/completions"

        def plan(places: list[int]) -> list[Line]:
            request = chat_request if is_chat else completion_request
            limit = settings.max_new_tokens
            return [
                line_of(url, request(self.spec, prompt, settings), [prompt], self.counter[0], limit)
                for prompt in (prompts[place] for place in places)
            ]

        def read(body: dict[str, Any]) -> Reply[list[Any]]:
            reply = (
                parsed_chat(ChatCompletion.model_validate(body))
                if is_chat
                else (parsed_completion(Completion.model_validate(body)))
            )
            return Reply([reply.content], reply.tokens_in, reply.tokens_out, reply.model)

        yield from through_batches(prompts, self._batch_settings(settings), self.traffic, self.cache_dir, plan, read)

    def choose(
        self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings
    ) -> Iterator[tuple[int, str | Failure]]:
        """Yield the label that the server's structured output ends at for each prompt; UserError where it has none."""

        def send(prompt: str) -> Send:
            return lambda: self._choice(prompt, labels, settings)

        yield from self._ask(prompts, send, CHOICE_TOKENS)

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, list[float] | Failure]]:
        """Yield the log-probabilities of a label's tokens behind its prompt, for each (prompt, label).

        Prompt and label are tokenised as one; a token belongs to the label when it ends behind the prompt's last
        character. UserError where the server tells no log-probabilities of a prompt.
        """
        if self.spec.kind != "base":
            raise UserError(
                f"--decode score with {self.spec.checkpoint}, a chat model",
                "use --decode generate, or --gen_loader base",
            )

        def send(place: str) -> Send:
            return lambda: self._scores(*pairs[int(place)])

        texts = ["".join(pair) for pair in pairs]
        yield from self._ask([str(place) for place in range(len(pairs))], send, 1, texts)

    def _batch_settings(self, settings: GenerationSettings) -> dict[str, Any]:
        return settings_of(self.spec, task="texts", settings=dataclasses.asdict(settings))

    def _ask(
        self,
        items: Sequence[str],
        send: Callable[[str], Send],
        tokens_out: int,
        texts: Sequence[str] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Ask for all items, so many at once; what the provider refuses for its content is a failure of the item."""
        if self._client is None:
            self._client = open_client(self.spec.provider, self.spec.base_url, self.traffic.options.timeout)
        counter = self.counter[0]
        counted = texts if texts is not None else items

        def work(place: int) -> tuple[list[tuple[int, Any]], list[int]]:
            try:
                tokens = counter(counted[place]) + CHAT_TOKENS
                return [(place, self.traffic.ask(send(items[place]), tokens, tokens_out))], []
            except ApiError as error:
                if self.traffic.gives_up(error):
                    return [(place, {"failed": error.message})], []
                raise

        try:
            yield from in_flight(range(len(items)), work, self.traffic.options.concurrency, self.traffic.stop)
        except ApiError as error:
            raise ended(error) from error

    def _text(self, prompt: str, settings: GenerationSettings, more: Mapping[str, Any]) -> Reply[str]:
        """Return what the model says to a prompt."""
        spec = self.spec
        how: dict[str, Any] = {"model": spec.checkpoint, "temperature": settings.temperature, "seed": settings.seed}
        if spec.provider == "cohere":
            message = [{"role": "user", "content": prompt}]
            return parsed_cohere(self._client.chat(messages=message, max_tokens=settings.max_new_tokens, **how, **more))
        if spec.kind == "base":
            extra = more.get("extra_body") or dict(more)  # the SDK knows no schema of a completion, servers do
            request = completion_request(spec, prompt, settings)
            answer = self._client.completions.create(**request, extra_body=extra or None)
            return parsed_completion(answer, whole=bool(more))
        answer = self._client.chat.completions.create(**chat_request(spec, prompt, settings), **more)
        return parsed_chat(answer)

    def _choice(self, prompt: str, labels: Sequence[str], settings: GenerationSettings) -> Reply[str]:
        """Return the label that the server chooses, by the first way that it has."""
        short = GenerationSettings(CHOICE_TOKENS, settings.temperature, settings.seed)
        if self.spec.provider == "cohere":
            form = {"type": "json_object", "json_schema": choice_schema(labels)}
            return label_of(self._text(prompt, short, {"response_format": form}), labels)
        known = self._ways.get("choice")
        said = ""
        for way in [known] if known else CHOICE_WAYS:
            try:
                reply = label_of(self._text(prompt, short, choice_arguments(way, labels)), labels)
            except ApiError as error:
                if error.kind != GARBLED or known:
                    raise
                said = said or error.message
            except Exception as error:  # a server refuses what it does not know in many ways
                fault = self.traffic.fault(error)
                if fault.kind != REFUSED or fault.filtered or fault.too_long or known:
                    raise
            else:
                self._ways["choice"] = way
                return reply
        what = said or "its server has no structured output"
        raise UserError(f"--decode constrained with {self.spec.checkpoint}: {what}", "use --decode generate")

    def _scores(self, prompt: str, label: str) -> Reply[list[float]]:
        """Return the log-probabilities of the label's tokens, by the first way that the server has."""
        known = self._ways.get("score")
        said = NO_SCORES
        for way in [known] if known else SCORE_WAYS:
            more: dict[str, Any] = {"echo": True, "logprobs": 1}
            if way == "prompt_logprobs":
                more = {"extra_body": {"prompt_logprobs": 0}}
            try:
                answer = self._client.completions.create(
                    model=self.spec.checkpoint, prompt=prompt + label, max_tokens=1, temperature=0, **more
                )
            except Exception as error:  # a server refuses what it does not know in many ways
                fault = self.traffic.fault(error)
                if fault.kind != REFUSED or fault.filtered or fault.too_long or known:
                    raise
                said = fault.message
                continue
            tokens = prompt_tokens(first_choice(answer.choices), way)
            if tokens:
                self._ways["score"] = way
                return reply_of(answer, label_logprobs(tokens, prompt, label))
        raise UserError(f"--decode score with {self.spec.checkpoint}: {said}", "use --decode generate or constrained")
