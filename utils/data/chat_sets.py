"""The registered sets of instructions that a model answers freely, one row each.

options: `path` is the file of a language in the mirror, `columns` names those of the identifier, the instruction and a
reference answer, where there are any; rows without an identifier are aligned by their number. `others` is where the
files of other languages than those of `source` are, with their path.
"""

from __future__ import annotations

from utils.schema import DatasetSpec

SAMPLE_INSTRUCTIONS = ("eng", "deu", "spa", "hin")
VICUNA_LANGS = tuple("ar de en es fr hi id it ja ko pt zh".split())
ALPACA_LANGS = tuple("en bg ca da de el es fi fr hi hu is ko no ru sv vi zh".split())

CHAT: dict[str, DatasetSpec] = {
    "sample": DatasetSpec(
        name="sample",
        task="chat",
        kind="shipped",
        source="data/sample/instructions.tsv",
        revision=None,
        reader="instruction_columns",
        subsets=SAMPLE_INSTRUCTIONS,
        main_metric="fidelity",
        pivot=None,
        licence="Apache-2.0",
        citation="this suite",
    ),
    "vicuna_multilingual": DatasetSpec(
        name="vicuna_multilingual",
        task="chat",
        kind="mirror",
        source="FreedomIntelligence/MultilingualSIFT-vicuna",
        revision=None,
        reader="instruction_files",
        subsets=VICUNA_LANGS,
        main_metric="fidelity",
        pivot=None,
        licence="Apache-2.0",
        citation="Chen et al. 2023, https://github.com/FreedomIntelligence/MultilingualSIFT",
        options={"path": "{lang}/test.jsonl", "columns": {"id": "question_id", "instruction": "text"}},
    ),
    "alpaca_eval": DatasetSpec(
        name="alpaca_eval",
        task="chat",
        kind="mirror",
        source="tatsu-lab/alpaca_eval",
        revision=None,
        reader="instruction_files",
        subsets=ALPACA_LANGS,
        main_metric="fidelity",
        pivot=None,
        licence="CC-BY-NC-4.0",
        citation="Li et al. 2023, https://github.com/tatsu-lab/alpaca_eval; Kew et al. 2023, arXiv 2312.12683",
        options={
            "path": "{lang}/eval.jsonl",
            "columns": {"instruction": "instruction", "reference": "output"},
            "others": (
                "ZurichNLP/multilingual-instruction-tuning",
                "alpaca_eval/alpaca_eval_instructions_{lang}.jsonl",
            ),
        },
    ),
}
