"""Language models learn answers only: tokens, losses and weights against what is worked out here."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from tiny_models import make_model, train_tokenizer

from utils.data.conversations import ASSISTANT, SYSTEM, USER, Conversation, question
from utils.errors import UserError
from utils.generators.resolve import resolve_local_generator as causal_spec
from utils.generators.transformers_model import load_language_model
from utils.training import language_model, loop
from utils.training.answer_loss import AnswerBatches, answer_losses
from utils.training.answer_tokens import CHAT, IGNORED, PAPER, PLAIN, Template, encode
from utils.training.base import causal_base
from utils.training.folder import TrainingFolder
from utils.training.language_model import CausalModel, SeededOrder, encode_all, load_causal, save_causal, train_causal
from utils.training.loop import Trained
from utils.training.options import LoraOptions, TrainingOptions

TALK = Conversation(((SYSTEM, "Be brief."), (USER, "one"), (ASSISTANT, "two"), (USER, "three"), (ASSISTANT, "four")))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("llama"), "llama")


def learned(tokenizer: Any, template: str, row: Conversation) -> tuple[str, list[str]]:
    """Return the whole text and the runs of learned tokens as text."""
    (found,) = encode([row], Template(template, tokenizer, "tiny"))
    runs, last = list[list[int]](), -2
    for place in np.flatnonzero(found.labels != IGNORED).tolist():
        if place != last + 1:
            runs.append([])
        runs[-1].append(int(found.labels[place]))
        last = place
    return tokenizer.decode(found.ids.tolist()), [tokenizer.decode(run) for run in runs]


def test_answers_and_the_end_are_learned() -> None:
    tokenizer = train_tokenizer(bos=True, chat=True)
    text, runs = learned(tokenizer, PLAIN, question("one\n", "two"))
    assert (text, runs) == ("<bos>one\ntwo<eos>", ["two<eos>"])
    text, runs = learned(tokenizer, PLAIN, TALK)
    assert text == "<bos>Be brief.\none\ntwo<eos>\nthree\nfour<eos>"
    assert runs == ["two<eos>", "four<eos>"]
    text, runs = learned(tokenizer, CHAT, TALK)
    assert text == (
        "<bos><|system|>\nBe brief.<eos>\n<|user|>\none<eos>\n<|assistant|>\ntwo<eos>\n"
        "<|user|>\nthree<eos>\n<|assistant|>\nfour<eos>\n"
    )
    assert runs == ["two<eos>\n", "four<eos>\n"]
    text, runs = learned(tokenizer, PAPER, TALK)
    assert text == "<bos>Be brief.\n### Human: one\n### Assistant: two<eos>\n### Human: three\n### Assistant: four<eos>"
    assert runs == [" two<eos>", " four<eos>"]
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "x"}], add_generation_prompt=True, tokenize=False
    )
    assert prompt == "<bos>### Human: x\n### Assistant:"


def test_templates_that_cannot_be_learned() -> None:
    tokenizer = train_tokenizer(bos=True)
    with pytest.raises(UserError, match="tiny has no chat template"):
        Template(CHAT, tokenizer, "tiny")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] if loop.last else 'x' }}{% endfor %}"
    with pytest.raises(UserError, match="writes earlier turns otherwise than the last one"):
        encode([TALK], Template(CHAT, tokenizer, "tiny"))
    tokenizer.chat_template = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    text, runs = learned(tokenizer, CHAT, question("one", "two"))
    assert (text, runs[0][-5:]) == ("[one][two]<eos>", "<eos>")  # a template without an end gets one


@pytest.mark.parametrize("family", ["llama", "gemma3", "cohere", "bloom", "gpt2"])
def test_the_loss_is_the_cross_entropy_of_answer_tokens(family: str, tmp_path: Path) -> None:
    import torch

    causal = load_causal(
        causal_base(str(make_model(tmp_path / family, family)), tmp_path, "fp32", "").spec,
        str(tmp_path / family),
        "cpu",
    )
    rows = encode(
        [question("one two three\n", "four"), question("five\n", "two")], Template(PLAIN, causal.tokenizer, "")
    )
    batch = AnswerBatches(causal.padding)([{"input_ids": row.ids, "labels": row.labels} for row in rows])
    causal.model.eval()
    with torch.no_grad():
        found = answer_losses(causal.model, causal.head, batch).tolist()
        expected = []
        for row in rows:  # one by one, all logits, no padding
            logits = causal.model(torch.from_numpy(row.ids)[None]).logits[0].double()
            chances = logits.log_softmax(dim=-1)
            places = np.flatnonzero(row.labels != IGNORED).tolist()
            expected += [-float(chances[place - 1, int(row.ids[place])]) for place in places]
    assert len(found) == len(expected) > 2
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert math.isclose(causal.loss(rows), float(np.mean(expected)), abs_tol=1e-4)


def test_the_head_reads_states_before_answers_only(checkpoint: Path, tmp_path: Path) -> None:
    causal = load_causal(causal_base(str(checkpoint), tmp_path, "fp32", "").spec, str(checkpoint), "cpu")
    rows = encode([question("one two three four five\n", "two")], Template(PLAIN, causal.tokenizer, ""))
    shapes = []
    causal.head.register_forward_hook(lambda layer, given, found: shapes.append(tuple(found.shape)))
    causal.loss(rows)
    assert shapes == [(1, int((rows[0].labels >= 0).sum()), causal.head.out_features)]


def test_batches_have_rows_of_like_length_in_an_order_of_the_epoch() -> None:
    lengths = [1, 9, 1, 9, 1, 9, 1, 9, 5]
    order = SeededOrder(lengths, 2, seed=0)
    first, again = list(order), list(order)
    assert first == again
    assert sorted(first) == list(range(9))
    assert sum(lengths[one] == lengths[other] for one, other in zip(first[::2], first[1::2], strict=False)) >= 3
    order.set_epoch(1)
    assert list(order) != first


OPTIONS = TrainingOptions(
    epochs=2,
    batch_size=2,
    learning_rate=1e-2,
    warmup=0.1,
    schedule="cosine",
    lora=LoraOptions(modules=("q_proj", "v_proj")),
)


def trained(
    checkpoint: Path,
    place: Path,
    folder: TrainingFolder | None = None,
    options: TrainingOptions = OPTIONS,
    bits: str = "",
) -> CausalModel:
    """Train a model on eight rows, with two held out."""
    import transformers

    transformers.set_seed(options.seed)
    causal = load_causal(causal_base(str(checkpoint), place, "fp32", bits).spec, str(checkpoint), "cpu")
    rows = encode([question(f"{one}\n", f"{one} two") for one in "abcdefghij"], Template(PLAIN, causal.tokenizer, ""))
    folder = folder or TrainingFolder(place / "out", {})
    folder.open(overwrite=False)
    train_causal(causal, rows[:8], rows[8:], options, folder)
    return causal


def test_merged_weights_compute_what_the_adapters_do(checkpoint: Path, tmp_path: Path) -> None:
    import torch

    causal = trained(checkpoint, tmp_path)
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        expected = causal.model.eval()(input_ids=ids).logits.numpy()
        save_causal(causal, tmp_path / "adapter", merge=False)
        save_causal(causal, tmp_path / "merged", merge=True)
        for name in ("merged", "adapter"):
            spec = causal_spec(str(tmp_path / name), tmp_path)
            found = load_language_model(spec, "cpu", tmp_path).model(input_ids=ids).logits.numpy()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5, err_msg=name)
        before = load_causal(causal.spec, str(checkpoint), "cpu").model(input_ids=ids).logits.numpy()
    assert np.abs(before - expected).max() > 1e-2
    with pytest.raises(UserError, match="which is an adapter"):
        causal_base(str(tmp_path / "adapter"), tmp_path, "fp32", "")


def test_adapters_of_quantised_weights_are_merged_into_whole_ones(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    lora = dataclasses.replace(OPTIONS.lora or LoraOptions(), bits=4)
    causal = trained(checkpoint, tmp_path, options=dataclasses.replace(OPTIONS, lora=lora), bits="4bit")
    place = "model.layers.1.self_attn.v_proj"
    layer = causal.model.base_model.model.get_submodule(place)
    assert "4bit" in type(layer.base_layer).__name__
    change = (2 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight).detach().numpy()  # alpha / rank is 2
    save_causal(causal, tmp_path / "merged", merge=True)
    before, after = (load_file(folder / "model.safetensors") for folder in (checkpoint, tmp_path / "merged"))
    assert before.keys() == after.keys()
    assert np.abs(change).max() > 1e-3
    np.testing.assert_allclose(after[f"{place}.weight"], before[f"{place}.weight"] + change, rtol=0, atol=1e-6)
    assert not (tmp_path / "merged" / "adapter").exists()


def test_a_training_that_was_stopped_goes_on_with_the_same_bits(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(checkpoint, tmp_path / "whole").model.state_dict()
    folder, calls = TrainingFolder(tmp_path / "stopped", {}), list[int]()

    def stopping(*args: Any) -> Any:
        calls.append(0)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return answer_losses(*args)

    with monkeypatch.context() as patch:
        patch.setattr(language_model, "answer_losses", stopping)
        with pytest.raises(KeyboardInterrupt):
            trained(checkpoint, tmp_path, folder)
    last = folder.last_checkpoint()
    assert last is not None
    assert last.name == "checkpoint-5"
    done: list[Trained] = []

    def train(*args: Any) -> Trained:
        done.append(loop.train(*args))
        return done[0]

    monkeypatch.setattr(language_model, "train", train)
    found = trained(checkpoint, tmp_path, folder).model.state_dict()
    assert (done[0].n_before, done[0].n_steps) == (5, 8)
    assert all((found[name] == expected[name]).all() for name in expected)


ROWS = [{"prompt": f"{a} {b}", "answer": f"{b} {a} {b}", "lang": b} for a in "abcde" for b in ("xx", "yy")]


def test_a_token_without_an_embedding_is_told_before_anything_is_trained(checkpoint: Path, tmp_path: Path) -> None:
    causal = load_causal(causal_base(str(checkpoint), tmp_path, "fp32", "").spec, str(checkpoint), "cpu")
    number = len(causal.tokenizer)
    assert causal.tokenizer.add_tokens(["zebra"]) == 1
    with pytest.raises(
        UserError, match=f"the number {number}, but the model has vectors of the numbers 0 to {number - 1}"
    ):
        encode_all(causal, PLAIN, [question("a zebra", "b")], None)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def command(rows: Path, checkpoint: Path, *more: str) -> list[str]:
    own = ["--objective", "language_model", "--dataset", str(rows), "--model_checkpoint", str(checkpoint)]
    return [*own, "--epochs", "2", "--batch_size", "4", "--learning_rate", "0.01", "--validation_share", "0.2", *more]


def test_a_training_makes_a_checkpoint_that_icl_takes(run: Run, rows: Path, checkpoint: Path, tmp_path: Path) -> None:
    done = run("finetune.py", *command(rows, checkpoint, "--output", "one"))
    assert done.returncode == 0, done.stderr
    assert "xx: loss of answers" in done.stdout
    out = tmp_path / "one"
    record = json.loads((out / "training.json").read_text())
    (first, second) = record["figures"]["rows"]
    assert first["loss after"] < first["loss before"]
    assert (first["rows held out"], second["rows held out"]) == (1, 1)
    assert record["run"]["data"]["rows"] == 8
    assert "| xx" in (out / "README.md").read_text()
    shown = run("icl.py", "--langs", "eng", "--k", "0", "--limit", "2", "--gen_model_checkpoint", str(out))
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--mix", "xx,yy=2", "--mix_total", "6"], "5 rows to train on, 1 held out (xx 4, yy 2), template"),
        (["--epochs", "0.6"], "8 rows to train on, 2 held out (xx 5, yy 5), template: none\nsteps: 3 (4 an epoch"),
        (["--mix", "xx=9"], "9 rows in xx are asked for, but the data have 5"),
        (["--langs", "xx"], "--langs with --dataset"),
        (["--decontaminate"], "--decontaminate without test texts"),
        (["--all_weights", "--lora_rank", "8"], "--lora_rank with --all_weights"),
        (["--all_weights", "--lora"], "--lora with --all_weights"),
        (["--all_weights", "--no_merge"], "--no_merge with --all_weights"),
        (["--eval", "bitext:nusax"], "bitext.py does not measure a language model"),
        (["--patience", "1", "--validation_share", "0"], "--patience with --validation_share 0"),
        (["--model_checkpoint", "gpt-4o"], "an API model has no weights here"),
        (["--model_checkpoint", "nowhere/at/all"], "--model_checkpoint nowhere/at/all: no such folder"),
    ],
)
def test_flags_of_the_rows(more: list[str], said: str, run: Run, rows: Path, checkpoint: Path) -> None:
    done = run("finetune.py", *command(rows, checkpoint, "--batch_size", "2", "--dry_run", *more))
    assert said in done.stdout + done.stderr
    assert done.returncode == (0 if "held out" in said else 2)


def test_rows_with_test_texts_are_left_out(run: Run, rows: Path, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "tests.tsv").write_text("text\tlabel\na XX!\tyy\nnew\tyy\nb yy\tyy\n", encoding="utf-8")
    own = command(rows, checkpoint, "--dry_run", "--test_texts", "tests.tsv", "--decontaminate")
    done = run("finetune.py", *own)
    assert (
        "2 of 10 training rows have one of 3 test texts in them (1 exactly, 1 nearly): they are left out" in done.stderr
    )
    assert "6 rows to train on, 2 held out (yy 4, xx 4)" in done.stdout


def test_texts_that_eval_tests_on_are_left_out(run: Run, rows: Path, checkpoint: Path, tmp_path: Path) -> None:
    from utils.data.classification import load_labeled
    from utils.data.registry import DATASETS
    from utils.data.sources import Sources

    tests = load_labeled(DATASETS["classification"]["sample"], "eng", "test", Sources(None, tmp_path)).texts
    with rows.open("a", encoding="utf-8") as out:
        out.write(json.dumps({"prompt": tests[0], "answer": "new", "lang": "xx"}) + "\n")
    own = command(rows, checkpoint, "--dry_run", "--decontaminate", "--eval", "icl.py --langs eng --k 0")
    done = run("finetune.py", *own)
    assert (
        f"1 of 11 training rows have one of {len(set(tests))} test texts in them (1 exactly, 0 nearly)" in done.stderr
    )
    assert "8 rows to train on, 2 held out (xx 5, yy 5)" in done.stdout
    assert "icl.py --langs eng --k 0" in done.stdout and "--gen_model_checkpoint FOLDER" in done.stdout
