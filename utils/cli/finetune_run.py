"""A training from its beginning to its end, as all objectives have it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from utils.errors import UserError, note
from utils.records.provenance import public_argument
from utils.training import ranks
from utils.training.card import write_card
from utils.training.curve import write_curve
from utils.training.folder import TrainingFolder

if TYPE_CHECKING:
    from utils.training.loop import Trained
    from utils.training.options import TrainingOptions

Draw = Callable[[Sequence[Mapping[str, float]], Path], "list[Path]"]


class Objective(Protocol):
    """What a training of one kind does; it is made from the arguments, and has read its data."""

    options: TrainingOptions

    @property
    def output(self) -> Path:
        """The folder that a training has unless --output names one."""
        ...

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights: the objective, the data with their hashes, the checkpoint, the settings."""
        ...

    def plan(self) -> str:
        """Return what the training would read and do, for --dry_run."""
        ...

    def train(self, folder: TrainingFolder) -> Trained:
        """Load the model and train it, from the last checkpoint where there is one."""
        ...

    def save(self, folder: Path) -> None:
        """Write the trained model as a checkpoint that the other scripts take."""
        ...

    def figures(self, folder: TrainingFolder) -> dict[str, Any]:
        """Return what the trained model reaches, for the record and the card; print it."""
        ...

    def lacks_records(self) -> bool:
        """Return whether the trained model is needed for records that are not there."""
        ...

    def card(self) -> dict[str, Any]:
        """Return what the model card says of the objective: `title`, `base_model`, `data` (rows), `use` (commands)."""
        ...


def usual_folder(objective: str, data: str, base: str) -> Path:
    """Return the folder that a training of a checkpoint on some data has unless --output names one."""
    return Path("finetuned") / objective / data / base.replace("/", "__")


def place_of_training(objective: Objective, args: argparse.Namespace, *, several: bool) -> Path:
    """Return the folder of a training: the usual one, or --output, below which several have one each."""
    chosen: Path | None = args.output
    if chosen is None:
        return objective.output
    return chosen / objective.output.name if several else chosen


def finetune(objective: Objective, args: argparse.Namespace, path: Path, draw: Draw) -> None:
    """Train, write the model with its curve and its card into the folder `path`, and print what it reaches."""
    folder = TrainingFolder(path, objective.identity())
    if args.dry_run:
        print(f"{objective.plan()}\noutput: {path}")
        return
    opened = folder.opened(overwrite=args.overwrite, lacks=lambda: not args.drop_weights or objective.lacks_records())
    with opened if ranks.is_first() else nullcontext():
        ranks.wait()
        if folder.is_done():
            print(f"{path} has this training already (--overwrite trains again)", file=sys.stderr)
            return
        if ranks.count() > 1:
            note(f"{ranks.count()} processes share each batch of {objective.options.batch_size} examples")
        try:
            trained = objective.train(folder)
        except UserError:
            if ranks.is_first():
                folder.leave()
            raise
        if ranks.is_first():
            _write(objective, args, folder, trained, draw)


def _write(
    objective: Objective, args: argparse.Namespace, folder: TrainingFolder, trained: Trained, draw: Draw
) -> None:
    """Write the trained model, what it reaches, its curve, its card and its record."""
    path = folder.path
    objective.save(path)
    points = write_curve(trained.history, path)
    pictures = draw(points, path)
    figures = objective.figures(folder)
    arguments = {name: public_argument(value) for name, value in vars(args).items() if name != "evaluations"}
    content = {"figures": figures, "steps": trained.n_steps, "seconds": trained.seconds, "arguments": arguments}
    content |= {"resumed_at": trained.n_before} if trained.n_before else {}
    content |= {"processes": ranks.count()} if ranks.count() > 1 else {}
    about = objective.card() | ({"use": []} if args.drop_weights else {})
    write_card(folder, about, {**content, "pictures": [picture.name for picture in pictures]})
    folder.finish(drop=args.drop_weights, **content)
    print(f"{'training' if args.drop_weights else 'model'}: {path}")
