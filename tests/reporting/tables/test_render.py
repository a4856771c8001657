"""Every kind of table, byte for byte: tests/data/golden/ has what the scripts print of the records made here.

`MINERS_REGENERATE=1 pytest tests/reporting/tables/test_render.py` writes the files anew; read the difference before it
is committed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import made_records as made
import pytest
from conftest import ROOT, Run

GOLDEN = ROOT / "tests" / "data" / "golden"
BITEXT, ICL = "aggregate_bitext_mining", "aggregate_icl"
ALL = ["--seeds", "all", "--bold", "significant", "--reference", "paper"]
CASES = {
    "best.txt": [BITEXT, "--seed", "1", "--bold", "best"],
    "significant.md": [BITEXT, "--seed", "1", "--bold", "significant"],
    "seeds.txt": [BITEXT, "--seeds", "1", "2", "--ci"],
    "published.txt": [BITEXT, "--seed", "1", "--reference", "paper", "--reference_rows"],
    "all.csv": [BITEXT, *ALL, "--ci", "--format", "csv"],
    "all.json": [BITEXT, *ALL, "--format", "json"],  # without --ci, whose last digits are the processor's
    "all.tex": [BITEXT, *ALL, "--ci"],
    "languages.tex": ["aggregate_classification", "--dataset", "mine", "--by", "lang", "--bold", "significant", "--ci"],
    "shots.md": [ICL, "--reference", "paper", "--bold", "best"],
    "shots.tex": [ICL, "--reference", "paper", "--reference_rows", "--k", "1"],
    "compare.tex": ["compare", made.LABSE, made.ODD, "--task", "bitext", "--seed", "1"],
}
FORMATS = {".txt": "plain", ".md": "md", ".tex": "latex", ".csv": "csv", ".json": "json"}
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\newcommand{\fit}[1]{\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{\input{#1}}}
\begin{document}
%s
\end{document}
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("golden") / "logs"
    made.log_code_switching(root)
    made.log_languages(root)
    made.log_generator(root / "icl")
    return root


@pytest.mark.parametrize("name", CASES)
def test_the_scripts_print_the_golden_files(name: str, run: Run, logs: Path) -> None:
    script, *flags = CASES[name]
    style = ["--format", FORMATS[Path(name).suffix]] if "--format" not in flags else []
    done = run(f"script/aggregate/{script}.py", *flags, *style, "--logs", str(logs))
    assert done.returncode == 0, done.stderr
    if os.environ.get("MINERS_REGENERATE"):
        (GOLDEN / name).write_text(done.stdout, encoding="utf-8")
        (GOLDEN / f"{name}.stderr").write_text(done.stderr, encoding="utf-8")
    assert done.stdout.encode() == (GOLDEN / name).read_bytes()
    assert done.stderr.encode() == (GOLDEN / f"{name}.stderr").read_bytes()


def test_there_is_no_golden_file_without_a_case() -> None:
    assert {path.name.removesuffix(".stderr") for path in GOLDEN.iterdir()} == set(CASES)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles_with_booktabs_alone_and_fits_the_page(tmp_path: Path) -> None:
    names = [name for name in CASES if name.endswith(".tex")]
    for name in names:
        shutil.copy(GOLDEN / name, tmp_path)
    bare = "".join(rf"\setbox0\hbox{{\input{{{name}}}}}" for name in names)  # set, not shown: booktabs is enough
    pages = "\n\n".join(rf"\noindent\fit{{{name}}}" for name in names)
    for stem, body, packages in (("bare", bare, "booktabs"), ("pages", pages, "booktabs,graphicx")):
        text = (DOCUMENT % body).replace("booktabs,graphicx", packages)
        (tmp_path / f"{stem}.tex").write_text(text, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{stem}.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-2000:]
        log = (tmp_path / f"{stem}.log").read_text(encoding="latin-1")
        assert not re.findall(r"(?:Overfull|Missing character|LaTeX Warning).*", log)
