"""Which measures of translation a command line asks for, and what is told where a tokenisation cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import sentencepiece
from sacrebleu.metrics import BLEU

from utils.cli.translation_measures import open_bleu, tokens_of, translation_measures
from utils.errors import UserError, note
from utils.evaluation.translation import translation_figures
from utils.hub import is_offline

SENTENCES = ["watu wote wamezaliwa huru", "hadhi na haki zao ni sawa", "wote wamejaliwa akili na dhamiri"]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """The models of sacrebleu are looked for anew, and without a network."""
    for memo in (open_bleu, note, is_offline):
        memo.cache_clear()
    yield
    open_bleu.cache_clear()


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SentencePiece model of one's own."""
    prefix = tmp_path_factory.mktemp("pieces") / "tiny"
    settings = {"vocab_size": 40, "minloglevel": 2, "hard_vocab_limit": False}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES), model_prefix=str(prefix), **settings)
    return prefix.with_suffix(".model")


def home(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    for module in ("sacrebleu.utils", "sacrebleu.tokenizers.tokenizer_spm"):
        monkeypatch.setattr(f"{module}.SACREBLEU_DIR", str(folder))
    (folder / "models").mkdir(parents=True)
    return folder / "models" / "flores200sacrebleuspm"


def test_without_its_model_there_is_no_spbleu_but_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home(monkeypatch, tmp_path / "none")
    found = translation_measures(None)
    assert list(found) == ["chrf"] and tokens_of(found) is None
    told = capsys.readouterr().err
    assert told.startswith("note: no spBLEU, only chrF++: the SentencePiece model flores200 is not at ")
    assert "FILE.model" in told and told.count("\n") == 1
    with pytest.raises(UserError, match=r"flores200 is not at .* and there is no network"):
        translation_measures("flores200")


def test_the_model_of_flores_200_where_it_is_there(
    pieces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = home(monkeypatch, tmp_path / "there")
    model.write_bytes(pieces.read_bytes())
    found = translation_measures(None)
    assert list(found) == ["spbleu", "chrf"] and tokens_of(found) == "flores200"
    open_bleu.cache_clear()
    model.write_bytes(b"broken")
    with pytest.raises(UserError, match="is not a SentencePiece model"):
        translation_measures("flores200")


def test_a_model_in_a_file_and_other_tokens(pieces: Path, tmp_path: Path) -> None:
    found = translation_measures(str(pieces))
    assert list(found) == ["spbleu", "chrf"] and str(tokens_of(found)).startswith("spm-tiny-")
    answers, references = SENTENCES[:2], [SENTENCES[1], SENTENCES[1]]
    figures = translation_figures(answers, [[one] for one in references], found, 0)
    assert figures.signatures["spbleu"].split("|")[3] == f"tok:{tokens_of(found)}"
    model = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    cut = [[" ".join(model.EncodeAsPieces(text)) for text in side] for side in (answers, references)]
    expected = BLEU(tokenize="none", force=True).corpus_score(cut[0], [cut[1]]).score
    assert 100 * figures.metrics["spbleu"] == pytest.approx(expected)
    other = translation_measures("intl")
    assert list(other) == ["bleu", "chrf"] and tokens_of(other) == "intl"
    for asked, what in ((str(tmp_path / "no.model"), "neither a tokenisation nor a file"), ("intl4", "neither")):
        with pytest.raises(UserError, match=what):
            translation_measures(asked)


def test_a_tokenisation_whose_package_is_missing_says_how_it_is_installed() -> None:
    if find_spec("MeCab"):
        pytest.skip("the package is here")
    with pytest.raises(UserError, match="--bleu_tokenize ja-mecab: "):
        translation_measures("ja-mecab")
