"""Which runs one process executes one after the other: those that load the same models."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from utils.sweep.grid import Run
from utils.sweep.scripts import models_of, parse

GPU = "gpu"
LARGEST = 5000  # runs of a group


@dataclass(frozen=True)
class Group:
    """Runs that load the same models, of which `models` tells; those on one data set follow each other."""

    models: tuple[str, ...]
    runs: tuple[Run, ...]


def make_groups(runs: Iterable[Run], slots: int) -> list[Group]:
    """Return the groups of some runs, in the order of their first runs, at least as many as can compute at once.

    Where there are fewer, the largest are split in halves, so that each part still loads each model once. No group has
    more than LARGEST runs, whose names are on the command line of its process.
    """
    found: dict[tuple[str, ...], list[tuple[str, int, Run]]] = {}
    for place, run in enumerate(runs):
        arguments = parse(run.script, run.words)
        found.setdefault(models_of(arguments), []).append((str(getattr(arguments, "dataset", "")), place, run))
    whole_groups = ((models, _by_data_set(members)) for models, members in found.items())
    groups = [
        Group(models, runs_of[at : at + LARGEST])
        for models, runs_of in whole_groups
        for at in range(0, len(runs_of), LARGEST)
    ]
    while len(groups) < slots:
        place = max(range(len(groups)), key=lambda one: len(groups[one].runs), default=0)
        if not groups or len(groups[place].runs) < 2:
            break
        whole = groups[place]
        middle = (len(whole.runs) + 1) // 2
        parts = (whole.runs[:middle], whole.runs[middle:])
        groups[place : place + 1] = [Group(whole.models, part) for part in parts]
    return groups


def _by_data_set(members: Sequence[tuple[str, int, Run]]) -> tuple[Run, ...]:
    first: dict[str, int] = {}
    for dataset, place, _ in members:
        first.setdefault(dataset, place)
    return tuple(run for dataset, place, run in sorted(members, key=lambda one: (first[one[0]], one[1])))


def lacking(needs: Sequence[str], environment: Mapping[str, str], *, sees_gpus: bool) -> str:
    """Return what the machine lacks for a run, empty where nothing.

    sees_gpus: whether the runs are on this machine, whose GPUs can be counted; elsewhere, the cluster gives them.
    """
    missing = [f"{name} is not set" for name in needs if name != GPU and not environment.get(name, "").strip()]
    if GPU in needs and sees_gpus and not gpus():
        missing.append("no GPU")
    return ", ".join(missing)


@lru_cache
def gpus() -> tuple[str, ...]:
    """Return the ids of this machine's GPUs, without loading a library; those that CUDA_VISIBLE_DEVICES names."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(each.strip() for each in named.split(",") if each.strip() not in ("", "-1"))
    if (tool := shutil.which("nvidia-smi")) is not None:
        try:
            listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            listed = ""
        return tuple(str(n) for n in range(sum(row.startswith("GPU ") for row in listed.splitlines())))
    return tuple(str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*")))))
