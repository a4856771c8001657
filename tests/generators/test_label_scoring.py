"""Label scores: the trie behind a shared prompt against one full forward pass per label, for every family."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from tiny_models import SEQ2SEQ, WIDE, WINDOW, make_model, sample_texts, train_tokenizer

from utils.answers import LabelScores, ScoreSettings
from utils.errors import UserError
from utils.generators.batches import BatchLimits
from utils.generators.causal_scoring import CausalScorer
from utils.generators.label_scoring import Seq2SeqScorer, score_labels, score_one_by_one
from utils.generators.tokenization import leading_specials, tokenize_apart, tokenize_jointly
from utils.generators.transformers_model import LanguageModel
from utils.generators.tree_attention import Context
from utils.generators.tree_support import attention_windows
from utils.generators.tries import Tokenized, build_trie, n_common, n_inner_nodes, split_trie, tries_of
from utils.loaders import TRANSFORMERS
from utils.schema import GeneratorSpec

TREES = ("llama", "mistral", "qwen2", "gemma2", "gemma3", "cohere", "bloom", "xglm", "gpt2", "t5", "mt5", "umt5")
LABELS = (
    *("negative", "neutral", "positive"),
    *("alarm set", "alarm remove", "alarm", "play music", "play radio", "é"),
)


def prompts(n: int = 7) -> list[str]:
    """Prompts of 20 to 200 tokens with a common beginning, most of them far beyond the sliding window."""
    rng, texts = random.Random(1), sample_texts()
    return [
        "Instruction:Generate a label.\n"
        + "".join(f"Input:{rng.choice(texts)} Prediction:neutral\n" for _ in range(place % 3))
        + f"Input:{rng.choice(texts)[: 20 + 9 * place]} Prediction:"
        for place in range(n)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def load(folder: Path, family: str, **kwargs: Any) -> LanguageModel:
    path = folder / f"{family} {sorted(kwargs.items())}"
    if not path.is_dir():
        make_model(path, family, **kwargs)
    kind = "seq2seq" if family in SEQ2SEQ else "chat" if kwargs.get("chat") else "base"
    return LanguageModel(GeneratorSpec(str(path), TRANSFORMERS, kind, label="local/tiny"), str(path), "cpu")


def _counting(n_read: list[int]) -> Any:
    """Return Context.extend, which also notes how many tokens it reads for each row."""
    original = Context.extend

    def extend(self: Context, ids: Any, *rest: Any) -> Any:
        n_read.append(ids.shape[1])
        return original(self, ids, *rest)

    return extend


def largest_difference(model: LanguageModel, texts: list[Tokenized], found: dict[int, Any]) -> float:
    plain = [score_one_by_one(model.model, text) for text in texts]
    pairs = [
        (a, b)
        for index, of_text in enumerate(plain)
        for expected, values in zip(of_text, found[index], strict=True)
        for a, b in zip(expected, values, strict=True)
    ]
    assert len(pairs) >= len(texts) * len(LABELS)
    return max(abs(a - b) for a, b in pairs)


@pytest.mark.parametrize("family", TREES)
def test_a_trie_scores_as_one_forward_pass_a_label(folder: Path, family: str) -> None:
    model = load(folder, family)
    texts = model.reader.with_labels(prompts(), LABELS, ScoreSettings())
    assert max(len(text.prompt) for text in texts) > 3 * WINDOW
    scorer = Seq2SeqScorer if model.is_seq2seq else CausalScorer
    for budget in (BatchLimits(4096, 4096), BatchLimits(300, 5)):  # all at once, and many batches of split tries
        found = dict(score_labels(scorer(model.model, budget), texts, budget))
        assert sorted(found) == list(range(len(texts)))
        assert largest_difference(model, texts, found) < 1e-5
    assert model.trees.covers(texts)


@pytest.mark.parametrize("family", ["gemma3", "bloom", "mt5"])
def test_labels_of_each_prompt_of_its_own_are_scored_as_one_forward_pass_a_label(folder: Path, family: str) -> None:
    model, asked = load(folder, family), prompts(5)
    of_each = [LABELS[:2], LABELS[4:], LABELS[2:5], ("a longer option with many more words", "ein anderer"), LABELS[:2]]
    found = dict(model.score_each(asked, of_each, ScoreSettings()))
    texts = model.reader.with_own_labels(asked, of_each, ScoreSettings())
    assert [len(text.labels) for text in texts] == [len(labels) for labels in of_each]
    for index, text in enumerate(texts):
        plain = score_one_by_one(model.model, text)
        for expected, values in zip(plain, found[index].logprobs, strict=True):
            assert values == pytest.approx(expected, abs=1e-5)
    alike = dict(model.score([asked[0], asked[4]], of_each[0], ScoreSettings()))
    assert alike[1].logprobs[0] == pytest.approx(found[4].logprobs[0], abs=1e-5)


@pytest.mark.parametrize("family", ["llama", "gemma3", "bloom", "gpt2"])
def test_what_all_prompts_begin_with_is_computed_once(folder: Path, family: str) -> None:
    model = load(folder, family)
    texts = model.reader.with_labels(
        ["Instruction:" + "alarm set\n" * 9 + each for each in prompts()], LABELS, ScoreSettings()
    )
    for budget in (BatchLimits(4096, 4096), BatchLimits(300, 40), BatchLimits(300, 5)):
        scorer, n_read = CausalScorer(model.model, budget), list[int]()
        with mock.patch.object(Context, "extend", _counting(n_read)):
            found = dict(score_labels(scorer, texts, budget))
        assert largest_difference(model, texts, found) < 1e-5
        common = n_common([text.prompt[:-1] for text in texts])
        longest = max(len(text.prompt) for text in texts) - common + n_inner_nodes(texts[0].labels)
        assert common > 40 and n_read[0] == common and max(n_read[1:]) <= longest
    (size,) = {size.logit_rows for size in scorer.prepare(texts)}
    assert size == 1 + n_inner_nodes(texts[0].labels)


def test_only_the_states_that_predict_a_token_of_a_label_meet_the_vocabulary(folder: Path) -> None:
    model = load(folder, "gemma3")
    asked, of_each = prompts(4), [("a", "b"), ("alarm set", "alarm remove"), ("x y z", "x"), ("music", "play music")]
    texts = model.reader.with_own_labels(asked, of_each, ScoreSettings())
    n_rows: list[int] = []
    head = model.model.get_output_embeddings()
    handle = head.register_forward_hook(lambda _module, _arguments, logits: n_rows.append(logits.shape[:-1].numel()))
    model.limits.tokens = 4096
    found = dict(score_labels(CausalScorer(model.model, model.limits), texts, model.limits))
    handle.remove()
    assert n_rows == [
        0,
        sum(len({node for path in build_trie(t.labels, t.n_unscored).paths for node, _ in path}) for t in texts),
    ]
    for index, text in enumerate(texts):
        for expected, values in zip(score_one_by_one(model.model, text), found[index], strict=True):
            assert values == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("family", ["mpt", "bart", "gpt_neo"])
def test_a_family_that_takes_no_trie_is_noticed_and_scored_plainly(folder: Path, family: str, capsys: Any) -> None:
    model = load(folder, family)
    found = dict(model.score(prompts(2), LABELS, ScoreSettings()))
    texts = model.reader.with_labels(prompts(2), LABELS, ScoreSettings())
    assert largest_difference(model, texts, {index: scores.logprobs for index, scores in found.items()}) < 1e-5
    assert "forward pass per label" in capsys.readouterr().err


def test_a_wrong_tree_would_be_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    model = load(folder, "bloom")
    model.model.config.model_type = "not bloom"  # its bias no longer follows the tree's positions
    dict(model.score(prompts(2), LABELS, ScoreSettings()))
    assert "cannot score these labels as a tree" in capsys.readouterr().err


def test_a_window_that_counts_places_in_the_cache_is_scored_as_a_tree_within_it_alone(folder: Path) -> None:
    model = load(folder, "gpt_neo")
    few = model.reader.with_labels(["a"], ["x y", "x z"], ScoreSettings())
    many = model.reader.with_labels(prompts(3)[2:], ["x y", "x z"], ScoreSettings())
    assert sum(map(len, (few[0].prompt, *few[0].labels))) <= WIDE < len(many[0].prompt)
    assert attention_windows(model.config) == {"window_size": WIDE}
    assert model.trees.covers(few) and not model.trees.covers(many)


def test_a_wrong_window_is_noticed_by_a_probe_that_is_longer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folder, "gemma2")
    few = model.reader.with_labels(["a"], ["x y", "x z"], ScoreSettings())
    many = model.reader.with_labels(prompts(3)[2:], ["x y", "x z"], ScoreSettings())
    assert model.trees.covers(few) and model.trees.covers(many)
    monkeypatch.setattr(Context, "_masks", lambda self, visible, positions, keys: self._additive(visible))
    model = load(folder, "gemma2")
    assert model.trees.covers(few) and not model.trees.covers(many)


def test_windows_are_read_from_the_configuration() -> None:
    from transformers import BloomConfig, Gemma3TextConfig, Llama4TextConfig, Qwen2Config, RecurrentGemmaConfig

    assert attention_windows(BloomConfig()) == attention_windows(Qwen2Config()) == {}
    assert attention_windows(Gemma3TextConfig(sliding_window=512, sliding_window_pattern=6)) == {"sliding_window": 512}
    assert attention_windows(Llama4TextConfig(attention_chunk_size=64)) == {"attention_chunk_size": 64}
    assert attention_windows(RecurrentGemmaConfig()) == {"attention_window_size": 2048}


def test_chat_prompts_and_ended_labels(folder: Path) -> None:
    model = load(folder, "llama", chat=True)
    text = model.reader.render("Hello")
    assert text == "<bos><|user|>\nHello<eos>\n<|assistant|>\n"
    (ids,) = model.reader.prompt_ids(["Hello"])
    assert ids.count(1) == 1 and ids[0] == 1  # one BOS, the template's
    (plain,) = model.reader.with_labels(["Hello"], ["neutral"], ScoreSettings())
    (ended,) = model.reader.with_labels(["Hello"], ["neutral"], ScoreSettings(terminated=True))
    assert (*plain.prompt, *plain.labels[0], 2) == (*ended.prompt, *ended.labels[0])


def test_bos_where_the_tokenizer_has_one() -> None:
    assert leading_specials(train_tokenizer(bos=True)) == [1]
    assert leading_specials(train_tokenizer(bos=False)) == []
    assert leading_specials(train_tokenizer(bos=True, eos_after=True)) == [1]


def test_the_boundary_is_found_in_the_joined_text() -> None:
    tokenizer = train_tokenizer(bos=True)
    labels = ["negative", "neutral", "\nx"]
    for text in tokenize_jointly(tokenizer, prompts(), labels, [1]):
        for label, ids, start in zip(labels, text.labels, text.n_unscored, strict=True):
            scored = tokenizer.decode(ids[start:])
            assert scored.endswith(label)
            before = tokenizer.decode([*text.prompt, *ids[:start]])
            assert (before + scored).startswith("<bos>Instruction:")
    (joint,) = tokenize_jointly(tokenizer, ["Input:a Prediction:"], ["negative"], [])
    (apart,) = tokenize_apart(tokenizer, ["Input:a Prediction:"], ["negative"])
    whole = tokenizer("Input:a Prediction:negative", add_special_tokens=False)["input_ids"]
    assert [*joint.prompt, *joint.labels[0]] == whole  # one token of the tokenizer's training covers both sides
    assert [*apart.prompt, *apart.labels[0]] != whole
    assert joint.n_unscored == (0,) and ":" in tokenizer.decode(joint.labels[0])


def test_legacy_cuts_prompt_and_label_apart_without_bos(folder: Path) -> None:
    model = load(folder, "llama")
    texts = model.reader.with_labels(prompts(2), LABELS, ScoreSettings(legacy=True))
    tokenizer = model.tokenizer
    assert texts[0].prompt == tuple(tokenizer(prompts(2)[0], add_special_tokens=False)["input_ids"])
    assert texts[0].labels[1] == tuple(tokenizer("neutral", add_special_tokens=False)["input_ids"])
    found = {index: scores.logprobs for index, scores in model.score(prompts(2), LABELS, ScoreSettings(legacy=True))}
    assert largest_difference(model, texts, found) < 1e-5


def test_a_trie_by_hand() -> None:
    trie = build_trie([(5, 6), (5, 7, 8), (9,), (5,)], [0, 0, 0, 0])
    assert trie.tokens.tolist() == [5, 7] and trie.parents.tolist() == [0, 1] and trie.depths.tolist() == [1, 2]
    assert trie.paths == (((0, 5), (1, 6)), ((0, 5), (1, 7), (2, 8)), ((0, 9),), ((0, 5),))
    assert trie.ancestors.tolist() == [[True, False], [True, True]]
    unscored = build_trie([(5, 6), (7, 8)], [1, 1])
    assert unscored.paths == (((1, 6),), ((2, 8),))


def test_texts_with_the_same_tokens_of_labels_share_a_trie() -> None:
    texts = [Tokenized((1,), ((5, 6), (7,)), (0, 0)), Tokenized((2,), ((5, 6), (7,)), (0, 0))]
    texts += [Tokenized((2,), ((5, 6), (7,)), (1, 0)), Tokenized((2,), ((8, 6), (7,)), (0, 0))]
    first, second, unscored, other = tries_of(texts, [[0, 1]] * 4)
    assert first is second and unscored is not first and other.tokens.tolist() == [8]
    assert unscored.paths == (((1, 6),), ((0, 7),)) and first.paths == (((0, 5), (1, 6)), ((0, 7),))
    assert [n_inner_nodes(text.labels) for text in texts] == [1, 1, 1, 1]


def test_tries_are_split_by_their_inner_nodes() -> None:
    labels = tuple((first, second, 0) for first in range(4) for second in range(2))
    groups = split_trie(Tokenized((1,), labels, (0,) * 8), 3)
    assert sorted(index for group in groups for index in group) == list(range(8)) and len(groups) == 4
    for group in groups:
        assert len(build_trie([labels[index] for index in group], [0] * len(group)).tokens) <= 3
    assert split_trie(Tokenized((1,), labels[:1], (0,)), 1) == [[0]]


def test_common_beginnings() -> None:
    assert n_common([(1, 2, 3), (1, 2), (1, 2, 9)]) == 2
    assert n_common([(1,), (2,)]) == 0 and n_common([(4, 5)]) == 2


def test_too_long_a_prompt_is_refused_before_anything_is_computed(folder: Path) -> None:
    model = load(folder, "llama")
    with pytest.raises(UserError, match=r"tokens, but local/tiny takes 256"):
        list(model.score(["Input:" + "word " * 400], LABELS, ScoreSettings()))


def test_scores_come_with_their_tokens(folder: Path) -> None:
    model = load(folder, "gemma3")
    ((_, scores),) = model.score(prompts(1), LABELS, ScoreSettings())
    assert isinstance(scores, LabelScores)
    for label, tokens, values in zip(LABELS, scores.tokens, scores.logprobs, strict=True):
        assert len(tokens) == len(values) and model.tokenizer.decode(tokens).endswith(label)


@pytest.mark.gpu
@pytest.mark.parametrize("family", TREES)
def test_on_a_gpu_as_on_the_cpu(folder: Path, family: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = load(folder, family)
    here = {index: scores.logprobs for index, scores in model.score(prompts(), LABELS, ScoreSettings())}
    there = LanguageModel(model.spec, model.spec.checkpoint, "cuda")
    for tokens in (32_768, 300):  # all prompts at once, and many batches
        there.limits.tokens = tokens
        for index, scores in there.score(prompts(), LABELS, ScoreSettings()):
            for a, b in zip(scores.logprobs, here[index], strict=True):
                assert a == pytest.approx(b, rel=0, abs=1e-4)
    texts = there.reader.with_labels(prompts(), LABELS, ScoreSettings())
    assert there.trees.covers(texts) == model.trees.covers(texts)  # older transformers cannot place a trie in umt5


@pytest.mark.gpu
def test_batches_are_halved_on_a_gpu_without_memory(folder: Path, capsys: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = load(folder, "llama")
    many = prompts() * 200
    here = dict(model.score(prompts(), LABELS, ScoreSettings()))
    there = LanguageModel(model.spec, model.spec.checkpoint, "cuda")
    dict(there.score(prompts(), LABELS, ScoreSettings()))  # what is allocated once
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    try:
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (32 << 20)) / total)
        found = dict(there.score(many, LABELS, ScoreSettings()))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "split in halves" in capsys.readouterr().err
    assert len(found) == len(many)
    for index, scores in found.items():
        for a, b in zip(scores.logprobs, here[index % len(prompts())].logprobs, strict=True):
            assert a == pytest.approx(b, rel=0, abs=1e-4)
