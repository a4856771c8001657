"""Rooms shared by the scripts; docs/architecture.md says who may import whom."""

import importlib.util
import sys
from pathlib import Path

ACTIVATE = "source .venv/bin/activate, which `make demo` makes, or pip install -r requirements.txt"


def _check_python() -> None:
    """End a script of the suite that another Python runs than the one that its packages are installed for."""
    root = Path(__file__).resolve().parents[1]
    is_script = sys.argv[:1] == ["-m"] or root in Path(*sys.argv[:1]).resolve().parents
    if is_script and importlib.util.find_spec("numpy") is None:
        print(f"error: the package numpy is not installed for {sys.executable}\nhint: {ACTIVATE}", file=sys.stderr)
        sys.exit(2)


_check_python()
