"""A running app and a real headless Chromium; skipped where Chromium is not installed."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_FLAGS = (
    "--no-sandbox",  # tests may run as root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return !!app && app.dataset.testConnectionState === 'CONNECTED'
    && app.dataset.testScriptState === 'notRunning'
    && !document.querySelector(
      '[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]');
}"""
PATIENCE = 60_000  # milliseconds; a busy machine of two cores is slow


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


class Server:
    """A server process on a free port with a home folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.threads = 1
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "PROTOCORE_HOME": str(self.home),
            "PROTOCORE_THREADS": str(self.threads),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
        options = ["--server.port", str(self.port), "--server.headless", "true"]
        self._process = subprocess.Popen(
            [*command, *options, "--server.address", "127.0.0.1"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        self._await_health()

    def _await_health(self) -> None:
        deadline = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError("the app did not start")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it with SIGKILL, as a crash or a power cut would: nothing is told to it before."""
        self._process.kill()
        self._process.wait()
        self._process = None


@pytest.fixture
def server_at_rest(tmp_path, browser):
    """The app on a home folder that does not exist yet, not started yet; stopped at the end."""
    server = Server(tmp_path / "home")
    yield server
    server.stop()


@pytest.fixture
def server(server_at_rest):
    """The app on an empty home folder; `server.url` is its address."""
    server_at_rest.start()
    return server_at_rest


@pytest.fixture
def page(browser):
    """A fresh browser session."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def settle(page, patience: int = PATIENCE) -> None:
    """Wait until the page has been still twice in a row, 150 ms apart."""
    deadline = time.monotonic() + patience / 1000
    still = 0
    while still < 2:
        assert time.monotonic() < deadline, "the page did not settle"
        still = still + 1 if page.evaluate(SETTLED) else 0
        page.wait_for_timeout(150)
