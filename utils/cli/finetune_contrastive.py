"""finetune.py --objective contrastive: an encoder, trained on queries with positives and negatives, or on pairs."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli.finetune_arguments import options_of
from utils.cli.finetune_run import usual_folder
from utils.cli.training_rows import (
    TrainingRows,
    add_mini_batch_arg,
    add_row_args,
    chosen_rows,
    describe_rows,
    tell_held_out,
)
from utils.cli.types import name_or_path, natural, positive, positive_number, prompt
from utils.constants import ATTENTIONS, POOLINGS
from utils.errors import UserError
from utils.training.base import Base, encoder_base
from utils.training.contrastive import ContrastiveOptions
from utils.training.losses import LOSSES

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.cli.finetune_run import Objective
    from utils.schema import EncoderSpec
    from utils.training.embedder import Embedder
    from utils.training.folder import TrainingFolder
    from utils.training.loop import Trained
    from utils.training.options import TrainingOptions


def add_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the objective."""
    add_row_args(parser)
    usual = ContrastiveOptions()
    group = parser.add_argument_group("encoder")
    group.add_argument("--pooling", choices=POOLINGS, help="of token vectors (default: as the checkpoint has it)")
    group.add_argument("--attention", choices=ATTENTIONS, help="of a decoder (default: as the checkpoint has it)")
    for side, rule in (("query", "the usual one of the encoder"), ("passage", "the usual one; of pairs, the query's")):
        told = f"text put before every {side}, '' for none (default: {rule})"
        group.add_argument(f"--{side}_prompt", type=prompt, metavar="TEXT", help=told)
    group = parser.add_argument_group("loss")
    group.add_argument("--loss", choices=LOSSES, default=usual.loss, help="(default: %(default)s)")
    group.add_argument(
        "--temperature", type=positive_number, default=usual.temperature, metavar="T", help="(default: %(default)s)"
    )
    group.add_argument(
        "--margin", type=positive_number, default=usual.margin, metavar="M", help="of triplets (default: %(default)s)"
    )
    group.add_argument("--symmetric", action="store_true", help="rank the queries of each positive as well")
    group.add_argument(
        "--max_negatives",
        type=natural,
        default=usual.max_negatives,
        metavar="N",
        help="negatives of a row that are drawn in an epoch (default: %(default)s)",
    )
    group.add_argument(
        "--matryoshka", nargs="+", type=positive, default=[], metavar="N", help="train the first N dimensions as well"
    )
    group.add_argument(
        "--teacher", type=name_or_path, metavar="NAME", help="--loss distillation: the encoder that is learnt from"
    )
    add_mini_batch_arg(group, "texts")


def make(args: argparse.Namespace) -> Sequence[Objective]:
    """Return the training. Raises UserError for flags that exclude each other."""
    if (args.teacher is not None) != (args.loss == "distillation"):
        raise UserError("--teacher and --loss distillation need each other", "give both, or neither")
    for name, losses in (("symmetric", ("ranking",)), ("matryoshka", ("ranking", "triplet"))):
        if getattr(args, name) and args.loss not in losses:
            raise UserError(f"--{name} with --loss {args.loss}", f"it is for --loss {' and '.join(losses)}")
    data = chosen_rows(args)
    if args.loss == "triplet" and (without := sum(not row.neg for row in data.rows)):
        raise UserError(
            f"--loss triplet, but {without:,} of {len(data.rows):,} rows have no negatives",
            "add texts to neg (mine.py --mode pairs finds some), or use --loss ranking",
        )
    base = encoder_base(
        args.model_checkpoint,
        args.cache_dir,
        trust_remote_code=args.trust_remote_code,
        sides=True,
        pooling=args.pooling,
        attention=args.attention,
    )
    return [Contrastive(base, data, _chosen(args, base, data), options_of(args), args)]


def _chosen(args: argparse.Namespace, base: Base, data: TrainingRows) -> ContrastiveOptions:
    """Return what decides the loss; pairs have the same prompt on both sides unless another is given."""
    query = base.prompt if args.query_prompt is None else args.query_prompt
    usual = base.passage_prompt if data.has_sides and base.passage_prompt is not None else query
    return ContrastiveOptions(
        loss=args.loss,
        temperature=args.temperature,
        margin=args.margin,
        max_negatives=args.max_negatives,
        symmetric=args.symmetric,
        matryoshka=tuple(sorted(set(args.matryoshka), reverse=True)),
        prompt=query,
        passage_prompt=usual if args.passage_prompt is None else args.passage_prompt,
    )


