"""Requests for embeddings: texts packed into requests, texts that are too long, vectors of responses."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.api.errors import GARBLED, ApiError
from utils.api.providers import PROVIDERS
from utils.api.texts import without_halves
from utils.api.token_counts import upper_bound
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    from utils.schema import Rows

BLANK = " "  # sent in place of an empty text, which the providers refuse
SAFETY = 0.95  # share of the length that follows from the server's own numbers


@dataclass(frozen=True)
class Job:
    """The texts of one request with their indices; `n_cuts` is how often its only text has been shortened."""

    places: tuple[int, ...]
    texts: tuple[str, ...]
    n_cuts: int = 0

    def halves(self) -> list[Job]:
        """Return two requests with half of the texts each."""
        middle = len(self.places) // 2
        return [Job(self.places[:middle], self.texts[:middle]), Job(self.places[middle:], self.texts[middle:])]

    def shortened(self, message: str) -> Job:
        """Return the request with a shorter text, after the server refused it with this message."""
        return Job(self.places, (shorten(self.texts[0], message),), self.n_cuts + 1)


def sent_text(spec: EncoderSpec, text: str) -> str:
    """Return a text as it is sent, with the prompt; half of a surrogate pair cannot be."""
    return without_halves((spec.prompt or "") + text) or BLANK


def build_job(spec: EncoderSpec, places: Sequence[int], texts: Sequence[str]) -> Job:
    """Return the request for the texts at these places."""
    return Job(tuple(places), tuple(sent_text(spec, texts[place]) for place in places))


def pack_texts(spec: EncoderSpec, texts: Sequence[str]) -> Iterator[Job]:
    """Yield requests of as many texts as --batch_size and the provider's limit of tokens allow.

    The number of bytes bounds the number of tokens of a text from above.
    """
    provider = PROVIDERS[spec.provider]
    places: list[int] = []
    total = 0
    for place, text in enumerate(texts):
        tokens = min(upper_bound(sent_text(spec, text)), provider.max_text_tokens)
        if places and (len(places) == spec.batch_size or total + tokens > provider.max_request_tokens):
            yield build_job(spec, places, texts)
            places, total = [], 0
        places.append(place)
        total += tokens
    if places:
        yield build_job(spec, places, texts)


def shorten(text: str, message: str) -> str:
    """Return the beginning of a text that is too long: the length that the server's message states, or half."""
    numbers = sorted({int(number) for number in re.findall(r"\d+", message) if int(number) >= 8}, reverse=True)
    share = 0.5
    if len(numbers) >= 2 and 0.05 < numbers[1] / numbers[0] < 1:
        share = SAFETY * numbers[1] / numbers[0]
    return text[: max(1, int(len(text) * share))]


def parse_vector(vector: Any) -> Rows:
    """Return a vector as float32 (d,), from the bytes of little-endian float32, base64 of them, or a list of numbers.

    Raises ValueError for anything else, such as a list of vectors, one for each token.
    """
    if isinstance(vector, bytes):
        return np.frombuffer(vector, dtype="<f4")
    if isinstance(vector, str):
        return np.frombuffer(base64.b64decode(vector, validate=True), dtype="<f4")
    if not isinstance(vector, Sequence) or not all(type(number) in (int, float) for number in vector):
        raise ValueError("not a list of numbers")
    with np.errstate(over="ignore"):  # too large a number becomes infinity, which is refused
        return np.asarray(vector, dtype=np.float32)


def is_vector(vector: bytes | str, n_bytes: int) -> bool:
    """Return whether bytes, or base64 of them, are a vector: finite numbers, of which at least one is not 0.

    n_bytes: of a vector as float32; 0 where it is not known.
    """
    try:
        row = parse_vector(vector)
    except (ValueError, TypeError, OverflowError):
        return False
    return bool(row.size and row.nbytes == (n_bytes or row.nbytes) and np.isfinite(row).all() and row.any())


def parse_vectors(vectors: Sequence[Any], n_texts: int, size: int | None, name: str) -> list[Rows]:
    """Return the vectors of a response, each (d,); ApiError where they are not one finite vector per text.

    size: the number of dimensions, None where it is not known yet. name: of the encoder, for messages.
    """
    if len(vectors) != n_texts or not n_texts:
        raise ApiError(GARBLED, f"{name} returned {len(vectors)} vectors for {n_texts} texts")
    try:
        rows = [parse_vector(vector) for vector in vectors]
    except (ValueError, TypeError, OverflowError) as error:
        raise ApiError(GARBLED, f"{name} returned something other than numbers ({error})") from error
    sizes = {row.size for row in rows}
    if len(sizes) != 1 or (size or next(iter(sizes))) not in sizes:
        wanted = f", not {size}" if size else ""
        raise ApiError(GARBLED, f"{name} returned vectors of {sorted(sizes)} dimensions{wanted}")
    if not all(np.isfinite(row).all() and row.any() for row in rows):
        raise ApiError(GARBLED, f"{name} returned a vector of NaN, infinity or zeros only")
    return rows
