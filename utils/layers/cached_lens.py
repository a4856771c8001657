"""The logit lens behind the cache of answers: what the layers say behind a prompt is computed once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files import sha256_of
from utils.generators.cached import CachedGenerator
from utils.generators.transformers_model import LanguageModel
from utils.layers.lens import Asked, Lens, is_reading
from utils.layers.tuned import params_file, read_tuned_lens
from utils.protocols import Generator


def check_readable(generator: Generator) -> CachedGenerator:
    """Return a generator whose layers can be read. Raises UserError for a model of an API and an encoder-decoder."""
    spec, hint = generator.spec, "choose a causal model that runs here with --gen_model_checkpoint"
    if not isinstance(generator, CachedGenerator):
        raise UserError(f"--measure lens with {spec.name}: a server does not show the layers of its models", hint)
    if spec.kind == "seq2seq":
        raise UserError(f"--measure lens with {spec.name}, which has an encoder and a decoder", hint)
    return generator


def lens_readings(
    generator: Generator, asked: Sequence[Asked], tuned: Path | None = None, *, legacy: bool = False
) -> list[dict[str, Any]]:
    """Return what the layers of a generator say behind each prompt, as `Lens.read` does; the cache keeps it.

    tuned: the file of a tuned lens. Raises UserError for a model whose layers cannot be read.
    """
    local = check_readable(generator)

    def request(missing: list[str]) -> Iterator[tuple[int, Any]]:
        model = local.loaded()
        assert isinstance(model, LanguageModel)
        lens = Lens(model, None if tuned is None else read_tuned_lens(tuned))
        prompts = [json.loads(item) for item in missing]
        yield from lens.read([Asked(prompt, tuple(words), right) for prompt, words, right in prompts], legacy=legacy)

    items = [json.dumps((each.prompt, each.words, each.right), ensure_ascii=False) for each in asked]
    how = {"lens": {"legacy": legacy, **({} if tuned is None else {"tuned": sha256_of(params_file(tuned))})}}
    return local.answers(items, how, request, is_reading)
