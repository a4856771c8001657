"""The measures of translation that a command line asks for: sacrebleu's BLEU by a tokenisation, and its chrF++."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from utils.constants import BLEU_TOKENS, SENTENCE_PIECES
from utils.errors import UserError, first_line, note
from utils.files import sha256_of
from utils.hub import is_offline

WITHOUT_MODEL = "--bleu_tokenize intl, char or 13a needs no model, and FILE.model is a SentencePiece model of your own"


class PiecesOfFile:
    """The pieces of a SentencePiece model in a file, as a tokeniser of sacrebleu."""

    def __init__(self, path: Path) -> None:
        self.model = _open_pieces(path)
        self.name = f"spm-{path.stem}-{sha256_of(path)[:8]}"

    def signature(self) -> str:
        """Return the name by which sacrebleu's signature tells the tokenisation."""
        return self.name

    def __call__(self, text: str) -> str:
        """Return the pieces of a text, separated by blanks."""
        return " ".join(self.model.EncodeAsPieces(text))


def _open_pieces(path: Path) -> Any:
    import sentencepiece

    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        what = f"{path} is not a SentencePiece model ({first_line(error)})"
        raise UserError(what, "remove it where it is a broken download, or give another --bleu_tokenize") from error


def translation_measures(asked: str | None, names: Sequence[str] = ("bleu", "chrf")) -> dict[str, Any]:
    """Return sacrebleu's metrics by the names of the figures: spBLEU, or BLEU over other tokens, and chrF++.

    names: those that are asked for, of `bleu` and `chrf`; others are measures of another kind. asked: a tokenisation as
    `open_bleu` takes it, or None for that of FLORES-200; where its model cannot be had, there is chrF++ alone, and a
    note says so. Raises UserError for a tokenisation that is asked for and cannot be used.
    """
    chrf: dict[str, Any] = {}
    if "chrf" in names:
        from sacrebleu.metrics import CHRF

        chrf["chrf"] = CHRF(word_order=2)
    if "bleu" not in names:
        return chrf
    try:
        bleu = open_bleu(asked or SENTENCE_PIECES[0])
    except UserError as error:
        if asked is not None or not chrf:
            raise
        note(f"no spBLEU, only chrF++: {error.what}; {error.hint}")
        return chrf
    is_of_pieces = asked is None or asked not in BLEU_TOKENS or asked in SENTENCE_PIECES
    return {"spbleu" if is_of_pieces else "bleu": bleu, **chrf}


def tokens_of(measures: Mapping[str, Any]) -> str | None:
    """Return the name of the tokenisation of BLEU, as sacrebleu's signature has it; None without BLEU."""
    return next((str(one.tokenizer.signature()) for name, one in measures.items() if name != "chrf"), None)


@lru_cache(maxsize=4)
def open_bleu(tokens: str) -> Any:
    """Return sacrebleu's BLEU over a tokenisation: one of its names, or the file of a SentencePiece model.

    Raises UserError where there is no such file, or the package or the model of a tokenisation is missing.
    """
    from sacrebleu.metrics import BLEU

    if tokens not in BLEU_TOKENS:
        path = Path(tokens).expanduser()
        if not path.is_file():
            what = f"--bleu_tokenize {tokens}: neither a tokenisation nor a file"
            raise UserError(what, f"choose from {', '.join(BLEU_TOKENS)}, or give the file of a SentencePiece model")
        measure = BLEU(tokenize="none", force=True)
        measure.tokenizer = PiecesOfFile(path)
        measure.tokenizer_signature = measure.tokenizer.signature()
        return measure
    _check_model(tokens)
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    try:
        return BLEU(tokenize=tokens, force=True)
    except (ImportError, RuntimeError) as error:  # packages of MeCab, which say how they are installed
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"--bleu_tokenize {tokens}: {reason}", WITHOUT_MODEL) from error
    except (OSError, SystemExit) as error:  # the library exits after an error of the connection's encryption
        what = f"--bleu_tokenize {tokens}: its model cannot be downloaded ({first_line(error)})"
        raise UserError(what, WITHOUT_MODEL) from error


def _check_model(tokens: str) -> None:
    """Raise UserError where the model of a tokenisation is neither there nor may be downloaded, or is broken."""
    if tokens not in SENTENCE_PIECES:
        return
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    path = Path(SACREBLEU_DIR) / "models" / SPM_MODELS[tokens]["url"].rpartition("/")[2]
    if path.is_file():
        _open_pieces(path)
    elif is_offline():
        what = f"the SentencePiece model {tokens} is not at {path}, and there is no network"
        raise UserError(what, WITHOUT_MODEL)
