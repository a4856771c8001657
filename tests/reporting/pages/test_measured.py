"""Items in the page that are measured, not right or wrong: translations, answers in a text, free ones, passages."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Run
from made_records import ICL
from record_files import write_record
from report_logs import NGRAM, SCRIPT, cells, heads, open_at
from sacrebleu.metrics import CHRF

from utils.evaluation.translation import translation_figures
from utils.schema import RunRecord

if TYPE_CHECKING:
    from playwright.sync_api import Page

GOLD = ["ein kleiner Hund", "zwei große Katzen schlafen", "drei Vögel", "vier weiße Pferde"]
ANSWERS = {
    "org/a": ["ein kleiner Hund", "zwei Katzen schlafen", "", "vier Pferde"],
    "org/b": ["ein Hund", "zwei große Katzen", "zwei Vögel", "vier weiße Pferde"],
}
EXACT = {"org/a": [1.0, 0.0, 0.0, 1.0], "org/b": [0.0, 0.0, 1.0, 1.0]}
PLACE = "#items?path=logs/{name}/eval_{subset}_1.json&item=0"


def log_written(root: Path, name: str, kind: str, metrics: dict[str, float], preds: dict[str, Any]) -> None:
    """Log answers of a kind with these figures."""
    subset = "eng-deu" if kind == "text" else "de"
    generator = {"name": name, "kind": "base", "quantization": ""}
    about = {**ICL, "dataset": kind, "model": "none", "subset": subset, "seed": 42, "generator": generator}
    about |= {"answer_kind": kind, "decode": "generate", "length_norm": None}
    write_record(root / name / kind, subset, RunRecord(metrics, {}, 4, 1, about), preds)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, run_in: Run) -> Path:
    """The page of two generators' translations and answers in a text; its logs stand beside it."""
    folder = tmp_path_factory.mktemp("written")
    for name, answers in ANSWERS.items():
        found = translation_figures(answers, [[one] for one in GOLD], {"chrf": CHRF(word_order=2)}, 0)
        counts = {measure: rows.tolist() for measure, rows in found.statistics.items()}
        log_written(folder / "logs", name, "text", found.metrics, {"gold": GOLD, "hyp": answers, "statistics": counts})
        of_words = {"em": EXACT[name], "f1": [1.0, 0.5, *EXACT[name][2:]]}
        preds = {"gold": ["a", "b", "c", "d"], "hyp": ["A", "x", "y", "z"], "values": of_words}
        preds["references"] = [["a", "the a"], ["b"], ["c"], ["d"]]
        log_written(folder / "logs", name, "span", {key: sum(of) / 4 for key, of in of_words.items()}, preds)
    assert run_in(folder, SCRIPT).returncode == 0
    return folder / "report.html"


def test_a_translation_has_the_chrf_of_its_sentence_and_is_not_right_or_wrong(written: Path, page: Page) -> None:
    open_at(page, written, PLACE.format(name="org/a/text", subset="eng-deu"))
    scores = [
        CHRF(word_order=2).sentence_score(one, [gold]).score for one, gold in zip(ANSWERS["org/a"], GOLD, strict=True)
    ]
    shown = page.locator("details.item summary").all_inner_texts()
    assert [text.split()[:3] for text in shown] == [
        [f"#{n}", "chrF++", f"{value:.2f}"] for n, value in enumerate(scores)
    ]
    assert shown[1].endswith("zwei Katzen schlafen") and shown[2].endswith("(empty)")
    assert page.inner_text("#count") == f"4 of 4 items, mean chrF++ of single sentences {sum(scores) / 4:.2f}"
    assert page.locator("#wrong").count() == page.locator("summary b.bad").count() == 0
    assert "reference\nein kleiner Hund\nanswer\nein kleiner Hund" in page.inner_text("details.item[open]")
    page.select_option("#by", "low")
    order = [int(text.split()[0][1:]) for text in page.locator("details.item summary").all_inner_texts()]
    assert order == sorted(range(4), key=scores.__getitem__)


