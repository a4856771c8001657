"""The dataclasses that the packages share: rows of registries, rankings and records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.retrieval.token_rows import TokenRows

    Rows = npt.NDArray[np.float32]  # (n, d) embeddings, one row per text
    SparseRows = Any  # the same as a csr_array of scipy, which has no types
    Vectors = Rows | TokenRows | SparseRows  # embeddings of any kind


@dataclass(frozen=True)
class DatasetSpec:
    """A data set as one task uses it: where it is, how it is read, and which figures it enters.

    kind: "hub" (a data set of the hub), "files" (files of a GitHub repository), "mirror" (a data set that only a mirror
        has in the layout of its reader), "shipped" (a file of this project), "mteb" (a task that mteb reads) or "local"
        (the user's own).
    source: `owner/name` on the hub or on GitHub, or the name of the file.
    revision: the pinned commit, or a ref that is resolved when the data set is loaded.
    reader: name of the function that reads it (READERS in utils/data/bitext.py and utils/data/classification.py).
    subsets: the subsets that a complete row of a table has; some readers serve more, such as any pair of languages.
    pivot: the default source language of pairs, and the default training language of --cross.
    options: what the reader needs to know.
    sha256: digest of each file of a data set of kind "files", by path.
    label_names: the label set, in the order of ClassLabel indices; empty where the labels are taken from the data.
    groups: the mean that the data set enters in each table, by the table's name (utils/views.py).
    code_switched: whether its texts mix languages, which records call the setting "cs" instead of "mono" or "xl".
    """

    name: str
    task: str
    kind: str
    source: str
    revision: str | None
    reader: str
    subsets: tuple[str, ...]
    main_metric: str
    pivot: str | None
    licence: str
    citation: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    code_switched: bool = False


@dataclass(frozen=True)
class EncoderSpec:
    """What decides the vectors of an encoder: the checkpoint, its revision, and how texts are put into it.

    `prompt` is put before every text; None and "" are no prompt. `has_own_prompt` says that it is the default of the
    checkpoint's own configuration, and not the user's or the registry's. `passage_prompt` and `passage_input_type` are
    those of the texts that are searched where the two sides of a search are not encoded alike; None and "" where they
    are. `side` is that of a text, "query" or "document", where the checkpoint has a module of its own for each.
    `kind` is that of its rows (utils/constants.py); `own_similarity` is how the checkpoint of a sparse or multi-vector
    encoder compares them, and `has_sides` says whether it encodes queries and documents differently. `model` says of a
    dense encoder whether it is "static" or a "decoder", as its files show; it decides nothing. `layer` is the one whose
    states are pooled, 0 for the embeddings of tokens and None for what the model puts out. `places` are layers and
    poolings whose vectors a loaded model puts out side by side; the cache knows each place by itself.
    `fitted` marks encoders that are fitted on the candidates before each search, so that nothing is cached.
    """

    checkpoint: str
    loader: str
    revision: str | None = None
    prompt: str | None = None
    max_length: int | None = None  # tokens; None: the checkpoint's own limit
    dtype: str = "fp32"
    pooling: str = (
        ""  # of token vectors, and attention of tokens (utils/constants.py); empty: as the checkpoint has them
    )
    attention: str = ""
    backend: str = "torch"  # the library that computes the transformer
    batch_size: int | None = None  # texts per batch or request; None: by tokens
    fitted: bool = False
    licence: str = ""
    label: str = ""  # name for folders and tables where it is not the checkpoint's (local folders, other servers)
    provider: str = ""  # of an API model: whose wire format its server has
    base_url: str = ""  # address of the server; empty: the provider's own service
    input_type: str = ""  # what the provider is told about the use of the texts
    dimensions: int | None = None  # of the vectors: those that the provider is asked for, or the first of a local model
    embedding_precision: str = "float32"  # of their values (utils/constants.py)
    has_own_prompt: bool = False
    passage_prompt: str | None = None
    passage_input_type: str = ""
    side: str = ""
    trust_remote_code: bool = False  # whether Python code that the checkpoint brings may run
    kind: str = "dense"
    own_similarity: str = ""
    has_sides: bool = False
    model: str = ""
    layer: int | None = None
    places: tuple[tuple[int, str], ...] = ()

    @property
    def name(self) -> str:
        """The name for folders and tables: the label where there is one, else the checkpoint."""
        return self.label or self.checkpoint

    def of_side(self, side: str) -> EncoderSpec:
        """Return the spec of a dense encoder for the texts of one side alone: "query" or "document"."""
        is_passage = side == "document"
        own = is_passage and self.passage_prompt is not None
        return dataclasses.replace(
            self,
            prompt=self.passage_prompt if own else self.prompt,
            has_own_prompt=self.has_own_prompt and not own,
            input_type=(self.passage_input_type if is_passage else "") or self.input_type,
            passage_prompt=None,
            passage_input_type="",
            side=side if self.has_sides else "",
        )


@dataclass(frozen=True)
class GeneratorSpec:
    """What decides the answers of a generator: the checkpoint, its revision, and how prompts are put into it.

    `kind` is "base" (labels are scored, prompts list no options), "chat" (chat template, options) or "seq2seq"
    (options).
    """

    checkpoint: str
    loader: str
    kind: str
    revision: str | None = None
    decode: str = "generate"
    dtype: str = "fp32"
    quantization: str = ""  # 8bit or 4bit
    licence: str = ""
    label: str = ""  # name for folders and tables where it is not the checkpoint's (local folders, other servers)
    file: str = ""  # a GGUF file in the folder or repository
    provider: str = ""  # of an API model: whose wire format its server has
    base_url: str = ""  # address of the server; empty: the provider's own service
    trust_remote_code: bool = False  # whether Python code that the checkpoint brings may run

    @property
    def name(self) -> str:
        """The name for folders and tables: the label where there is one, else the checkpoint."""
        return self.label or self.checkpoint


@dataclass(frozen=True)
class TopK:
    """The k best candidates of each query, best first: indices (n, k) int64, scores (n, k) float32.

    A higher score means a nearer candidate for every similarity, so a Euclidean distance is negative.
    """

    indices: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]

    def first(self, k: int) -> TopK:
        """Return the first k candidates of each query, or all where there are fewer."""
        return TopK(self.indices[:, :k], self.scores[:, :k])


@dataclass(frozen=True)
class RunRecord:
    """The metrics of one subset at one k, with their provenance; `metrics` and `details` become top-level keys."""

    metrics: Mapping[str, float]
    ci95: Mapping[str, tuple[float, float]]
    n: int
    k: int
    run: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)
