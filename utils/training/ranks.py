"""One training by several processes, as torchrun starts them.

Each process computes its share of every batch, and all of them have the same weights after each step. The first one
alone writes and prints.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError

if TYPE_CHECKING:
    import torch

LONGEST_WAIT = datetime.timedelta(days=7)  # of the other processes, while the first one evaluates


class OwnError(UserError):
    """An error of one process, which the others do not have."""


def count() -> int:
    """Return how many processes train together; their launcher tells each its number as well."""
    return int(os.environ.get("WORLD_SIZE") or 1) if os.environ.get("RANK") else 1


def rank() -> int:
    """Return the number of this process, 0 for the first one."""
    return int(os.environ.get("RANK") or 0)


def is_first() -> bool:
    """Return whether this process writes and prints."""
    return rank() == 0


def wait() -> None:
    """Wait until all processes are here."""
    if count() > 1:
        import torch

        torch.distributed.barrier()


def share_of(batch_size: int) -> int:
    """Return how many examples of a batch a process has. Raises UserError where the batch does not divide."""
    if batch_size % count():
        raise UserError(
            f"--batch_size {batch_size} in {count()} processes", f"give a multiple of {count()}, as each has a part"
        )
    return batch_size // count()


@contextlib.contextmanager
def together(device: str) -> Iterator[None]:
    """Join the other processes, where there are any. All but the first print nothing but errors of their own.

    device: `cpu` or `cuda`, of which each process then has one.
    """
    if count() == 1:
        yield
        return
    # of poolers without a gradient, which the library looks for in each step: torch warns where there are none
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from accelerate import PartialState

    PartialState(cpu=device == "cpu", timeout=LONGEST_WAIT)
    if is_first():
        yield
        return
    try:
        with (
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            yield
    except OwnError:
        raise
    except UserError as error:
        raise SystemExit(2) from error
    except KeyboardInterrupt as error:
        raise SystemExit(130) from error


def joined(own: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    """Return the outputs of all processes one after another, of which gradients reach this process's own.

    own: (counts[rank], d). counts: the number of rows that each process has.
    """
    import torch

    if len(counts) == 1:
        return own
    rows = own.new_zeros(max(counts), own.shape[1])
    rows[: len(own)] = own.detach()
    found = [torch.empty_like(rows) for _ in counts]
    torch.distributed.all_gather(found, rows)
    parts = [some[:n] for some, n in zip(found, counts, strict=True)]
    parts[rank()] = own
    return torch.cat(parts)


def with_gradients_added(loss: torch.Tensor) -> torch.Tensor:
    """Return a loss whose gradients are the sum over the processes, where the library takes their mean."""
    return loss + (count() - 1) * (loss - loss.detach()) if count() > 1 else loss


def is_finite_everywhere(loss: torch.Tensor) -> bool:
    """Return whether the loss of each process is a number."""
    import torch

    found = torch.isfinite(loss).all().float()
    if count() > 1:
        torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MIN)
    return bool(found)
