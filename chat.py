#!/usr/bin/env python3
"""Free answers in many languages: in which language a model answers, how long, how repetitively, and how helpfully.

python chat.py                                                          the sample instructions, the embedded model
python chat.py --dataset vicuna_multilingual --langs de es hi --gen_model_checkpoint google/gemma-2-9b-it --cuda
python chat.py --dataset my.jsonl --gen_model_checkpoint gpt-4o-mini --judge gpt-4o
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import Parser, add_data_args, add_run_args
from utils.cli.chat_arguments import (
    JUDGE,
    add_answer_args,
    add_judge_args,
    check_flags,
    chosen_answerer,
    make_settings,
    other_models,
)
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_generator_args
from utils.cli.types import positive

if TYPE_CHECKING:
    from utils.schema import DatasetSpec

MEANINGS = {
    "dataset": "a name that --list shows, or a table of instructions with their languages",
    "langs": "only these languages",
    "columns": "own table: INSTRUCTION [LANG [ID [REFERENCE]]] (default: instruction, lang, id, reference)",
    "limit": "use only the first N instructions; the records go to debug/",
}
EXAMPLES = """
python chat.py
python chat.py --dataset vicuna_multilingual --langs de es hi --greedy --max_new_tokens 128
python chat.py --dataset alpaca_eval --sample 300 --seeds 0 42 723 --template guanaco
python chat.py --gen_model_checkpoint gpt-4o-mini --judge gpt-4o --judge_twice
python chat.py --pairwise bundled/gemma-3-270m gpt-4o-mini --judge gpt-4o
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Free answers in many languages, measured and judged.", EXAMPLES)
    add_data_args(parser, MEANINGS)
    parser.add_argument(
        "--sample", type=positive, metavar="N", help="draw N instructions by --seed, the same ones in each language"
    )
    add_answer_args(add_generator_args(parser, decoding=False))
    add_judge_args(parser)
    add_api_args(parser, encoder=False, generator=True)
    add_run_args(parser)
    parser.set_defaults(base_url=None, input_type=None, tune_weights=False, fuse="score", normalize="none")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.data.instructions import find_instructions, langs_asked

    check_flags(args)
    dataset = find_instructions(args.dataset, args.columns, args.langs, no_header=args.no_header)
    langs = langs_asked(dataset, args.langs)
    others = other_models(args)
    if args.pairwise:
        from utils.cli.chat_pairwise import compare_pairwise

        compare_pairwise(args, dataset, langs, others[JUDGE])
        return
    evaluate(args, dataset, langs, others)


def evaluate(args: argparse.Namespace, dataset: DatasetSpec, langs: Sequence[str], others: dict[str, Any]) -> None:
    """Ask the model for its answers in each language, and measure them."""
    from utils.cli.chat_run import Chat, read_translations
    from utils.cli.ks import Ks
    from utils.cli.open_run import OtherModels, open_run
    from utils.data.language_id import open_identifier

    open_identifier("pip install -r requirements-icl.txt")  # a run without it would end after its answers are there
    spec = chosen_answerer(args)
    settings = make_settings(args, spec, others)
    ks = Ks((len((settings.seeds or "0").split()),), typed=False)
    folder = settings.run_name("save_chat", quantization=spec.quantization)
    models = OtherModels(generator=spec, beside=others)
    run = open_run(args, dataset, "chat", settings, folder, models, without_encoder="none", ks=ks)
    Chat(run, settings, read_translations(args)).execute(langs)


if __name__ == "__main__":
    run_script(main)
