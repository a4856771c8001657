"""Joining a Ray cluster or starting one on this machine, and the packages that only a cluster needs."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from utils.errors import UserError, first_line

EXTRAS = "pip install -r requirements-cluster.txt"
LOOPBACK = ("127.", "localhost:", "[::1]:")
SHARED = ("MINERS_", "HF_", "TRANSFORMERS_", "OMP_")  # beginnings of variables that Ray's processes are given
CONNECT_SECONDS = 10.0
OWN = "local"  # the address of a cluster that is started on this machine


@dataclass(frozen=True)
class Joined:
    """A cluster that this process takes part in; `ray` is the package."""

    ray: Any
    is_ours: bool

    def leave(self) -> None:
        """Leave the cluster; one that was started here ends. One that the process was in before goes on."""
        if self.is_ours:
            self.ray.shutdown()


def join_ray(address: str | None, hint: str) -> Joined:
    """Join the Ray cluster at an address, or start one on this machine for OWN; None is what Ray's variables say.

    Raises UserError where Ray is not installed, and with the hint where no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if (address or "").startswith(LOOPBACK):  # Ray would ask the machine's outer address
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    ray = import_extra("ray")
    is_ours = not ray.is_initialized()
    if is_ours:
        _check_address(address, hint)
        try:
            with quiet():
                ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"no Ray cluster at {address}: {first_line(error)}", hint) from error
    return Joined(ray, is_ours)


def _check_address(address: str | None, hint: str) -> None:
    """Raise UserError where nothing listens at an address: Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if not port.isdecimal():
        if address not in (None, OWN, "auto"):
            raise UserError(f"no Ray cluster at {address}: it is no HOST:PORT", hint)
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(f"no Ray cluster at {address}: {first_line(error)}", hint) from error


def shared_environment() -> dict[str, str]:
    """Return the variables of this process that those of the cluster are given too; keys of APIs are not among them."""
    return {name: value for name, value in os.environ.items() if name.startswith(SHARED)}


def import_extra(name: str, extras: str = EXTRAS) -> Any:
    """Return a package of the extras; raises UserError that says how they are installed where it is not."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"the package {name} is not installed", extras) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep a library's own words about its start from the output."""
    import logging
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
