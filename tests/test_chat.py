"""chat.py: exact figures of scripted answers and judgements through the real SDK, records, tables, and mistakes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from api_server import ApiServer
from conftest import Run
from tiny_models import make_model

from chat import parse
from utils.cli.chat_arguments import JUDGE, TRANSLATOR, other_models
from utils.records.reader import read_results
from utils.records.row_names import row_names
from utils.runlog import load

pytest.importorskip("pycld2")

GERMAN = "Das ist eine lange und sehr ausführliche Antwort, die auf Deutsch geschrieben wurde."
ENGLISH = "This is a long and very detailed answer that was written in the English language."
REFUSAL = "Es tut mir leid, aber dabei kann ich leider nicht helfen, weil mir das nicht möglich ist."
QUESTIONS = {"q1": "Erste Frage?", "q2": "Zweite Frage?", "q3": "Dritte Frage?", "q4": "Vierte Frage?"}
ANSWERS = {  # by question, of the seeds 0 and 1
    "Erste Frage?": (GERMAN, ENGLISH),
    "Zweite Frage?": (GERMAN, GERMAN),
    "Dritte Frage?": ("Ja.", "Ja."),
    "Vierte Frage?": (REFUSAL, REFUSAL),
}
GPT = ("--gen_model_checkpoint", "gpt-4o")
AGAIN = "Write nothing but the JSON object"


def scripted(body: dict[str, Any]) -> str:
    """What a server says: the answers of the writers, the levels of the judge, translations, and verdicts on pairs."""
    asked = str(body["messages"][-1]["content"])
    if "<answer_1>" in asked:
        return verdict(asked)
    if asked.startswith("Translate"):
        return "Translated: " + asked.rpartition("\n")[2]
    if "<answer>" not in asked:
        return ANSWERS[asked][body["seed"] % 2] + (" Punkt." if body["model"] == "rival" else "")
    if "Translated: " in asked:
        return '{"reasoning": "in English", "score": 5}'
    if ENGLISH in asked:
        return '{"reasoning": "fine", "score": 2}'
    if GERMAN in asked:
        level = 4 if body["temperature"] == 0 else 5
        return f'{{"reasoning": "gut", "score": {level}}}'
    if REFUSAL in asked:
        return "I would rather not say."
    return '{"reasoning": "short", "score": 1}' if AGAIN in asked else "one"


def verdict(asked: str) -> str:
    """The first answer wins the first question, the writer's (without a last word) the second, no one the others."""
    first_is_rival = "Punkt." in asked.partition("<answer_2>")[0]
    if "Erste" in asked:
        winner = "1"
    elif "Zweite" in asked:
        winner = "2" if first_is_rival else "1"
    else:
        winner = "tie" if "Dritte" in asked else "neither"
    return json.dumps({"reasoning": "because", "winner": winner})


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [{"id": name, "lang": "de", "instruction": text} for name, text in QUESTIONS.items()]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def scripts(server: ApiServer) -> ApiServer:
    server.script, server.longest = scripted, 10**6
    return server


def flags(server: ApiServer, writer: str = "writer") -> list[str]:
    return [
        *("--dataset", "questions.jsonl", "--gen_model_checkpoint", f"openai:{writer}", "--gen_base_url", server.url),
        *("--seeds", "0", "1", "--cache_dir", "cache"),
    ]


def judge(server: ApiServer) -> list[str]:
    return ["--judge", "openai:judge", "--judge_base_url", server.url]


