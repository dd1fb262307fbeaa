"""Has a node follow the head's own plug-ins and presets: fetched when they change, by the node's credential only.

They lie in ``FARM_HOME/cache/head``, a folder for each state of the head's, with a link to the newest; an export
that runs goes on with those that it began with.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from farm.errors import StorageError
from farm.settings import Settings
from model.brought import BroughtFile, require_inside

from .head import Head

KEPT = 2
"""So many states are kept, the newest among them."""

log = logging.getLogger(__name__)


def follow(settings: Settings, head: Head) -> bool:
    """Have what the head has now; whether anything has changed.

    Raises:
        FarmError: it can't be had, or is not what the head said.
    """
    files = head.followed()
    for file in files:
        require_inside(file.name, "plugins", "presets")
    root = settings.followed_dir
    state, link = root / _digest(files), settings.followed_link
    if link.is_symlink() and link.resolve() == state.resolve() and state.is_dir():
        return False
    root.mkdir(parents=True, exist_ok=True)
    if not state.is_dir():
        _fetch(head, files, state)
    aside = root / f".{uuid4().hex[:8]}"
    aside.symlink_to(state.name)
    aside.replace(link)
    os.utime(state)
    log.info("%d files of plug-ins and presets follow the head", len(files))
    _tidy(root)
    return True


def _fetch(head: Head, files: Sequence[BroughtFile], state: Path) -> None:
    aside = state.with_name(f".{state.name}-{uuid4().hex[:8]}")
    try:
        for folder in ("plugins", "presets"):
            (aside / folder).mkdir(parents=True)
        for file in files:
            content = b"".join(head.file(file.sha256, 0, file.size))
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise StorageError(f"{file.name} came from the head damaged; it is fetched again.")
            path = aside / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        aside.rename(state)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _tidy(root: Path) -> None:
    """Remove old states."""
    states = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    for path in sorted(states, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _digest(files: Sequence[BroughtFile]) -> str:
    return hashlib.sha256(json.dumps([vars(file) for file in files]).encode()).hexdigest()[:16]
