"""The command line of finetune.py: the objective, and the flags that all objectives share."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import ListAction, Parser, add_place_args
from utils.cli.choices import chosen_device
from utils.cli.finetune_eval import AS_CLASSIFIER, AS_ENCODER, AS_GENERATOR, AS_RERANKER, MeasuredAs, add_eval_args
from utils.cli.types import name_or_path, path, positive, positive_number, seed, share, tag
from utils.constants import CLASSIFIER, DEFAULT_ENCODER, DEFAULT_GENERATOR, DEFAULT_SEED, DTYPES, LORA_MODULES
from utils.errors import UserError
from utils.training import ranks
from utils.training.options import SCHEDULES, LoraOptions, TrainingOptions

if TYPE_CHECKING:
    from utils.cli.finetune_run import Objective


@dataclass(frozen=True)
class ObjectiveSpec:
    """What can be trained: a module of `utils/cli/` with `add_args(parser)` and `make(args)`, and the usual settings.

    measured_as: how --eval hands the trained model to the other scripts. default: the checkpoint that is trained unless
    another is named.
    """

    name: str
    title: str
    module: str
    measured_as: MeasuredAs
    usual: TrainingOptions
    examples: str
    default: str = DEFAULT_ENCODER

    def load(self, name: str) -> Callable[..., Any]:
        """Return a function of the module, which is imported only for its own objective."""
        found: Callable[..., Any] = getattr(importlib.import_module(self.module), name)
        return found

    def make(self, args: argparse.Namespace) -> Sequence[Objective]:
        """Return the trainings of a command line. Raises UserError for flags that exclude each other."""
        made: Sequence[Objective] = self.load("make")(args)
        return made

    def around(self, trainings: Sequence[Objective]) -> AbstractContextManager[None]:
        """Return what is done before and after all trainings: the module's `around(trainings)`, where it has one."""
        found = getattr(importlib.import_module(self.module), "around", None)
        if found is None or not ranks.is_first():
            return nullcontext()
        return found(trainings)  # type: ignore[no-any-return]


OBJECTIVES = {
    spec.name: spec
    for spec in (
        ObjectiveSpec(
            name="classification",
            title="a classification head on an encoder, from labelled texts",
            module="utils.cli.finetune_classification",
            measured_as=AS_CLASSIFIER,
            usual=TrainingOptions(**CLASSIFIER),  # type: ignore[arg-type]  # a mapping has one type of values
            examples="""
            python finetune.py
            python finetune.py --dataset nusax --langs eng ace --model_checkpoint FacebookAI/xlm-roberta-base --cuda
            """,
        ),
        ObjectiveSpec(
            name="contrastive",
            title="an encoder, from queries with positives and negatives, or from pairs",
            module="utils.cli.finetune_contrastive",
            measured_as=AS_ENCODER,
            usual=TrainingOptions(epochs=1, batch_size=64, learning_rate=2e-5, warmup=0.1),
            examples="""
            python finetune.py --objective contrastive --langs swh
            python finetune.py --objective contrastive --dataset mined.jsonl --temperature 0.02 --max_negatives 3
            python finetune.py --objective contrastive --dataset rows.jsonl --matryoshka 256 128 64 --lora
            python finetune.py --objective contrastive --dataset pairs.tsv --columns eng swh --symmetric
            """,
        ),
        ObjectiveSpec(
            name="reranker",
            title="a cross-encoder, from queries with positives and negatives, or from pairs",
            module="utils.cli.finetune_reranker",
            measured_as=AS_RERANKER,
            usual=TrainingOptions(epochs=1, batch_size=16, learning_rate=2e-5, warmup=0.1),
            examples="""
            python finetune.py --objective reranker --langs swh --max_negatives 3
            python finetune.py --objective reranker --dataset rows.jsonl --loss ranking --lora
            """,
        ),
        ObjectiveSpec(
            name="language_model",
            title="a causal language model, from prompts with answers, conversations, or translations of questions",
            module="utils.cli.finetune_language_model",
            measured_as=AS_GENERATOR,
            usual=TrainingOptions(
                epochs=3,
                batch_size=16,
                learning_rate=5e-5,
                warmup=0.1,
                schedule="cosine",
                max_length=2048,
                lora=LoraOptions(modules=("q_proj", "v_proj")),
            ),
            examples="""
            python finetune.py --objective language_model
            python finetune.py --objective language_model --question_translation snli --direction l2en --langs sw de
            python finetune.py --objective language_model --dataset rows.jsonl --mix en,es=800,ru=800 --mix_total 3200
            """,
            default=DEFAULT_GENERATOR,
        ),
    )
}


