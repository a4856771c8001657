"""The dataclasses and protocols that the packages share."""

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
    """A dataset as one task uses it: where its bytes are, how they are read, and what its figures mean.

    `source` is `owner/name` on the hub (`kind` "hub"), a repository of files at a pinned commit ("files"),
    or a file of the project ("shipped"). `subsets` names the subsets that a complete row of a table needs; a
    reader may serve more (any pair of languages of a parallel set, for example).
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
    label_names: tuple[str, ...] = ()  # empty: the labels that the data have
    groups: Mapping[str, str] = field(default_factory=dict)  # view of a task (utils/tasks.py) -> the mean it enters


@dataclass(frozen=True)
class Origin:
    """Which bytes a subset was read from, as far as a record may say it (never a path of the machine)."""

    kind: str  # hub, mirror, files, shipped or local
    source: str
    revision: str | None


@dataclass(frozen=True)
class BitextSubset:
    """One language pair: `gold[i]` is the index in `targets` of the translation of `sources[i]`."""

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
    """Texts with their labels; `label_names` is the fixed label set, empty where the data alone tell."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    label_names: tuple[str, ...]
    origin: Origin
    n_dropped: int = 0  # rows without a text, left out
    ids: tuple[str, ...] = ()  # texts of two languages with one id translate each other; empty: the data do not tell


@dataclass(frozen=True)
class EncoderSpec:
    """What decides the vectors of an encoder: the checkpoint, its revision, and how texts are put into it.

    `prompt` is put before every text; None leaves it to the checkpoint's own configuration, "" is no prompt.
    `fitted` marks encoders that are fitted on the candidates before each search, so that nothing is cached.
    """

    checkpoint: str
    loader: str
    revision: str | None = None
    prompt: str | None = None
    max_length: int | None = None  # tokens; None: the checkpoint's own limit
    dtype: str = "fp32"
    backend: str = "torch"  # the library that computes the transformer
    batch_size: int | None = None  # texts per batch or request; None: by tokens
    fitted: bool = False
    licence: str = ""
    label: str = ""  # name for folders and tables where it is not the checkpoint's (local folders, other servers)
    provider: str = ""  # of an API model: whose wire format its server has
    base_url: str = ""  # address of the server; empty: the provider's own service
    input_type: str = ""  # what the provider is told about the use of the texts
    dimensions: int | None = None  # of the vectors, where the provider offers a choice

    @property
    def name(self) -> str:
        """The name for folders and tables: the label where there is one, else the checkpoint."""
        return self.label or self.checkpoint


class UsageCounter(Protocol):
    """The client of an API as records use it."""

    def mark(self) -> None:
        """Start the counts anew, at the beginning of a subset."""
        ...

    def usage(self) -> dict[str, Any]:
        """Return the requests, retries, tokens and costs since the last mark."""
        ...


class TextEncoder(Protocol):
    """A loaded model, as a loader returns it: texts in, vectors out."""

    def encode(self, texts: Sequence[str]) -> Rows:
        """Return one float32 row per text, in order: (n, d)."""
        ...


class Encoder(Protocol):
    """An encoder as a run uses it; the model is loaded, or the API called, when a vector is not in the cache."""

    @property
    def spec(self) -> EncoderSpec:
        """What decides the vectors."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """The distinct texts of the last call that the cache had (hits) and did not have (misses)."""
        ...

    @property
    def client(self) -> UsageCounter | None:
        """The client of an API; None for a local encoder."""
        ...

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> tuple[Rows, Rows]:
        """Return the vectors of both sides, (n, d) and (m, d); a text that has none gets a row of NaN."""
        ...

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Return the distinct texts that have to be encoded."""
        ...

    def quote(self, missing: Sequence[str]) -> str:
        """Return a line with the requests, tokens and costs of these texts; empty for a local encoder."""
        ...


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

    @property
    def name(self) -> str:
        """The name for folders and tables: the label where there is one, else the checkpoint."""
        return self.label or self.checkpoint


@dataclass(frozen=True)
class GenerationSettings:
    """How text is generated: greedily at temperature 0, else sampled with the seed."""

    max_new_tokens: int = 32
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class ScoreSettings:
    """How labels are scored: `terminated` with the end of the answer, `legacy` tokenised apart from the prompt."""

    terminated: bool = False
    legacy: bool = False


@dataclass(frozen=True)
class LabelScores:
    """The tokens of each label after one prompt, and their log-probabilities (natural logarithm).

    `tokens` is empty where a server returns no token ids.
    """

    tokens: tuple[tuple[int, ...], ...]
    logprobs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Choice:
    """A label that was generated: its index (None where the text names none), its text, and all labels' scores.

    `scores` are log-likelihoods, empty where a server returns none.
    """

    index: int | None
    text: str
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Failed:
    """An item that the provider will never answer, and the reason (filtered, too long)."""

    reason: str


class TextGenerator(Protocol):
    """A loaded language model, as a loader returns it; results are yielded with the index of their prompt."""

    def score(
        self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings
    ) -> Iterable[tuple[int, LabelScores]]:
        """Yield the log-probabilities of each label's tokens after each prompt."""
        ...

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> Iterable[tuple[int, str]]:
        """Yield the text that follows each prompt."""
        ...


class Generator(Protocol):
    """A generator as a run uses it; the model is loaded, or the API called, when an answer is not in the cache."""

    @property
    def spec(self) -> GeneratorSpec:
        """What decides the answers."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """The distinct prompts of the last call that the cache had (hits) and did not have (misses)."""
        ...

    @property
    def client(self) -> UsageCounter | None:
        """The client of an API; None for a local generator."""
        ...

    @property
    def counts_exactly(self) -> bool:
        """Whether `n_tokens` counts with the model's own tokenizer."""
        ...

    def score(
        self, prompts: Sequence[str], labels: Sequence[str], settings: ScoreSettings
    ) -> list[LabelScores | Failed]:
        """Return the log-probabilities of each label's tokens after each prompt."""
        ...

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> list[str | Failed]:
        """Return the text that follows each prompt."""
        ...

    def choose(
        self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings
    ) -> list[Choice | Failed]:
        """Return the label that is generated after each prompt where only the labels may be generated."""
        ...

    def n_tokens(self, prompts: Sequence[str]) -> list[int] | None:
        """Return each prompt's number of tokens; None where the tokenizer is not available yet."""
        ...

    def count_requests(
        self, prompts: Sequence[str], labels: Sequence[str], settings: GenerationSettings, decode: str
    ) -> tuple[int, int, int]:
        """Return the requests to an API that the prompts still need, their tokens, and the tokens generated at most."""
        ...

    def quote(self, n_requests: int, n_tokens: int, n_out: int, *, exact: bool) -> str:
        """Return a line with these requests and tokens and their cost; empty for a local generator."""
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
