"""The first word names the command; only its module is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from protocore.cli.main import COMMANDS, THREAD_ENVIRONMENT, main

FOLDER = Path(main.__code__.co_filename).parent
NO_COMMANDS = {"main", "progress"}  # and the files of options


def test_each_command_has_a_file_of_its_name_and_the_other_way_round():
    files = {file.stem for file in FOLDER.glob("[!_]*.py") if not file.stem.endswith("_options")}
    assert {word.replace("-", "_") for word in COMMANDS} == files - NO_COMMANDS


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_explains_itself(word, capsys):
    with pytest.raises(SystemExit) as caught:
        main([word, "--help"])
    assert caught.value.code == 0
    assert f"protocore {word}" in capsys.readouterr().out


def test_the_overview_names_every_command(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    for word, text in COMMANDS.items():
        assert f"  {word:12}{text}" in shown


@pytest.mark.parametrize(
    ("word", "hint"), [("generat", "did you mean generate?"), ("xyz", "choose one of models")]
)
def test_an_unknown_command_is_refused_with_the_way_out(word, hint, capsys):
    assert main([word]) == 2
    shown = capsys.readouterr().err
    assert repr(word) in shown and hint in shown


PROBE = """
import json, os, sys
from protocore.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps([sorted(m for m in sys.modules if m.startswith("protocore.cli.")),
                  "torch" in sys.modules, {n: os.environ.get(n) for n in %r}]))
"""


def probe(*words: str) -> tuple[list[str], bool, dict[str, str | None]]:
    environment = {k: v for k, v in os.environ.items() if k not in THREAD_ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", PROBE % (list(THREAD_ENVIRONMENT),), *words],
        capture_output=True, text=True, check=True, env=environment, cwd=FOLDER.parents[1],
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def test_one_command_imports_its_own_module_alone():
    modules, _, environment = probe("library", "--help")
    assert "protocore.cli.library" in modules
    assert not {f"protocore.cli.{word}" for word in COMMANDS if word != "library"} & set(modules)
    assert environment == THREAD_ENVIRONMENT


def test_the_overview_loads_no_torch_and_changes_no_environment():
    _, torch_is_loaded, environment = probe("--version")
    assert not torch_is_loaded
    assert set(environment.values()) == {None}
