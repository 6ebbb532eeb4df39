"""axe-core, from npm: what it finds on the page that is shown."""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

VERSION = "4"


@functools.cache
def axe_script() -> str:
    """The script; skips where npm cannot bring it. PROTOCORE_AXE names a file to take instead."""
    if given := os.environ.get("PROTOCORE_AXE"):
        return Path(given).read_text(encoding="utf-8")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "protocore-axe"
    file = cache / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed, which brings axe-core")
        cache.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-save", "--silent", f"axe-core@{VERSION}"]
        if subprocess.run(command, cwd=cache, check=False, timeout=120).returncode:
            pytest.skip("npm cannot reach its registry to fetch axe-core")
    return file.read_text(encoding="utf-8")


def violations(page) -> str:
    """What axe-core finds on the page, one line each; "" for nothing."""
    page.evaluate(f"{axe_script()};0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return "\n".join(
        json.dumps([rule["id"], node["html"][:200], node["failureSummary"][:200]])
        for rule in found
        for node in rule["nodes"]
    )
