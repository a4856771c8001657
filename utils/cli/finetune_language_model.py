"""finetune.py --objective language_model: a causal language model learns the answers of prompts or conversations."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.choices import chosen_device, quantization
from utils.cli.finetune_arguments import options_of, usual_options
from utils.cli.finetune_run import usual_folder
from utils.cli.language_rows import LanguageRows, add_language_row_args, chosen_language_rows
from utils.constants import LORA_MODULES
from utils.errors import UserError, note
from utils.training.answer_tokens import CHAT, PAPER, PLAIN, TEMPLATES
from utils.training.base import CausalBase, causal_base
from utils.training.lora import check_peft
from utils.training.options import LoraOptions, TrainingOptions

if TYPE_CHECKING:
    from utils.cli.finetune_run import Objective
    from utils.data.conversations import Conversation
    from utils.training.answer_tokens import Encoded
    from utils.training.folder import TrainingFolder
    from utils.training.language_model import CausalModel
    from utils.training.loop import Trained


def add_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the objective."""
    add_language_row_args(parser)
    group = parser.add_argument_group("conversations")
    group.add_argument(
        "--template",
        choices=TEMPLATES,
        help="chat: of the tokenizer; paper: ### Human and ### Assistant; none: prompt and answer as they stand "
        "(default: chat where the tokenizer has one, else none)",
    )
    group = parser.add_argument_group("weights")
    one = group.add_mutually_exclusive_group()
    one.add_argument("--all_weights", action="store_true", help="train all weights, without adapters")
    one.add_argument("--load_in_4bit", action="store_true", help="adapters on weights in 4 bits (QLoRA, bitsandbytes)")
    one.add_argument("--load_in_8bit", action="store_true", help="adapters on weights in 8 bits (bitsandbytes)")
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--merge", dest="merge", action="store_true", default=True, help="merge adapters into the weights (default)"
    )
    one.add_argument(
        "--no_merge", dest="merge", action="store_false", help="write adapters alone, which need their checkpoint"
    )


def make(args: argparse.Namespace) -> Sequence[Objective]:
    """Return the training. Raises UserError for flags that exclude each other."""
    _check_weights(args)
    options = options_of(args)
    if options.lora is not None:
        check_peft()
    bits = quantization(args)
    if bits and options.lora is not None:
        modules = options.lora.modules if args.lora_modules else LORA_MODULES  # as QLoRA has it
        options = dataclasses.replace(
            options, lora=dataclasses.replace(options.lora, modules=modules, bits=int(bits.removesuffix("bit")))
        )
    dtype = options.dtype if options.lora is not None else "fp32"
    base = causal_base(args.model_checkpoint, args.cache_dir, dtype, bits, trust_remote_code=args.trust_remote_code)
    template = args.template or (CHAT if base.spec.kind == "chat" else PLAIN)
    if options.patience is not None and not args.validation_share:
        raise UserError("--patience with --validation_share 0", "hold out some rows, or leave --patience out")
    return [LanguageModelTraining(base, chosen_language_rows(args), template, options, args)]


def _check_weights(args: argparse.Namespace) -> None:
    """Choose between adapters and all weights. Raises UserError for flags of adapters where all weights are trained."""
    if not args.all_weights:
        return
    usual = usual_options(args).lora or LoraOptions()
    given = {
        "--lora": args.lora,
        "--lora_rank": args.lora_rank != usual.rank,
        "--lora_alpha": args.lora_alpha != usual.alpha,
        "--lora_dropout": args.lora_dropout != usual.dropout,
        "--lora_modules": args.lora_modules,
        "--no_merge": not args.merge,
    }
    for flag, is_given in given.items():
        if is_given:
            raise UserError(f"{flag} with --all_weights", "--all_weights trains no adapters: leave one of them out")
    args.lora = False


