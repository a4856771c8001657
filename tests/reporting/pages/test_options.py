"""Questions with options and labels with words of their own in the page, of real runs on a user's own items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Run
from made_items import PAIRS, QUESTIONS
from report_logs import SCRIPT, open_at
from tiny_models import make_model
from written_mirror import write_table

if TYPE_CHECKING:
    from playwright.sync_api import Page

RANDOM = ("--k", "1", "--demonstrations", "random")
PAIR = 'kind = "pair"\nlayout = "{one} {two}: {answer}"\n[en]\n[de]\nanswers = { neutral = "egal" }\n'


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, run_in: Run) -> Path:
    """A folder with runs on own questions, permuted and asked for by letters, and on own pairs in German."""
    folder = tmp_path_factory.mktemp("asked")
    make_model(folder / "tiny", "gemma3_long")
    (folder / "data").mkdir()
    (folder / "data/questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    names = {"premise": "one", "hypothesis": "two", "label": "what"}
    rows = [{names.get(name, name): value for name, value in row.items()} for row in PAIRS]
    (folder / "data/pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "data/pair.toml").write_text(PAIR, encoding="utf-8")
    questions = ("--dataset", "data/questions.jsonl", "--template", "question", "--choices", "letter", "--permute")
    pairs = ("--dataset", "data/pairs.jsonl", "--template", "data/pair.toml", "--columns", "one", "two", "what")
    native = ("--template_lang", "native", "--answers", "native", "--langs", "de")
    for flags in (questions, (*pairs, *native)):
        done = run_in(folder, "icl.py", "--gen_model_checkpoint", "tiny", *RANDOM, *flags)
        assert done.returncode == 0, done.stderr
    return folder


def place_of(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"logs/**/{name}")
    return path


def listed(page: Page) -> list[dict[str, Any]]:
    """Return the rows of the table of options, by the parts of their names."""
    rows = page.locator(".scores tr").all_inner_texts()
    found = []
    for row in rows:
        name, score, *_ = row.split("\t")
        letter, _, rest = name.partition(": ")
        said = rest.rpartition(")")[2].strip()
        found.append(
            {"letter": letter, "text": rest.partition(" (")[2].partition(")")[0], "said": said, "score": score}
        )
    return found


def check_options(page: Page, report: Path, path: Path, prompts: dict[str, Any], predicted: str) -> None:
    """Assert that the first item's options have the letters of its prompt, and that the best is the predicted one."""
    open_at(page, report, f"#items?path={path.relative_to(report.parent).as_posix()}&item=0")
    rows = listed(page)
    lines = prompts["prompts"][0].splitlines()[-4:-1]
    assert sorted(f"{row['letter']}. {row['text']}" for row in rows) == lines
    assert [float(row["score"]) for row in rows] == sorted((float(row["score"]) for row in rows), reverse=True)
    choices = QUESTIONS[0]["choices"]
    assert (
        rows[0]["text"] == choices[int(predicted) - 1]
        and next(row for row in rows if row["text"] == "two")["said"] == "gold"
    )
    assert page.locator("summary .text").first.inner_text() == "What comes after one?"


def test_permuted_options_are_named_by_their_texts_with_their_letters(asked: Path, run_in: Run, page: Page) -> None:
    assert run_in(asked, SCRIPT).returncode == 0
    path = place_of(asked, "eval_all_1.json")
    prompts = json.loads(path.with_name("eval_all_1_prompts.json").read_text())
    hyp = json.loads(path.with_name("eval_all_1_preds.json").read_text())["hyp"][0]
    assert prompts["options"][0] != ["A", "B", "C"]
    check_options(page, asked / "report.html", path, prompts, hyp)
    assert page.locator("#no-texts").count() == 0
    example = page.inner_text("details.item[open] ol")
    assert example.startswith("training text #") and "(" in example and "What comes after" in example


def test_scores_of_earlier_versions_are_matched_by_the_listing(
    asked: Path, run_in: Run, page: Page, tmp_path: Path
) -> None:
    """They are in the order of the prompt; without the texts of the data only their letters are known."""
    path = place_of(asked, "eval_all_1.json")
    file = path.with_name("eval_all_1_prompts.json")
    now = json.loads(file.read_text())
    old = {name: value for name, value in now.items() if name not in ("choices", "options")} | {"words": [*"ABC"]}
    old["scores"] = [
        [score for _, score in sorted(zip(letters, scores, strict=True))]
        for letters, scores in zip(now["options"], now["scores"], strict=True)
    ]
    hyp = json.loads(path.with_name("eval_all_1_preds.json").read_text())["hyp"][0]
    try:
        file.write_text(json.dumps(old))
        assert run_in(asked, SCRIPT).returncode == 0
        check_options(page, asked / "report.html", path, now, hyp)
        (asked / "data").rename(tmp_path / "away")
        assert run_in(asked, SCRIPT).returncode == 0
        open_at(page, asked / "report.html", f"#items?path={path.relative_to(asked).as_posix()}&item=0")
        assert "questions.jsonl is not there any more" in page.inner_text("#no-texts")
        rows = page.locator(".scores tr").all_inner_texts()
        found = {name: float(score) for name, score in (row.split("\t")[:2] for row in rows)}
        assert found == pytest.approx(dict(zip("ABC", old["scores"][0], strict=True)), abs=5e-4)
    finally:
        file.write_text(json.dumps(now))
        if (tmp_path / "away").exists():
            (tmp_path / "away").rename(asked / "data")


