"""Files are written whole or not at all, and what a killed process leaves is removed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from utils.api.texts import without_halves
from utils.errors import UserError
from utils.files import build_folder, fingerprint, writable, write_atomic, write_json, write_output

# fills a folder through build_folder, says so, and waits
BUILDING = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from utils.cli.main import run
from utils.files import build_folder

def write(part):
    (part / "half").write_bytes(b"x" * 1000)
    print("started", flush=True)
    time.sleep(600)

run(lambda argv: build_folder(Path(argv[0]), "whole", write))
"""


def start(folder: Path) -> subprocess.Popen[str]:
    """Start a process that fills the folder, and return when it has begun."""
    command, pipe = [sys.executable, "-c", BUILDING, str(folder)], subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    return process


def fill(part: Path) -> None:
    (part / "whole").touch()


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    killed, running = start(tmp_path / "one"), start(tmp_path / "two")
    assert len(list(tmp_path.glob(".part-*/half"))) == 2
    killed.kill()
    killed.communicate()
    assert build_folder(tmp_path / "three", "whole", fill) == tmp_path / "three"
    assert len(list(tmp_path.glob(".part-*/half"))) == 1  # of the one that runs
    os.kill(running.pid, signal.SIGTERM)
    _, told = running.communicate()
    assert running.returncode == 143 and told.startswith("\nterminated: ")
    assert [path.name for path in tmp_path.iterdir()] == ["three"]


def test_folders_that_hold_no_lock_are_removed_after_a_day(tmp_path: Path) -> None:
    for name, hours in ((".part-old", 25), (".part-new", 23)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - 3600 * hours,) * 2)
    build_folder(tmp_path / "one", "whole", fill)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".part-new", "one"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        raise ValueError("I/O error: No space left on device (os error 28)")  # as safetensors has it

    with pytest.raises(UserError, match=r"no space left on the disk for .*one") as caught:
        build_folder(tmp_path / "one", "whole", fail)
    assert "--cache_dir" in caught.value.hint and not list(tmp_path.iterdir())


def test_parts_of_files_are_removed_after_an_hour(tmp_path: Path) -> None:
    names = {".a.json.12.0123abcd.part": 61, ".b.json.12.0123abcd.part": 59, ".mine.part": 999}
    for name, minutes in names.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - 60 * minutes,) * 2)
    write_atomic(tmp_path / "new", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.json.12.0123abcd.part", ".mine.part", "new"]


def test_where_a_file_cannot_be_written_the_old_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    write_output(path, b"old")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"table\.csv cannot be written \(No space left on device\)"):
        write_output(path, b"a new one")
    with pytest.raises(OSError, match=r"No space left on device: '.*record\.json'"):
        write_json(tmp_path / "record.json", {})
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_a_device_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    write_output(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; "
    code += "from utils.files import write_output; write_output(Path('/dev/stdout'), b'new')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"new"
    with pytest.raises(UserError, match="Is a directory"):
        write_output(tmp_path, b"new")


def test_halves_of_surrogate_pairs_are_replaced_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"cut \ud83d": ["\ude00", "😀"]})
    assert json.loads(path.read_bytes()) == {"cut \ufffd": ["\ufffd", "😀"]}
    told = f"warning: {path}: replaced by U+FFFD: 2 characters that no Unicode text has\n"
    assert capsys.readouterr().err == told
    assert fingerprint({"name": "\ud83d"}) != fingerprint({"name": "\ude00"})


def test_halves_of_surrogate_pairs_are_joined_or_replaced() -> None:
    assert writable("a\ud83d\ude00b") == ("a😀b", 0)
    assert writable("\ude00\ud83d x \ud83d\ud83d\ude00") == ("\ufffd\ufffd x \ufffd😀", 3)
    assert without_halves("\ud83d\ude00\ud83d") == "😀\ufffd"
