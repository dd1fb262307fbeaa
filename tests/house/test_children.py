"""Processes of ours are started in one way, which imports nothing from the folder that a person happens to be in."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = ("farm/processes.py", "model/bench/gpu/tests.py")
"""Where that way stands, and who runs this repository's tests."""


def test_modules_are_run_in_one_way() -> None:
    files = [file for room in ("farm", "model", "plugins", "dashboard") for file in (ROOT / room).rglob("*.py")]
    found = [name for file in files if '"-m"' in file.read_text() and (name := str(file.relative_to(ROOT))) not in OWN]
    assert not found, "they should call farm.processes.module_command"
