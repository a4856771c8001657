"""Argument groups for encoders, generators and APIs."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from utils.api.limits import ApiOptions
from utils.cli.types import dollars, name_or_path, natural, positive, prompt, seconds, temperature
from utils.constants import (
    ATTENTIONS,
    BACKENDS,
    DECODES,
    DEFAULT_ENCODER,
    DEFAULT_GENERATOR,
    DTYPES,
    FUSES,
    GENERATOR_BACKENDS,
    GENERATOR_KINDS,
    LENGTH_NORMS,
    LONG_ANSWER,
    MAX_NEW_TOKENS,
    NORMALIZERS,
    POOLINGS,
    PRECISIONS,
    QUANTIZATIONS,
)


def add_encoder_args(
    parser: argparse.ArgumentParser, *, fusion: bool = True, tuning: bool = True, sides: bool = False
) -> None:
    """Add the flags that choose one encoder or several.

    fusion: also those that combine the rankings of several. tuning: also --tune_weights. sides: also the prompts of
    queries and of passages.
    """
    group = parser.add_argument_group("encoder")
    group.add_argument(
        "--model_checkpoint",
        type=name_or_path,
        metavar="NAME|PATH",
        help=f"a hub id, a folder, or a name that --list shows (default: {DEFAULT_ENCODER})",
    )
    group.add_argument(
        "--model_checkpoints",
        type=name_or_path,
        nargs="+",
        metavar="NAME|PATH",
        help="several encoders, combined as an ensemble",
    )
    group.add_argument(
        "--weights",
        nargs="+",
        type=float,
        metavar="W",
        help="weight of each checkpoint of the ensemble (default: equal)",
    )
    parser.set_defaults(fuse="score", normalize="none", tune_weights=False)
    if fusion:
        _add_fusion_args(group)
    if fusion and tuning:
        tuned = "ensemble: choose the weights on the validation split"
        group.add_argument("--tune_weights", action="store_true", help=tuned)
    if sides:
        _add_side_args(group)
    add_encoding_args(group)


def _add_side_args(group: argparse._ArgumentGroup) -> None:
    for side, usual in {"query": "query: ", "passage": "passage: "}.items():
        group.add_argument(
            f"--{side}_prompt",
            type=prompt,
            nargs="+",
            metavar="TEXT",
            help=f"text put before every {side} instead of --prompt: one for all encoders or one each, '' for none "
            f"(default: the registered one, such as {usual!r} for E5, or that of the checkpoint's own configuration)",
        )


def _add_fusion_args(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--fuse",
        choices=FUSES,
        default="score",
        help="ensemble: combine similarities, Euclidean distances or reciprocal ranks (default: %(default)s)",
    )
    group.add_argument(
        "--normalize",
        choices=NORMALIZERS,
        default="none",
        help="ensemble: put each member's scores of a query on one scale (default: %(default)s)",
    )


def add_encoding_args(group: argparse._ArgumentGroup) -> None:
    """Add the flags that decide how texts are encoded."""
    group.add_argument(
        "--prompt",
        type=prompt,
        nargs="+",
        metavar="TEXT",
        help=r"text put before every input, \n is a newline: one for all encoders or one each, '' for none "
        "(default: the registered one, such as 'query: ' for E5, or that of the checkpoint's own configuration)",
    )
    group.add_argument(
        "--max_length",
        type=positive,
        metavar="N",
        help="truncate texts at N tokens (default: the limit of the checkpoint)",
    )
    group.add_argument(
        "--batch_size",
        type=positive,
        metavar="N",
        help="texts per batch (default: up to 1,024 tokens, 65,536 on a GPU) or per request (OpenAI 256, Cohere 96)",
    )
    group.add_argument(
        "--dtype",
        choices=(*DTYPES, *QUANTIZATIONS),
        help="precision of the encoder; 8bit and 4bit quantise its weights (bitsandbytes; default: fp32)",
    )
    _add_vector_args(group)
    group.add_argument("--fp16", action="store_true", help="the same as --dtype fp16")
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        default="torch",
        help="runtime of the encoder; onnx and openvino need requirements-backends.txt (default: %(default)s)",
    )
    group.add_argument("--cuda", action="store_true", help="encode and search on the GPU")
    add_trust_arg(group)


def _add_vector_args(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--pooling",
        choices=POOLINGS,
        help="vector of a text from those of its tokens (default: as the checkpoint's configuration says; last for a "
        "plain language model)",
    )
    group.add_argument(
        "--layer",
        type=int,
        nargs="+",
        metavar="N",
        help="layer whose token vectors are pooled, 0 for the embeddings, -1 for the last: one for all encoders or one "
        "each (default: what the model puts out; layers.py measures them)",
    )
    group.add_argument(
        "--attention",
        choices=ATTENTIONS,
        help="language model: whether a token attends to those behind it (default: as the checkpoint has it)",
    )
    group.add_argument(
        "--dimensions",
        type=positive,
        metavar="D",
        help="only the first D dimensions of the vectors (Matryoshka); a model of an API is asked for so many",
    )
    group.add_argument(
        "--embedding_precision",
        choices=PRECISIONS,
        default="float32",
        help="quantise the vectors of both sides before they are compared (default: %(default)s)",
    )


def add_trust_arg(group: argparse._ActionsContainer) -> None:
    """Add the flag that alone decides whether code of a checkpoint runs."""
    group.add_argument(
        "--trust_remote_code",
        action="store_true",
        help="run the Python code that a checkpoint of an encoder or a generator brings (default: never)",
    )


def add_api_args(parser: argparse.ArgumentParser, *, encoder: bool = True, generator: bool = False) -> None:
    """Add the flags for APIs: the addresses, rate limits, costs, and what to do when an API fails."""
    group = parser.add_argument_group("API models (keys: OPENAI_API_KEY, CO_API_KEY, HF_TOKEN)")
    if encoder:
        group.add_argument(
            "--base_url",
            metavar="URL",
            help="address of an OpenAI-compatible server for the encoder (default: $OPENAI_BASE_URL)",
        )
    if generator:
        group.add_argument(
            "--gen_base_url", metavar="URL", help="address of an OpenAI-compatible server for the generator"
        )
    if encoder:
        group.add_argument(
            "--input_type",
            metavar="TYPE",
            help="Cohere's input type of the texts (default: search_query; passages: search_document)",
        )
    usual = ApiOptions()
    numbers: tuple[tuple[str, Callable[[str], float], str, str], ...] = (
        ("concurrency", positive, "N", "concurrent requests (default: %(default)s)"),
        ("requests_per_minute", positive, "N", "upper limit of requests per minute"),
        ("tokens_per_minute", positive, "N", "upper limit of input tokens per minute"),
        ("max_cost", dollars, "USD", "stop before a request that could exceed this cost"),
        ("max_retries", natural, "N", "retries of a failed request (default: %(default)s)"),
        ("timeout", seconds, "S", "time limit of a request in seconds (default: %(default)g)"),
        ("poll_seconds", seconds, "S", "seconds between two checks of a pending batch (default: %(default)g)"),
    )
    for name, kind, metavar, meaning in numbers:
        group.add_argument(f"--{name}", type=kind, default=getattr(usual, name), metavar=metavar, help=meaning)
    group.add_argument(
        "--strict",
        action="store_true",
        help="stop at an item that the API rejects for good, and at a row of your own data without a text, instead "
        "of counting it",
    )
    group.add_argument(
        "--batch_api", action="store_true", help="use OpenAI's batch API: half the price, results within a day"
    )


def add_generator_args(parser: argparse.ArgumentParser, *, decoding: bool = True) -> argparse._ArgumentGroup:
    """Add the flags that choose the language model and how its output becomes a label."""
    group = parser.add_argument_group("generator")
    group.add_argument(
        "--gen_model_checkpoint",
        type=name_or_path,
        metavar="NAME|PATH",
        default=DEFAULT_GENERATOR,
        help="a hub id, a folder, a .gguf file, or a name that --list shows (default: %(default)s)",
    )
    group.add_argument(
        "--gen_loader",
        choices=GENERATOR_KINDS,
        help="kind of a checkpoint that is not listed (default: detected from its files)",
    )
    group.add_argument(
        "--gen_dtype", choices=DTYPES, help="precision of the generator (default: fp32 on the CPU, bf16 on the GPU)"
    )
    group.add_argument(
        "--gen_backend",
        choices=GENERATOR_BACKENDS,
        help="what runs a local generator; vllm needs its package, most builds a GPU (default: transformers)",
    )
    group.add_argument("--load_in_8bit", action="store_true", help="quantise the generator to 8 bits (bitsandbytes)")
    group.add_argument(
        "--load_in_4bit", action="store_true", help="quantise the generator to 4 bits (bitsandbytes, nf4)"
    )
    if decoding:
        _add_decoding_args(group)
    return group


def _add_decoding_args(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--instruction",
        type=prompt,
        nargs="+",
        metavar="TEXT",
        help=r"first line of the prompt, one or several; \n is a newline (default: the instruction of the data set)",
    )
    group.add_argument(
        "--decode",
        choices=DECODES,
        help="score the labels, generate text and parse it, or generate text constrained to the labels "
        "(default: score for base models, generate for others)",
    )
    group.add_argument(
        "--length_norm",
        choices=LENGTH_NORMS,
        help="length normalisation of a label's log-likelihood (default: token; with --pmi sum, as published)",
    )
    group.add_argument("--calibrate", action="store_true", help="calibrate with content-free inputs (Zhao et al. 2021)")
    group.add_argument(
        "--max_new_tokens",
        type=positive,
        metavar="N",
        help=f"upper limit of generated tokens (default: {MAX_NEW_TOKENS}, of a translation {LONG_ANSWER})",
    )
    group.add_argument(
        "--temperature",
        type=temperature,
        default=0.0,
        metavar="T",
        help="sampling temperature; 0 decodes greedily (default: %(default)s)",
    )
