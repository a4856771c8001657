"""A mirror with rows of the tests' own in the layouts of the data sets whose answers are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXTS = {
    "en": ("Anna lives in Oslo.", "Where does Anna live?", "Oslo"),
    "de": ("Anna lebt in Oslo.", "Wo lebt Anna?", "Oslo"),
}
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ZAHLEN = ("eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn")

WORDS = list(zip(NUMBERS, ZAHLEN, strict=True))


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def questions(lang: str, other: str = "", n: int = 5) -> list[dict[str, Any]]:
    """Two questions about each of n texts: the name of the place, and the whole sentence."""
    text, _, answer = TEXTS[lang]
    asked = TEXTS[other or lang][1]
    return [
        {
            "id": f"q{place}{part}",
            "context": text.replace("Anna", f"Anna{place}"),
            "question": f"{asked.replace('Anna', f'Anna{place}')} {part}",
            "answers": {"text": [answer, f"in {answer}"], "answer_start": [0, 0]},
        }
        for place in range(n)
        for part in "ab"
    ]


def make_mirror(folder: Path) -> Path:
    """Write the mirror, and return its root."""
    for lang in TEXTS:
        name = "validation-00000-of-00001.parquet"
        write_table(folder / f"google/xquad/xquad.{lang}" / name, questions(lang))
        write_table(folder / f"facebook/mlqa/mlqa.de.{lang}" / name, questions("de", lang))
    stripped = [{**row, "answers": {"text": [""], "answer_start": [0]}} for row in questions("en")]
    write_table(folder / "juletxara/tydiqa_xtreme/en/validation.parquet", stripped)
    sentences = [(f"I have {a} and {b}.", f"Ich habe {c} und {d}.") for a, c in WORDS for b, d in WORDS]
    for split, some in (("train", sentences[:60]), ("validation", sentences[60:66]), ("test", sentences[94:])):
        rows = [
            {"index_id": place, "text": pair[side], "category": "travel", "lang": lang}
            for side, lang in ((1, "deu_Latn"), (0, "eng_Latn"))
            for place, pair in sorted(enumerate(some), key=lambda one: -one[0] if side else one[0])
        ]
        write_table(folder / f"mteb/sib200/{split}.parquet", rows)
    (folder / "mteb/sib200/README.md").write_text(README)
    documents = [
        {"doc_id": f"d{place // 5}", "eng": f"{one}\r", "deu": two} for place, (one, two) in enumerate(sentences[:25])
    ]
    write_table(folder / "microsoft/NTREX-128/test.parquet", documents)
    pairs = [{"translation": {"en": one, "swa": two}} for one, two in sentences[:10]]
    write_table(folder / "masakhane/mafand/en-swa/test.parquet", pairs)
    return folder


README = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: train.parquet
  - split: validation
    path: validation.parquet
  - split: test
    path: test.parquet
---
"""
