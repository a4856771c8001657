"""The settings of the tasks: what decides a figure, with the plain value of each, and the name of a run's folder."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from utils.constants import (
    ANSWER_LANGS,
    ANSWER_SEEDS,
    ANSWER_TOKENS,
    BM25_WORDS,
    CHOICES,
    DECODES,
    DEFAULT_SEED,
    DEMONSTRATIONS,
    DIRECTIONS,
    FUSES,
    LENGTH_NORMS,
    LETTERS_READ,
    MARGINS,
    NORMALIZERS,
    ORDERS,
    POOLS,
    SAMPLING,
    SENTENCE_PIECES,
    SIMILARITIES,
    SPLITS,
    TEMPLATES,
    VOTES,
)


def setting(
    default: Any,
    kind: str = "name",
    *,
    also: tuple[Any, ...] = (),
    choices: tuple[str, ...] = (),
    implies: Mapping[str, Any] | None = None,
    late: bool = False,
    optional: bool = False,
) -> Any:
    """Return a field of a task's settings.

    default: the value of a plain run, and of records that do not have the setting.
    kind: the type of its column in tables of records (utils/records/columns.py).
    also: other values that a table takes beside the chosen one.
    choices: the values that there are, for the flags of the tables; empty for any text.
    implies: of a flag, the values that other settings have where it is set.
    late: whether earlier versions wrote records of all its values to one folder. `utils.records.variants` names its
    part of the folder, and records are also looked for where these versions wrote them.
    optional: whether a record lacks the setting where it is None, as those of earlier versions do.
    """
    metadata = {"kind": kind, "also": also, "choices": choices, "implies": implies or {}, "late": late}
    metadata["optional"] = optional
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that decide a figure in every task; a task adds its own fields.

    They are made once, from the arguments, and never change. Their names and values are part of every record.
    """

    fuse: str = setting("score", choices=FUSES)
    normalize: str = setting("none", choices=NORMALIZERS)
    seed: int = setting(DEFAULT_SEED, "count")
    limit: int | None = setting(None, "whole")
    tag: str | None = setting(None, late=True, optional=True)

    def identity(self) -> dict[str, Any]:
        """Return the settings by name, as a record has them: records with equal ones are the same.

        A run without a tag or a reranker has none, as in records of earlier versions.
        """
        common = [field.name for field in dataclasses.fields(Settings)]
        fields = sorted(dataclasses.fields(self), key=lambda field: field.name in common)
        found = ((field, getattr(self, field.name)) for field in fields)
        return {field.name: value for field, value in found if value is not None or not field.metadata.get("optional")}

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield what is not plain in the task's own settings, as the name of a run's folder has it, in their order.

        of_models: what the models decide, for tasks whose folders name it.
        """
        common = {field.name for field in dataclasses.fields(Settings)}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in common and value != field.default and not field.metadata["late"]:
                yield field.name if value is True else value if isinstance(value, str) else f"{field.name}_{value}"

    def figure_of(self, metric: str) -> str:
        """Return the name under which a record of these settings has the figure that is shown of a metric."""
        return metric

    def unusual(self, name: str) -> str:
        """Return the value of a named setting, or an empty text where it is the default."""
        (default,) = (field.default for field in dataclasses.fields(self) if field.name == name)
        value = str(getattr(self, name))
        return value if value != default else ""

    def run_name(self, prefix: str, **of_models: str) -> str:
        """Return the folder of the run: its prefix, then each departure from the plain setting."""
        return "_".join(
            [prefix, *filter(None, (*self.departures(**of_models), self.unusual("fuse"), self.unusual("normalize")))]
        )


def place_of_reranker(name: str | None, depth: int | None) -> str:
    """Return the part of a run's folder that names its reranker; empty without one."""
    return f"rerank_{_clean(name)}_top{depth}" if name else ""


def _clean(name: str, most: int = 60) -> str:
    return re.sub(r"[^\w.+-]+", "-", name, flags=re.ASCII)[-most:]