def test_an_answer_in_a_text_is_exact_or_has_an_f1(written: Path, page: Page) -> None:
    open_at(page, written, PLACE.format(name="org/a/span", subset="de"))
    assert page.inner_text("#count") == "4 of 4 items, 2 exact, mean F1 62.50"  # (1 + 0.5 + 0 + 1) / 4
    shown = page.locator("details.item summary").all_inner_texts()
    assert shown[:2] == ["#0 exact F1 100.00 A", "#1 not exact F1 50.00 gold b, predicted x"]
    assert "references\na\nthe a\nanswer\nA\nfigures\nexact match 100.00, F1 100.00" in page.inner_text(
        "details.item[open]"
    )
    page.check("#wrong")
    assert page.inner_text("#count") == "2 of 4 items, 0 exact, mean F1 25.00"


def test_tables_say_which_metric_they_show(written: Path, page: Page) -> None:
    open_at(page, written, "#board")
    assert page.inner_text("main caption") == "icl, each data set's main metric: F1 of span; chrF++ of text"
    page.fill("#sets", "text")
    assert page.inner_text("main caption") == "icl, each data set's main metric: chrF++"
    page.locator("main tbody tr", has_text="org/a").locator("td a").click()
    page.wait_for_selector("h2:has-text('text: org/a')")
    assert page.inner_text("main caption") == "subsets of text: chrF++ in %"


def test_written_answers_are_compared_by_their_own_measures(written: Path, page: Page, run_in: Run) -> None:
    rows = [f"{name} (generate) + none, 1-shot" for name in ANSWERS]
    open_at(page, written, "#compare?view=icl")
    assert page.locator(".note").count() == 0, page.inner_text("main")
    captions = page.locator("main caption").all_inner_texts()
    assert sorted(captions) == ["chrF++ in %", "exact match in %, McNemar's exact p"]
    assert page.locator("h3").all_inner_texts() == [caption.split(" in ")[0] for caption in captions]
    commands = [shlex.split(text) for text in page.locator(".command pre").all_inner_texts()]
    found = {}
    for command in commands:
        assert command[2:4] == rows
        done = run_in(written.parent, *command[1:], "--format", "json")
        assert done.returncode == 0, done.stderr
        found[command[command.index("--metric") + 1]] = json.loads(done.stdout)["subsets"][0]
    assert sorted(found) == ["chrf", "em", "f1"]
    lines = page.evaluate("async ([a, b]) => (await comparedLines(pickBoard({view: 'icl'}), a, b)).lines", rows)
    for line in lines:
        told = found[line["metric"]]
        assert [line["a"], line["b"], line["difference"]] == pytest.approx([told["a"], told["b"], told["difference"]])
    tested = next(line for line in lines if line["metric"] == "em")
    assert (tested["p"], tested["pHolm"]) == (pytest.approx(found["em"]["p"]), pytest.approx(found["em"]["p_holm"]))
    of_chrf = page.locator("main table", has=page.locator("caption", has_text="chrF++"))
    assert of_chrf.locator("thead th").all_inner_texts() == ["subset", "n", "A", "B", "A - B"]
    assert "significant" not in page.locator(".wins", has_text="chrF++").inner_text()


def test_the_other_model_is_one_with_the_same_data(run: Run, page: Page, tmp_path: Path) -> None:
    for name, dataset in (("org/a", "one"), ("org/b", "two"), ("org/c", "one")):
        run_of = {**ICL, "dataset": dataset, "model": "none", "subset": "de", "seed": 42}
        run_of["generator"] = {"name": name, "kind": "base", "quantization": ""}
        record = RunRecord({"acc": 0.5, "f1": 0.5}, {}, 2, 1, run_of)
        write_record(tmp_path / "logs" / name, "de", record, {"gold": ["x", "y"], "hyp": ["x", "x"]})
    assert run(SCRIPT).returncode == 0
    open_at(page, tmp_path / "report.html", "#compare")
    assert page.input_value("#a").startswith("org/a") and page.input_value("#b").startswith("org/c")
    assert cells(page)[0][:5] == ["de", "2", "50.00", "50.00", "+0.00"] and "p" in heads(page)


def log_free(root: Path, model: str, values: list[float | None]) -> None:
    """Log free answers in German to two instructions on the sample set."""
    settings = {"template": "model", "temperature": 0.8, "top_p": 0.9, "top_k": 50, "seeds": "0 1"}
    about = {"task": "chat", "dataset": "sample", "model": "none", "subset": "deu", "seed": 42, **settings}
    about["generator"] = {"name": model, "kind": "chat", "quantization": ""}
    prompts = {"prompts": ["Wie?", "Was?"], "seeds": [0, 1], "answers": [["So.", "It."], ["", "Das."]]}
    told = [value for value in values if value is not None]
    metrics = {"fidelity": sum(told) / len(told), "repetition": 0.0, "refused": 0.0}
    preds = {"gold": ["deu", "deu"], "hyp": ["deu", "eng"], "values": {"fidelity": values}}
    write_record(root / "save_chat" / model, "deu", RunRecord(metrics, {}, 2, 2, about), preds, prompts)


