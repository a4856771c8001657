"""How a script ends: what its errors print, its exit codes, and consoles of other encodings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Run
from script_runner import wait_until

HEAD = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from utils.cli.main import run
from utils.errors import UserError

def main(argv):
    print("before", "हिन्दी")
    {{}}

run(main, "what is kept")
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "some_script.py"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("raise UserError('wrong', 'do this')", "error: wrong\nhint: do this\n"),
        ("open('nowhere/x')", "error: No such file or directory: nowhere/x\nhint: check that the file or folder is"),
        ("raise OSError(5, 'Input/output error', 'x')", "error: Input/output error: x\nhint: check the free space"),
        ("open('.')", "error: Is a directory: .\nhint: there is a folder in the place of the file .: move"),
        (
            "open('some_script.py/a/b', 'w')",
            "error: Not a directory: some_script.py/a/b\nhint: some_script.py is no folder: move it away, or choose",
        ),
        ("import os; os.makedirs('some_script.py')", "error: File exists: some_script.py\nhint: some_script.py is no"),
        (
            "raise PermissionError(13, 'Permission denied', b'x')",
            "error: Permission denied: b'x'\nhint: check the perm",
        ),
        ("open('x' * 300)", "error: File name too long: xxx"),
        ("raise MemoryError", "error: out of memory\nhint: use a smaller --batch_size"),
        ("raise RuntimeError('CUDA out of memory. Tried')", "error: out of memory\n"),
        ("raise OSError(28, 'No space left on device', 'x')", "error: No space left on device: x\nhint: free some"),
        ("raise ValueError('I/O error: No space left on device (os error 28)')", "error: no space left on the disk\n"),
    ],
)
def test_an_error_is_two_lines(run: Run, script: Path, line: str, told: str) -> None:
    script.write_text(HEAD.format(line))
    done = run(str(script))
    assert done.returncode == 2 and done.stderr.startswith(told) and done.stderr.count("\n") == 2


def test_an_error_that_is_no_exception_is_two_lines_as_well(run: Run, script: Path) -> None:
    script.write_text(HEAD.format("raise type('PanicException', (BaseException,), {})('out of range')"))
    done = run(str(script))
    assert done.returncode == 1 and done.stderr.startswith("error: unforeseen: PanicException: out of range\nhint: ")


@pytest.mark.parametrize("folder", ["logs", "elsewhere/logs"])
def test_an_error_that_nobody_foresaw_is_two_lines_and_a_file(
    run: Run, script: Path, tmp_path: Path, folder: str
) -> None:
    script.write_text(HEAD.format("{}['secret-of-mine']"))
    flags = ["--verb", "a b"] if folder == "logs" else [f"--output_dir={folder}"]
    done = run(str(script), *flags, env={"OPENAI_API_KEY": "secret-of-mine"})
    (path,) = (tmp_path / folder).iterdir()
    place = path.relative_to(tmp_path)
    assert done.returncode == 1 and path.name.startswith("error-some_script-")
    assert done.stderr == (
        f"error: unforeseen: KeyError: '***'\nhint: the traceback is in {place}; please report it; what is kept\n"
    )
    told = path.read_text()
    assert "some_script.py" in told.splitlines()[0] and "KeyError: '***'" in told and "secret-of-mine" not in told


def test_a_traceback_that_cannot_be_beside_the_logs_is_in_the_temporary_folder(
    run: Run, script: Path, tmp_path: Path
) -> None:
    script.write_text(HEAD.format("1 / 0"))
    (tmp_path / "logs").write_text("a file")
    (tmp_path / "temporary").mkdir()
    done = run(str(script), env={"TMPDIR": str(tmp_path / "temporary")}, process=True)
    (path,) = (tmp_path / "temporary").iterdir()
    assert done.returncode == 1 and str(path) in done.stderr and "division by zero" in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "ascii:strict"])
def test_output_never_fails_for_the_encoding_of_the_console(run: Run, script: Path, encoding: str) -> None:
    script.write_text(HEAD.format("raise UserError('ไทย', '\\ud800')"))
    done = run(str(script), env={"PYTHONIOENCODING": encoding}, process=True)
    assert (done.returncode, done.stdout) == (2, "before \\u0939\\u093f\\u0928\\u094d\\u0926\\u0940\n")
    assert done.stderr == "error: \\u0e44\\u0e17\\u0e22\nhint: \\ud800\n"


def test_a_full_disk_behind_the_output_is_two_lines(script: Path) -> None:
    script.write_text(HEAD.format("pass"))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, str(script)], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "error: No space left on device\nhint: free some space; what is kept\n",
    )


def test_sigterm_ends_a_run_as_an_interruption_does(script: Path, tmp_path: Path) -> None:
    script.write_text(
        HEAD.format(
            "import time\n"
            "    try:\n"
            "        open('started', 'w').close()\n"
            "        time.sleep(600)\n"
            "    finally:\n"
            "        open('cleaned', 'w').close()"
        )
    )
    command = [sys.executable, str(script)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "started").is_file, process)
    os.kill(process.pid, signal.SIGTERM)
    _, told = process.communicate()
    assert (process.returncode, told) == (143, "\nterminated: what is kept\n") and (tmp_path / "cleaned").is_file()


def test_a_package_that_is_missing_says_how_the_packages_are_installed(run: Run, script: Path) -> None:
    script.write_text(HEAD.format("import no_such_package.part"))
    done = run(str(script))
    assert done.returncode == 2 and done.stderr == (
        f"error: the package no_such_package is not installed for {sys.executable}\n"
        "hint: source .venv/bin/activate, which `make demo` makes, or pip install -r requirements.txt; what is kept\n"
    )


@pytest.mark.parametrize("words", [("bitext.py",), ("script/report.py",), ("-m", "utils.prefetch")])
def test_a_python_without_the_packages_is_told_in_two_lines(words: tuple[str, ...]) -> None:
    python = Path(sys.executable).resolve()  # the one that the environment was made by, without site-packages
    command = [str(python), "-S", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == (
        f"error: the package numpy is not installed for {python}\n"
        "hint: source .venv/bin/activate, which `make demo` makes, or pip install -r requirements.txt\n"
    )
