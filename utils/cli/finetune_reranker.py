"""finetune.py --objective reranker: a cross-encoder that `retrieval.py --rerank` takes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from utils.cli.types import positive
from utils.training.base import Base, reranker_base
from utils.training.reranker import RERANKER_LOSSES, RerankerOptions

if TYPE_CHECKING:
    from utils.cli.finetune_run import Objective
    from utils.training.classification import Classifier
    from utils.training.folder import TrainingFolder
    from utils.training.loop import Trained
    from utils.training.options import TrainingOptions

LABEL = "relevance"


def add_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the objective."""
    add_row_args(parser)
    usual = RerankerOptions()
    group = parser.add_argument_group("loss")
    group.add_argument(
        "--loss",
        choices=RERANKER_LOSSES,
        default=usual.loss,
        help="binary: each pair by itself; ranking: the positive among the documents of its row (default: %(default)s)",
    )
    group.add_argument(
        "--max_negatives",
        type=positive,
        default=usual.max_negatives,
        metavar="N",
        help="negatives of a row in an epoch; rows without any get documents of other rows (default: %(default)s)",
    )
    add_mini_batch_arg(group, "pairs")


def make(args: argparse.Namespace) -> Sequence[Objective]:
    """Return the training. Raises UserError for flags that exclude each other."""
    data = chosen_rows(args)
    base = reranker_base(args.model_checkpoint, args.cache_dir, trust_remote_code=args.trust_remote_code)
    return [Reranker(base, data, RerankerOptions(args.loss, args.max_negatives), options_of(args), args)]


class Reranker:
    """The training of one cross-encoder."""

    def __init__(
        self,
        base: Base,
        data: TrainingRows,
        chosen: RerankerOptions,
        options: TrainingOptions,
        args: argparse.Namespace,
    ) -> None:
        self.base, self.data, self.chosen, self.options, self.args = base, data, chosen, options, args
        self.model: Classifier | None = None
        self.trained: Trained | None = None

    @property
    def output(self) -> Path:
        """The folder that the training has unless --output names one."""
        return usual_folder("reranker", self.data.name, self.base.name)

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights."""
        return {
            "objective": "reranker",
            "data": self.data.identity(),
            "base": self.base.identity(),
            "loss": self.chosen.identity(),
            "training": self.options.identity(),
        }

    def plan(self) -> str:
        """Return the numbers of rows and steps, and the memory."""
        from utils.training.memory import plan_lines

        return "\n".join([describe_rows(self.data), *plan_lines(len(self.data.rows), self.base, self.options)])

    def train(self, folder: TrainingFolder) -> Trained:
        """Train the cross-encoder."""
        import transformers

        from utils.training.classification import load_classifier
        from utils.training.pair_examples import PairExamples
        from utils.training.reranker import train_reranker

        transformers.set_seed(self.options.seed)
        self.model = load_classifier(self.base, [LABEL], self.options.max_length, pair=True)
        examples = PairExamples(self.data.rows)
        held_out = PairExamples(self.data.held_out) if self.data.held_out else None
        self.trained = train_reranker(
            self.model, examples, self.chosen, self.options, folder, part=self.args.mini_batch, held_out=held_out
        )
        return self.trained

    def save(self, folder: Path) -> None:
        """Write the checkpoint."""
        assert self.model is not None
        self.model.save(folder)

    def figures(self, folder: TrainingFolder) -> dict[str, Any]:
        """Return the loss of the rows held out, if any; else a reranker is measured by the tasks of --eval."""
        return tell_held_out(self.data, self.trained)

    def lacks_records(self) -> bool:
        """Return False: the only records are those of --eval."""
        return False

    def card(self) -> dict[str, Any]:
        """Return what the model card says."""
        return {
            "title": f"{self.base.name}, fine-tuned as a reranker on {self.data.name}",
            "summary": f"A cross-encoder with one score for a query and a document (loss: {self.chosen.loss}, "
            f"{self.chosen.max_negatives} negatives a row).",
            "base_model": self.base.name,
            "library": "sentence-transformers",
            "tags": ["sentence-transformers", "cross-encoder", "text-ranking"],
            "data": self.data.table(),
            "use": ["python retrieval.py --rerank FOLDER"],
        }
