"""A comparison of two encoders' vectors: `python -m utils.parity`."""

from __future__ import annotations

from utils.cli.main import run
from utils.cli.parity import main

if __name__ == "__main__":
    run(main)
