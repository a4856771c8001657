"""The log-likelihoods of lm-eval's HFLM, for the measurements beside this file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from utils.generators.transformers_model import LanguageModel

HFLM_BATCH = 16  # texts per batch of lm-eval
Sums = list[list[float]]  # log-likelihood of each label, per text
Asked = Sequence[tuple[str, Sequence[str]]]  # prompts, and what is scored after each


def unmodified_model(checkpoint: str, device: str, dtype: str) -> Any:
    """Return the model as transformers loads it."""
    import torch
    import transformers

    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
    return transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=kind).eval().to(device)


def open_peer(model: LanguageModel, unmodified: Any) -> Callable[[Asked], Sums] | None:
    """Return the scoring of lm-eval with the unmodified transformers model, or None if lm-eval is not installed."""
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        return None
    import logging

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    peer = HFLM(
        pretrained=unmodified,
        tokenizer=model.tokenizer,
        backend="causal",
        batch_size=HFLM_BATCH,
        add_bos_token=bool(model.reader.specials),
    )

    def score(asked: Asked) -> Sums:
        pairs = [(prompt, label) for prompt, labels in asked for label in labels]
        requests = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)]
        sums = iter([float(total) for total, _ in peer.loglikelihood(requests, disable_tqdm=True)])
        return [[next(sums) for _ in labels] for _, labels in asked]

    return score
