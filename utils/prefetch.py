"""Downloads for runs without a network: `python -m utils.prefetch`."""

from __future__ import annotations

from utils.cli.main import run
from utils.cli.prefetch import main

if __name__ == "__main__":
    run(main)
