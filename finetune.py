#!/usr/bin/env python3
"""Fine-tuning: trains a model that the other scripts then evaluate.

python finetune.py                                          a classifier of the sample set's topics
python finetune.py --objective classification --help        the flags of an objective
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.cli.finetune_arguments import parse
from utils.cli.finetune_run import finetune, place_of_training
from utils.cli.main import run as run_script

KEPT = "the last checkpoint is kept; run the same command again to continue"  # what an interruption leaves


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    objective, args = parse(argv)
    trainings = objective.make(args)
    with objective.around(trainings):
        for training in trainings:
            finetune(training, args, place_of_training(training, args, several=len(trainings) > 1), draw)


def draw(points: Sequence[Mapping[str, float]], folder: Path) -> list[Path]:
    """Draw the learning curve, and return its files."""
    from utils.reporting.charts.training import draw_curve

    return draw_curve(points, folder)


if __name__ == "__main__":
    run_script(main, KEPT)
