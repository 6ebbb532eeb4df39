"""An HTML file as PDF, printed by a browser that is installed already."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from protocore.errors import ReportError
from protocore.files import write_atomic

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge", "msedge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)  # fmt: skip
TIMEOUT = 120  # seconds; a report of 25 claims takes about five


def find_browser() -> str | None:
    """The first of BROWSERS that is installed; PROTOCORE_BROWSER names another one."""
    wanted = os.environ.get("PROTOCORE_BROWSER")
    names = (wanted,) if wanted else BROWSERS
    return next((path for path in map(shutil.which, names) if path), None)


def html_to_pdf(path: str | Path, target: str | Path | None = None) -> Path:
    """Print an HTML file to `target`, by default beside it with the suffix .pdf; returns that.

    Raises ReportError when there is no such file, no browser, or when it does not print; `target`
    is then as it was.
    """
    source = Path(path).resolve()
    pdf = Path(target) if target else source.with_suffix(".pdf")
    if not source.is_file():
        raise ReportError(f"there is no file {source} to print; write the report first")
    browser = find_browser()
    if browser is None:
        raise ReportError(
            "PDF needs Chromium, Chrome or Edge, and none was found; install one, name it in "
            f"PROTOCORE_BROWSER, or open {source} in any browser and print it to a PDF file"
        )
    with tempfile.TemporaryDirectory(prefix="protocore-pdf-") as folder:
        printed = Path(folder, "printed.pdf")
        _print(browser, source, printed, Path(folder, "profile"))
        try:
            write_atomic(pdf, printed.read_bytes())
        except OSError as error:
            raise ReportError(
                f"{pdf} could not be written: {error.strerror or error}; choose a folder that can "
                "be written and has room"
            ) from error
    return pdf


def _print(browser: str, source: Path, printed: Path, profile: Path) -> None:
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # the sandbox of Chromium refuses root
    command = [
        browser, "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}",
        "--no-pdf-header-footer", f"--print-to-pdf={printed}", *(["--no-sandbox"] if root else []),
        source.as_uri(),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    except subprocess.TimeoutExpired:
        reason = [f"no answer within {TIMEOUT} s"]
    except OSError as error:
        reason = [str(error)]
    if not printed.is_file():
        raise ReportError(
            f"{browser} did not print {source}: {' '.join(reason) or 'it gave no reason'}; open "
            "the file in a browser and print it to a PDF file"
        )