def parse(argv: Sequence[str]) -> tuple[ObjectiveSpec, argparse.Namespace]:
    """Parse the command line; its objective decides which flags there are."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--objective", default="classification")
    try:
        known, _ = first.parse_known_args([*argv])
    except argparse.ArgumentError as error:
        raise UserError(str(error), f"choose from: {', '.join(OBJECTIVES)}") from error
    if known.objective not in OBJECTIVES:
        raise UserError(f"--objective {known.objective} is not known", f"choose from: {', '.join(OBJECTIVES)}")
    spec = OBJECTIVES[known.objective]
    parser = Parser(f"Fine-tuning: {spec.title}. --objective chooses another: {', '.join(OBJECTIVES)}.", spec.examples)
    parser.add_argument(
        "--objective", choices=OBJECTIVES, default=spec.name, help="what is trained (default: classification)"
    )
    add_model_args(parser, spec.default)
    spec.load("add_args")(parser)
    add_training_args(parser, spec.usual)
    add_eval_args(parser)
    add_output_args(parser)
    return spec, parser.parse_args(argv)


def add_model_args(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the flags for the checkpoint that is trained."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model_checkpoint",
        type=name_or_path,
        default=default,
        metavar="NAME|PATH",
        help="a hub id, a folder, or a name that --list shows (default: %(default)s)",
    )
    group.add_argument(
        "--trust_remote_code", action="store_true", help="run the Python code that a checkpoint brings (default: never)"
    )
    group.add_argument(
        "--cuda", action="store_true", help="train on a GPU; `torchrun --nproc_per_node N finetune.py` takes N of them"
    )


def add_training_args(parser: argparse.ArgumentParser, usual: TrainingOptions) -> None:
    """Add the flags for the optimiser and its steps, with the usual values of an objective."""
    group = parser.add_argument_group("training")
    numbers: tuple[tuple[str, Callable[[str], float], str, str], ...] = (
        ("epochs", positive_number, "N", "passes over the examples"),
        ("batch_size", positive, "N", "examples of a step, however many fit into memory at once"),
        ("learning_rate", positive_number, "RATE", "highest learning rate"),
        ("weight_decay", share, "W", "weight decay of AdamW"),
        ("warmup", share, "SHARE", "share of the steps in which the learning rate rises"),
        ("patience", positive, "N", "epochs without a better validation figure until training ends"),
        ("max_length", positive, "TOKENS", "tokens of a text that are read"),
    )
    for name, kind, metavar, meaning in numbers:
        default = getattr(usual, name)
        shown = "none" if default is None else "%(default)s"
        group.add_argument(
            f"--{name}", type=kind, default=default, metavar=metavar, help=f"{meaning} (default: {shown})"
        )
    group.add_argument("--schedule", choices=SCHEDULES, default=usual.schedule, help="(default: %(default)s)")
    group.add_argument(
        "--dtype", choices=DTYPES, default=usual.dtype, help="fp32, or mixed precision (default: %(default)s)"
    )
    group.add_argument("--seed", type=seed, default=DEFAULT_SEED, metavar="N", help="(default: %(default)s)")
    adapters, plain = parser.add_argument_group("adapters"), usual.lora or LoraOptions()
    told = "train adapters (LoRA)" + (", the default" if usual.lora else "")
    adapters.add_argument("--lora", action="store_true", default=None if usual.lora else False, help=told)
    adapters.add_argument("--lora_rank", type=positive, default=plain.rank, metavar="R", help="(default: %(default)s)")
    adapters.add_argument(
        "--lora_alpha", type=positive, default=plain.alpha, metavar="A", help="(default: %(default)s)"
    )
    adapters.add_argument(
        "--lora_dropout", type=share, default=plain.dropout, metavar="P", help="(default: %(default)s)"
    )
    adapters.add_argument(
        "--lora_modules",
        nargs="+",
        metavar="NAME",
        help="names of the layers that get adapters (default: "
        f"{'every linear layer' if plain.modules == LORA_MODULES else ' '.join(plain.modules)})",
    )


def add_record_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the records of an objective that writes some."""
    group = parser.add_argument_group("records")
    group.add_argument(
        "--output_dir", type=path, default=Path("logs"), metavar="FOLDER", help="folder of the logs (default: logs)"
    )
    group.add_argument("--tag", type=tag, metavar="NAME", help="name of a variant, shown in rows, figures and pages")


def add_output_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for places, the folder of the model and the dry run."""
    add_place_args(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output", type=path, metavar="FOLDER", help="folder of the trained model (default: below finetuned/)"
    )
    group.add_argument("--overwrite", action="store_true", help="train again, in place of another training")
    group.add_argument(
        "--drop_weights", action="store_true", help="keep the records, the figures and the curve, and no model"
    )
    group.add_argument(
        "--dry_run", action="store_true", help="show the data, the steps and the folder, and train nothing"
    )
    group.add_argument("--list", action=ListAction, nargs=0, dest=argparse.SUPPRESS, help="list the models, and exit")
    group.add_argument("--verbose", action="store_true", help="show the traceback of an error")


def usual_options(args: argparse.Namespace) -> TrainingOptions:
    """Return the usual settings of the objective."""
    return OBJECTIVES[args.objective].usual


def options_of(args: argparse.Namespace) -> TrainingOptions:
    """Return the settings of the optimiser and its steps.

    Raises UserError for flags of adapters without --lora, and for --cuda or --dtype fp16 without a GPU.
    """
    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup", "schedule", "patience", "max_length")
    usual = usual_options(args)
    plain, has_adapters = usual.lora or LoraOptions(), usual.lora is not None if args.lora is None else args.lora
    modules = tuple(args.lora_modules or plain.modules)
    lora = LoraOptions(args.lora_rank, args.lora_alpha, args.lora_dropout, modules)
    if not has_adapters and lora != plain:
        raise UserError("flags of adapters without --lora", "add --lora, or leave them out")
    if args.dtype == "fp16" and not args.cuda:
        raise UserError("--dtype fp16 without --cuda", "only a GPU trains in fp16: use --dtype bf16, or add --cuda")
    chosen_device(args)  # which raises where there is no GPU
    chosen = {name: getattr(args, name) for name in (*names, "dtype", "seed", "cuda")}
    return TrainingOptions(**chosen, lora=lora if has_adapters else None)
