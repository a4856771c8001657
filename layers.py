#!/usr/bin/env python3
"""Inside a model: retrieval, similarity and answers at each of its layers, by one forward pass a text.

python layers.py                                                   the sample set, the embedded encoder, all layers
python layers.py --dataset nusax --model_checkpoint google/gemma-3-270m
python layers.py --compare intfloat/multilingual-e5-base           two models, and their difference
python layers.py --measure lens --dataset snli_20 --langs en sw    what a language model would answer at each layer
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from utils.cli.arguments import Parser, add_data_args, add_run_args, add_similarity_arg
from utils.cli.layers_arguments import add_layers_args, check_flags, join_names
from utils.cli.layers_lens_arguments import add_prompt_args, checked_prompt_args
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args

MEANINGS = {
    "dataset": "a name that --list shows, a .tsv, .csv, .jsonl or .parquet file, or a folder of line-aligned files",
    "src_lang": "source language (default: the pivot of the data set, or all of its pairs)",
    "langs": "only the pairs with these languages on the other side",
    "columns": "own table: the source's and the target's column",
    "limit": "use only the first N sources; the records go to debug/",
}
EXAMPLES = """
python layers.py
python layers.py --dataset nusax --langs ind jav --model_checkpoint intfloat/multilingual-e5-base
python layers.py --layers 0 4 8 12 --poolings mean
python layers.py --dataset sib200 --langs fra_Latn swh_Latn --model_checkpoint google/gemma-3-270m
python layers.py --compare models/my-finetuned-encoder
python layers.py --measure lens --dataset polarity_20 --langs en de sw --answers native --gen_dtype bf16
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("Inside a model: what each of its layers has.", EXAMPLES)
    add_layers_args(parser)
    add_data_args(parser, MEANINGS)
    add_encoder_args(parser, fusion=False, tuning=False)
    parser.hide("--model_checkpoints", "--weights", "--layer", "--pooling")
    retrieval = add_similarity_arg(parser)
    add_api_args(parser, generator=True)
    add_run_args(parser)
    of_prompts = add_prompt_args(parser, retrieval)
    args = parser.parse_args(argv)
    join_names(args)
    check_flags(args)
    return checked_prompt_args(args, of_prompts)


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.layers_main import measure_layers

    found = measure_layers(args)
    if found:
        from utils.records.paths import file_name
        from utils.reporting.charts import layer_files

        models = [measured.results() for measured in found]
        name = "layers" if len(found) == 1 else f"compared_with_{file_name(found[1].model)}"
        layer_files.write_figures(found[0].measure, models, found[0].folder / name, args.seed)


if __name__ == "__main__":
    run_script(main)
