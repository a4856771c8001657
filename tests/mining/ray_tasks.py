"""A two-node Ray cluster on loopback, tasks that fail on it in several ways, and a mining; prints what came of them.

python ray_tasks.py FOLDER MODEL: the folder is the current one, has a.txt and b.txt, and gets ray.tsv.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).parent)]

from utils.errors import UserError  # noqa: E402


@dataclass(frozen=True)
class Square:
    """Squares a number; the first time it dies if its number is in `dying`, always if it is in `hopeless`."""

    number: int
    folder: Path
    dying: tuple[int, ...] = ()
    hopeless: tuple[int, ...] = ()
    size: int = 10

    def __call__(self, desk: str, advance: Callable[[int], object]) -> tuple[str, int]:
        marker = self.folder / f"tried-{self.number}"
        if self.number in self.hopeless or (self.number in self.dying and not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.number < 0:
            raise UserError("a number below 0", "give another")
        advance(3)
        return desk, self.number**2


def results(workers: Any, tasks: list[Square]) -> tuple[list[tuple[str, int]], int]:
    """Return the results of tasks, and how far they advanced a bar."""
    steps: list[int] = []
    return list(workers.run(tasks, steps.append)), sum(steps)


def error_of(work: Callable[[], object]) -> str:
    """Return what is wrong with some work."""
    try:
        work()
    except UserError as error:
        return error.what
    return ""


def check(folder: Path, model: str, address: str) -> dict[str, Any]:
    """Return what came of the tasks and of the mining."""
    import mine
    from utils.cluster import workers
    from utils.cluster.workers import RayWorkers

    found: dict[str, Any] = {}
    with RayWorkers(address, "cpu", folder, "desk") as pool:
        found["workers"] = len(pool)
        found["squares"] = results(pool, [Square(n, folder, dying=(2,)) for n in range(9)])
        found["user"] = error_of(lambda: results(pool, [Square(-1, folder)]))
        workers.TRIES = 2
        found["hopeless"] = error_of(lambda: results(pool, [Square(7, folder, hopeless=(7,))]))
    (folder / "hidden").mkdir()
    with RayWorkers(address, "cpu", folder / "hidden", "desk") as pool:
        pool._launch_all()
        for file in (folder / "hidden").glob(".shared-*"):  # as on a node that has another folder of that name
            file.unlink()
        found["hidden"] = error_of(lambda: results(pool, [Square(1, folder)]))
    found["cuda"] = error_of(lambda: RayWorkers(address, "cuda", folder, "desk"))
    sides = ("--source", "a.txt", "--target", "b.txt", "--shard_size", "25", "--store", "of_ray")
    mine.main([*sides, "--model_checkpoint", model, "--output", "ray.tsv", "--ray", address])
    found["left"] = [path.name for path in folder.rglob(".shared-*")]
    return found


def main() -> None:
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "PYTHONPATH": str(Path(__file__).parent),  # of the workers, so that they have these tasks
    }
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "node_ip_address": "127.0.0.1"})
    try:
        cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1")
        print(json.dumps(check(Path.cwd(), sys.argv[1], cluster.address)))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    import ray_tasks  # so that the tasks are those of a module that the workers can import

    ray_tasks.main()
