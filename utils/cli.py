"""What the scripts' command lines share: argument groups, what they resolve to, and the wrapper around main."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from utils import registry
from utils.api.limits import PRICES, PRICES_READ, ApiOptions
from utils.api.providers import redact
from utils.errors import UserError
from utils.schema import (
    BACKENDS,
    DECODES,
    DTYPES,
    FUSES,
    GENERATOR_KINDS,
    LENGTH_NORMS,
    NORMALIZERS,
    SIMILARITIES,
    GeneratorSpec,
)

RUN_AGAIN = "finished subsets are logged; the same command goes on from there"


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are UserErrors."""

    def __init__(self, description: str, examples: str) -> None:
        epilog = "examples:\n" + "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())
        super().__init__(
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UserError(message, "--help shows every flag, with examples")


def add_data_args(parser: argparse.ArgumentParser, meanings: Mapping[str, str]) -> None:
    """Which texts: the dataset and its languages; `meanings` says what each flag means to the task."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset", default="sample", metavar="NAME|PATH", help=f"{meanings['dataset']} (default: %(default)s)"
    )
    group.add_argument("--src_lang", metavar="LANG", help=meanings["src_lang"])
    group.add_argument("--langs", nargs="+", metavar="LANG", help=meanings["langs"])
    group.add_argument("--columns", nargs="+", metavar="COLUMN", help=meanings["columns"])
    usual = "only the first N test items; logged under debug/"
    group.add_argument("--limit", type=positive, metavar="N", help=meanings.get("limit", usual))


def add_encoder_args(parser: argparse.ArgumentParser, *, fusion: bool = True) -> None:
    """Which vectors: one encoder or several, and how they are computed; with `fusion`, how rankings are joined."""
    group = parser.add_argument_group("encoder")
    group.add_argument(
        "--model_checkpoint",
        metavar="NAME|PATH",
        help=f"a hub id, a folder, or a name that --list shows (default: {registry.DEFAULT_ENCODER})",
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


def refuse_idle_api_flags(args: argparse.Namespace) -> None:
    """Raise UserError for a flag of APIs where none is asked."""
    for name in ("max_cost", "requests_per_minute", "tokens_per_minute", "batch_api", "strict"):
        if getattr(args, name):
            raise UserError(f"--{name} without a model of an API", "leave it out, or name one: --list shows them")


def api_options(args: argparse.Namespace) -> ApiOptions:
    """Return how APIs are asked."""
    return ApiOptions(**{field.name: getattr(args, field.name) for field in dataclasses.fields(ApiOptions)})


def add_place_args(parser: argparse.ArgumentParser) -> None:
    """Where data are read from, and where downloads and embeddings are kept."""
    group = parser.add_argument_group("places")
    group.add_argument(
        "--data_dir",
        type=Path,
        default=os.environ.get("MINERS_DATA_DIR") or None,
        metavar="FOLDER",
        help="a mirror laid out as <owner>/<name>, read before the hub (default: $MINERS_DATA_DIR)",
    )
    group.add_argument(
        "--cache_dir",
        type=Path,
        default=Path(os.environ.get("MINERS_CACHE_DIR") or "~/.cache/miners"),
        metavar="FOLDER",
        help="embeddings and expanded checkpoints (default: $MINERS_CACHE_DIR or ~/.cache/miners)",
    )


def add_retrieval_args(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """How neighbours are found; returns the group, for what only one task has."""
    group = add_similarity_arg(parser)
    group.add_argument("--k", nargs="+", type=positive, metavar="K", help="neighbours (default: 1 5 10)")
    return group


def add_similarity_arg(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Which similarity ranks the neighbours; returns the group."""
    group = parser.add_argument_group("retrieval")
    group.add_argument("--similarity", choices=SIMILARITIES, default="cosine", help="(default: %(default)s)")
    group.add_argument(
        "--exact_float32",
        action="store_true",
        help="scan in float32, not in the fastest precision (the answers are the same)",
    )
    return group


def add_generator_args(parser: argparse.ArgumentParser) -> None:
    """Which language model answers, and how its answer becomes a label."""
    group = parser.add_argument_group("generator")
    group.add_argument(
        "--gen_model_checkpoint",
        metavar="NAME|PATH",
        default=registry.DEFAULT_GENERATOR,
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


def add_run_args(parser: argparse.ArgumentParser, output_dir: str = "logs", what: str = "logs") -> None:
    """What happens around the run: places, outputs, seed, and runs that only tell."""
    add_place_args(parser)
    group = parser.add_argument_group("run")
    group.add_argument(
        "--seed", type=natural, default=42, metavar="N", help="seed of all that is drawn (default: %(default)s)"
    )
    group.add_argument(
        "--output_dir",
        type=Path,
        default=Path(output_dir),
        metavar="FOLDER",
        help=f"where the {what} go (default: %(default)s)",
    )
    group.add_argument("--overwrite", action="store_true", help="compute again and replace records that are there")
    group.add_argument(
        "--dry_run", action="store_true", help="show subsets, sizes, cache hits and paths; load no model"
    )
    group.add_argument("--list", action="store_true", help="show the datasets, encoders and generators, and exit")
    group.add_argument("--verbose", action="store_true", help="show the traceback of an error")


def temperature(text: str) -> float:
    """Parse a number from 0 to 2."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 2")
    return value


def positive_number(text: str) -> float:
    """Parse a number above 0."""
    return _above(text, "a number above 0")


def seconds(text: str) -> float:
    """Parse a number above 0."""
    return _above(text, "a number of seconds above 0")


def dollars(text: str) -> float:
    """Parse a number above 0."""
    return _above(text, "an amount above 0")


def _above(text: str, wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    return _at_least(text, 1)


def natural(text: str) -> int:
    """Parse an integer of at least 0."""
    return _at_least(text, 0)


def _at_least(text: str, low: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if value < low:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of {low} or more")
    return value


def chosen_encoders(args: argparse.Namespace) -> list[tuple[str, str | None, float]]:
    """Return (checkpoint, prompt or None, weight) for each encoder of the command line, one or several alike."""
    if args.model_checkpoint and args.model_checkpoints:
        raise UserError("--model_checkpoint and --model_checkpoints are both given", "use one of them")
    names = args.model_checkpoints or [args.model_checkpoint or registry.DEFAULT_ENCODER]
    if args.weights and not args.model_checkpoints:
        raise UserError("--weights without --model_checkpoints", "weights are for an ensemble")
    weights = args.weights or [1.0] * len(names)
    if len(weights) != len(names):
        raise UserError(f"{len(weights)} weights for {len(names)} checkpoints", "give one weight a checkpoint")
    if any(not 0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise UserError(f"weights {' '.join(map(str, weights))}", "weights are 0 or more, and not all 0")
    _check_ensemble(args, len(names))
    prompts = args.prompt or [None]
    if len(prompts) not in (1, len(names)):
        raise UserError(f"{len(prompts)} prompts for {len(names)} checkpoints", "give one for all, or one a checkpoint")
    return list(zip(names, prompts * len(names) if len(prompts) == 1 else prompts, weights, strict=True))


def _check_ensemble(args: argparse.Namespace, n_members: int) -> None:
    """Raise UserError for settings of an ensemble that do not fit together."""
    if n_members == 1:
        if args.fuse != "score" or args.normalize != "none" or args.tune_weights:
            raise UserError(
                "--fuse, --normalize and --tune_weights are for an ensemble", "give --model_checkpoints A B"
            )
        return
    if args.tune_weights and args.weights:
        raise UserError("--weights and --tune_weights are both given", "use one of them")
    if args.fuse == "rank" and args.normalize != "none":
        raise UserError(f"--normalize {args.normalize} with --fuse rank", "ranks are on one scale already")
    if args.fuse == "distance" and args.similarity == "dot":
        raise UserError("--fuse distance with --similarity dot", "distances are Euclidean")


def fusion_departures(args: argparse.Namespace) -> list[str]:
    """Return the names that an ensemble's settings add to the run's folder."""
    usual = {"fuse": "score", "normalize": "none"}
    return [getattr(args, name) for name, value in usual.items() if getattr(args, name) != value]


def chosen_dtype(args: argparse.Namespace) -> str:
    """Return the encoder's precision from --dtype and --fp16."""
    if args.fp16 and args.dtype not in (None, "fp16"):
        raise UserError(f"--fp16 and --dtype {args.dtype}", "use one of them")
    return "fp16" if args.fp16 else args.dtype or "fp32"


def quantization(args: argparse.Namespace) -> str:
    """Return 8bit, 4bit or nothing."""
    if args.load_in_8bit and args.load_in_4bit:
        raise UserError("--load_in_8bit and --load_in_4bit are both given", "use one of them")
    return "8bit" if args.load_in_8bit else "4bit" if args.load_in_4bit else ""


def chosen_generator(args: argparse.Namespace) -> GeneratorSpec:
    """Return the spec of --gen_model_checkpoint in its precision."""
    from utils.generators import resolve_generator
    from utils.served import api_generator

    spec = api_generator(args.gen_model_checkpoint, args.gen_base_url, args.gen_loader)
    if spec is not None:
        if quantization(args) or args.gen_dtype:
            raise UserError(
                f"--load_in_8bit, --load_in_4bit or --gen_dtype with {spec.checkpoint}", "its server decides that"
            )
        return spec
    return resolve_generator(
        args.gen_model_checkpoint,
        args.cache_dir.expanduser(),
        kind=args.gen_loader,
        dtype=args.gen_dtype or ("bf16" if args.cuda else "fp32"),
        quantization=quantization(args),
    )


def chosen_device(args: argparse.Namespace) -> str:
    """Return "cuda" or "cpu"; UserError where --cuda is given and no CUDA device is there."""
    if not args.cuda:
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise UserError("--cuda, but no CUDA device is there", "leave --cuda out to run on the CPU")
    return "cuda"


def show_registry() -> None:
    """Print the datasets and encoders that are known by name."""
    for task, rows in registry.DATASETS.items():
        print(f"{task} (--dataset)")
        for spec in rows.values():
            print(f"  {spec.name:<17}{len(spec.subsets):>4} subsets   {spec.source}, licence {spec.licence}")
        print()
    print("encoders (--model_checkpoint); any other hub id or folder works too")
    for encoder in registry.ENCODERS.values():
        prompt = f"prompt {encoder.prompt!r}" if encoder.prompt else ""
        told = _price(encoder.checkpoint) if encoder.provider else prompt
        print(f"  {encoder.checkpoint:<62}{encoder.licence:<12}{told}")
    print("\ngenerators (icl.py --gen_model_checkpoint); any other hub id, folder or .gguf file works too")
    for generator in registry.GENERATORS.values():
        told = f" {_price(generator.checkpoint)}" if generator.provider else ""
        print(f"  {generator.checkpoint:<62}{generator.kind:<9}{generator.licence}{told}")
    print(
        "\nmodels of APIs: openai:NAME and cohere:NAME for any other; --base_url and --gen_base_url for a server\n"
        f"(prices of {PRICES_READ}, dollars for a million tokens read and generated)"
    )


def _price(model: str) -> str:
    """Return what a model of an API costs, as --list shows it."""
    price = PRICES.get(model)
    return "" if price is None else f"${price[0]:g}" + (f" / ${price[1]:g}" if price[1] else "")


def run(main: Callable[[Sequence[str]], None], kept: str = RUN_AGAIN) -> NoReturn:
    """Run a script's main: a user's error ends in two lines and exit code 2, an interruption in one and 130.

    `kept` says what an interruption leaves, and how to go on.
    """
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except UserError as error:
        _show_traceback()
        _fail(error.what, error.hint)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {kept}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe left, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _show_traceback()
        _fail(
            f"{error.strerror or error}: {error.filename or ''}".rstrip(": "),
            f"is there room, and may it be written? {kept}",
        )
    except MemoryError:
        _fail_for_memory(kept)
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch's words where MemoryError is meant
            raise
        _show_traceback()
        _fail_for_memory(kept)
    sys.exit(0)


def _fail_for_memory(kept: str) -> NoReturn:
    _fail("out of memory", f"use a smaller --batch_size or fewer --langs; {kept}")


def _show_traceback() -> None:
    if "--verbose" in sys.argv:
        print(redact(traceback.format_exc()), file=sys.stderr)


def _fail(what: str, hint: str) -> NoReturn:
    print(f"error: {redact(what)}", file=sys.stderr)
    if hint:
        print(f"hint: {redact(hint)}", file=sys.stderr)
    sys.exit(2)