@dataclass(frozen=True, kw_only=True)
class BitextSettings(Settings):
    """Settings of bitext retrieval."""

    similarity: str = setting("cosine", choices=SIMILARITIES)
    margin: str = setting("none", choices=MARGINS)
    margin_k: int | None = setting(None, "whole", late=True)
    direction: str = setting("forward", choices=DIRECTIONS)
    rerank: str | None = setting(None, optional=True)
    rerank_depth: int | None = setting(None, "whole", optional=True)

    def figure_of(self, metric: str) -> str:
        """Return the metric's name; of both directions that of their mean."""
        return f"{metric}_mean" if self.direction == "both" else metric

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield the similarity, the margin and the direction where they are not plain, then the reranker."""
        yield from map(self.unusual, ("similarity", "margin", "direction"))
        yield place_of_reranker(self.rerank, self.rerank_depth)


@dataclass(frozen=True, kw_only=True)
class RetrievalSettings(Settings):
    """Settings of retrieval with judgements.

    pool: `usual` also where the usual pool of the data set was asked for by its name. pool_langs: the languages of a
    pool of several, where they are not all. imported: the beginning of the hash of a run file that is scored.
    """

    similarity: str = setting("cosine", choices=SIMILARITIES)
    margin: str = setting("none", choices=MARGINS)
    margin_k: int | None = setting(None, "whole", late=True)
    pool: str = setting("usual", choices=POOLS)
    pool_langs: str | None = setting(None)
    imported: str | None = setting(None)
    rerank: str | None = setting(None, optional=True)
    rerank_depth: int | None = setting(None, "whole", optional=True)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield similarity, margin, pool and its languages where they are not plain, then run file and reranker."""
        yield from map(self.unusual, ("similarity", "margin", "pool"))
        yield "-".join((self.pool_langs or "").split())[:80]
        yield f"imported_{self.imported}" if self.imported else ""
        yield place_of_reranker(self.rerank, self.rerank_depth)


@dataclass(frozen=True, kw_only=True)
class StsSettings(Settings):
    """Settings of semantic textual similarity."""

    similarity: str = setting("cosine", choices=SIMILARITIES)


@dataclass(frozen=True, kw_only=True)
class LabeledSettings(Settings):
    """Settings of the tasks on labelled texts."""

    similarity: str = setting("cosine", choices=SIMILARITIES)
    cross: bool = setting(False, "flag")
    src_lang: str | None = setting(None)
    split: str = setting("test", choices=SPLITS)
    legacy: bool = setting(False, "flag", implies={"similarity": "euclidean"})

    @property
    def unusual_similarity(self) -> str:
        """The similarity where it is neither plain nor implied by --legacy."""
        return "" if self.legacy else self.unusual("similarity")


@dataclass(frozen=True, kw_only=True)
class ClassificationSettings(LabeledSettings):
    """Settings of retrieval-based classification."""

    vote: str = setting("majority", choices=VOTES)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield the training language of a cross-lingual run, then what is not plain."""
        yield f"cross_{self.src_lang}" if self.cross else ""
        yield self.unusual_similarity
        yield self.unusual("vote")
        yield self.unusual("split")
        yield "legacy" if self.legacy else ""


@dataclass(frozen=True, kw_only=True)
class IclSettings(LabeledSettings):
    """Settings of in-context learning; what a data set or a way of decoding does not have is None.

    template: the name of a template and the digits of its hash; template_lang: its language, `native` for each
    language's own. answers: in which language the words of the labels are. choices: by what an option is chosen.
    permute: whether options are listed in an order drawn by the seed. pmi: whether the score of an answer without its
    question is subtracted. ask: `text` where options are scored as texts by a model that is told what to do, which is
    never told to name a letter; None in records of earlier versions, where it was. demonstrations_file: the digits of
    the hash of a file of fixed demonstrations. prompt_lang: the language of questions about texts in another one.
    bleu_tokenize: the tokens of BLEU, as sacrebleu names them. comet: the model of COMET. mined: `auto`, or the digits
    of the hash of a file of mined translations. mined_threshold: their least score.
    """

    balance: bool = setting(False, "flag")
    min_percentile: int | None = setting(None, "whole")
    max_percentile: int | None = setting(None, "whole")
    demonstrations: str = setting("nearest", choices=DEMONSTRATIONS)
    order: str = setting("nearest_first", choices=ORDERS)
    instruction: str = setting("", late=True)
    decode: str = setting("score", choices=DECODES)
    length_norm: str | None = setting("token", also=(None,), choices=LENGTH_NORMS)
    calibrate: bool = setting(False, "flag")
    max_new_tokens: int | None = setting(None, "whole", late=True)
    temperature: float = setting(0.0, "number")
    template: str | None = setting(None, optional=True)
    template_lang: str | None = setting("en", optional=True)
    answers: str | None = setting("english", choices=ANSWER_LANGS, optional=True)
    choices: str | None = setting("text", choices=CHOICES, optional=True)
    permute: bool | None = setting(False, "flag", optional=True)
    pmi: bool | None = setting(False, "flag", implies={"length_norm": "sum"}, optional=True)
    ask: str | None = setting("text", optional=True)
    demonstrations_file: str | None = setting(None, optional=True)
    prompt_lang: str | None = setting(None, optional=True)
    bleu_tokenize: str | None = setting(None, optional=True)
    comet: str | None = setting(None, optional=True)
    mined: str | None = setting(None, optional=True)
    mined_threshold: float | None = setting(None, "number", optional=True)

    def identity(self) -> dict[str, Any]:
        """Return the settings by name, and how texts and answers are read: by BM25, and for letters of options."""
        read = {"words": BM25_WORDS} if self.demonstrations == "bm25" else {}
        read |= {"letters": LETTERS_READ} if (self.choices, self.decode) == ("letter", "generate") else {}
        return {**super().identity(), **read}

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield what is not plain; `quantization` and `usual_decode` are those of the generator."""
        yield of_models.get("quantization", "")
        yield f"cross_{self.src_lang}" if self.cross else ""
        yield "balance" if self.balance else ""
        yield "diverse" if self.demonstrations == "diverse" else ""
        yield self.unusual("order")
        yield self.unusual_similarity
        yield self.unusual("split")
        yield self.decode if self.decode != of_models.get("usual_decode", self.decode) else ""
        yield self.length_norm if self.length_norm not in (None, "token") else ""
        yield "calibrated" if self.calibrate else ""
        yield f"temperature_{self.temperature:g}" if self.temperature else ""
        yield "legacy" if self.legacy else ""
        yield f"template_{self.template_lang}" if self.template_lang not in (None, "en") else ""
        yield "native_answers" if self.answers == "native" else ""
        yield "letters" if self.choices == "letter" else ""
        yield "permuted" if self.permute else ""
        yield "pmi" if self.pmi else ""
        yield f"fixed_{self.demonstrations_file}" if self.demonstrations_file else ""
        yield f"mined_{self.mined}" if self.mined else ""
        yield f"from_{self.mined_threshold:g}" if self.mined_threshold is not None else ""
        yield f"asked_in_{self.prompt_lang}" if self.prompt_lang else ""
        yield f"bleu_{self.bleu_tokenize}" if self.bleu_tokenize not in (None, SENTENCE_PIECES[0]) else ""

    def run_name(self, prefix: str, **of_models: str) -> str:
        """Return the folder of the run, with one folder below it for each band of ranks."""
        band = "" if self.min_percentile is None else f"_percentile/{self.min_percentile}_{self.max_percentile}"
        return super().run_name(prefix, **of_models) + band


