"""icl.py on pairs and on questions with options, with templates, from end to end with small random checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from made_items import PAIRS, QUESTIONS
from safetensors.torch import load_file, save_file
from tiny_models import make_model

NGRAM = ("--model_checkpoint", "baseline/char_ngram")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "tiny", "gemma3_long")
    make_model(folder / "short", "llama")
    make_model(folder / "chat", "gemma3_long", chat=True)
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for name, rows in (("pairs", PAIRS), ("questions", QUESTIONS)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def records(logs: Path, name: str) -> list[Path]:
    return sorted(path for path in logs.rglob(name) if "/debug/" not in str(path))


def read(logs: Path, name: str) -> dict[str, Any]:
    (path,) = records(logs, name)
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_pairs_with_templates_and_answers_in_the_language_of_the_text(run: Run, models: Path, own: Path) -> None:
    flags = ("--gen_model_checkpoint", str(models / "tiny"), *NGRAM, "--dataset", "pairs.jsonl", "--template", "nli")
    done = run("icl.py", *flags, "--template_lang", "native", "--answers", "native", "--langs", "de")
    assert done.returncode == 0, done.stderr
    body, prompts = read(own / "logs", "eval_de_1.json"), read(own / "logs", "eval_de_1_prompts.json")
    about = body["run"]
    assert about["template"].startswith("nli-") and about["template_lang"] == about["answers"] == "native"
    assert about["answer_kind"] == "pair" and "choices" not in about and about["instruction"] == ""
    assert prompts["words"] == ["Widerspruch", "Folgerung", "neutral"] and prompts["labels"] == sorted(
        prompts["labels"]
    )
    assert prompts["prompts"][0].startswith("Prämisse: ") and prompts["prompts"][0].endswith('\nAntwort: "')
    hyp = read(own / "logs", "eval_de_1_preds.json")["hyp"]
    assert set(hyp) <= {"entailment", "neutral", "contradiction"} and body["n"] == 6
    best = [prompts["labels"][max(range(3), key=row.__getitem__)] for row in prompts["scores"]]
    assert best == hyp
    again = run("icl.py", *flags, "--template_lang", "native", "--answers", "native", "--langs", "de", "--overwrite")
    assert again.stdout == done.stdout
    (cached,) = (
        value for name, value in read(own / "logs", "eval_de_1.json")["run"]["cache"].items() if "tiny" in name
    )
    assert cached == {"hits": 6, "misses": 0}
    table = run("script/aggregate/aggregate_icl.py")
    assert "template_lang native" in table.stdout and "answers native" in table.stdout, table.stdout


def test_options_as_texts_less_their_scores_alone_and_by_permuted_letters(run: Run, models: Path, own: Path) -> None:
    flags = ("--gen_model_checkpoint", str(models / "tiny"), "--dataset", "questions.jsonl", "--template", "question")
    flags = (*flags, "--length_norm", "token")
    for more in ((), ("--pmi",), ("--choices", "letter"), ("--choices", "letter", "--permute")):
        done = run("icl.py", *flags, "--k", "0", "--output_dir", "_".join(("out", *more)), *more)
        assert done.returncode == 0, done.stderr
    text, pmi, letter, permuted = (
        read(own / "_".join(("out", *more)), "eval_all_0_prompts.json")
        for more in ((), ("--pmi",), ("--choices", "letter"), ("--choices", "letter", "--permute"))
    )
    assert text["options"][0] == ["two", "three", "four"] and text["prompts"][0].endswith("one?\nAnswer: ")
    body = read(own / "out_--pmi", "eval_all_0.json")
    assert (
        body["run"]["pmi"] is True and body["run"]["choices"] == "text" and body["random_acc"] == pytest.approx(1 / 3)
    )
    alone = [
        a - b
        for first, second in zip(text["scores"], pmi["scores"], strict=True)
        for a, b in zip(first, second, strict=True)
    ]
    by_option: dict[str, set[float]] = {}
    for option, value in zip([option for row in text["options"] for option in row], alone, strict=True):
        by_option.setdefault(option, set()).add(round(value, 5))
    assert all(len(values) == 1 for values in by_option.values())  # the score alone does not depend on the question
    assert letter["words"] == ["A", "B", "C"] and "\nA. two\nB. three\nC. four\nAnswer: " in letter["prompts"][0]
    assert letter["choices"] == permuted["choices"] == text["options"] and "choices" not in text
    hyp = read(own / "out_--choices_letter_--permute", "eval_all_0_preds.json")
    assert hyp["gold"] == ["1"] * 8 and len(set(map(tuple, permuted["options"]))) > 1
    for place, (prompt, scores) in enumerate(zip(permuted["prompts"], permuted["scores"], strict=True)):
        listed = [
            f"{letter}. {choice}"
            for letter, choice in zip(permuted["options"][place], permuted["choices"][place], strict=True)
        ]
        assert sorted(listed) == prompt.splitlines()[1:4]  # each option has its own letter in the order of the data
        assert hyp["hyp"][place] == permuted["labels"][max(range(3), key=scores.__getitem__)]


def test_the_scores_of_permuted_options_are_those_of_the_options(run: Run, models: Path, own: Path) -> None:
    """One that lists the options of the data in the order of the permuted prompts has the same prompts and scores."""
    flags = (
        "--gen_model_checkpoint",
        str(models / "tiny"),
        "--template",
        "question",
        "--k",
        "0",
        "--choices",
        "letter",
    )
    assert run("icl.py", *flags, "--dataset", "questions.jsonl", "--permute").returncode == 0
    permuted = read(own / "logs", "eval_all_0_prompts.json")
    rows = []
    for row, letters in zip(QUESTIONS, permuted["options"], strict=False):
        listed = [choice for _, choice in sorted(zip(letters, row["choices"], strict=True))]
        rows.append({**row, "choices": listed})
    rows += QUESTIONS[8:]
    (own / "listed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("icl.py", *flags, "--dataset", "listed.jsonl", "--output_dir", "listed").returncode == 0
    listed = read(own / "listed", "eval_all_0_prompts.json")
    assert listed["prompts"] == permuted["prompts"]
    for letters, found, of_letters in zip(permuted["options"], permuted["scores"], listed["scores"], strict=True):
        by_letter = dict(zip("ABC", of_letters, strict=True))
        assert found == pytest.approx([by_letter[letter] for letter in letters], abs=1e-6)


def test_pmi_subtracts_sums_and_stands_in_the_table_of_the_others(run: Run, models: Path, own: Path) -> None:
    flags = ("--gen_model_checkpoint", str(models / "tiny"), "--dataset", "questions.jsonl", "--template", "question")
    for more in ((), ("--pmi",), ("--pmi", "--length_norm", "token")):
        assert run("icl.py", *flags, "--k", "0", *more).returncode == 0
    assert run("icl.py", *flags, "--k", "0", "--length_norm", "sum", "--output_dir", "sums").returncode == 0
    (path,) = (own / "logs/save_icl_sum_pmi").rglob("eval_all_0.json")
    pmi, sums = (
        json.loads(path.with_name("eval_all_0_prompts.json").read_text()),
        read(own / "sums", "eval_all_0_prompts.json"),
    )
    assert json.loads(path.read_text())["run"]["length_norm"] == "sum"
    by_option: dict[str, set[float]] = {}
    for options, with_all, without in zip(pmi["options"], sums["scores"], pmi["scores"], strict=True):
        for option, whole, rest in zip(options, with_all, without, strict=True):
            by_option.setdefault(option, set()).add(round(whole - rest, 5))
    assert all(len(values) == 1 for values in by_option.values())  # the sum alone does not depend on the question
    table = run("script/aggregate/aggregate_icl.py").stdout
    assert "length_norm token, pmi" in table.replace("pmi, length_norm token", "length_norm token, pmi"), table
    assert len([line for line in table.splitlines() if "tiny" in line]) == 3, table
    only = run("script/aggregate/aggregate_icl.py", "--length_norm", "sum").stdout
    assert len([line for line in only.splitlines() if "tiny" in line]) == 1, only


def test_what_a_template_lacks_is_told_before_the_first_record(run: Run, models: Path, own: Path) -> None:
    (own / "mine.toml").write_text(
        'kind = "pair"\nlayout = "{Is}: {premise} {hypothesis} {answer}"\n[en]\nIs = "Is"\n'
        'answers = { entailment = "yes", neutral = "maybe" }\n'
    )
    flags = ("--gen_model_checkpoint", str(models / "tiny"), "--dataset", "pairs.jsonl", "--template", "mine.toml")
    done = run("icl.py", *flags, "--k", "0", "--template_lang", "native")
    assert done.returncode == 2 and "has nothing for the language 'de'" in done.stderr and not done.stdout
    assert "leave de out with --langs, or add a section [de] or [any]" in done.stderr
    assert not list((own / "logs").rglob("eval_*"))
    done = run("icl.py", *flags, "--k", "0")
    assert done.returncode == 0, done.stderr
    what = "the template has no word for the label 'contradiction', which is shown as it is: is it mistyped?"
    told = [line.partition(": ")[2] for line in done.stderr.splitlines() if what in line]
    assert len(told) == 2 and all(line.startswith("pairs-") for line in told), done.stderr


def test_a_prompt_that_is_too_long_loses_its_last_demonstrations_and_never_the_item(
    run: Run, models: Path, own: Path
) -> None:
    flags = ("--gen_model_checkpoint", str(models / "short"), *NGRAM, "--dataset", "pairs.jsonl", "--template", "nli")
    outputs = []
    for order in ("nearest_first", "nearest_last"):
        done = run("icl.py", *flags, "--langs", "en", "--k", "5", "--order", order, "--output_dir", order)
        assert done.returncode == 0, done.stderr
        body, prompts = read(own / order, "eval_en_5.json"), read(own / order, "eval_en_5_prompts.json")
        shown = [len(indices) for indices in prompts["demonstrations"]]
        assert body["run"]["prompts_cut"] == sum(n < 5 for n in shown) > 0 and min(shown) >= 1
        assert f"{body['run']['prompts_cut']} of 6 prompts are too long" in done.stderr
        assert [prompt.count("Premise: ") - 1 for prompt in prompts["prompts"]] == shown
        assert all(row["premise"] in prompt for row, prompt in zip(PAIRS[0:12:2], prompts["prompts"], strict=True))
        outputs.append(prompts["demonstrations"])
    assert outputs[0] == [indices[::-1] for indices in outputs[1]]  # the farthest are left out in both orders


def test_fixed_demonstrations_of_each_label_in_turn_or_of_a_file(run: Run, models: Path, own: Path) -> None:
    flags = ("--gen_model_checkpoint", str(models / "tiny"), "--dataset", "pairs.jsonl", "--template", "nli")
    flags = (*flags, "--langs", "de", "--demonstrations", "fixed")
    assert run("icl.py", *flags, "--k", "3").returncode == 0
    shown = read(own / "logs", "eval_de_3_prompts.json")
    assert shown["demonstrations"] == [[0, 1, 2]] * 6
    assert sorted(word for word in shown["labels"] if f'"{word}"' in shown["prompts"][0]) == shown["labels"]
    (own / "shown.jsonl").write_text(
        json.dumps({"premise": "A man eats.", "hypothesis": "Nobody eats.", "label": "contradiction"})
    )
    done = run("icl.py", *flags, "--k", "0", "1", "--demonstrations_file", "shown.jsonl")
    assert done.returncode == 0, done.stderr
    zero = read(own / "logs", "eval_de_0.json")["run"]
    assert not {"demonstrations_from", "demonstrations_file"} & zero.keys()
    body = read(own / "logs", "eval_de_1.json")
    assert body["run"]["demonstrations_from"] == "shown.jsonl" and len(body["run"]["demonstrations_file"]) == 8
    prompts = read(own / "logs", "eval_de_1_prompts.json")
    assert prompts["prompts"][0].startswith("Premise: A man eats.\n") and len(prompts["labels"]) == 3
    (own / "shown.tsv").write_text("premise\thypothesis\tlabel\nA man eats.\tNobody eats.\tmaybe\n")
    wrong = run("icl.py", *flags, "--k", "1", "--demonstrations_file", "shown.tsv")
    assert wrong.returncode == 2 and "row 1 has the label 'maybe', expected 'contradiction', " in wrong.stderr
    other = run("icl.py", *flags, "--k", "1", "--demonstrations_file", "questions.jsonl")
    assert other.returncode == 2 and "call the columns of demonstrations so" in other.stderr


def test_a_chat_model_is_told_what_to_do_and_names_a_letter(run: Run, models: Path, own: Path) -> None:
    flags = ("--gen_model_checkpoint", str(models / "chat"), "--dataset", "questions.jsonl", "--template", "question")
    done = run("icl.py", *flags, "--k", "0", "--max_new_tokens", "4")
    assert done.returncode == 0, done.stderr
    prompts = read(own / "logs", "eval_all_0_prompts.json")
    assert prompts["prompts"][0].startswith("Answer with one of these letters alone: A, B, C.\n\nQuestion: What")
    about = read(own / "logs", "eval_all_0.json")["run"]
    assert about["choices"] == "letter" and about["letters"].startswith("capital letters;") and "ask" not in about
    scored = run("icl.py", *flags, "--k", "0", "--decode", "score", "--output_dir", "scored")
    assert scored.returncode == 0, scored.stderr
    assert read(own / "scored", "eval_all_0_prompts.json")["prompts"][0].startswith("Question: What")
    assert read(own / "scored", "eval_all_0.json")["run"]["ask"] == "text"
    named = run("icl.py", *flags, "--k", "0", "--decode", "score", "--choices", "letter", "--output_dir", "named")
    assert named.returncode == 0, named.stderr
    assert read(own / "named", "eval_all_0_prompts.json")["prompts"][0].startswith("Answer with one of these letters")


def test_ties_are_counted_and_told_and_the_first_option_is_taken(run: Run, models: Path, own: Path) -> None:
    folder = Path(shutil.copytree(models / "tiny", own / "level"))
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("model.norm.weight"))
    save_file({**weights, name: weights[name] * 0 - 1}, folder / "model.safetensors", {"format": "pt"})  # times 0
    flags = ("--dataset", "questions.jsonl", "--template", "question", "--k", "0", "--choices", "letter")
    done = run("icl.py", "--gen_model_checkpoint", str(folder), *flags)
    assert done.returncode == 0, done.stderr
    assert "note: all: in 100 % of the answers the best labels tie, and the first counts" in done.stderr
    body = read(own / "logs", "eval_all_0.json")
    assert body["tied"] == 1.0 and body["acc"] == 1.0  # the first option is the right one of all
    other = run("icl.py", "--gen_model_checkpoint", str(models / "tiny"), *flags, "--output_dir", "other")
    assert "tie" not in other.stderr and "tied" not in read(own / "other", "eval_all_0.json")


def test_questions_with_different_numbers_of_options_are_chosen_from_and_counted(
    run: Run, models: Path, own: Path
) -> None:
    rows = [{**row, "choices": row["choices"][: 2 + place % 2]} for place, row in enumerate(QUESTIONS)]
    (own / "uneven.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("--gen_model_checkpoint", str(models / "tiny"), "--dataset", "uneven.jsonl", "--template", "question")
    done = run("icl.py", *flags, "--k", "0", "--choices", "letter", "--decode", "constrained")
    assert done.returncode == 0, done.stderr
    body, prompts = read(own / "logs", "eval_all_0.json"), read(own / "logs", "eval_all_0_prompts.json")
    assert body["n"] == 8 and body["random_acc"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert [len(row) for row in prompts["scores"]] == [2, 3] * 4 and prompts["options"][:2] == [["A", "B"], [*"ABC"]]
    hyp = read(own / "logs", "eval_all_0_preds.json")["hyp"]
    assert all(int(index) <= 2 + place % 2 for place, index in enumerate(hyp))


def test_records_of_labelled_texts_say_nothing_of_templates(run: Run, models: Path, tmp_path: Path) -> None:
    flags = ("--gen_model_checkpoint", str(models / "tiny"), *NGRAM, "--langs", "eng", "--limit", "3")
    assert run("icl.py", *flags).returncode == 0
    (path,) = (tmp_path / "logs/debug/save_icl").rglob("eval_eng_1.json")
    new = {"template", "template_lang", "answers", "choices", "permute", "pmi", "demonstrations_file", "answer_kind"}
    assert not new & set(json.loads(path.read_text())["run"])
    (prompts,) = (tmp_path / "logs/debug/save_icl").rglob("eval_eng_1_prompts.json")
    assert set(json.loads(prompts.read_text())) == {"prompts", "demonstrations", "labels", "scores", "outputs"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--dataset", "sample", "--langs", "eng", "--answers", "native"), "items that no template shows"),
        (
            ("--dataset", "sample", "--langs", "eng", "--template", "nli"),
            "the kind pair, but sample has the kind label",
        ),
        ((), "--template shows items of other columns"),
        (("--template", "nli", "--decode", "generate", "--length_norm", "sum"), "it is for the scores of labels"),
        (("--template", "nli", "--prompt_lang", "de"), "write the questions in the other language into the file"),
        (("--template", "nowhere"), "no such file"),
        (("--template", "nli", "--choices", "letter"), "with items of the kind pair"),
        (("--template", "nli", "--pmi"), "with items of the kind pair"),
        (("--template", "nli", "--legacy"), "reproduces the prompts of MINERS"),
        (("--template", "nli", "--template_lang", "xx"), "has nothing for the language 'xx'"),
        (("--template", "nli", "--demonstrations_file", "pairs.jsonl"), "add --demonstrations fixed"),
        (("--template", "nli", "--demonstrations", "fixed", "--demonstrations_file", "none.tsv"), "no such file"),
        (("--dataset", "questions.jsonl", "--template", "question", "--answers", "native"), "of the kind choice"),
        (("--dataset", "questions.jsonl", "--template", "question", "--balance"), "of the kind choice"),
        (("--dataset", "questions.jsonl", "--template", "question", "--calibrate"), "--pmi compares options"),
        (("--dataset", "questions.jsonl", "--template", "question", "--permute"), "add --choices letter"),
        (
            ("--dataset", "questions.jsonl", "--template", "question", "--decode", "generate", "--choices", "text"),
            "use --choices letter",
        ),
        (
            ("--dataset", "questions.jsonl", "--template", "question", "--choices", "letter", "--pmi"),
            "use --choices text",
        ),
    ],
)
def test_flags_that_make_no_sense_for_a_kind_end_in_two_lines(
    flags: tuple[str, ...], message: str, run: Run, models: Path, own: Path
) -> None:
    usual = () if "--dataset" in flags else ("--dataset", "pairs.jsonl")
    done = run("icl.py", "--gen_model_checkpoint", str(models / "tiny"), *NGRAM, *usual, *flags)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert message in done.stderr, done.stderr
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("hint: "), done.stderr
