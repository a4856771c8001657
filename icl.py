#!/usr/bin/env python3
"""In-context learning: demonstrations retrieved from the training texts, then a language model names the label.

python icl.py                                                      the sample set's topics, embedded models
python icl.py --dataset nusax --langs eng ace --k 1                one retrieved demonstration, each language's own
python icl.py --dataset nusax --cross --src_lang eng --k 5         English demonstrations for every other language
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from utils.cli.arguments import Parser, add_data_args, add_run_args, add_similarity_arg
from utils.cli.choices import chosen_generator
from utils.cli.data_choice import LABELED_MEANINGS
from utils.cli.icl_arguments import add_demonstration_args, add_template_args, check_flags, without_encoder
from utils.cli.icl_settings import chosen_instructions, make_settings
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args, add_generator_args

MEANINGS = {
    **LABELED_MEANINGS,
    "src_lang": "--cross: the language of the demonstrations (default: the dataset's pivot)",
}
EXAMPLES = """
python icl.py
python icl.py --dataset nusax --k 0 1 5 --gen_model_checkpoint bigscience/bloomz-560m --cuda
python icl.py --dataset nusax --k 1 --balance --model_checkpoint intfloat/multilingual-e5-base
python icl.py --dataset nusax --cross --src_lang eng --gen_model_checkpoint facebook/xglm-564M
python icl.py --dataset nusax --sample_percentile --min_percentile 90 --max_percentile 100
python icl.py --dataset sib200 --gen_model_checkpoint meta-llama/Meta-Llama-3-8B-Instruct --load_in_8bit --cuda
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("In-context learning with retrieved demonstrations.", EXAMPLES)
    add_data_args(parser, MEANINGS)
    add_encoder_args(parser, tuning=False)
    parser.add_argument("--tune_weights", action="store_true", help=argparse.SUPPRESS)  # refused with a hint
    add_generator_args(parser)
    add_demonstration_args(add_similarity_arg(parser))
    add_template_args(parser)
    add_api_args(parser, generator=True)
    add_run_args(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.data_choice import chosen_prompted
    from utils.cli.icl_task import Icl, Shared
    from utils.cli.ks import Ks
    from utils.cli.models import Models
    from utils.cli.open_run import OtherModels, open_run
    from utils.cli.run import Run, scores_printed
    from utils.data.answer_items import source_of
    from utils.data.classification import langs_to_test

    check_flags(args)
    dataset, prompting = chosen_prompted(args)
    asked = (None, None) if "pairs" in dataset.options else (args.langs, args.src_lang)
    src_lang, langs = langs_to_test(dataset, *asked, cross=args.cross)
    src_lang = source_of(dataset) if "pairs" in dataset.options else src_lang
    spec, models, shared = chosen_generator(args), Models(args), Shared()
    others = OtherModels(generator=spec)
    for instruction in (instructions := chosen_instructions(args, prompting)):
        given, runs = make_settings(args, src_lang, spec, instruction, prompting), list[Run]()
        if len(instructions) > 1:
            print(f"instruction: {instruction!r}")
        with scores_printed(runs, langs):
            for k in sorted(set(args.k)):
                settings, shown = (given, prompting) if k else (given.zero_shot(), prompting.zero_shot())
                folder = settings.run_name("save_icl", quantization=spec.quantization, usual_decode=spec.decode)
                encoder, ks = without_encoder(args.demonstrations, k), Ks((k,), typed=True)
                run = open_run(
                    args, dataset, "icl", settings, folder, others, without_encoder=encoder, models=models, ks=ks
                )
                assert run.generator is not None
                runs.append(run)
                Icl(run, settings, run.generator, shared, shown).compute(langs)


if __name__ == "__main__":
    run_script(main)
