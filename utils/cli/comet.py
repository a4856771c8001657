"""COMET of translations, where its package is installed and its model is there (Rei et al. 2020, arXiv 2009.09025)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from utils.errors import UserError, first_line
from utils.files import sha256_of

AT_ONCE = 16  # translations in a batch


def check_comet() -> None:
    """Raise UserError where the package is not installed."""
    if find_spec("comet") is None:
        raise UserError("--comet needs the package unbabel-comet", "pip install unbabel-comet, or leave out --comet")


def comet_id(name: str | None) -> str | None:
    """Return how records name a model of COMET: as the hub does, or by its file's name and the hash of its content."""
    path = Path(name or "").expanduser()
    return f"{path.name}-{sha256_of(path)[:8]}" if name and path.is_file() else name


def comet_scores(
    name: str, sources: Sequence[str], answers: Sequence[str], references: Sequence[str], device: str
) -> npt.NDArray[np.float64]:
    """Return the score of each translation (n,) by a model: its name on the hub, or the file of its checkpoint.

    Raises UserError where the model cannot be had.
    """
    import comet

    try:
        file = Path(name).expanduser()
        path = str(file) if file.is_file() else comet.download_model(name)
        model = comet.load_from_checkpoint(path)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        hint = "give the file of its checkpoint, or leave out --comet; the answers are kept"
        raise UserError(f"--comet {name}: the model cannot be loaded ({first_line(error)})", hint) from error
    rows: list[dict[str, Any]] = [
        {"src": source, "mt": answer, "ref": reference}
        for source, answer, reference in zip(sources, answers, references, strict=True)
    ]
    found = model.predict(rows, batch_size=AT_ONCE, gpus=1 if device == "cuda" else 0)
    return np.array(found.scores, dtype=np.float64)