class LanguageModelTraining:
    """The training of one language model."""

    def __init__(
        self,
        base: CausalBase,
        data: LanguageRows,
        template: str,
        options: TrainingOptions,
        args: argparse.Namespace,
    ) -> None:
        self.base, self.data, self.template, self.options, self.args = base, data, template, options, args
        self.device = chosen_device(args)
        self.causal: CausalModel | None = None
        self.held_out: dict[str, list[Encoded]] = {}
        self.before: dict[str, float] = {}
        self.left_out = self.cut = 0

    @property
    def output(self) -> Path:
        """The folder that the training has unless --output names one."""
        return usual_folder("language_model", self.data.name, self.base.spec.name)

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights."""
        return {
            "objective": "language_model",
            "data": self.data.identity(),
            "base": self.base.identity(),
            "template": self.template,
            "merge": self.args.merge,
            "training": self.options.identity(),
        }

    def plan(self) -> str:
        """Return the numbers of rows and steps."""
        from utils.training.memory import steps_line

        return f"{self.data.describe()}, template: {self.template}\n{steps_line(len(self.data.train), self.options)}"

    def train(self, folder: TrainingFolder) -> Trained:
        """Train the model, after the loss of the rows held out was measured."""
        import transformers

        from utils.training.language_model import load_causal, train_causal

        transformers.set_seed(self.options.seed)
        self.causal = load_causal(self.base.spec, self.base.path, self.device)
        rows = self._encoded(self.data.train)
        if not rows:
            raise UserError("no answer is within --max_length", "give a larger --max_length")
        for lang in dict.fromkeys(row.lang for row in self.data.held_out):
            if found := self._encoded([row for row in self.data.held_out if row.lang == lang]):
                self.held_out[lang] = found
        self._tell_cut()
        self.before = self._losses()
        together = [row for part in self.held_out.values() for row in part]
        return train_causal(self.causal, rows, together, self.options, folder)

    def save(self, folder: Path) -> None:
        """Write the checkpoint, or the adapters."""
        from utils.training.language_model import save_causal

        assert self.causal is not None
        save_causal(self.causal, folder, merge=self.args.merge)

    def figures(self, folder: TrainingFolder) -> dict[str, Any]:
        """Return the loss of the rows held out by language, before and after."""
        rows = []
        for lang, after in self._losses().items():
            before, count = self.before[lang], len(self.held_out[lang])
            print(f"{lang}: loss of answers {before:.4f} before, {after:.4f} after ({count:,} rows held out)")
            losses = {"loss before": round(before, 4), "loss after": round(after, 4)}
            rows.append({"language": lang, "rows held out": count, **losses})
        found = {"rows": rows, "rows left out": self.left_out, "rows cut": self.cut}
        return found | ({"overlap": self.data.overlap.counts()} if self.data.overlap else {})

    def lacks_records(self) -> bool:
        """Return False: the only records are those of --eval."""
        return False

    def card(self) -> dict[str, Any]:
        """Return what the model card says."""
        text = {CHAT: "the chat template of the tokenizer", PAPER: "### Human and ### Assistant", PLAIN: "no template"}
        overlap = self.data.overlap.describe(dropped=self.data.dropped) if self.data.overlap else ""
        tests = f" Of the rows before a part was held out, {overlap}." if overlap else ""
        return {
            "title": f"{self.base.spec.name}, fine-tuned on {self.data.name}",
            "summary": f"A causal language model that learned the answers of its rows alone, in {text[self.template]}. "
            f"The figures are the mean cross-entropy of a token of an answer.{tests}",
            "base_model": self.base.spec.name,
            "library": "transformers" if self.args.merge or self.options.lora is None else "peft",
            "tags": ["text-generation"],
            "languages": [row["language"] for row in self.data.table()],
            "data": self.data.table(),
            "use": ["python icl.py --gen_model_checkpoint FOLDER"],
        }

    def _encoded(self, rows: Sequence[Conversation]) -> list[Encoded]:
        from utils.training.language_model import encode_all

        assert self.causal is not None
        found, left_out, cut = encode_all(self.causal, self.template, rows, self.options.max_length)
        self.left_out, self.cut = self.left_out + left_out, self.cut + cut
        return found

    def _tell_cut(self) -> None:
        if self.cut:
            what = f"{self.cut:,} rows are longer than the model or --max_length reads: their ends are cut off"
            note(f"{what}, and {self.left_out:,} of them left out, as no answer remains")

    def _losses(self) -> dict[str, float]:
        assert self.causal is not None
        return {lang: self.causal.loss(rows) for lang, rows in self.held_out.items()}
