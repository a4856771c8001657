"""Fixtures of the tests of mining."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from other_encoders import save_static
from planted_rows import WORDS


@pytest.fixture(scope="session")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_static(tmp_path_factory.mktemp("static") / "model")


@pytest.fixture
def sides(tmp_path: Path, static: Path) -> list[str]:
    """The flags of two collections of 90 texts in the test's folder, in shards of 25."""
    draw = np.random.default_rng(1)
    for name in ("a", "b"):
        lines = [" ".join(draw.choice(WORDS, 6)) for _ in range(90)]
        (tmp_path / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    return [*("--source", "a.txt", "--target", "b.txt", "--shard_size", "25", "--store", "store"), *model(static)]


def model(static: Path) -> tuple[str, ...]:
    return ("--model_checkpoint", str(static))
