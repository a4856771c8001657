"""Tasks on the actors of a Ray cluster: one in hand for each, results in order, and those of lost workers again."""

from __future__ import annotations

import os
import pickle
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from utils.cluster.joining import join_ray, shared_environment
from utils.errors import UserError, counted

TRIES = 4  # of a task whose worker is lost each time
AHEAD = 4  # results for each worker that wait for one before them, at most
TICK = 1.0  # seconds between two looks at how far the tasks are
START_SECONDS = 600.0  # for the first worker
ROOT = Path(__file__).resolve().parents[2]
HINT = "start one with `ray start --head`, or give --ray without an address: a cluster of this machine is started"
LOST_HINT = "see `ray status` and the nodes' memory; what is finished is kept, the same command goes on"

Advance = Callable[[int], object]


class Task(Protocol):
    """A part of the work, which can be pickled. `size` is what it advances a bar by."""

    @property
    def size(self) -> int:
        """Return what the whole task counts in the bar."""

    def __call__(self, desk: Any, advance: Advance) -> Any:
        """Compute it with what the process keeps between tasks."""


def _node_check() -> Callable[[Sequence[str], Sequence[str]], tuple[str, str] | None]:
    """Return the function by which an actor checks its node. It is sent by value, as the class of the actors is."""

    def wrong_with_node(folders: Sequence[str], shared: Sequence[str]) -> tuple[str, str] | None:
        """Return what is wrong and what to do; None where the folders and the shared file are there."""
        for path in folders:
            if not Path(path).is_dir():
                return f"has no folder {path}", "all nodes need the project and its files under the same paths"
        try:
            content = Path(shared[0]).read_text(encoding="utf-8")
        except OSError:
            content = ""
        if content != shared[1]:
            hint = "give --store a folder that all nodes share, such as one of a network file system"
            return f"does not see what is written to the store {Path(shared[0]).parent}", hint
        return None

    return wrong_with_node


def _actor_class() -> type:
    """Return the class of the actors. It is sent by value: a node knows the project only once `begin` was called."""
    wrong_with_node = _node_check()

    class ProjectWorker:
        def begin(
            self, folders: Sequence[str], shared: Sequence[str], environment: Mapping[str, str], desk: bytes
        ) -> Any:
            """Return what is wrong with this node and what to do; None where it can work with `desk`."""
            if wrong := wrong_with_node(folders, shared):
                return wrong
            os.environ.update(environment)
            sys.path.insert(0, folders[0])
            os.chdir(folders[1])
            self.desk, self.n_done = pickle.loads(desk), 0
            return None

        def work(self, task: bytes) -> Any:
            """Return the result of a task and None, or None and an error of the user."""
            from utils.errors import UserError

            self.n_done = 0

            def advance(n: int) -> None:
                self.n_done += n

            try:
                return pickle.loads(task)(self.desk, advance), None
            except UserError as error:
                return None, (error.what, error.hint)

        def done(self) -> int:
            """Return how far the task in hand is; it is answered meanwhile."""
            return int(self.n_done)

    return ProjectWorker


@dataclass
class _Actor:
    """An actor, its share of a node, the number of the task in hand, and how much of that the bar was told."""

    handle: Any
    share: Mapping[str, int]
    number: int = -1
    told: int = 0


@dataclass
class _Round:
    """The tasks of one call: those that wait for an actor, how often each was lost, and results before their turn."""

    tasks: Sequence[Task]
    advance: Advance
    waiting: deque[int]
    losses: Counter[int] = field(default_factory=Counter)
    results: dict[int, Any] = field(default_factory=dict)


