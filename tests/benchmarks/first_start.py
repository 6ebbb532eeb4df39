"""From an empty library and `streamlit run app.py` to the first moving prototype, in two clicks.

    python tests/benchmarks/first_start.py [--rounds 3] [--imports]

Prints when, in seconds after the command, the server answered, the home page showed its links,
the button on the Generate page could be pressed, the first image was there and the second one.
The browser (headless Chromium) is started beside the server, as it is by `streamlit run`; on two
cores it takes its share of the time. `--imports` lists the modules that take longest to load.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that it runs without an installation

# ruff: noqa: E402
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS, Server

LIVE_IMAGE = "[data-testid=stMain] [data-testid=stImage] img[src^='data:image/jpeg']"
PARTS = ("server", "home", "button", "first image", "second image")
PAGES = (
    "pages.components.common.home",
    "pages.components.generate.controls",
    "pages.components.generate.live_view",
)
PATIENCE = 120_000  # milliseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--imports", action="store_true", help="what takes long to load")
    args = parser.parse_args()
    if args.imports:
        show_imports()
        return
    print(f"load before the start {os.getloadavg()[0]:.1f}; seconds after the command:")
    rounds = [first_start() for _ in range(args.rounds)]
    for part in PARTS:
        seconds = [moments[part] for moments in rounds]
        shown = ", ".join(f"{value:.1f}" for value in seconds)
        print(f"  {part:13} {statistics.median(seconds):5.1f}   ({shown})")


def first_start() -> dict[str, float]:
    """Seconds from the command to each of PARTS."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server, started = Server(Path(home)), time.perf_counter()
        try:
            server.start()
            moments = {"server": time.perf_counter() - started}
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS)
            )
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(PATIENCE)
            for part, done in walk(page, server.url):
                done()
                moments[part] = time.perf_counter() - started
            browser.close()
        finally:
            server.stop()
    return moments


def walk(page: Page, url: str):
    """The way to a prototype: what is waited for, part by part."""
    page.goto(url)
    link = page.get_by_role("link", name="Generate").first
    yield "home", link.wait_for
    link.click()
    button = page.locator(".st-key-generate button:enabled")
    yield "button", button.wait_for
    button.click()
    image = page.locator(LIVE_IMAGE).first
    yield "first image", image.wait_for
    first = image.get_attribute("src")
    moved = "([where, first]) => (document.querySelector(where)?.src ?? first) !== first"
    yield "second image", lambda: page.wait_for_function(moved, arg=[LIVE_IMAGE, first])


def show_imports(count: int = 25) -> None:
    """Milliseconds that loading takes, with what each module loads in turn."""
    code = "import streamlit, protocore\n" + "".join(f"import {name}\n" for name in PAGES)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    lines = [line.split("|") for line in done.stderr.splitlines() if line.count("|") == 2]
    rows = [(int(total), name) for _, total, name in lines if total.strip().isdigit()]
    for total, name in sorted(rows, reverse=True)[:count]:
        print(f"{total / 1000:8.0f} ms  {name.strip()}")


if __name__ == "__main__":
    main()
