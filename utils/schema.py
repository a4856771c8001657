"""The whole contract between the rooms: frozen dataclasses, protocols and the user's error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Rows = npt.NDArray[np.float32]  # (n, d) embeddings, one text a row

SCHEMA_VERSION = 1
SIMILARITIES = ("cosine", "dot", "euclidean")
MARGINS = ("none", "ratio", "distance", "absolute", "csls")
FUSES = ("score", "distance", "rank")
NORMALIZERS = ("none", "zscore", "minmax")
DIRECTIONS = ("forward", "backward", "both")
DTYPES = ("fp32", "bf16", "fp16")
BACKENDS = ("torch", "onnx", "openvino")
DEMONSTRATIONS = ("nearest", "random", "bm25", "diverse")
ORDERS = ("nearest_first", "nearest_last")
DECODES = ("score", "generate", "constrained")
GENERATOR_KINDS = ("base", "chat", "seq2seq")
LENGTH_NORMS = ("token", "sum", "byte")


@dataclass(frozen=True)
class DatasetSpec:
    """A data set as one task uses it: where it is, how it is read, and which figures it enters.

    kind: "hub" (a data set of the hub), "files" (files of a GitHub repository), "shipped" (a file of this project) or
        "local" (the user's own).
    source: `owner/name` on the hub or on GitHub, or the name of the file.
    revision: the pinned commit, or a ref that is resolved when the data set is loaded.
    reader: name of the function that reads it (READERS in utils/data/bitext.py and utils/data/classification.py).
    subsets: the subsets that a complete row of a table has; some readers serve more, such as any pair of languages.
    setting: "mono", or "cs" where the texts are code-switched.
    pivot: the default source language of pairs, and the default training language of --cross.
    options: what the reader needs to know.
    sha256: digest of each file of a data set of kind "files", by path.
    label_names: the label set, in the order of ClassLabel indices; empty where the labels are taken from the data.
    groups: the mean that the data set enters in each table, by the table's name (View in utils/tasks.py).
    """

    name: str
    task: str
    kind: str
    source: str
    revision: str | None
    reader: str
    subsets: tuple[str, ...]
    setting: str
    main_metric: str
    pivot: str | None
    licence: str
    citation: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """Where a subset was read from, as records state it; it contains no path.

    kind: hub, mirror, files, shipped or local; revision: None where the content of the source is not pinned.
    """

    kind: str
    source: str
    revision: str | None


@dataclass(frozen=True)
class BitextSubset:
    """One language pair: `targets[gold[i]]` is the translation of `sources[i]`; `setting` is "xl" or "cs"."""

    name: str
    src_lang: str
    tgt_lang: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    gold: tuple[int, ...]
    setting: str
    origin: Origin


@dataclass(frozen=True)
class LabeledTexts:
    """One split of one language: texts (n,) and their labels (n,).

    label_names: the label set of the data set; empty where it has no fixed one.
    n_dropped: number of rows without a text, which are left out.
    ids: identifiers (n,), by which translations in other languages are found; empty where the data set has none.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    label_names: tuple[str, ...]
    origin: Origin
    n_dropped: int = 0
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class EncoderSpec:
    """What decides a vector: the checkpoint, its revision, and how a text is put to it.

    `prompt` None leaves the prompt to the checkpoint's own configuration; "" means none at all.
    `fitted` marks encoders that are fitted on the candidates before use and need no cache.
    """

    checkpoint: str
    loader: str
    revision: str | None = None
    prompt: str | None = None
    max_length: int | None = None
    dtype: str = "fp32"
    backend: str = "torch"  # what computes the transformer
    batch_size: int | None = None  # texts a batch or a request; None: by tokens
    fitted: bool = False
    licence: str = ""
    label: str = ""  # folder and table name where it differs from the checkpoint (local folders, served models)
    provider: str = ""  # openai or cohere: whose wire format an API model speaks
    base_url: str = ""  # where it is served; empty: at the provider's own
    input_type: str = ""  # what the provider is told that a text is for
    dimensions: int | None = None  # of the vectors, where the provider lets one choose

    @property
    def name(self) -> str:
        """The name for folders and tables: the checkpoint's, or the label of a local folder."""
        return self.label or self.checkpoint


class Encoder(Protocol):
    """Texts in, float32 rows out; a fitted encoder also learns weights from the candidates."""

    def encode(self, texts: Sequence[str]) -> Rows:
        """Return one float32 row (d,) for each text, in order: (n, d)."""
        ...


class FittedEncoder(Encoder, Protocol):
    """An encoder whose weights come from the texts that are searched."""

    def fit(self, texts: Iterable[str]) -> FittedEncoder:
        """Learn weights from the candidates and return the fitted encoder."""
        ...


@dataclass(frozen=True)
class GeneratorSpec:
    """What decides an answer: the checkpoint, its revision, and how a prompt is put to it.

    `kind` is base (scored, no options in the prompt), chat (its chat template, options) or seq2seq (options).
    """

    checkpoint: str
    loader: str
    kind: str
    revision: str | None = None
    decode: str = "generate"
    dtype: str = "fp32"
    quantization: str = ""  # 8bit or 4bit
    licence: str = ""
    label: str = ""  # folder and table name where it differs from the checkpoint (local folders, served models)
    file: str = ""  # a GGUF file in the folder or repository
    provider: str = ""  # openai or cohere: whose wire format an API model speaks
    base_url: str = ""  # where it is served; empty: at the provider's own

    @property
    def name(self) -> str:
        """The name for folders and tables: the checkpoint's, or the label of a local folder."""
        return self.label or self.checkpoint


@dataclass(frozen=True)
class GenerationSettings:
    """How text is generated: greedy at temperature 0, else sampled by the seed."""

    max_new_tokens: int = 32
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class ScoreSettings:
    """How labels are scored: `terminated` with the end behind each, `legacy` with prompt and label cut apart."""

    terminated: bool = False
    legacy: bool = False


@dataclass(frozen=True)
class LabelScores:
    """The tokens of each label as they stand behind one prompt, and their log-probabilities (natural logarithm).

    A server that tells no token numbers leaves `tokens` empty.
    """

    tokens: tuple[tuple[int, ...], ...]
    logprobs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Failed:
    """An item that the provider will never answer, and why (filtered, too long)."""

    reason: str


class Generator(Protocol):
    """Prompts in; scores of label texts, or generated texts, out as they are ready, each with its prompt's index."""

    def score(
        self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings
    ) -> Iterable[tuple[int, LabelScores]]:
        """Yield the log-probabilities of each label after each prompt."""
        ...

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> Iterable[tuple[int, str]]:
        """Yield the text that follows each prompt."""
        ...


@dataclass(frozen=True)
class TopK:
    """The k best candidates of each query, best first: indices (n, k) int64, scores (n, k) float32.

    Scores grow with likeness for every similarity; a Euclidean distance is therefore negative.
    """

    indices: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class RunRecord:
    """One figure with all that is needed to get it again; `metrics` and `details` become top-level keys of the file."""

    metrics: Mapping[str, float]
    ci95: Mapping[str, tuple[float, float]]
    n: int
    k: int
    run: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)