def record(folder: Path, kind: str = "") -> dict[str, Any]:
    (path,) = folder.rglob(f"eval_de_2{kind}.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_exact_figures_of_answers(run: Run, scripts: ApiServer, questions: Path, tmp_path: Path) -> None:
    done = run("chat.py", *flags(scripts))
    assert done.returncode == 0, done.stderr
    body = record(tmp_path / "logs")
    assert (body["n"], body["k"]) == (4, 2)
    # q1: one of two in German; q2 and q4: both; q3: too short to tell
    assert body["fidelity"] == pytest.approx((0.5 + 1 + 1) / 3) and body["too_short"] == 0.25
    assert body["refused"] == 0.25 and body["repetition"] == 0.0 and body["undecided"] == 0.0
    assert body["answered_in"] == {"deu": 5, "too short": 2, "eng": 1}
    lengths = [(len(a) + len(b)) / 2 for a, b in ANSWERS.values()]
    assert body["lengths"]["characters"] == pytest.approx(sum(lengths) / 4)
    assert 1 / 2 <= body["ci95"]["fidelity"][0] < body["fidelity"] < body["ci95"]["fidelity"][1] <= 1
    assert "lid_error" not in body  # the questions are too short
    preds, prompts = record(tmp_path / "logs", "_preds"), record(tmp_path / "logs", "_prompts")
    assert preds["gold"] == ["de"] * 4 and preds["hyp"] == ["de", "de", None, "de"]
    assert preds["values"]["fidelity"] == [0.5, 1.0, None, 1.0]
    assert prompts["answers"] == [list(pair) for pair in ANSWERS.values()] and prompts["ids"] == list(QUESTIONS)
    sent = scripts.bodies[0]
    assert (sent["temperature"], sent["top_p"], sent["top_k"], sent["seed"]) == (0.8, 0.9, 50, 0)
    assert "83.33" in done.stdout and "too short" in done.stdout


def test_exact_figures_of_judgements_and_nothing_is_asked_twice(
    run: Run, scripts: ApiServer, questions: Path, tmp_path: Path
) -> None:
    more = (*judge(scripts), "--judge_twice", "--judge_translated", "judge")
    done = run("chat.py", *flags(scripts), *more)
    assert done.returncode == 0, done.stderr
    body = record(tmp_path / "logs")
    # q1: levels 4 and 2; q2: 4 and 4; q3: 1 and 1, when asked again; q4: unread, twice
    assert body["help"] == pytest.approx(((0.6 + 0.2) / 2 + 0.6 + 0.0) / 3)
    assert body["unread"] == 0.25
    levels = {"levels": [2, 1, 0, 3, 0, 0], "asked_again": 4, "unread": 2, "mean_level": pytest.approx(16 / 6)}
    assert body["judge_levels"] == levels
    # the second judge gives 5 where the first gave 4: distances 1, 0, 1, 1, 0, 0
    agreement = body["judge_agreement"]
    by_chance = sum((a - b) ** 2 for a in (4, 2, 4, 4, 1, 1) for b in (5, 2, 5, 5, 1, 1)) / 36
    assert agreement["n"] == 6 and agreement["equal"] == 0.5
    assert agreement["weighted_kappa"] == pytest.approx(1 - 0.5 / by_chance)
    # translations are judged 5, but the English answer is not translated: 2
    assert body["help_translated"] == pytest.approx(((0.8 + 0.2) / 2 + 0.8 + 0.8 + 0.8) / 4)
    prompts = record(tmp_path / "logs", "_prompts")
    assert prompts["judgements"][2][0] == {"level": 1, "reasoning": "short", "again": True}
    assert prompts["judgements"][3][0] == {"level": None, "reasoning": "I would rather not say.", "again": True}
    assert prompts["translations"][0] == ["Translated: " + GERMAN, ENGLISH]
    (row,) = load(tmp_path / "logs").to_dict("records")
    assert (
        row["mean_level"] == pytest.approx(16 / 6)
        and row["help"] == body["help"]
        and row["judge"] == body["run"]["judge"]
    )
    items = load(tmp_path / "logs", preds=True)
    assert items.fidelity.isna().tolist() == [False, False, True, False] and items.hyp.isna().sum() == 1
    assert body["run"]["judge_model"]["name"] == body["run"]["translator"]["name"] == body["run"]["judge"]
    asked = [one for one in scripts.bodies if one["model"] == "judge" and "<answer>" in one["messages"][0]["content"]]
    assert all(one["response_format"]["json_schema"]["schema"]["required"] == ["reasoning", "score"] for one in asked)
    assert {one["temperature"] for one in asked} == {0.0, 1.0}
    n_asked = scripts.n_requests
    assert set(scripts.paid.values()) <= {1, 2}  # an instruction for each seed; a judgement at both temperatures
    again = run("chat.py", *flags(scripts), *more, "--overwrite")
    assert again.stdout == done.stdout and scripts.n_requests == n_asked
    # 4 questions with 2 seeds; of 5 different answers 2 are asked for again, all twice; 3 are translated, and of
    # the 5 translations one is the English answer itself, which was judged
    asked, kept = (
        ({"hits": 0, "misses": 8}, {"hits": 1, "misses": 21}),
        ({"hits": 8, "misses": 0}, {"hits": 22, "misses": 0}),
    )
    assert tuple(body["run"]["cache"].values()) == asked and n_asked == 29
    assert tuple(record(tmp_path / "logs")["run"]["cache"].values()) == kept
    assert "1 of 1 subsets are already logged" in run("chat.py", *flags(scripts), *more).stdout


def test_a_run_that_was_cut_off_asks_for_the_rest_alone(
    run: Run, scripts: ApiServer, questions: Path, tmp_path: Path
) -> None:
    scripts.faults = dict.fromkeys(range(6, 40), "503")
    cut = run("chat.py", *flags(scripts), *judge(scripts), "--max_retries", "0", "--concurrency", "1")
    assert cut.returncode == 2 and "503" in cut.stderr and not list((tmp_path / "logs").rglob("eval_*"))
    assert sum(scripts.paid.values()) == 5
    scripts.faults.clear()
    done = run("chat.py", *flags(scripts), *judge(scripts))
    assert done.returncode == 0, done.stderr
    answers = {text: times for text, times in scripts.paid.items() if text in ANSWERS}
    assert answers == dict.fromkeys(ANSWERS, 2)
    assert {times for text, times in scripts.paid.items() if text not in ANSWERS} == {1}


def test_a_server_without_structured_output_is_asked_in_words(
    run: Run, scripts: ApiServer, questions: Path, tmp_path: Path
) -> None:
    scripts.refuses_schema = True
    done = run("chat.py", *flags(scripts), *judge(scripts))
    assert done.returncode == 0 and done.stderr.count("has no structured output") == 1
    assert record(tmp_path / "logs")["help"] == pytest.approx((0.4 + 0.6) / 3)


def test_translations_from_a_file(run: Run, scripts: ApiServer, questions: Path, tmp_path: Path) -> None:
    table = tmp_path / "english.tsv"
    table.write_text(f"answer\ttranslation\n{GERMAN}\tTranslated: it\nJa.\tTranslated: yes\n", encoding="utf-8")
    more = (*judge(scripts), "--judge_translated", "english.tsv")
    done = run("chat.py", *flags(scripts), *more)
    assert done.returncode == 2 and "the file lacks 1 of 3 answers, the first is 'Es tut mir leid" in done.stderr
    with table.open("a", encoding="utf-8") as lines:
        lines.write(f"{REFUSAL}\tTranslated: no\n")
    assert run("chat.py", *flags(scripts), *more).returncode == 0
    assert record(tmp_path / "logs")["help_translated"] == pytest.approx((0.5 + 0.8 + 0.8 + 0.8) / 4)


def test_two_models_in_both_orders(run: Run, scripts: ApiServer, questions: Path, tmp_path: Path) -> None:
    rows = []
    for writer in ("writer", "rival"):
        assert run("chat.py", *flags(scripts, writer)).returncode == 0
    table = run("script/aggregate/aggregate_chat.py", "--format", "csv").stdout.splitlines()[1:]
    rows = [line.split(",")[0] for line in table if line]
    pair = ("--pairwise", *sorted(rows, key=lambda name: "rival" in name))
    done = run("chat.py", "--dataset", "questions.jsonl", *judge(scripts), *pair, "--cache_dir", "cache")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "logs" / "pairwise").rglob("*.json")
    found = json.loads(path.read_text(encoding="utf-8"))["languages"]["de"]
    # q1: the first shown wins both times, 1/2; q2: the writer wins, 1; q3: a tie, 1/2; q4: unread
    assert found["win_rate"] == pytest.approx((0.5 + 1 + 0.5) / 3) and found["unread"] == 0.25
    # of twelve judgements the first shown has 4 + 2, the second 2; q1's two pairs change
    assert found["first_minus_second"] == pytest.approx((6 - 2) / 12) and found["changed_by_order"] == pytest.approx(
        2 / 6
    )
    assert "66.67" in done.stdout
    n_asked = scripts.n_requests
    assert (
        run("chat.py", "--dataset", "questions.jsonl", *judge(scripts), *pair, "--cache_dir", "cache").returncode == 0
    )
    assert scripts.n_requests == n_asked
    again = ("chat.py", "--dataset", "questions.jsonl", *judge(scripts), *pair, "--cache_dir", "cache")
    assert "0 requests" in run(*again, "--dry_run").stdout
    other = ("--judge_tokens", "77", "--dry_run")  # of 16 judgements, those of q2, q3 and q4 are asked for twice
    assert "10 requests, " in run(*again, *other).stdout and scripts.n_requests == n_asked
    assert run(*again, "--limit", "1").returncode == 0 and run(*again, "--seed", "7").returncode == 0
    kept = list((tmp_path / "logs" / "pairwise").rglob("*.json"))  # one for each seed; --limit has a place of its own
    assert len(kept) == 2 and json.loads(path.read_text(encoding="utf-8"))["languages"] == {"de": found}
    (limited,) = (tmp_path / "logs" / "debug" / "pairwise").rglob("*.json")
    assert len(json.loads(limited.read_text(encoding="utf-8"))["languages"]["de"]["a_first"]) < len(found["a_first"])
    assert re.fullmatch(r"writer-\w+_vs_rival-\w+_by_judge-\w+-[0-9a-f]{6}\.json", path.name), path.name
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "languages": {"fr": {"win_rate": 1.0}}}), encoding="utf-8")
    assert run(*again).returncode == 0
    assert json.loads(path.read_text(encoding="utf-8"))["languages"] == {"fr": {"win_rate": 1.0}, "de": found}
    compared = run("script/aggregate/compare.py", *pair[1:], "--task", "chat")
    assert compared.returncode == 0, compared.stderr
    assert "1 item without a fidelity in A or B left out" in compared.stderr
    wrong = run("chat.py", "--dataset", "questions.jsonl", *judge(scripts), "--pairwise", rows[0], "nobody")
    assert wrong.returncode == 2 and "no answers of 'nobody'" in wrong.stderr


