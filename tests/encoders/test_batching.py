"""Batches by tokens, computed side by side; linear layers by oneDNN; vectors as sentence-transformers has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import TEXTS, load, many_texts

from utils import numerics
from utils.encoders import batching
from utils.encoders.batching import Ints, batches
from utils.errors import UserError
from utils.numerics import accelerate_linear_layers, products
from utils.parallel import Worker, cpu_workers, map_parts


def as_lists(parts: list[Ints]) -> list[list[int]]:
    return [part.tolist() for part in parts]


def test_batches_by_hand() -> None:
    lengths = np.array([3, 9, 1, 4, 3])
    assert as_lists(batches(lengths, 10, None)) == [[1], [3, 0], [4, 2]]
    assert as_lists(batches(lengths, 4, None)) == [[1], [3], [0], [4], [2]]  # too long a text is a batch alone
    assert as_lists(batches(lengths, None, 2)) == [[1, 3], [0, 4], [2]]
    assert as_lists(batches(lengths, 9, 2)) == [[1], [3, 0], [4, 2]]
    assert as_lists(batches(np.array([0, 0]), 10, None)) == [[0, 1]]
    assert batches(np.array([], dtype=int), 10, None) == []


def test_lanes_keep_the_order_halve_for_memory_and_give_the_threads_back(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    before = torch.get_num_threads()
    used: list[int] = []

    def work(worker: Worker, part: Ints) -> torch.Tensor:
        used.append(torch.get_num_threads())
        if len(part) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.tensor(part * 10.0)

    parts = [np.arange(5), np.arange(5, 7)]
    found = list(map_parts([Worker(None, "cpu", 1)] * 2, work, parts, "texts"))
    assert as_lists([part for part, _ in found]) == [[0, 1], [2], [3, 4], [5, 6]]
    assert all((rows.numpy() == part * 10).all() for part, rows in found)
    assert set(used) == {1} and torch.get_num_threads() == before
    assert "a batch of 5 texts is split in halves" in capsys.readouterr().err

    def hopeless(worker: Worker, part: Ints) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        list(map_parts([Worker(None, "cpu", 1)], hopeless, parts, "texts"))
    with pytest.raises(torch.OutOfMemoryError):  # parts without a name are not halved
        list(map_parts([Worker(None, "cpu", 1)], work, parts))
    assert torch.get_num_threads() == before


def test_lanes_are_cores_not_more_than_sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for cores, workers, threads in ((1, 1, 1), (2, 2, 1), (16, 16, 1), (64, 16, 4)):
        monkeypatch.setattr(torch, "get_num_threads", lambda cores=cores: cores)
        found = cpu_workers("model")
        assert (len(found), found[0].threads, found[0].model) == (workers, threads, "model")


@pytest.mark.parametrize("tokens", [1, 40, 1024])
@pytest.mark.parametrize("prompt", [None, "query: "])
def test_vectors_are_those_of_sentence_transformers(
    tokens: int, prompt: str | None, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformer

    monkeypatch.setitem(batching.TOKENS, "cpu", tokens)
    texts = [*many_texts(), ""]
    expected = SentenceTransformer(str(checkpoint), device="cpu").encode(texts, prompt=prompt)
    found = load(checkpoint, tmp_path, prompt=prompt).encode(texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.dtype == np.float32


def test_batch_size_counts_texts(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    encoder = load(checkpoint, tmp_path, batch_size=7)
    embeddings = encoder._embeddings

    def spy(features: dict[str, object], worker: Worker | None = None) -> object:
        sizes.append(len(features["input_ids"]))  # type: ignore[arg-type]
        return embeddings(features, worker)

    monkeypatch.setattr(encoder, "_embeddings", spy)
    encoder.encode(many_texts()[:20])
    assert sorted(sizes) == [6, 7, 7]


def test_the_same_bits_whatever_the_number_of_threads(checkpoint: Path, tmp_path: Path) -> None:
    import torch

    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(load(checkpoint, tmp_path).encode(many_texts()))
    finally:
        torch.set_num_threads(before)
    assert all((rows == found[0]).all() for rows in found)


def test_bfloat16_is_pooled_in_float32(checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModel.from_pretrained(checkpoint, dtype=torch.bfloat16).eval()
    batch = tokenizer(TEXTS[2], return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    assert hidden.dtype == torch.bfloat16
    found = load(checkpoint, tmp_path, dtype="bf16").encode([TEXTS[2]])
    np.testing.assert_allclose(found[0], hidden[0].float().mean(0).numpy(), atol=1e-6)
    exact = load(checkpoint, tmp_path).encode([TEXTS[2]])
    assert 0 < np.abs(found - exact).max() < 0.05


def test_a_text_that_no_memory_holds_is_a_users_error(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    encoder = load(checkpoint, tmp_path)

    def full(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(encoder, "_embeddings", full)
    with pytest.raises(UserError) as caught:
        encoder.encode(TEXTS)
    assert "runs out of device memory on one text" in caught.value.what


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this build of torch has no oneDNN")
    monkeypatch.setattr(numerics, "prefers_onednn", lambda: True)


def test_quickened_layers_give_the_same_within_rounding(onednn: None) -> None:
    import torch

    torch.manual_seed(0)
    shared = torch.nn.Linear(16, 16)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16, bias=False), shared, torch.nn.ReLU(), shared)
    rows = torch.randn(3, 5, 8).transpose(0, 1)  # not contiguous
    expected = model(rows).detach()
    assert accelerate_linear_layers(model, lambda: model(rows[:1]))
    assert ["forward" in vars(layer) for layer in model] == [True, True, False, True]
    np.testing.assert_allclose(model(rows).detach(), expected, atol=1e-6)
    assert model(rows[:0]).shape == (0, 3, 16)


def test_a_model_that_disagrees_or_fails_is_put_back(onednn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    torch.manual_seed(0)
    rows = torch.randn(3, 4)
    for fault in (
        lambda *_: torch.zeros(3, 4),
        lambda *_: torch.zeros(3, 5),
        lambda *_: torch.zeros(2) + torch.ones(3),
    ):
        model = torch.nn.Sequential(torch.nn.Linear(4, 4))
        expected = model(rows).detach()
        with monkeypatch.context() as faulty:
            faulty.setattr(numerics, "_onednn", fault)
            assert not accelerate_linear_layers(model, lambda model=model: model(rows))
        assert "forward" not in vars(model[0]) and model(rows).detach().equal(expected)


def test_a_model_that_fails_without_onednn_too_is_left_to_fail_where_it_is_used(onednn: None) -> None:
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(4, 4))
    for fails in (lambda: model(torch.ones(1, 3)), lambda: model(torch.ones(1, 4))[:, "x"], lambda: {}["x"]):
        assert not accelerate_linear_layers(model, fails) and "forward" not in vars(model[0])


def test_other_processors_and_precisions_are_left_alone(monkeypatch: pytest.MonkeyPatch, onednn: None) -> None:
    import torch

    half = torch.nn.Sequential(torch.nn.Linear(4, 4)).bfloat16()
    assert not accelerate_linear_layers(half, lambda: half(torch.ones(1, 4).bfloat16()))
    assert "forward" not in vars(half[0])
    monkeypatch.setattr(numerics, "prefers_onednn", lambda: False)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4))
    assert not accelerate_linear_layers(model, lambda: model(torch.ones(1, 4))) and "forward" not in vars(model[0])


def test_products_of_rows(onednn: None) -> None:
    import torch

    torch.manual_seed(0)
    q, c = torch.randn(7, 12), torch.randn(30, 12)
    np.testing.assert_allclose(products(q, c), (q.double() @ c.double().T).float(), atol=1e-5)
    np.testing.assert_array_equal(products(q.double(), c.double()), q.double() @ c.double().T)
    assert products(q[:0], c).shape == (0, 30)
