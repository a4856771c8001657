"""The notebook runs from its first cell to its last, offline, and is kept without outputs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from script_runner import TIMEOUT

NOTEBOOK = ROOT / "notebooks" / "analysis.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_the_notebook_is_kept_without_outputs() -> None:
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert len(code) > 4 and not any(cell["outputs"] or cell["execution_count"] for cell in code)
    for cell in code:
        ast.parse("".join(cell["source"]))


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="requirements-dev.txt is not installed")
    nbformat = pytest.importorskip("nbformat", reason="requirements-dev.txt is not installed")
    for package in ("ipykernel", "matplotlib"):
        pytest.importorskip(package, reason="requirements-dev.txt is not installed")
    kernel = tmp_path / "jupyter" / "kernels" / "python3"  # this interpreter's, whatever kernels the user has
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "tests", "language": "python"}))
    places = {"JUPYTER_PATH": "jupyter", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    places |= {"MPLCONFIGDIR": "matplotlib", "MINERS_NOTEBOOK_LOGS": "logs", "JUPYTER_CONFIG_DIR": "config"}
    for name, folder in places.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("MINERS_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MINERS_DATA_DIR", "")
    # the list of fonts is made once on a machine, and said so where it takes long
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True, capture_output=True)
    before = files()

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    done = nbclient.NotebookClient(notebook, timeout=TIMEOUT, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    outputs = [output for cell in done.execute().cells for output in cell.get("outputs", [])]

    assert not [output for output in outputs if output["output_type"] in ("stream", "error")]
    shown = [set(output["data"]) for output in outputs]
    assert sum("text/html" in kinds for kinds in shown) == 3 and sum("image/png" in kinds for kinds in shown) == 1
    assert len(list((tmp_path / "logs").rglob("eval_*_1.json"))) == 24
    assert files() == before


def files() -> set[Path]:
    """What there is in the folders that a run could write to; hidden files are of tools, such as coverage."""
    rooms = (ROOT / "notebooks", ROOT / "logs", ROOT / "data")
    return {path for room in rooms for path in (room, *room.rglob("*")) if path.exists()} | set(ROOT.glob("[!.]*"))