def test_words_of_labels_stand_beside_them_and_a_template_tells_the_fields(
    asked: Path, run_in: Run, page: Page
) -> None:
    assert run_in(asked, SCRIPT).returncode == 0
    path = place_of(asked, "eval_de_1.json")
    open_at(page, asked / "report.html", f"#items?path={path.relative_to(asked).as_posix()}&item=0")
    names = [
        row.split("\t")[0].removesuffix(" gold").removesuffix(" predicted")
        for row in page.locator(".scores tr").all_inner_texts()
    ]
    assert sorted(names) == ["contradiction", "entailment", "neutral (egal)"]
    of_german = [row for row in PAIRS if row["split"] == "test" and row["lang"] == "de"]
    texts = page.locator("summary .text").all_inner_texts()
    assert texts == [f"{row['premise']}\n{row['hypothesis']}" for row in of_german]
    page.fill("#q", "egal")
    assert page.inner_text("#count").startswith("6 of 6 items")
    (asked / "data/pair.toml").rename(asked / "data/other.toml")
    assert run_in(asked, SCRIPT).returncode == 0
    (asked / "data/other.toml").rename(asked / "data/pair.toml")
    open_at(page, asked / "report.html", f"#items?path={path.relative_to(asked).as_posix()}&item=0")
    assert "--template data/pair.toml: no such file" in page.inner_text("#no-texts")


def test_options_without_scores_are_listed(page: Page, asked: Path, run_in: Run) -> None:
    """An answer that is generated has no scores, and one without an answer has an empty row of them."""
    path = place_of(asked, "eval_all_1.json")
    file = path.with_name("eval_all_1_prompts.json")
    now = json.loads(file.read_text())
    try:
        file.write_text(json.dumps({**now, "scores": [[], *now["scores"][1:]]}))
        assert run_in(asked, SCRIPT).returncode == 0
        open_at(page, asked / "report.html", f"#items?path={path.relative_to(asked).as_posix()}&item=0")
        rows = page.locator(".scores tr").all_inner_texts()
        assert [row.split("\t")[0].partition(": ")[2].partition(" (")[0] for row in rows] == ["1", "2", "3"]
        assert rows[0].endswith("(two) gold") and "options" in page.inner_text("details.item[open]")
    finally:
        file.write_text(json.dumps(now))


def test_demonstrations_in_another_language_are_those_of_the_pool_without_the_tested_items(
    asked: Path, run_in: Run, page: Page
) -> None:
    """Of eight English items, the first two are asked in German, so that number 0 of the pool is the third."""
    rows = [
        {"one": f"{lang} {place}", "two": "x", "what": "ab"[place % 2], "lang": lang, "id": place, "split": split}
        for lang, split, places in (("en", "train", range(8)), ("de", "test", range(2)), ("de", "train", range(7, 8)))
        for place in places
    ]
    (asked / "data/aligned.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (asked / "data/plain.toml").write_text('kind = "pair"\nlayout = "{one} {two}: {answer}"\n')
    own = ("--dataset", "data/aligned.jsonl", "--template", "data/plain.toml", "--columns", "one", "two", "what")
    flags = (
        "--gen_model_checkpoint",
        "tiny",
        "--output_dir",
        "crossed",
        "--cross",
        "--src_lang",
        "en",
        "--langs",
        "de",
    )
    done = run_in(asked, "icl.py", *own, *flags, *RANDOM)
    assert done.returncode == 0, done.stderr
    assert run_in(asked, SCRIPT, "--logs", "crossed", "--output", "crossed.html").returncode == 0
    (path,) = asked.glob("crossed/**/eval_de_1.json")
    prompts = json.loads(path.with_name("eval_de_1_prompts.json").read_text())
    for item, (prompt, (shown,)) in enumerate(zip(prompts["prompts"], prompts["demonstrations"], strict=True)):
        open_at(page, asked / "crossed.html", f"#items?path={path.relative_to(asked).as_posix()}&item={item}")
        text, label = prompt.splitlines()[0].split(" x: ")
        assert text == f"en {shown + 2}"
        assert page.inner_text("details.item[open] ol") == f"training text #{shown}: {text} x ({label})"


def test_demonstrations_of_a_split_that_is_tested_are_those_of_its_part(asked: Path, run_in: Run, page: Page) -> None:
    """Of ten rows of the validation split, a fifth is shown where it is tested, and all of them beside the test."""
    for split, n in (("validation", 10), ("test", 2)):
        rows = [{"premise": f"{split} {place}", "hypothesis": "x", "label": place % 3} for place in range(n)]
        write_table(asked / f"mirror/facebook/xnli/de/{split}.parquet", rows)
    mirror = ("--data_dir", "mirror", "--output_dir", "splits")
    for split in ("test", "validation"):
        flags = ("--dataset", "xnli", "--langs", "de", "--split", split, *RANDOM, *mirror)
        done = run_in(asked, "icl.py", "--gen_model_checkpoint", "tiny", *flags)
        assert done.returncode == 0, done.stderr
    assert run_in(asked, SCRIPT, "--logs", "splits", "--output", "splits.html", *mirror[:2]).returncode == 0
    found = {}
    for path in asked.glob("splits/**/eval_de_1.json"):
        (shown,) = json.loads(path.with_name("eval_de_1_prompts.json").read_text())["demonstrations"][0]
        open_at(page, asked / "splits.html", f"#items?path={path.relative_to(asked).as_posix()}&item=0")
        text = page.inner_text("details.item[open] ol").partition(": ")[2].split(" x ")[0]
        found[json.loads(path.read_text())["run"]["split"]] = text, shown
    assert found["test"][0] == f"validation {found['test'][1]}"
    assert found["validation"][0] == f"validation {8 + found['validation'][1]}"
