"""The settings of in-context learning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from utils.constants import (
    ANSWER_LANGS,
    BM25_WORDS,
    CHOICES,
    DECODES,
    DEMONSTRATIONS,
    LENGTH_NORMS,
    LETTERS_READ,
    ORDERS,
    SENTENCE_PIECES,
)
from utils.settings.base import setting
from utils.settings.labeled import LabeledSettings


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

    def zero_shot(self) -> IclSettings:
        """Return the settings of the same run without demonstrations, which nothing chooses."""
        return replace(
            self,
            balance=False,
            min_percentile=None,
            max_percentile=None,
            demonstrations="nearest",
            demonstrations_file=None,
            mined=None,
            mined_threshold=None,
        )

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
