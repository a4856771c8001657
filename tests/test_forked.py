"""Forked processes end, print and are stopped as those of `subprocess` do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from forked import Nursery

CASES = {
    "exit code": "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)",
    "message": "import sys; sys.exit('why')",
    "exception": "1 / 0",
    "interrupt": "raise KeyboardInterrupt",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "thread": "import threading, time; threading.Thread(target=lambda: (time.sleep(0.05), print('late'))).start()",
    "at exit": "import atexit; atexit.register(print, 'at exit')",
    "surroundings": "import os, sys; print(sys.argv, os.getcwd(), os.environ['GIVEN'], sys.stdin.read())",
    "output of a child": "import os; os.system('echo from a child; echo to stderr >&2')",
    "signals": "import signal; print([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)])",
    "descriptors": "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:3])",
}


@pytest.fixture(scope="module", params=["started", "forked"])
def nursery(request: pytest.FixtureRequest) -> Nursery:
    return Nursery(["json"], os.environ, Nursery([], os.environ) if request.param == "forked" else None)


@pytest.mark.parametrize("name", CASES)
def test_a_command_ends_as_a_process_does(name: str, nursery: Nursery, tmp_path: Path) -> None:
    words, env = ("-c", CASES[name], "a", "b"), {**os.environ, "GIVEN": "ä"}
    alone = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    forked = nursery.run(words, tmp_path, env)
    assert (forked.returncode, forked.stdout) == (alone.returncode, alone.stdout)
    assert forked.stderr.splitlines()[-1:] == alone.stderr.splitlines()[-1:]


def test_scripts_and_modules_are_run(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORD = 'beside'\n")
    (tmp_path / "script.py").write_text(
        "import sys, beside\nprint(__name__, beside.WORD, sys.argv[1:], sys.path[0] == sys.argv[2])\n"
    )
    script = nursery.run([str(tmp_path / "script.py"), "x", str(tmp_path)])
    assert (script.stdout, script.stderr) == (f"__main__ beside ['x', '{tmp_path}'] True\n", "")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert nursery.run(["-m", "script", "y", str(tmp_path)], env=env).stdout.startswith("__main__ beside ['y'")


def test_a_child_is_a_process_that_can_be_stopped(nursery: Nursery) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        process = nursery.start(["-c", "import sys, time, json; print('up', flush=True); time.sleep(600)"])
        assert process.stdout.readline() == "up\n" and process.poll() is None
        process.send_signal(number)
        assert process.wait(600) == -number
    with pytest.raises(subprocess.TimeoutExpired):
        (process := nursery.start(["-c", "import time; time.sleep(600)"])).wait(0.01)
    process.kill()
    assert Path(f"/proc/{process.pid}").exists(), "a process that is killed and not waited for keeps its number"
    process.wait()
    assert not Path(f"/proc/{process.pid}").exists()


def test_children_have_what_the_nursery_has_imported() -> None:
    nursery = Nursery(["colorsys"], {**os.environ, "GIVEN": "to the nursery"})
    done = nursery.run(["-c", "import os, sys; print('colorsys' in sys.modules, 'GIVEN' in os.environ)"])
    assert done.stdout == "True False\n"
    nursery.close()


def test_a_nursery_of_a_nursery_has_the_modules_of_both_and_an_environment_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "reading.py").write_text("import os\nFOUND = os.environ.get('GIVEN')\n")
    base = Nursery(["colorsys"], os.environ)
    ones = [Nursery(["reading"], {**os.environ, "GIVEN": word, "PYTHONPATH": str(tmp_path)}, base) for word in "ab"]
    told = "import sys, reading; print('colorsys' in sys.modules, reading.FOUND)"
    assert [one.run(["-c", told]).stdout for one in ones] == ["True a\n", "True b\n"]
    assert base.run(["-c", "import sys; print('reading' in sys.modules)"]).stdout == "False\n"
    for one in (*ones, base):
        one.close()