@dataclass(frozen=True, kw_only=True)
class LayersSettings(Settings):
    """Settings of a measure of layers: which layers, `all` or their numbers, and which poolings, None for the usual."""

    measure: str = setting("bitext")
    layers: str = setting("all")
    poolings: str | None = setting(None, optional=True)
    similarity: str = setting("cosine", choices=SIMILARITIES)
    tsne: bool | None = setting(None, "flag", optional=True)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield the measure, the layers and the poolings where they are chosen, then the similarity and t-SNE."""
        yield self.measure
        yield f"layers_{_clean(self.layers.replace(' ', '-'))}" if self.layers != "all" else ""
        yield "-".join((self.poolings or "").split())
        yield self.unusual("similarity")
        yield "tsne" if self.tsne else ""


@dataclass(frozen=True, kw_only=True)
class LensSettings(IclSettings):
    """Settings of the logit lens: those of its prompts, which layers, and the digits of the hash of a tuned lens."""

    layers: str = setting("all")
    tuned_lens: str | None = setting(None, optional=True)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield what is not plain in the prompts, then the layers and the tuned lens."""
        yield from super().departures(**of_models)
        yield f"layers_{_clean(self.layers.replace(' ', '-'))}" if self.layers != "all" else ""
        yield f"tuned_{self.tuned_lens}" if self.tuned_lens else ""


@dataclass(frozen=True, kw_only=True)
class ChatSettings(Settings):
    """Settings of free answers to instructions; of a greedy answer top_p, top_k and seeds are None.

    judge, judge_translated: the models that judge answers and translate them, or `file` and the digits of its hash.
    """

    template: str = setting("model", choices=TEMPLATES)
    temperature: float = setting(SAMPLING["temperature"], "number")
    top_p: float | None = setting(SAMPLING["top_p"], "number")
    top_k: int | None = setting(SAMPLING["top_k"], "whole")
    seeds: str | None = setting(" ".join(map(str, ANSWER_SEEDS)))
    max_new_tokens: int = setting(ANSWER_TOKENS, "whole")
    sample: int | None = setting(None, "whole", optional=True)
    judge: str | None = setting(None, optional=True)
    judge_tokens: int | None = setting(None, "whole", optional=True)
    judge_translated: str | None = setting(None, optional=True)
    judge_twice: bool | None = setting(None, "flag", optional=True)

    def departures(self, **of_models: str) -> Iterator[str]:
        """Yield what is not plain, by name; `quantization` is that of the generator. Long names are cut."""
        yield of_models.get("quantization", "")
        own = dataclasses.fields(self)[len(dataclasses.fields(Settings)) :]
        told = ((field.name, getattr(self, field.name), field.default) for field in own)
        yield from (f"{name}_{_clean(str(value), 24)}" for name, value, usual in told if value not in (None, usual))
