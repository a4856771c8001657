#!/usr/bin/env python3
"""Fine-tuning: trains a model that the other scripts then evaluate.

python finetune.py                                          a classifier of the sample set's topics
python finetune.py --objective classification --help        the flags of an objective
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.cli import finetune_arguments
from utils.cli.finetune_arguments import ObjectiveSpec
from utils.cli.finetune_eval import Measured, evaluations_of
from utils.cli.finetune_run import Objective, finetune, place_of_training
from utils.cli.main import run as run_script
from utils.training.ranks import together

KEPT = "the last checkpoint is kept; run the same command again to continue"  # what an interruption leaves


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    return finetune_arguments.parse(argv)[1]


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    objective, args = finetune_arguments.parse(argv)
    args.evaluations = evaluations_of(args, objective.measured_as, parse_script)
    with together("cuda" if args.cuda else "cpu"):
        trainings = objective.make(args)
        with objective.around(trainings):
            for training in trainings:
                place = place_of_training(training, args, several=len(trainings) > 1)
                finetune(_measured(training, objective, args), args, place, draw)


def _measured(training: Objective, spec: ObjectiveSpec, args: argparse.Namespace) -> Objective:
    """Return a training that is measured before and after, where --eval asks for it."""
    return Measured(training, args, spec.measured_as, measure, compare) if args.evaluations else training


def draw(points: Sequence[Mapping[str, float]], folder: Path) -> list[Path]:
    """Draw the learning curve, and return its files."""
    from utils.reporting.charts.training import draw_curve

    return draw_curve(points, folder)


def parse_script(script: str, argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a command of another script. Raises UserError as the script does."""
    from utils.sweep import scripts

    return scripts.parse(script, argv)


def measure(script: str, argv: Sequence[str]) -> list[Path]:
    """Run a command of another script, and return its records, those that were there among them."""
    from utils.records.record_store import watched_records
    from utils.sweep.scripts import run_main

    with watched_records() as found:
        run_main(script, argv)
    return list(found)


def compare(before: Sequence[Path], after: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the figures of records before and after the training, with paired tests."""
    from utils.reporting.tables.before_after import before_after

    return before_after(before, after)


if __name__ == "__main__":
    run_script(main, KEPT)
