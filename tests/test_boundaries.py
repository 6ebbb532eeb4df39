"""Imports point one way, and importing has no effects."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "protocore"
ORDER = [  # each package may import those before it, and itself
    *("errors", "files", "access", "text", "schema", "demo", "models", "generation"),
    *("similarity", "compare", "cohorts", "review", "library", "jobs", "reports", "cli"),
]
MAY_IMPORT = {name: set(ORDER[:place]) for place, name in enumerate(ORDER)}
MAY_IMPORT |= {"errors": set(), "files": {"errors"}, "text": {"errors"}, "schema": {"errors"}}
MAY_IMPORT["access"] = {"errors", "files"}
MAY_IMPORT["demo"] = {"errors", "files", "text", "schema"}
MAY_IMPORT["naive"] = set()  # plain PyTorch alone
ONLY_IN = {  # a library that one package alone imports
    "sqlalchemy": "library",
    "plotly": "reports",
    "jinja2": "reports",
}
PAGES_ONLY = {"streamlit", "altair", "tornado"}


def imports(path: Path) -> set[str]:
    """Full names of everything that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def package_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def own_imports(path: Path) -> set[str]:
    """Which of Protocore's packages a file imports, without its own."""
    found = {name.split(".")[1] for name in imports(path) if name.startswith("protocore.")}
    return found - {package_of(path), "__version__"}


def test_every_package_has_its_place():
    top = {package_of(path) for path in files()} - {"__init__", "__main__"}
    assert top == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    wrong = {
        str(path.relative_to(ROOT)): sorted(own_imports(path) - MAY_IMPORT[package])
        for path in files()
        if package_of(path) == package
        and path.name != "__main__.py"  # starts the command line
        and own_imports(path) - MAY_IMPORT[package]
    }
    assert wrong == {}


def test_the_table_of_imports_has_no_circle():
    placed: set[str] = set()
    while len(placed) < len(MAY_IMPORT):
        free = {name for name, others in MAY_IMPORT.items() if others <= placed} - placed
        assert free, f"{set(MAY_IMPORT) - placed} import each other"
        placed |= free


def test_some_libraries_have_one_room_and_streamlit_none():
    for path in files():
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & PAGES_ONLY, path
        wrong = {root for root in roots & set(ONLY_IN) if ONLY_IN[root] != package_of(path)}
        assert not wrong, path


def test_pages_leave_tensors_to_the_library():
    pages = {ROOT / "app.py", *(ROOT / "pages").rglob("*.py")}
    for path in pages:
        assert not {name.split(".")[0] for name in imports(path)} & {"torch", "torchvision"}, path


# What a fresh interpreter tells after importing; effects are seen with an audit hook.
PROBE = """
import importlib, json, os, pkgutil, random, sys
import numpy, torch, torchvision, PIL.Image, safetensors.torch
effects = []
def watch(event, args):
    if event in ("os.mkdir", "os.remove", "os.rename", "socket.connect", "subprocess.Popen"):
        effects.append([event, str(args[0])])
    elif event == "open" and not str(args[0]).endswith((".py", ".pyc", ".so")):
        effects.append([event, str(args[0])])
sys.addaudithook(watch)
state = lambda: [str(random.getstate()), str(numpy.random.get_state()),
                 torch.get_rng_state().tolist(), torch.get_num_threads(),
                 str(torch.get_default_dtype()), torch.is_grad_enabled()]
before = state()
import protocore
light = sorted({m.split(".")[0] for m in sys.modules})
names = [m.name for m in pkgutil.walk_packages(protocore.__path__, "protocore.")
         if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(json.dumps({
    "after the package": light,
    "after everything": sorted({m.split(".")[0] for m in sys.modules}),
    "imported": names,
    "effects": [e for e in effects if not e[1].startswith((sys.prefix, sys.base_prefix))],
    "same state": before == state(),
    "cuda": torch.cuda.is_initialized(),
    "home": os.path.exists(os.environ["PROTOCORE_HOME"]),
}))
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> dict:
    """What the probe found in an interpreter of its own."""
    home = tmp_path_factory.mktemp("probe") / "home"
    environment = {**os.environ, "PROTOCORE_HOME": str(home)}
    command = [sys.executable, "-B", "-c", PROBE]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_importing_the_package_is_light(fresh):
    assert not {"plotly", "sqlalchemy", "scipy", "pandas"} & set(fresh["after the package"])


def test_importing_every_module_has_no_effects(fresh):
    """No files, no network, no folder, no device, no seed; and never Streamlit."""
    assert not PAGES_ONLY & set(fresh["after everything"])
    assert fresh["effects"] == []
    assert fresh["same state"]
    assert not fresh["cuda"]
    assert not fresh["home"]


def test_the_probe_has_imported_every_module(fresh):
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files()}
    modules = {name.removesuffix(".__init__") for name in names} - {"protocore"}
    assert set(fresh["imported"]) == {m for m in modules if not m.endswith("__main__")}
