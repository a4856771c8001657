"""The keys under which caches keep things, to the letter: if one changes, users encode or pay again."""

from __future__ import annotations

import dataclasses

import pytest

from utils.answers import GenerationSettings
from utils.api.batches import batch_settings
from utils.encoders.api import vector_settings
from utils.encoders.cached import cache_settings
from utils.encoders.registry import ENCODERS
from utils.files import fingerprint
from utils.generators.cache import response_settings
from utils.generators.registry import GENERATORS
from utils.schema import EncoderSpec

SCORED = {"score": {"terminated": False, "legacy": False}, "labels": ["a", "b"]}


@pytest.mark.parametrize(
    ("name", "plain", "altered"),
    [
        ("bundled/multilingual-e5-small", "93d90a62d452d22fc4530bf7b487e12d", "51f597fbdf8cca56daa8fa9c74f50ef4"),
        ("intfloat/multilingual-e5-base", "29a0d32ecca4ad90b1a88ddd4c140510", "9bfea15e140cd1e0329f2466ba59e47b"),
        ("sentence-transformers/LaBSE", "c25005c2f160b321f455e85b337ed5a8", "d67f347de0d13fc012632ca541f0b3b8"),
    ],
)
def test_embeddings_are_found_under_the_keys_of_version_0_1(name: str, plain: str, altered: str) -> None:
    row = ENCODERS[name]
    spec = dataclasses.replace(row, revision=row.revision or "r1")
    assert fingerprint(cache_settings(spec)) == plain
    assert fingerprint(cache_settings(dataclasses.replace(spec, dtype="bf16", max_length=64))) == altered


def test_a_local_checkpoint_is_found_by_its_content() -> None:
    spec = EncoderSpec("/x/y", "sentence_transformers", "sha256:00", label="local/y-00", backend="onnx")
    assert fingerprint(cache_settings(spec)) == "fe07cb3fdeaa7f23e9b5a3a6201c4ec5"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("text-embedding-3-large", "47da9b0e15c4fa390758b11905443bd6"),
        ("embed-multilingual-v3.0", "bce881df209eb92bdfe37f1d120aec22"),
    ],
)
def test_vectors_of_apis_are_found_under_the_keys_of_version_0_1(name: str, key: str) -> None:
    assert fingerprint({"vectors": vector_settings(ENCODERS[name])}) == key


@pytest.mark.parametrize(
    ("name", "answers", "batch"),
    [
        ("bundled/gemma-3-270m", "0869c3e9647df8007958e8037ca6d9de", "e79b9a9b2a2101542c0f08303220f218"),
        ("bigscience/mt0-xl", "b901c5eb039087ba24fa7437f8e50a1c", "357b689798b43a11e30509203fadf84f"),
        ("gpt-4o-mini", "bc6a64bc64af30b7cbd8064bf3171724", "1e87dc30cc1992ef6d60981ab94bbc3d"),
        ("command-r", "f90a3c9a3c942bb59d6e180c7622dec5", "515dfd2b2a8e37fdada00b77bc009526"),
    ],
)
def test_answers_and_pending_batches_are_found_under_the_keys_of_version_0_1(
    name: str, answers: str, batch: str
) -> None:
    spec = dataclasses.replace(GENERATORS[name], revision="r1")
    assert fingerprint(response_settings(spec, SCORED)) == answers
    asked = batch_settings(spec, task="texts", settings=GenerationSettings().identity())
    assert fingerprint(asked) == batch
