"""`farm plugins new`: what it writes passes its own tests and the check."""

import subprocess
import sys
from pathlib import Path

import pytest

from farm.errors import InputError
from plugins.checking import check, sources_at
from plugins.scaffold import KINDS, write_plugin


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_works(kind: str, tmp_path: Path) -> None:
    written = write_plugin("farm-my-own", kind, tmp_path)
    folder = tmp_path / "farm-my-own"
    assert [path.name for path in written] == ["pyproject.toml", "farm_my_own.py", "test_farm_my_own.py"]
    [source], paths = sources_at(str(folder), tmp_path)
    report = check(source, paths)
    assert source.name == "my-own" and report.done and not report.problems and not report.notes
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, capture_output=True, timeout=200
    )
    assert tests.returncode == 0, tests.stdout.decode()


def test_names_and_folders_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for name in ("Bad Name", "a--b", "-a", "x" * 50, "../x", ""):
        with pytest.raises(InputError, match="is no name for a plug-in"):
            write_plugin(name, "preset", tmp_path)
    assert not list(tmp_path.iterdir())
    write_plugin("twice", "preset", tmp_path)
    with pytest.raises(InputError, match="exists already"):
        write_plugin("twice", "preset", tmp_path)
