"""What people set reaches the models as an argument: they read no environment by themselves."""

import re
from pathlib import Path

import model

ROOT = Path(model.__file__).parent
READERS = {
    "settings.py": "``ModelSettings.here``, for commands and tests that open a model and were given no settings",
    "device.py": "a variable of torch's own, set before torch first allocates on a card",
    "weights.py": "where digests of large files are kept: they save work and decide nothing",
}
"""Files that may, and what for."""
READS = re.compile(r"\bos\.(environ|getenv)\b|\bfarm_home\(|\.here\(\)|\bfrom os import\b")
"""An environment, the home in it, or those settings."""
DEFAULTS = {
    "families/registry.py": "``describe``, ``load`` and ``checkpoint``",
    "loras/library.py": "the questions about files",
    "training/prepare.py": "``prepare``",
}
"""Files with functions for commands, which may leave the settings out."""


def test_models_read_no_environment_but_where_it_is_said() -> None:
    found = {file.relative_to(ROOT).as_posix() for file in ROOT.rglob("*.py") if READS.search(file.read_text("utf-8"))}
    assert found == READERS.keys() | DEFAULTS.keys()
