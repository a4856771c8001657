"""icl.py on items whose answers are written, from end to end, with a small random checkpoint and rows of its own."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from conftest import Run
from sacrebleu.metrics import BLEU, CHRF
from safetensors.torch import load_file, save_file
from tiny_encoders import bert_config, make_encoder
from tiny_models import make_model
from written_mirror import make_mirror

from utils.evaluation.spans import span_scores

THRESHOLDS = ((), ("--mined_threshold", "1.02"), ("--mined_threshold", "1.03"))  # the second is the usual one


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    make_mirror(folder / "mirror")
    make_model(folder / "tiny", "gemma3_long")
    return folder


def asked(run: Run, place: Path, *flags: str) -> Any:
    model = ("--gen_model_checkpoint", str(place / "tiny"), "--data_dir", str(place / "mirror"))
    usual = ("--demonstrations", "bm25", "--max_new_tokens", "6")
    return run(
        "icl.py", *model, *(usual if "--k" not in flags or flags[flags.index("--k") + 1] != "0" else usual[2:]), *flags
    )


def read(logs: Path, name: str) -> dict[str, Any]:
    (path,) = logs.rglob(name)
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_answers_in_a_text(run: Run, place: Path, tmp_path: Path) -> None:
    done = asked(run, place, "--dataset", "xquad", "--langs", "de", "--prompt_lang", "en", "--k", "2")
    assert done.returncode == 0, done.stderr
    assert "xquad: f1 at k" in done.stdout
    body, preds = read(tmp_path / "logs", "eval_de_2.json"), read(tmp_path / "logs", "eval_de_2_preds.json")
    prompts = read(tmp_path / "logs", "eval_de_2_prompts.json")
    about = body["run"]
    assert about["answer_kind"] == "span" and about["decode"] == "generate" and about["prompt_lang"] == "en"
    assert about["demonstrations_from"] == "a part of validation that is not tested"
    assert prompts["prompts"][0].startswith("Text: Anna") and prompts["prompts"][0].endswith("\nAnswer:")
    assert (
        prompts["prompts"][0].count("Question: Where does Anna") == 3 and "\nAnswer: Oslo\n\n" in prompts["prompts"][0]
    )
    assert preds["gold"] == ["Oslo"] * 8 and preds["references"] == [["Oslo", "in Oslo"]] * 8
    scores = span_scores(preds["hyp"], preds["references"], "de")
    assert preds["values"] == {name: values.tolist() for name, values in scores.items()}
    assert (body["em"], body["f1"]) == (scores["em"].mean(), scores["f1"].mean()) and set(body["ci95"]) == {"em", "f1"}
    again = asked(run, place, "--dataset", "xquad", "--langs", "de", "--prompt_lang", "en", "--k", "2")
    assert "1 of 1 subsets are already logged" in again.stdout
    other = asked(run, place, "--dataset", "xquad", "--langs", "de", "--k", "2")
    assert "save_icl_generate_max_new_tokens_6/" in other.stdout and "asked_in_en" in done.stdout


def test_weights_that_are_no_numbers_write_no_empty_answers(run: Run, place: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(place / "tiny", tmp_path / "bad"))
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = ("--gen_model_checkpoint", str(folder), "--data_dir", str(place / "mirror"))
    done = run("icl.py", *model, "--dataset", "xquad", "--langs", "de", "--k", "0")
    assert done.returncode == 2 and not list((tmp_path / "logs").rglob("*.json"))
    what, hint = done.stderr.splitlines()
    assert what.startswith("error: local/bad-") and what.endswith(
        " in fp32 gives the next token a probability that is no number"
    )
    assert hint.startswith("hint: its weights may have NaN or infinity in them")


def test_translations_in_both_directions(run: Run, place: Path, tmp_path: Path) -> None:
    flags = ("--dataset", "flores", "--bleu_tokenize", "intl", "--k", "1")
    done = asked(run, place, *flags, "--langs", "deu")
    assert done.returncode == 0, done.stderr
    back = asked(run, place, *flags, "--src_lang", "deu", "--langs", "eng")
    assert back.returncode == 0, back.stderr
    for subset, languages in (
        ("eng_Latn-deu_Latn", ("English", "German")),
        ("deu_Latn-eng_Latn", ("German", "English")),
    ):
        body, preds = (read(tmp_path / "logs", f"eval_{subset}_1{part}.json") for part in ("", "_preds"))
        prompt = read(tmp_path / "logs", f"eval_{subset}_1_prompts.json")["prompts"][0]
        source, target = languages
        assert (
            prompt.startswith(f"{source}: I") and prompt.endswith(f"\n{target}:") and prompt.count(f"\n{target}:") == 2
        )
        for name, measure in (("bleu", BLEU(tokenize="intl")), ("chrf", CHRF(word_order=2))):
            expected = measure.corpus_score(preds["hyp"], [preds["gold"]])
            assert 100 * body[name] == pytest.approx(expected.score, abs=1e-9)
            assert body["signatures"][name] == str(measure.get_signature())
            assert len(preds["statistics"][name]) == body["n"] == 6 and len(body["ci95"][name]) == 2
        assert body["run"]["bleu_tokenize"] == "intl" and body["run"]["answer_kind"] == "text"


def test_languages_are_called_by_their_own_names_on_request(run: Run, place: Path, tmp_path: Path) -> None:
    flags = ("--dataset", "flores", "--langs", "deu", "--k", "0", "--dry_run", "--template_lang")
    native, english = (asked(run, place, *flags, lang) for lang in ("native", "en"))
    assert native.returncode == english.returncode == 0, native.stderr
    assert "\nDeutsch:\n" in native.stdout and "\nGerman:\n" in english.stdout
    back = asked(run, place, "--dataset", "flores", "--src_lang", "deu", "--langs", "eng", *flags[4:], "native")
    assert "\nGerman: " in f"\n{back.stdout}" and "\nEnglish:\n" in back.stdout  # in the language of the answers


def test_without_a_model_for_spbleu_there_is_chrf_alone(run: Run, place: Path, tmp_path: Path) -> None:
    home = {"SACREBLEU": str(tmp_path / "none"), "HOME": str(tmp_path)}
    model = ("--gen_model_checkpoint", str(place / "tiny"), "--data_dir", str(place / "mirror"), "--k", "0")
    flags = ("--dataset", "ntrex", "--langs", "deu", "--max_new_tokens", "3", "--limit", "2")
    done = run("icl.py", *model, *flags, env=home)
    assert done.returncode == 0 and "note: no spBLEU, only chrF++" in done.stderr and "ntrex: chrf at k" in done.stdout
    body = read(tmp_path / "logs", "eval_eng-deu_0.json")
    assert "chrf" in body and "spbleu" not in body and "bleu_tokenize" not in body["run"]


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--dataset", "xquad", "--decode", "score"), "--decode score with items of the kind span"),
        (("--dataset", "xquad", "--bleu_tokenize", "13a"), "--bleu_tokenize with items of the kind span"),
        (("--dataset", "xquad", "--prompt_lang", "xx"), "xquad has no questions in 'xx'"),
        (("--dataset", "xquad", "--src_lang", "en"), "--src_lang without --cross"),
        (("--dataset", "xnli", "--prompt_lang", "en"), "--prompt_lang with items of the kind pair"),
        (("--dataset", "xquad", "--comet", "x"), "--comet with items of the kind span"),
        (("--dataset", "flores", "--cross"), "--cross with translations"),
        (("--dataset", "flores", "--langs", "xx"), "flores has no language 'xx'"),
        (("--dataset", "flores", "--bleu_tokenize", "nothing"), "neither a tokenisation nor a file"),
        (("--dataset", "tydiqa", "--langs", "en"), "none of 10 questions has an answer"),
    ],
)
def test_what_makes_no_sense_is_told_in_two_lines(flags: tuple[str, ...], what: str, run: Run, place: Path) -> None:
    done = asked(run, place, *flags)
    last = done.stderr.splitlines()[-2:]
    assert done.returncode == 2 and what in last[0] and last[0].startswith("error: ") and last[1].startswith("hint: ")


def test_own_files_of_questions_and_of_translations(run: Run, place: Path, tmp_path: Path) -> None:
    rows = [{"context": f"A{n} is red.", "question": f"What is A{n}?", "answer": ["red", "Red."]} for n in range(10)]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = asked(run, place, "--dataset", "own.jsonl", "--template", "answer", "--k", "1")
    assert done.returncode == 0 and "f1 at k" in done.stdout, done.stderr
    (preds,) = (tmp_path / "logs").rglob("eval_all_1_preds.json")
    assert json.loads(preds.read_text())["references"] == [["red", "Red."]] * 2
    (tmp_path / "own.toml").write_text('kind = "text"\nlayout = "{source} = \\"{answer}\\""\n')
    (tmp_path / "own.tsv").write_text("source\tlabel\n" + "".join(f"zwei {n}\ttwo {n}\n" for n in range(10)))
    flags = ("--template", "own.toml", "--bleu_tokenize", "char", "--k", "1", "--output_dir", "other")
    done = asked(run, place, "--dataset", "own.tsv", *flags)
    assert done.returncode == 0 and "chrf at k" in done.stdout, done.stderr
    (prompts,) = (tmp_path / "other").rglob("eval_all_1_prompts.json")
    assert json.loads(prompts.read_text())["prompts"][0].endswith(' = "')


def test_demonstrations_are_mined_without_the_alignment(run: Run, place: Path, tmp_path: Path) -> None:
    model = ("--gen_model_checkpoint", str(place / "tiny"), "--data_dir", str(place / "mirror"))
    flags = ("--dataset", "flores", "--langs", "deu", "--bleu_tokenize", "13a", "--max_new_tokens", "3", "--k", "2")
    encoder = ("--model_checkpoint", str(place / "encoder"))
    make_encoder(place / "encoder", bert_config())
    mined = ("--demonstrations", "mined", "--mined")
    done = run("icl.py", *model, *flags, "0", *encoder, *mined, "auto", "--mined_threshold", "0.5")
    assert done.returncode == 0, done.stderr
    zero = read(tmp_path / "logs", "eval_eng_Latn-deu_Latn_0.json")["run"]
    assert not {"mined", "mined_pairs", "mined_threshold"} & zero.keys()
    about = read(tmp_path / "logs", "eval_eng_Latn-deu_Latn_2.json")["run"]
    found = about["mined_pairs"]
    assert about["mined"] == "auto" and about["mined_threshold"] == found["threshold"] == 0.5
    assert 0 < found["pairs"] <= 60 and found["precision"] == found["right"] / found["pairs"] and found["words"] > 0
    assert set(found["sentences"]) == set(found["word_by_word"]) == {"pairs", "right", "precision"}
    assert about["demonstrations_from"].startswith("mined from both sides")
    plans = [run("icl.py", *model, *flags, *encoder, *mined, "auto", *more, "--dry_run") for more in THRESHOLDS]
    assert plans[0].returncode == 0 and plans[0].stdout == plans[1].stdout != plans[2].stdout
    rows = [
        "1.2\tI have one and one.\tIch habe eins und eins.",
        "1.1\tI have one and two.\tFalsch.",
        "0.9\tOther.\tAnder.",
    ]
    (tmp_path / "pairs.tsv").write_text("\n".join(rows) + "\n")
    logs = ("--output_dir", "file")
    done = run("icl.py", *model, *flags, *encoder, *mined, "pairs.tsv", "--mined_threshold", "1", *logs)
    assert done.returncode == 0, done.stderr
    found = read(tmp_path / "file", "eval_eng_Latn-deu_Latn_2.json")["run"]["mined_pairs"]
    assert found == {"file": "pairs.tsv", "pairs": 2, "checked": 2, "right": 1, "precision": 0.5, "threshold": 1.0}
    prompts = read(tmp_path / "file", "eval_eng_Latn-deu_Latn_2_prompts.json")["prompts"]
    assert all("German: Falsch.\n\n" in prompt and "eins und eins" in prompt for prompt in prompts)
    (tmp_path / "bad.tsv").write_text("no pair\n")
    for wrong, what in (
        ((*mined, "bad.tsv"), "row 1 is no pair"),
        ((*mined, "none.tsv"), "no such file"),
        (("--demonstrations", "mined"), "--demonstrations mined"),
        (("--mined", "auto"), "--mined with --demonstrations nearest"),
        ((*mined, "pairs.tsv", "--mined_threshold", "9"), "no mined pair is left"),
    ):
        done = run("icl.py", *model, *flags, *encoder, *wrong, *logs)
        assert done.returncode == 2 and what in done.stderr, done.stderr


def test_comet_where_its_package_is_there(
    run: Run, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--dataset", "flores", "--langs", "deu", "--bleu_tokenize", "13a", "--comet")
    if find_spec("comet") is None:
        done = asked(run, place, *flags, "some/model")
        assert done.returncode == 2 and "--comet needs the package unbabel-comet" in done.stderr
    package = ModuleType("comet")  # stands in for the package, which is not installed for the tests
    package.__spec__ = ModuleSpec("comet", None)
    seen = list[dict[str, str]]()

    class Model:
        def predict(self, rows: list[dict[str, str]], **_: Any) -> Any:
            seen.extend(rows)
            return SimpleNamespace(scores=[0.1 * number for number in range(len(rows))])

    vars(package).update(download_model=lambda name: f"{name}.ckpt", load_from_checkpoint=lambda path: Model())
    monkeypatch.setitem(sys.modules, "comet", package)
    done = asked(run, place, *flags, "some/model")
    assert done.returncode == 0, done.stderr
    body, preds = (read(tmp_path / "logs", f"eval_eng_Latn-deu_Latn_1{part}.json") for part in ("", "_preds"))
    assert body["comet"] == pytest.approx(0.25) and body["run"]["comet"] == "some/model"
    assert [row["mt"] for row in seen] == preds["hyp"] and [row["ref"] for row in seen] == preds["gold"]
    assert seen[0]["src"].startswith("I have") and preds["values"]["comet"][1] == pytest.approx(0.1)


def test_a_file_of_demonstrations_is_read_in_all_languages_before_the_first_record(
    run: Run, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "shown.tsv").write_text("context\tquestion\tanswer\tlang\nEva lebt in Rom.\tWo lebt Eva?\tRom\tde\n")
    flags = (
        "--gen_model_checkpoint",
        str(place / "tiny"),
        "--data_dir",
        str(place / "mirror"),
        "--max_new_tokens",
        "2",
    )
    flags = (
        *flags,
        "--dataset",
        "xquad",
        "--k",
        "1",
        "--demonstrations",
        "fixed",
        "--demonstrations_file",
        "shown.tsv",
    )
    done = run("icl.py", *flags, "--langs", "de", "en")
    assert done.returncode == 2 and not list(tmp_path.glob("logs/**/eval_*.json"))
    assert done.stderr == (
        "error: shown.tsv has no demonstrations in the language 'en'\nhint: add rows whose lang is this language\n"
    )
    alone = run("icl.py", *flags, "--langs", "de")
    assert alone.returncode == 0 and list(tmp_path.glob("logs/**/eval_de_1.json")), alone.stderr
