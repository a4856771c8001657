#!/usr/bin/env python3
"""A grid of runs: scripts x data sets x encoders x generators x k x settings, on this machine or on a cluster.

python sweep.py sweeps/sample.yaml             what is left of the sweep in a file
python sweep.py status sample                  what is done, running and failed
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.arguments import Parser
from utils.cli.main import run as run_script
from utils.cli.types import name_or_path, natural, path, positive, text
from utils.errors import UserError, counted

if TYPE_CHECKING:
    from utils.sweep.executors import Options
    from utils.sweep.grid import Sweep
    from utils.sweep.state import StateFolder

RUN_AGAIN = "finished runs are kept; run the same command again to continue"
PLACES = ("cache_dir", "data_dir")
FORMS = ("run", "status", "work")
EXAMPLES = """
python sweep.py sweeps/sample.yaml
python sweep.py --grid script=bitext.py dataset=nusax,tatoeba model_checkpoint=sentence-transformers/LaBSE k=[1,5]
python sweep.py sweeps/miners.yaml --executor slurm --slurm partition=gpu timeout_min=600 --gpus_per_run 1 --jobs 20
python sweep.py sweeps/miners.yaml --dry_run commands
python sweep.py status miners
python sweep.py run miners
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser("A grid of runs, each an ordinary command of the suite with its own records.", EXAMPLES)
    parser.add_argument(
        "what",
        nargs="*",
        type=name_or_path,
        metavar="FILE.yaml | run NAME | status [NAME]",
        help="the file of a sweep; or the name of one that was started: to go on with it, or to show its table",
    )
    parser.add_argument("--grid", nargs="+", metavar="KEY=VALUES", help="a sweep without a file: script=a.py k=1,5")
    parser.add_argument("--name", type=text, help="name of the sweep (default: that of the file, a hash for --grid)")
    _add_executor_args(parser)
    _add_state_args(parser)
    return parser.parse_args(argv)


def _add_executor_args(parser: argparse.ArgumentParser) -> None:
    from utils.sweep.executors import EXECUTORS

    group = parser.add_argument_group("execution")
    group.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="local",
        help="where runs are executed; ray and slurm need requirements-cluster.txt (default: %(default)s)",
    )
    group.add_argument(
        "--jobs", type=positive, metavar="N", help="processes at once (default: 1; ray: all CPUs or GPUs; slurm: 8)"
    )
    group.add_argument("--gpus_per_run", type=natural, default=0, metavar="N", help="GPUs of each process (default: 0)")
    group.add_argument(
        "--retries", type=natural, default=0, metavar="N", help="times that a failed run is started again (default: 0)"
    )
    group.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster, `auto` for this machine's (default: start one)")
    group.add_argument(
        "--slurm", nargs="+", default=[], metavar="KEY=VALUE", help="settings of Slurm's jobs, such as partition=gpu"
    )