class Contrastive:
    """The training of one encoder."""

    def __init__(
        self,
        base: Base,
        data: TrainingRows,
        chosen: ContrastiveOptions,
        options: TrainingOptions,
        args: argparse.Namespace,
    ) -> None:
        assert base.spec is not None
        self.base, self.data, self.chosen, self.options, self.args = base, data, chosen, options, args
        self.spec = dataclasses.replace(base.spec, max_length=options.max_length)
        self.teacher = _teacher(args) if args.teacher else None
        if self.teacher is not None:
            of_teacher = (self.teacher.name, str(self.teacher.revision))
            self.chosen = dataclasses.replace(chosen, teacher=of_teacher)
        self.embedder: Embedder | None = None
        self.trained: Trained | None = None

    @property
    def output(self) -> Path:
        """The folder that the training has unless --output names one."""
        return usual_folder("contrastive", self.data.name, self.base.name)

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights."""
        return {
            "objective": "contrastive",
            "data": self.data.identity(),
            "base": self.base.identity() | {"pooling": self.spec.pooling, "attention": self.spec.attention},
            "loss": self.chosen.identity(),
            "training": self.options.identity(),
        }

    def plan(self) -> str:
        """Return the numbers of rows and steps, the prompts and the memory."""
        from utils.training.memory import plan_lines

        prompts = f"prompts {self.chosen.prompt!r} and {self.chosen.passage_prompt!r}"
        rows = f"{describe_rows(self.data)}; {prompts}"
        return "\n".join([rows, *plan_lines(len(self.data.rows), self.base, self.options)])

    def train(self, folder: TrainingFolder) -> Trained:
        """Train the encoder."""
        import transformers

        from utils.training.contrastive import train_embedder
        from utils.training.embedder import load_embedder
        from utils.training.pair_examples import PairExamples

        examples = PairExamples(self.data.rows)
        held_out = PairExamples(self.data.held_out) if self.data.held_out else None
        teachers = self._taught([*examples.query_texts, *(held_out.query_texts if held_out else ())])
        transformers.set_seed(self.options.seed)
        self.embedder = load_embedder(self.base, self.spec, self._device)
        self._check_dimensions(len(next(iter(teachers.values()))) if teachers else None)
        chosen = self.chosen
        if chosen.matryoshka:
            whole = self.embedder.dimensions
            chosen = dataclasses.replace(chosen, matryoshka=tuple(dict.fromkeys((whole, *chosen.matryoshka))))
        self.trained = train_embedder(
            self.embedder,
            examples,
            chosen,
            self.options,
            folder,
            part=self.args.mini_batch,
            teach=(lambda texts: np.stack([teachers[text] for text in texts])) if teachers else None,
            held_out=held_out,
        )
        return self.trained

    def _taught(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the teacher's vector (d,) of each text, none without a teacher."""
        if self.teacher is None:
            return {}
        from utils.encoders.cached import open_encoder

        texts = list(dict.fromkeys(texts))
        rows = open_encoder(self.teacher, self._device, self.args.cache_dir).embed(texts, [])[0]
        return dict(zip(texts, rows, strict=True))

    @property
    def _device(self) -> str:
        return "cuda" if self.args.cuda else "cpu"

    def _check_dimensions(self, of_teacher: int | None) -> None:
        """Raise UserError where the vectors have fewer dimensions than asked for, or others than the teacher's."""
        assert self.embedder is not None
        own = self.embedder.dimensions
        if max(self.chosen.matryoshka, default=0) > own:
            raise UserError(
                f"--matryoshka {max(self.chosen.matryoshka)}, but {self.base.name} has {own} dimensions",
                f"give numbers up to {own}",
            )
        if of_teacher is not None and of_teacher != own:
            raise UserError(
                f"the teacher's vectors have {of_teacher} dimensions, those of {self.base.name} {own}",
                "choose a teacher with vectors of the same size",
            )

    def save(self, folder: Path) -> None:
        """Write the checkpoint with its prompts; pairs without one for passages leave that of the checkpoint."""
        assert self.embedder is not None
        passage_prompt = self.base.passage_prompt
        if self.data.has_sides or self.args.passage_prompt is not None:
            passage_prompt = self.chosen.passage_prompt
        self.embedder.save(folder, self.chosen.prompt, passage_prompt)

    def figures(self, folder: TrainingFolder) -> dict[str, Any]:
        """Return the loss of the rows held out, if any; else an encoder is measured by the tasks of --eval."""
        return tell_held_out(self.data, self.trained)

    def lacks_records(self) -> bool:
        """Return False: the only records are those of --eval."""
        return False

    def card(self) -> dict[str, Any]:
        """Return what the model card says."""
        loss = {name: value for name, value in self.chosen.identity().items() if value not in (None, (), "")}
        return {
            "title": f"{self.base.name}, fine-tuned on {self.data.name}",
            "summary": f"A sentence encoder, trained by contrast ({self.chosen.loss}). The loss: "
            + ", ".join(f"{name} {value!r}" for name, value in loss.items())
            + ".",
            "base_model": self.base.name,
            "library": "sentence-transformers",
            "tags": ["sentence-transformers", "feature-extraction"],
            "data": self.data.table(),
            "use": ["python bitext.py --model_checkpoint FOLDER", "python retrieval.py --model_checkpoint FOLDER"],
        }


def _teacher(args: argparse.Namespace) -> EncoderSpec:
    from utils.encoders.resolve import EncodingOptions, resolve

    return resolve(args.teacher, args.cache_dir, EncodingOptions(trust_remote_code=args.trust_remote_code))