@pytest.mark.parametrize("chat", [False, True])
def test_local_models_answer_and_judge(chat: bool, run: Run, tmp_path: Path) -> None:
    model = make_model(tmp_path / "tiny", "gemma3_long", chat=chat)
    asked = ("chat.py", "--gen_model_checkpoint", str(model), "--langs", "eng", "hin", "--limit", "2")
    done = run(*asked, "--judge", str(model), "--judge_tokens", "9", "--max_new_tokens", "12", "--seeds", "1", "2")
    assert done.returncode == 0, done.stderr
    body = json.loads(next(tmp_path.rglob("eval_hin_2.json")).read_text())
    levels = body["judge_levels"]  # nothing can be read of a model with random weights, so its form is held
    assert body["unread"] == 0.0 and (levels["asked_again"], levels["held"], sum(levels["levels"])) == (4, 4, 4)
    assert body["help"] == pytest.approx((levels["mean_level"] - 1) / 5)
    for lang in ("eng", "hin"):
        told = f"note: {lang}: the judge could not be read in 4 of 4 judgements: help is of its most probable levels"
        assert told in done.stderr
    assert body["run"]["template"] == ("model" if chat else "guanaco") and body["run"]["seeds"] == "1 2"
    prompts = json.loads(next(tmp_path.rglob("eval_hin_2_prompts.json")).read_text())
    assert prompts["prompts"][0].startswith("### Human: ") != chat
    assert all(one["held"] and one["level"] in range(1, 7) for row in prompts["judgements"] for one in row)
    assert all("### Human:" not in text for row in prompts["answers"] for text in row)
    if not chat:
        once = (*asked[:4], "eng", "--limit", "1", "--greedy", "--max_new_tokens", "4", "--judge_tokens", "4")
        done = run(*once, "--judge", str(model), "--judge_precision", "bf16")
        assert done.returncode == 0, done.stderr
        about = json.loads(next(tmp_path.rglob("eval_eng_1.json")).read_text())["run"]
        assert about["judge_precision"] == about["judge_model"]["dtype"] == "bf16"
        assert about["generator"]["dtype"] == "fp32"
        rows = row_names(list(read_results(tmp_path / "logs", "chat", debug=True)))
        pair = ("--pairwise", *dict.fromkeys(rows), "--langs", "eng", "--limit", "1", "--judge", str(model))
        done = run("chat.py", *pair, "--judge_tokens", "4")
        assert done.returncode == 0, done.stderr
        assert "note: eng: the judge could not be read in 2 of 2 judgements: the most probable verd" in done.stderr