def test_free_answers_have_their_fidelity_and_no_texts_of_another_task(run: Run, page: Page, tmp_path: Path) -> None:
    """Sentences of the sample set with the same name, which classification shows, are none of chat's."""
    done = run("classification.py", "--model_checkpoint", NGRAM, "--langs", "deu", "--k", "1")
    assert done.returncode == 0, done.stderr
    log_free(tmp_path / "logs", "org/a", [0.5, None])
    log_free(tmp_path / "logs", "org/b", [1.0, 0.0])
    assert run(SCRIPT).returncode == 0
    open_at(page, tmp_path / "report.html", "#items?path=logs/save_chat/org/a/eval_deu_2.json&item=0")
    assert page.locator("details.item summary").all_inner_texts() == ["#0 fidelity 50.00\nWie?", "#1 fidelity -\nWas?"]
    assert page.inner_text("#count") == "2 of 2 items, mean fidelity 50.00" and page.locator("#wrong").count() == 0
    open_at(page, tmp_path / "report.html", "#compare?view=chat")
    assert page.inner_text("main caption") == "fidelity in %"
    assert cells(page)[0] == ["deu", "1", "50.00", "100.00", "-50.00"]  # the second instruction has no figure of A
    assert page.inner_text(".note") == "sample deu: 1 of 2 items without the figure in A or B left out"
    command = shlex.split(page.inner_text(".command pre"))
    done = run(*command[1:], "--format", "json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["subsets"]
    assert [told["a"], told["b"], told["difference"]] == [0.5, 1.0, -0.5]
    log_free(tmp_path / "logs", "org/b", [None, 0.0])
    assert run(SCRIPT).returncode == 0
    open_at(page, tmp_path / "report.html", "#compare?view=chat")
    assert "2 of 2 items" in page.inner_text(".note") and "No subset can be compared." in page.inner_text("main")


def test_a_question_that_another_passage_answers_says_so(run: Run, page: Page, tmp_path: Path) -> None:
    flags = ("--model_checkpoint", NGRAM, "--langs", "eng", "deu", "--k", "1", "3")
    done = run("retrieval.py", "--dataset", "sample", *flags)
    assert done.returncode == 0, done.stderr
    assert run(SCRIPT).returncode == 0
    (path,) = tmp_path.glob("logs/**/eval_deu_1.json")
    open_at(page, tmp_path / "report.html", f"#items?path={path.relative_to(tmp_path).as_posix()}&item=0")
    item = page.inner_text("details.item[open]")
    other = "not among the 3 stored neighbours; another passage that answers is among the first 1"
    values = json.loads(path.with_name("eval_deu_1_preds.json").read_text())["values"]
    assert values["hit"][0] == 1 and f"gold's rank\n{other}" in item and "hit rate 100.00" in item


def test_pairs_of_sentences_have_no_items_and_are_compared_by_their_correlation(
    run: Run, page: Page, tmp_path: Path
) -> None:
    for name, rho in (("org/a", 0.5), ("org/b", -0.25)):
        about = {
            "task": "sts",
            "dataset": "sts17",
            "model": name,
            "subset": "en_en",
            "seed": 42,
            "similarity": "cosine",
        }
        record = RunRecord({"spearman": rho, "pearson": rho}, {}, 3, 1, about)
        write_record(tmp_path / "logs" / name, "en_en", record, {"scores": [0.1, 0.2, 0.3], "judged": [1, 2, 3]})
    assert run(SCRIPT).returncode == 0
    report = tmp_path / "report.html"
    open_at(page, report, "#compare")
    assert cells(page)[0] == ["en_en", "3", "50.00", "-25.00", "+75.00"] and page.locator(".command").count() == 0
    open_at(page, report, "#record?path=logs/org/a/eval_en_en_1.json")
    assert page.get_by_role("link", name="items", exact=True).count() == 0
    open_at(page, report, "#items?path=logs/org/a/eval_en_en_1.json")
    assert "have figures of all items together" in page.inner_text("main")
