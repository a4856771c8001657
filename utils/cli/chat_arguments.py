"""The flags of free answers: how they are sampled, who judges them, and the settings that they make."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.choices import build_settings, chosen_generator
from utils.cli.types import name_or_path, natural, positive, seed, share, temperature
from utils.constants import (
    ANSWER_SEEDS,
    ANSWER_TOKENS,
    DEFAULT_GENERATOR,
    DTYPES,
    JUDGE_TOKENS,
    QUANTIZATIONS,
    SAMPLING,
    TEMPLATES,
)
from utils.errors import UserError
from utils.flags import OtherFlags

if TYPE_CHECKING:
    from utils.schema import GeneratorSpec
    from utils.settings.chat import ChatSettings

JUDGE, TRANSLATOR = "judge_model", "translator"  # what other models do, as records name them
ENGLISH = "eng"  # into which answers are translated
TRANSLATED = 2  # times as many tokens as an answer may its translation have
OF_SAMPLING = ("temperature", "top_p", "top_k", "seeds")
OF_JUDGE = ("judge_base_url", "judge_precision", "judge_tokens", "judge_translated", "judge_twice", "pairwise")
JUDGE_FLAGS = OtherFlags(
    prefix="judge",
    names={
        "gen_model_checkpoint": "judge",
        **dict.fromkeys(("base_url", "gen_base_url"), "judge_base_url"),
        **dict.fromkeys(("gen_dtype", "load_in_8bit", "load_in_4bit"), "judge_precision"),
        "max_new_tokens": "judge_tokens",
    },
    of_memory="use --judge_precision 8bit or 4bit, or another --judge",
    otherwise="use another --judge",
)
OF_ANSWERS = {  # what only a run that asks for answers uses, each with its usual value
    "gen_model_checkpoint": DEFAULT_GENERATOR,
    **dict.fromkeys(("gen_loader", "gen_dtype", "gen_backend", "gen_base_url")),
    **dict.fromkeys(("template", "sample", "tag", *OF_SAMPLING)),
    **dict.fromkeys(("load_in_8bit", "load_in_4bit", "greedy", "overwrite"), False),
    "max_new_tokens": ANSWER_TOKENS,
}


def add_answer_args(group: argparse._ArgumentGroup) -> None:
    """Add the flags that say how a model is asked and answers."""
    group.add_argument(
        "--template",
        choices=TEMPLATES,
        help="how an instruction is shown: by the model's own chat template, as Guanaco's (### Human: ...), or as it "
        "is (default: model; guanaco for base models)",
    )
    group.add_argument("--greedy", action="store_true", help="one answer to each instruction, without sampling")
    group.add_argument(
        "--temperature", type=temperature, metavar="T", help=f"of sampling (default: {SAMPLING['temperature']})"
    )
    group.add_argument(
        "--top_p", type=share, metavar="P", help=f"sample from the tokens that reach it (default: {SAMPLING['top_p']})"
    )
    group.add_argument(
        "--top_k",
        type=natural,
        metavar="N",
        help=f"sample from the N most probable tokens; 0 for all (default: {SAMPLING['top_k']})",
    )
    usual = " ".join(map(str, ANSWER_SEEDS))
    group.add_argument(
        "--seeds", type=seed, nargs="+", metavar="N", help=f"one answer for each of these (default: {usual})"
    )
    group.add_argument(
        "--max_new_tokens",
        type=positive,
        default=ANSWER_TOKENS,
        metavar="N",
        help="upper limit of an answer's tokens (default: %(default)s)",
    )
    group.add_argument("--cuda", action="store_true", help="generate on the GPU")
    group.add_argument(
        "--trust_remote_code", action="store_true", help="run the Python code that a checkpoint brings (default: never)"
    )


def add_judge_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the judge."""
    group = parser.add_argument_group("judge")
    group.add_argument(
        "--judge", type=name_or_path, metavar="MODEL", help="a generator that rates how helpful each answer is, 1 to 6"
    )
    group.add_argument("--judge_base_url", metavar="URL", help="address of an OpenAI-compatible server for the judge")
    group.add_argument(
        "--judge_precision",
        choices=(*DTYPES, *QUANTIZATIONS),
        help="of a local judge, and of a local model that translates; 8bit and 4bit quantise (bitsandbytes; default: "
        "fp32 on the CPU, bf16 on the GPU)",
    )
    group.add_argument(
        "--judge_tokens",
        type=positive,
        metavar="N",
        help=f"upper limit of a judgement's tokens; models that reason need more (default: {JUDGE_TOKENS})",
    )
    group.add_argument(
        "--judge_translated",
        type=name_or_path,
        metavar="MODEL|FILE",
        help="rate the English translation of each answer too: by this generator (`judge` for the judge), or from a "
        "table with the columns answer and translation",
    )
    group.add_argument(
        "--judge_twice", action="store_true", help="rate each answer a second time: how the judge agrees with itself"
    )
    group.add_argument(
        "--pairwise",
        nargs=2,
        metavar=("A", "B"),
        help="compare the answers of two models' records in both orders, instead of asking a model",
    )


