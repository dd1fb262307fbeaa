"""Folders that are costly to build: built once for all test processes, then copied."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir, mkdtemp


def built_once(name: str, source: str, build: Callable[[Path], None]) -> Path:
    """The folder that ``build`` fills: built aside, then renamed, so that test processes can share it.

    Args:
        name: of the folder, with what else it depends on.
        source: the file with ``build``; when that changes, it is built anew.
    """
    target = Path(gettempdir()) / f"{name}-{os.getuid()}-{Path(source).stat().st_mtime_ns}"
    if not target.exists():
        aside = Path(mkdtemp(prefix=name))
        build(aside)
        try:
            aside.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(aside)
    return target