def test_the_precision_of_a_judge_is_that_of_a_local_translator_beside_an_api(tmp_path: Path) -> None:
    translator = str(make_model(tmp_path / "tiny", "llama"))
    args = parse(["--judge", "gpt-4o", "--judge_translated", translator, "--judge_precision", "bf16"])
    found = other_models(args)
    assert found[JUDGE].provider == "openai" and found[TRANSLATOR].dtype == "bf16"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--greedy", "--top_p", "0.5"), "--greedy with --top_p"),
        (("--temperature", "0", "--seeds", "1"), "--temperature 0 with --seeds"),
        (("--top_p", "0"), "--top_p 0"),
        (("--seeds", "1", "1"), "--seeds names a seed twice"),
        (("--judge_twice",), "--judge_twice without --judge"),
        (("--pairwise", "a", "b"), "--pairwise without --judge"),
        (("--pairwise", "a", "b", "--judge", "c", "--seeds", "9"), "--pairwise with --seeds"),
        (("--pairwise", "a", "b", "--judge", "c", "--sample", "3"), "--pairwise with --sample"),
        (("--pairwise", "a", "b", "--judge", "c", *GPT), "--pairwise with --gen_model_checkpoint"),
        (("--pairwise", "a", "b", "--judge", "c", "--judge_twice"), "--pairwise with --judge_twice"),
        (("--langs", "xx"), "sample has no language 'xx'"),
        (("--judge", "nosuch"), "--judge nosuch: no such folder, and not a known name"),
        (("--judge", "gpt-4o", "--judge_base_url", "bad"), "http://localhost:8000/v1 (--judge_base_url)"),
        (("--judge", "gpt-4o", "--judge_precision", "8bit"), "--judge_precision with gpt-4o\nhint: the server"),
        (("--judge_precision", "8bit"), "--judge_precision without --judge"),
        (("--dataset", "nusax"), "nusax is not a data set for chat"),
        (
            (*GPT, "--dataset", "vicuna_multilingual", "--langs", "de"),
            "vicuna_multilingual has no de where no mirror is named",
        ),
        (("--columns", "a"), "--columns is for your own files only"),
        ((*GPT, "--gen_loader", "base", "--template", "model"), "a base model"),
        ((*GPT, "--top_k", "5"), "--top_k with gpt-4o"),
        ((*GPT, "--template", "guanaco"), "which is asked by messages"),
    ],
)
def test_mistakes_end_in_two_lines(more: tuple[str, ...], message: str, run: Run) -> None:
    done = run("chat.py", *more)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 2, done.stderr
    assert message in done.stderr


def test_without_the_identifier_the_file_of_icl_and_chat_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycld2", None)
    done = run("chat.py", *GPT)
    assert done.returncode == 2 and done.stderr == (
        "error: the package pycld2 is not installed\nhint: pip install -r requirements-icl.txt\n"
    )


def test_dry_run_says_what_would_be_asked(run: Run, scripts: ApiServer, questions: Path, tmp_path: Path) -> None:
    done = run("chat.py", *flags(scripts), *judge(scripts), "--dry_run")
    assert done.returncode == 0, done.stderr
    assert "Erste Frage?" in done.stdout and "8 requests" in done.stdout and scripts.n_requests == 0
    assert not (tmp_path / "logs").exists() and "translator" not in done.stdout
    more = run("chat.py", *flags(scripts), *judge(scripts), "--judge_translated", "judge", "--dry_run")
    assert more.returncode == 0, more.stderr
    # 8 answers in German: 8 judgements, 8 of translations, and 8 translations
    assert "judge: judge: 16 requests" in more.stdout and "translator: judge: 8 requests" in more.stdout, more.stdout