def check_flags(args: argparse.Namespace) -> None:
    """Raise UserError for flags that exclude each other or need another one."""
    if args.greedy and (given := [name for name in OF_SAMPLING if getattr(args, name) is not None]):
        raise UserError(f"--greedy with --{given[0]}", "a greedy answer is not sampled: leave one of them out")
    if args.temperature == 0 and (given := [name for name in OF_SAMPLING[1:] if getattr(args, name) is not None]):
        raise UserError(f"--temperature 0 with --{given[0]}", "a greedy answer is not sampled: leave one of them out")
    if args.top_p == 0:
        raise UserError("--top_p 0", "it leaves no token to sample from: give a share above 0, or --greedy")
    for name in OF_JUDGE:
        if getattr(args, name) and not args.judge:
            raise UserError(f"--{name} without --judge", "name the judge: --judge MODEL")
    if args.pairwise:
        _check_pairwise(args)
    if args.seeds and len(set(args.seeds)) < len(args.seeds):
        raise UserError("--seeds names a seed twice", "each seed gives one answer: name different ones")
    if args.batch_api and args.judge:
        raise UserError("--batch_api with --judge", "ask for the answers by --batch_api first, then judge without it")


def _check_pairwise(args: argparse.Namespace) -> None:
    """Raise UserError for flags of the model that answers and of single judgements beside --pairwise."""
    if given := [name for name in ("judge_translated", "judge_twice") if getattr(args, name)]:
        raise UserError(f"--pairwise with --{given[0]}", "it rates single answers: leave it out")
    if given := [name for name, usual in OF_ANSWERS.items() if getattr(args, name) != usual]:
        raise UserError(f"--pairwise with --{given[0]}", "it compares answers that are logged: leave it out")


def chosen_answerer(args: argparse.Namespace) -> GeneratorSpec:
    """Return the spec of the model that answers, which reads plain text where a template is asked for."""
    from dataclasses import replace

    spec = chosen_generator(args)
    if args.template == "model" and spec.kind == "base":
        raise UserError(f"--template model with {spec.name}, a base model", "it has no template: use guanaco or plain")
    if args.template in (None, "model") or spec.kind != "chat":
        return spec
    if spec.provider:
        raise UserError(
            f"--template {args.template} with {spec.name}, which is asked by messages",
            "the server applies the model's own template; --gen_loader base asks for completions",
        )
    return replace(spec, kind="base")


def other_models(args: argparse.Namespace) -> dict[str, GeneratorSpec]:
    """Return the judge and the translator, by what they do; those that there are."""
    if not args.judge:
        return {}
    found = {JUDGE: _resolved(args, args.judge, args.judge_base_url)}
    if args.judge_translated == "judge":
        found[TRANSLATOR] = found[JUDGE]
    elif args.judge_translated and translations_file(args) is None:
        found[TRANSLATOR] = _resolved(args, args.judge_translated, None)
    if args.judge_precision and all(spec.provider for spec in found.values()):
        what = f"--judge_precision with {' and '.join(dict.fromkeys(spec.checkpoint for spec in found.values()))}"
        raise UserError(what, "the server of an API model decides its precision: leave it out")
    return found