def _add_state_args(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("places and state")
    for name, of_what in (("cache_dir", "embeddings, shared by the runs"), ("data_dir", "data sets")):
        group.add_argument(
            f"--{name}", type=path, metavar="FOLDER", help=f"folder of {of_what}, for runs that name none"
        )
    group.add_argument(
        "--output_dir",
        type=path,
        default=Path("logs"),
        metavar="FOLDER",
        help="folder of the logs, of runs that name none; the state is in its folder sweeps/ (default: %(default)s)",
    )
    group.add_argument(
        "--dry_run",
        nargs="?",
        const="plans",
        choices=("plans", "commands"),
        help="show the commands by group, and what each run would do by its own --dry_run, or the commands alone",
    )
    group.add_argument("--cuda", action="store_true", help="encode and search on the GPU in every run")
    group.add_argument(
        "--replace",
        action="store_true",
        help="let this sweep take the place of one of its name that has other runs; what is done is kept",
    )
    group.add_argument("--parent", type=natural, default=0, help=argparse.SUPPRESS)
    group.add_argument("--verbose", action="store_true", help="show the traceback of an error")


def main(argv: Sequence[str]) -> None:
    """Run the command line; exits with 1 where a run has failed. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.sweep.show import show_status, show_sweeps
    from utils.sweep.state import StateFolder, find_sweep

    form, *names = args.what if args.what and args.what[0] in FORMS else ("", *args.what)
    root = args.output_dir / "sweeps"
    if form == "work":
        _work(names, args.parent)
    elif form == "status" and not names:
        show_sweeps(root)
    elif form == "status":
        for name in names:
            state = find_sweep(root, name)
            show_status(state, state.read_sweep())
    elif form == "run":
        _go_on(find_sweep(root, _only(names, "run NAME")), argv)
    else:
        sweep = _chosen_sweep(args, names)
        _execute(args, StateFolder(root / sweep.name), sweep, argv)


def _only(names: Sequence[str], form: str) -> str:
    if len(names) != 1:
        raise UserError(f"{len(names)} names where one is needed: {form}", "--help shows every form, with examples")
    return names[0]


def _work(words: Sequence[str], parent: int) -> None:
    from utils.sweep.state import StateFolder
    from utils.sweep.worker import work

    if len(words) < 2:
        raise UserError("work is how a sweep starts its processes", "--help shows every form, with examples")
    folder, *ids = words
    sys.exit(work(StateFolder(Path(folder)), ids, parent=parent))


def _chosen_sweep(args: argparse.Namespace, names: Sequence[str]) -> Sweep:
    """Return the sweep of the file or of the grid. Raises UserError where there is not one of them."""
    from utils.sweep.grid import grid_of, read_sweep
    from utils.sweep.state import sweep_folders

    low: dict[str, str | bool] = {name: str(getattr(args, name)) for name in PLACES if getattr(args, name)}
    if args.cuda:
        low["cuda"] = True
    if str(args.output_dir) != "logs":
        low["output_dir"] = str(args.output_dir)
    if args.grid is not None:
        if names:
            raise UserError(f"{names[0]} and --grid", "give the file of a sweep, or a grid")
        return grid_of(args.grid, low, args.name)
    file = _only(names, "FILE.yaml")
    if file in sweep_folders(args.output_dir / "sweeps") and not os.path.lexists(file):
        raise UserError(f"{file}: no such file", f"go on with the sweep of this name: python sweep.py run {file}")
    return read_sweep(Path(file).expanduser(), low, args.name)


def _go_on(state: StateFolder, argv: Sequence[str]) -> None:
    """Go on with a sweep by the command that started it; flags of this command line are added to it.

    Flags of places and --cuda belong to the runs, which are then made anew.
    """
    now = parse(argv)
    if now.grid is not None or now.name:
        raise UserError(f"run NAME with {'--name' if now.name else '--grid'}", "leave it out, or start another sweep")
    sweep, (command, folder) = state.read_sweep(), state.read_command()
    place = state.folder.absolute()
    os.chdir(folder)
    added = list(argv)
    for word in ("run", sweep.name):
        added.remove(word)
    args = parse([*command, *added])
    if now.cuda or any(getattr(now, name) for name in PLACES):
        sweep = _chosen_sweep(args, args.what)
    _execute(args, type(state)(place), sweep, command)


def _execute(args: argparse.Namespace, state: StateFolder, sweep: Sweep, command: Sequence[str]) -> None:
    from utils.sweep.driver import Driver
    from utils.sweep.groups import make_groups
    from utils.sweep.show import show_plan, show_status

    options = _options(args)
    _check_replaced(state, sweep, may_replace=args.replace)
    if args.dry_run:
        left = [run for run in sweep.runs if not state.is_finished(run)]
        groups = make_groups(left, args.jobs or 1)
        show_plan(state, sweep, groups, args.dry_run, sees_gpus=args.executor == "local")
        return
    with state.held():
        state.write_sweep(sweep, [word for word in command if word != "--replace"])
        is_well = Driver(state, sweep, options, args.retries).execute()
    show_status(state, sweep)
    if not is_well:
        sys.stdout.flush()
        sys.exit(1)


def _check_replaced(state: StateFolder, sweep: Sweep, *, may_replace: bool) -> None:
    """Raise UserError where a sweep of this name is there that has runs which this one lacks."""
    if may_replace or not (dropped := state.dropped_by(sweep)):
        return
    what = f"the sweep {sweep.name} in {state.folder} has {counted(len(dropped), 'run')} that this one lacks"
    hint = "give this one another --name; or add --replace, and the table has the runs of this one alone"
    raise UserError(f"{what}, such as: {dropped[0].command}", f"{hint} (records are kept)")


def _options(args: argparse.Namespace) -> Options:
    from utils.sweep.executors import Options, slurm_settings

    if args.ray and args.executor != "ray":
        raise UserError("--ray without --executor ray", "add --executor ray")
    if args.slurm and args.executor != "slurm":
        raise UserError("--slurm without --executor slurm", "add --executor slurm")
    return Options(args.executor, args.jobs, args.gpus_per_run, args.ray, slurm_settings(args.slurm))


if __name__ == "__main__":
    run_script(main, RUN_AGAIN)
