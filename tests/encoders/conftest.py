"""Fixtures of the encoders' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_encoders import make_masked_lm


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_masked_lm(tmp_path_factory.mktemp("models") / "mlm")