def translations_file(args: argparse.Namespace) -> Path | None:
    """Return the file of translations, None where a model translates or nothing is translated."""
    from utils.data.tables import ENDINGS, ending_of

    path = Path(args.judge_translated or "").expanduser()
    if not args.judge_translated or path.is_dir() or not (path.is_file() or ending_of(path) in ENDINGS):
        return None
    if not path.is_file():
        raise UserError(f"--judge_translated {path}: no such file", "give a table, or a model that translates")
    return path


def _resolved(args: argparse.Namespace, name: str, base_url: str | None) -> GeneratorSpec:
    """Return the spec of a judge or translator, in the precision of the command line where it is local."""
    from dataclasses import replace

    from utils.generators.resolve import GeneratorOptions, resolve

    options = GeneratorOptions(base_url, trust_remote_code=args.trust_remote_code)
    with JUDGE_FLAGS.in_errors():
        spec = resolve(name, args.cache_dir, options, _device(args))
    if spec.provider or not args.judge_precision:
        return spec
    of_weights = "quantization" if args.judge_precision in QUANTIZATIONS else "dtype"
    return replace(spec, **{of_weights: args.judge_precision})


def _precision(args: argparse.Namespace) -> str | None:
    """Return the precision of the judge, None for the one that it has by itself."""
    from utils.generators.resolve import usual_dtype

    return args.judge_precision if args.judge_precision != usual_dtype(_device(args)) else None


def _device(args: argparse.Namespace) -> str:
    return "cuda" if args.cuda else "cpu"


def _sampling(args: argparse.Namespace, spec: GeneratorSpec) -> dict[str, Any]:
    """Return the settings of sampling; those that a greedy answer does not use are None."""
    given = {name: getattr(args, name) for name in OF_SAMPLING}
    heat = SAMPLING["temperature"] if given["temperature"] is None else given["temperature"]
    if args.greedy or not heat:
        return {"temperature": 0.0, "top_p": None, "top_k": None, "seeds": None}
    usual: dict[str, Any] = {**SAMPLING, "top_k": int(SAMPLING["top_k"])}
    if not knows_top_k(spec):
        if given["top_k"]:
            raise UserError(f"--top_k with {spec.name}", "its provider samples by --temperature and --top_p alone")
        usual["top_k"] = 0
    found = {name: usual[name] if given[name] is None else given[name] for name in ("top_p", "top_k")}
    return {"temperature": heat, **found, "seeds": " ".join(map(str, given["seeds"] or ANSWER_SEEDS))}


def knows_top_k(spec: GeneratorSpec) -> bool:
    """Return whether a model can be sampled from its most probable tokens: not by OpenAI's own service."""
    from utils.api.providers import PROVIDERS, endpoint_url

    if not spec.provider or PROVIDERS[spec.provider].samples_top_k:
        return True
    return endpoint_url(spec) != PROVIDERS[spec.provider].url


def make_settings(args: argparse.Namespace, spec: GeneratorSpec, others: dict[str, GeneratorSpec]) -> ChatSettings:
    """Return the settings of a run."""
    from utils.files import sha256_of
    from utils.generators.chat_prompts import template_of
    from utils.settings.chat import ChatSettings

    translator, file = others.get(TRANSLATOR), translations_file(args)
    named = translator.name if translator else f"file {sha256_of(file)[:12]}" if file else None
    return build_settings(
        ChatSettings,
        args,
        **_sampling(args, spec),
        template=template_of(spec, args.template),
        judge=others[JUDGE].name if others else None,
        judge_translated=named,
        judge_precision=_precision(args),
        judge_tokens=args.judge_tokens if args.judge_tokens != JUDGE_TOKENS else None,
        judge_twice=args.judge_twice or None,
    )
