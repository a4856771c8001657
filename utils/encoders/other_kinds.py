"""Multi-vector encoders (ColBERT) and sparse ones (SPLADE), by sentence-transformers' own classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.checkpoints import checkpoint_errors, checkpoint_file, checkpoint_json
from utils.constants import MULTI_VECTOR
from utils.encoders.kinds import DOCUMENT_PROMPTS
from utils.encoders.library_models import ON_TEXTS, load_model, set_max_length, set_precision
from utils.encoders.tokens import longest_text, n_tokens, prepare_tokenizer
from utils.errors import UserError
from utils.retrieval.token_rows import TokenRows

if TYPE_CHECKING:
    from utils.encoders.cache import Lengths
    from utils.schema import EncoderSpec, SparseRows, Vectors

BATCH = {"cpu": 32, "cuda": 256}  # texts
SPARSE_BATCH = {"cpu": 8, "cuda": 64}  # the scores of all words of the vocabulary for each token take much memory


def load_other_kind(spec: EncoderSpec, device: str, cache_dir: Path) -> LibraryEncoder:
    """Load a multi-vector or a sparse encoder from the hub or a folder."""
    return (MultiVectorModel if spec.kind == MULTI_VECTOR else SparseModel)(spec, device)


class LibraryEncoder:
    """A model of one of the library's classes, which encodes queries and documents as its configuration says.

    A prompt of the spec stands before the texts of both sides in place of the checkpoint's own.
    """

    library_class = ""
    batch = BATCH

    def __init__(self, spec: EncoderSpec, device: str) -> None:
        self.spec, self.device = spec, device
        revision = None if spec.label else spec.revision
        with checkpoint_errors(spec.name, revision, spec.checkpoint):
            self.model = load_model(spec, spec.checkpoint, revision, device, self.library_class).eval()
            self._check(revision)
            prepare_tokenizer(self.model, spec.name)
            set_precision(self.model, spec)
            set_max_length(self.model, spec)
            if spec.max_length is not None and getattr(self.model[0], "document_length", None):
                self.model[0].document_length = spec.max_length  # queries have their own length

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the rows of documents."""
        return self.encode_side(texts, "document")

    def encode_side(self, texts: Sequence[str], side: str) -> Vectors:
        """Return one row per text; side: query or document. A batch that does not fit into memory is halved."""
        import torch

        size = self.spec.batch_size or self.batch[self.device[:4].rstrip(":")]
        while True:
            try:
                with checkpoint_errors(self.spec.name, None, fails="cannot encode these texts", hint=ON_TEXTS):
                    return self._encode(list(texts), side, size)
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise UserError(
                        f"{self.spec.name} runs out of device memory on one text", "use --max_length, or --dtype bf16"
                    ) from error
            torch.cuda.empty_cache()  # out here: the error holds all that the batch has computed
            size = max(1, size // 2)

    def count_tokens(self, texts: Sequence[str], side: str) -> Lengths | None:
        """Return each text's number of tokens before and after it is cut; None where a side has a module of its own."""
        first, limit = self.model[0], self._longest(side)
        if limit is None or not hasattr(first, "max_seq_length") or hasattr(first, "sub_modules"):
            return None
        full = n_tokens(self.model, texts, self._prompt(side))
        return full, np.minimum(full, limit)

    def _prompt(self, side: str) -> str | None:
        """Return what stands before the texts of a side."""
        if (given := self._given_prompt(side)) is not None:
            return given
        names = ("query",) if side == "query" else DOCUMENT_PROMPTS
        own = [self.model.prompts[name] for name in names if name in self.model.prompts]
        prompt: str | None = own[0] if own else self.model.prompts.get(self.model.default_prompt_name)
        return prompt

    def _given_prompt(self, side: str) -> str | None:
        """Return the prompt of the spec for a side, None where it leaves it to the checkpoint."""
        return self.spec.of_side(side).prompt

    def _longest(self, side: str) -> int | None:
        """Return the greatest number of tokens of a text of a side."""
        return longest_text(self.model)

    def _encode(self, texts: list[str], side: str, batch_size: int) -> Vectors:
        raise NotImplementedError

    def _check(self, revision: str | None) -> None:
        """Raise UserError where the library has added a projection that it draws at random."""
        checkpoint = self.spec.checkpoint
        if "HF_ColBERT" in (checkpoint_json(checkpoint, revision, "config.json").get("architectures") or ()):
            return  # its projection is among its weights
        stored = json.loads(checkpoint_file(checkpoint, revision, "modules.json") or b"[]")
        listed = [str(row.get("type", "")).rpartition(".")[2] for row in stored]
        used = [type(module).__name__ for module in self.model]
        for name in ("Dense", "SparseAutoEncoder"):
            if used.count(name) > listed.count(name):
                raise UserError(
                    f"the checkpoint {self.spec.name!r} lacks the projection of its vectors ({name}), which would be "
                    "drawn at random",
                    "check that its modules.json is there and lists all its modules",
                )

    def _arguments(self, side: str, batch_size: int) -> dict[str, Any]:
        return {"prompt": self._given_prompt(side), "batch_size": batch_size, "show_progress_bar": False}


class MultiVectorModel(LibraryEncoder):
    """A late-interaction encoder: one vector for each token of a text that its mask keeps."""

    library_class = "MultiVectorEncoder"

    def _encode(self, texts: list[str], side: str, batch_size: int) -> TokenRows:
        encode = self.model.encode_query if side == "query" else self.model.encode_document
        found = encode(texts, convert_to_numpy=True, **self._arguments(side, batch_size))
        return TokenRows.of(found)

    def _longest(self, side: str) -> int | None:
        first, limit = self.model[0], super()._longest(side)
        expansion = getattr(first, "query_expansion", None) if side == "query" else None
        own = getattr(first, f"{side}_length", None)
        if expansion is not None and expansion["strategy"] == "fixed":
            own = expansion["length"]
        known = [one for one in (own, limit) if one is not None]
        return min(known) if known else None


class SparseModel(LibraryEncoder):
    """A sparse encoder: a weight for each word of the vocabulary, most of them 0."""

    library_class = "SparseEncoder"
    batch = SPARSE_BATCH

    def _encode(self, texts: list[str], side: str, batch_size: int) -> SparseRows:
        from scipy.sparse import csr_array

        encode = self.model.encode_query if side == "query" else self.model.encode_document
        found = encode(texts, save_to_cpu=True, **self._arguments(side, batch_size)).coalesce()
        rows, columns = found.indices().numpy()
        values = found.values().float().numpy()
        ends = np.concatenate(([0], np.bincount(rows, minlength=len(texts)).cumsum()))
        return csr_array((values, columns.astype(np.int32), ends), shape=tuple(found.shape))
