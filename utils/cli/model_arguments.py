"""Argument groups for encoders, generators and APIs."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from utils.api.limits import ApiOptions
from utils.cli.types import dollars, natural, positive, seconds, temperature
from utils.encoders.registry import DEFAULT_ENCODER
from utils.generators.registry import DEFAULT_GENERATOR
from utils.schema import BACKENDS, DECODES, DTYPES, FUSES, GENERATOR_KINDS, LENGTH_NORMS, NORMALIZERS


def add_encoder_args(parser: argparse.ArgumentParser, *, fusion: bool = True) -> None:
    """Which vectors: one encoder or several, and how they are computed; with `fusion`, how rankings are joined."""
    group = parser.add_argument_group("encoder")
    group.add_argument(
        "--model_checkpoint",
        metavar="NAME|PATH",
        help=f"a hub id, a folder, or a name that --list shows (default: {DEFAULT_ENCODER})",
    )
    group.add_argument("--model_checkpoints", nargs="+", metavar="NAME|PATH", help="an ensemble of several")
    group.add_argument(
        "--weights",
        nargs="+",
        type=float,
        metavar="W",
        help="weight of each checkpoint of the ensemble (default: equal)",
    )
    if fusion:
        _add_fusion_args(group)
    else:
        parser.set_defaults(fuse="score", normalize="none", tune_weights=False)
    add_encoding_args(group)


def _add_fusion_args(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--fuse",
        choices=FUSES,
        default="score",
        help="ensemble: mean of similarities, of Euclidean distances or of reciprocal ranks (default: %(default)s)",
    )
    group.add_argument(
        "--normalize",
        choices=NORMALIZERS,
        default="none",
        help="ensemble: put each member's scores of a query on one scale (default: %(default)s)",
    )
    group.add_argument(
        "--tune_weights", action="store_true", help="ensemble: choose the weights on the validation split"
    )


def add_encoding_args(group: argparse._ArgumentGroup) -> None:
    """How texts become vectors."""
    group.add_argument(
        "--prompt",
        nargs="+",
        metavar="TEXT",
        help="put before every text: one for all, or one a checkpoint (default: the registry's, 'query: ' for the "
        "E5 family)",
    )
    group.add_argument(
        "--max_length", type=positive, metavar="N", help="tokens a text is cut at (default: the checkpoint's)"
    )
    group.add_argument(
        "--batch_size",
        type=positive,
        metavar="N",
        help="texts a batch (default: as many as 1,024 tokens, 32,768 on a GPU), or a request (OpenAI 256, Cohere 96)",
    )
    group.add_argument("--dtype", choices=DTYPES, help="precision of the encoder (default: fp32)")
    group.add_argument("--fp16", action="store_true", help="the same as --dtype fp16")
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        default="torch",
        help="what computes the encoder: torch, or on the CPU ONNX Runtime or OpenVINO (requirements-backends.txt)",
    )
    group.add_argument("--cuda", action="store_true", help="encode and search on the GPU")


def add_api_args(parser: argparse.ArgumentParser, *, generator: bool = False) -> None:
    """How APIs are asked: where, how fast, at what cost, and what is done when they fail."""
    group = parser.add_argument_group("API models (keys: OPENAI_API_KEY, CO_API_KEY, HF_TOKEN)")
    group.add_argument(
        "--base_url", metavar="URL", help="an OpenAI-compatible server that serves the encoder (or $OPENAI_BASE_URL)"
    )
    if generator:
        group.add_argument("--gen_base_url", metavar="URL", help="the same for the generator")
    group.add_argument("--input_type", metavar="TYPE", help="what a text is for (default: search_query for Cohere)")
    group.add_argument("--dimensions", type=positive, metavar="D", help="of the vectors, where the model lets choose")
    usual = ApiOptions()
    numbers: tuple[tuple[str, Callable[[str], float], str, str], ...] = (
        ("concurrency", positive, "N", "requests at once (default: %(default)s)"),
        ("requests_per_minute", positive, "N", "at most so many requests a minute"),
        ("tokens_per_minute", positive, "N", "at most so many tokens sent a minute"),
        ("max_cost", dollars, "USD", "stop before the request that could pass it"),
        ("max_retries", natural, "N", "of a failed request (default: %(default)s)"),
        ("timeout", seconds, "S", "seconds that a request may take (default: %(default)g)"),
        ("poll_seconds", seconds, "S", "seconds between looks at a batch (default: %(default)g)"),
    )
    for name, kind, metavar, meaning in numbers:
        group.add_argument(f"--{name}", type=kind, default=getattr(usual, name), metavar=metavar, help=meaning)
    group.add_argument("--strict", action="store_true", help="an item that can never succeed ends the run")
    group.add_argument("--batch_api", action="store_true", help="by OpenAI's batch files: half the price, up to a day")


def add_generator_args(parser: argparse.ArgumentParser) -> None:
    """Which language model answers, and how its answer becomes a label."""
    group = parser.add_argument_group("generator")
    group.add_argument(
        "--gen_model_checkpoint",
        metavar="NAME|PATH",
        default=DEFAULT_GENERATOR,
        help="a hub id, a folder, a .gguf file, or a name that --list shows (default: %(default)s)",
    )
    group.add_argument(
        "--gen_loader", choices=GENERATOR_KINDS, help="what an unlisted one is (default: read off its files)"
    )
    group.add_argument("--gen_dtype", choices=DTYPES, help="its precision (default: fp32 on the CPU, bf16 on the GPU)")
    group.add_argument("--load_in_8bit", action="store_true", help="quantise its weights (bitsandbytes)")
    group.add_argument("--load_in_4bit", action="store_true", help="the same in 4 bits (nf4)")
    group.add_argument(
        "--instruction", metavar="TEXT", help=r"the prompt's first line; \n is a newline (default: the dataset's)"
    )
    group.add_argument(
        "--decode",
        choices=DECODES,
        help="score the labels, generate text and parse it, or generate within the labels "
        "(default: score for base models, generate for others)",
    )
    group.add_argument(
        "--length_norm", choices=LENGTH_NORMS, default="token", help="of a label's score (default: %(default)s)"
    )
    group.add_argument(
        "--calibrate", action="store_true", help="divide by the scores of content-free inputs (Zhao et al. 2021)"
    )
    group.add_argument(
        "--max_new_tokens", type=positive, default=32, metavar="N", help="of a generated answer (default: %(default)s)"
    )
    group.add_argument(
        "--temperature", type=temperature, default=0.0, metavar="T", help="0: greedy (default: %(default)s)"
    )
