#!/usr/bin/env python3
"""A script of the project twice in one process: with all of the device's memory, and with too little for its batches.

    python bench/_limited.py FOLDER BYTES SCRIPT [ARGUMENT ...]

BYTES is the size of the model, which has to fit. The second run may use a share of what the first one needed beyond it;
a smaller share is tried until batches are halved. The caches and logs are FOLDER/whole and FOLDER/halved. One line of
JSON on stdout says what came of it. On a CPU nothing is limited, and both runs are the same.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import runpy
import shutil
import sys
import traceback
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SHARES = (0.8, 0.6, 0.4, 0.2)  # of the memory beyond the model that the first run needed
NOTE = "in halves"  # of a batch that does not fit


def run(script: str, arguments: list[str], folder: Path) -> tuple[int, str]:
    """Run a script with its cache and logs in a folder; return its exit code and what it wrote."""
    shutil.rmtree(folder, ignore_errors=True)
    sys.argv = [script, *arguments, "--cache_dir", str(folder / "cache"), "--output_dir", str(folder / "logs")]
    output, code = io.StringIO(), 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
    return code, output.getvalue()


def free() -> int:
    """Give the device's unused memory back, and return the bytes that are still used."""
    gc.collect()
    if not torch.cuda.is_available():
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def limited(script: str, arguments: list[str], folder: Path, n_model: int, needed: int) -> dict[str, object]:
    """Run a script with ever smaller shares of the memory that it needs, until its batches are halved."""
    found: dict[str, object] = {}
    for share in SHARES:
        left = free()
        bound = left + n_model + int(share * max(0, needed - n_model))
        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(bound / torch.cuda.get_device_properties(0).total_memory)
        code, output = run(script, arguments, folder)
        about = {"share": share, "bytes allowed": bound, "bytes left over": left, "exit code": code}
        found = {**about, "halved": output.count(NOTE), "output": output[-900:]}
        if found["halved"] or code or not torch.cuda.is_available():
            break
    return found


def main() -> None:
    """Run twice, and print."""
    folder, n_model, script, arguments = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    left = free()
    code, output = run(script, arguments, folder / "whole")
    needed = torch.cuda.max_memory_allocated() - left if torch.cuda.is_available() else 0
    found: dict[str, object] = {"exit code": code, "bytes needed": needed, "output": output[-900:]}
    if code == 0:
        found["without memory"] = limited(script, arguments, folder / "halved", n_model, needed)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