class RayWorkers:
    """Actors of a Ray cluster that compute tasks: one for each GPU, or one with all cores of each node without them.

    An actor is given a task when it has none, so what waits in Ray's store is bounded. The task of an actor or a node
    that dies is given to another one, and a new actor is started where there is room for it.
    """

    def __init__(self, address: str, device: str, folder: Path, desk: object) -> None:
        """Join the cluster. `folder` is shared by all nodes; `desk` is what tasks use, of which each actor has a copy.

        Raises UserError where Ray is not installed, no cluster answers, or it has no GPU for the device cuda.
        """
        self._joined = join_ray(address, HINT)
        self.ray = self._joined.ray
        self._desk, self._folder = pickle.dumps(desk), folder.absolute()
        self._shares = self._shares_of_nodes(device)
        self._starting: dict[Any, _Actor] = {}  # by what they are asked for
        self._busy: dict[Any, _Actor] = {}
        self._free: list[_Actor] = []
        self._token: Path | None = None
        self._last_start, self._n_failed = time.monotonic(), 0

    def __len__(self) -> int:
        """Return how many actors compute when all have started."""
        return len(self._shares)

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in (*self._starting.values(), *self._busy.values(), *self._free):
            self.ray.kill(actor.handle)
        if self._token is not None:
            self._token.unlink(missing_ok=True)
        self._joined.leave()

    def run(self, tasks: Sequence[Task], advance: Advance) -> Iterator[Any]:
        """Yield the results of the tasks in their order, and advance a bar meanwhile.

        Raises UserError as a task does, where a node does not see the folder, and where workers are lost repeatedly.
        """
        if tasks:
            self._launch_all()
        now = _Round(tasks, advance, deque(range(len(tasks))))
        for number in range(len(tasks)):
            while number not in now.results:
                self._give(now, number)
                self._await(now)
            yield now.results.pop(number)

    def _shares_of_nodes(self, device: str) -> list[dict[str, int]]:
        """Return what each actor needs of a node."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        n_gpus = sum(int(node.get("GPU", 0)) for node in nodes)
        if device == "cuda":
            shares = [
                {"num_gpus": 1, "num_cpus": int(node.get("CPU", 0) // node["GPU"])}
                for node in nodes
                for _ in range(int(node.get("GPU", 0)))
            ]
        else:
            shares = [{"num_cpus": int(node["CPU"])} for node in nodes if node.get("CPU", 0) >= 1]
            if n_gpus:
                print(f"note: the Ray cluster has {counted(n_gpus, 'GPU')}; --cuda uses them", file=sys.stderr)
        if not shares:
            self._joined.leave()
            what = "--cuda, but the Ray cluster has no GPU" if device == "cuda" else "the Ray cluster has no CPU"
            raise UserError(what, "add a node that has one, or leave --cuda or --ray out")
        return shares

    def _launch_all(self) -> None:
        """Start the actors at the first tasks."""
        if self._token is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._token = self._folder / f".shared-{secrets.token_hex(8)}"
            self._token.write_text(self._token.name, encoding="utf-8")
            for share in self._shares:
                self._launch(share)

    def _launch(self, share: Mapping[str, int]) -> None:
        assert self._token is not None
        handle = self.ray.remote(_actor_class()).options(max_concurrency=2, **share).remote()
        shared = str(self._token), self._token.name
        begun = handle.begin.remote((str(ROOT), str(Path.cwd())), shared, shared_environment(), self._desk)
        self._starting[begun] = _Actor(handle, share)

    def _give(self, now: _Round, awaited: int) -> None:
        """Give tasks to the actors that have none, as long as not too many results wait for the awaited one."""
        while self._free and now.waiting and now.waiting[0] < awaited + AHEAD * len(self._shares):
            actor = self._free.pop()
            actor.number, actor.told = now.waiting.popleft(), 0
            self._busy[actor.handle.work.remote(pickle.dumps(now.tasks[actor.number]))] = actor

    def _await(self, now: _Round) -> None:
        """Wait until an actor has started or has a result, and take it; tell the bar how far the others are."""
        ready, _ = self.ray.wait([*self._busy, *self._starting], num_returns=1, timeout=TICK)
        for asked in ready:
            if asked in self._starting:
                self._welcome(self._starting.pop(asked), asked)
            else:
                self._finish(now, self._busy.pop(asked), asked)
        if not ready:
            self._look(now)
        if not self._busy and not self._free and time.monotonic() - self._last_start > START_SECONDS:
            what = f"no worker of the Ray cluster has started for {START_SECONDS / 60:.0f} minutes"
            raise UserError(what, "see `ray status`: other work may hold its CPUs or GPUs")

    def _welcome(self, actor: _Actor, begun: Any) -> None:
        try:
            wrong = self.ray.get(begun)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:
            self._n_failed += 1
            if self._n_failed > TRIES * len(self._shares):
                raise UserError(f"workers of the Ray cluster do not start: {_reason(error)}", LOST_HINT) from error
            self._replace(actor)
            return
        if wrong is not None:
            raise UserError(f"a node of the Ray cluster {wrong[0]}", wrong[1])
        self._last_start = time.monotonic()
        self._free.append(actor)

    def _finish(self, now: _Round, actor: _Actor, asked: Any) -> None:
        """Take a result; the task of an actor that was lost waits again, before all others."""
        number, task = actor.number, now.tasks[actor.number]
        try:
            result, error_of_user = self.ray.get(asked)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:
            now.advance(-actor.told)
            now.losses[number] += 1
            if now.losses[number] >= TRIES:
                what = f"{counted(TRIES, 'worker')} died at the same task: {_reason(error)}"
                raise UserError(what, LOST_HINT) from error
            print(f"note: a worker was lost, and its task is given to another ({_reason(error)})", file=sys.stderr)
            now.waiting.appendleft(number)
            self._replace(actor)
            return
        if error_of_user is not None:
            raise UserError(*error_of_user)
        now.advance(task.size - actor.told)
        now.results[number] = result
        self._free.append(actor)

    def _replace(self, actor: _Actor) -> None:
        self.ray.kill(actor.handle)
        self._launch(actor.share)

    def _look(self, now: _Round) -> None:
        """Tell the bar how far the tasks in hand are."""
        asked = {actor.handle.done.remote(): actor for actor in self._busy.values()}
        if not asked:
            return
        answered, _ = self.ray.wait([*asked], num_returns=len(asked), timeout=TICK)
        for each in answered:
            try:
                done = self.ray.get(each)
            except self.ray.exceptions.RayError:
                continue  # its task tells
            now.advance(done - asked[each].told)
            asked[each].told = done


def _reason(error: Exception) -> str:
    """Return why an actor was lost, as Ray says it last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:160]
