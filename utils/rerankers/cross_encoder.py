"""Cross-encoders: a query and a candidate pass through sentence-transformers' CrossEncoder together."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from utils.checkpoints import checkpoint_errors
from utils.encoders.batching import TOKENS, Ints, batches
from utils.encoders.library_models import load_model, set_max_length
from utils.encoders.tokens import check_ids, prepare_tokenizer
from utils.errors import UserError, counted
from utils.numerics import accelerate_linear_layers, nan_hint
from utils.parallel import Worker, cpu_workers, gpu_workers, map_parts
from utils.rerankers.pair_tokens import pair_tokens
from utils.rerankers.spec import Pair, RerankerSpec
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    from utils.schema import Rows

PROBE = ("one, two, three", "four")
ON_PAIRS = "check that the checkpoint is a cross-encoder; --verbose shows where its library failed"


def load_cross_encoder(spec: RerankerSpec, device: str, cache_dir: Path) -> CrossEncoderModel:
    """Load a cross-encoder from the hub or a folder."""
    return CrossEncoderModel(spec, device)


class CrossEncoderModel:
    """A cross-encoder with one score for each pair: the library's `predict`, in batches by number of tokens."""

    def __init__(self, spec: RerankerSpec, device: str) -> None:
        import torch

        model, self.device = cast("EncoderSpec", spec.model), device
        self.spec = spec
        revision = None if model.label else model.revision
        with checkpoint_errors(model.name, revision, model.checkpoint):
            self.model = load_model(model, model.checkpoint, revision, device, "CrossEncoder").eval()
            if self.model.num_labels != 1:
                raise UserError(
                    f"the cross-encoder {model.name} gives {self.model.num_labels} scores to a pair",
                    "a reranker gives one: choose a checkpoint whose config.json has one label",
                )
            prepare_tokenizer(self.model, model.name)
            self.model.to(dtype={"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[model.dtype])
            self.limit = set_max_length(self.model, model)
            self.tokens = pair_tokens(self.model, self.limit)
            self.reading = threading.Lock()  # a tokenizer's state is shared
            if model.dtype == "fp32":
                accelerate_linear_layers(
                    self.model, lambda: torch.from_numpy(self._predict(self._worker, self._whole([PROBE])))
                )
            self.workers = gpu_workers(self.model) if device == "cuda" else cpu_workers(self.model)

    @property
    def _worker(self) -> Worker:
        return Worker(self.model, self.device, 1)

    def score(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, float]]:
        """Yield the index and the score of each pair, the longest pairs first."""
        lengths, features = self._read(pairs)
        if self.limit is not None and (n_cut := int((lengths > self.limit).sum())):
            what = f"longer than the {self.limit} tokens that {self.spec.name} takes, cut at the end"
            print(f"note: {counted(n_cut, 'pair')} {what}", file=sys.stderr)
        lengths = np.minimum(lengths, self.limit or lengths.max(initial=1))
        parts = batches(lengths, TOKENS[self.device], None)

        def work(worker: Worker, part: Ints) -> Rows:
            read = features([pairs[place] for place in part.tolist()])
            check_ids(self.model, read, self.spec.name)
            return self._predict(worker, read)

        import torch

        try:
            with checkpoint_errors(self.spec.name, None, fails="cannot score these pairs", hint=ON_PAIRS):
                for part, scores in map_parts(self.workers, work, parts, "pairs"):
                    yield from zip(part.tolist(), scores.tolist(), strict=True)
        except torch.OutOfMemoryError as error:
            what = f"{self.spec.name} runs out of device memory on one pair"
            raise UserError(what, "use --rerank_max_length, or --rerank_dtype bf16") from error

    def _predict(self, worker: Worker, features: dict[str, Any]) -> Rows:
        """Return the scores (n,) of the pairs of a batch, as the library's `predict` computes them."""
        import torch

        placed = {
            name: value.to(worker.device) if isinstance(value, torch.Tensor) else value
            for name, value in features.items()
        }
        with torch.inference_mode():
            scores = self.model.activation_fn(worker.model(placed)["scores"].float())
        found: Rows = scores.reshape(-1).cpu().numpy()
        if not np.isfinite(found).all():
            raise UserError(
                f"{self.spec.name} gives a pair a score that is no number",
                nan_hint(self.spec.model.dtype, "--rerank_dtype"),
            )
        return found

    def _whole(self, pairs: Sequence[Pair]) -> dict[str, Any]:
        """Return the features of pairs by the library, which tokenises each as a whole."""
        with self.reading:
            features: dict[str, Any] = self.model.preprocess(list(pairs))
        return features

    def _read(self, pairs: Sequence[Pair]) -> tuple[Ints, Callable[[Sequence[Pair]], dict[str, Any]]]:
        """Return the number of tokens of each pair (n,) before it is cut, and what returns the features of some pairs.

        Each distinct text is read once, where the tokens of pairs can be joined.
        """
        texts = [text for pair in pairs for text in pair]
        if self.tokens is not None:
            read, added = self.tokens.read(texts), self.tokens.n_added
            sizes = [read.size(query) + read.size(candidate) + added for query, candidate in pairs]
            return np.array(sizes, dtype=np.int64), functools.partial(self.tokens.features, read)
        distinct, tokenizer = list(dict.fromkeys(texts)), self.model.tokenizer
        ids = tokenizer(distinct, add_special_tokens=False, truncation=False, padding=False)["input_ids"]
        of_text = {text: len(row) for text, row in zip(distinct, ids, strict=True)}
        added = tokenizer.num_special_tokens_to_add(pair=True)
        sizes = [of_text[query] + of_text[candidate] + added for query, candidate in pairs]
        return np.array(sizes, dtype=np.int64), self._whole
