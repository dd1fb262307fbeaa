"""What people set reaches the models as an argument: they read no environment by themselves."""

import re
from pathlib import Path

import model

ROOT = Path(model.__file__).parent
READERS = {"device.py": "a variable of torch's own, set before torch first allocates on a card"}
"""Files that may, and what for."""
READS = re.compile(r"\bos\.(environ|getenv)\b|\bfarm_home\(\)|\bfrom_environment\(|\bfrom os import\b")
"""An environment, the home in it, or settings made of it."""


def test_models_read_no_environment_but_where_it_is_said() -> None:
    found = {file.relative_to(ROOT).as_posix() for file in ROOT.rglob("*.py") if READS.search(file.read_text("utf-8"))}
    assert found == READERS.keys()
