"""Secrets in the farm's home: files that appear whole, readable by their owner only."""

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path
from urllib.parse import quote

from .errors import InputError, StorageError

LEAST_TOKEN = 16
"""Characters of one that is given."""


class TokenFile:
    """A token as it stands in its file, which is read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[int, str] | None = None

    def read(self) -> str:
        """The token, made on first use. Raises StorageError when it can't be read or written."""
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            return ensure_token(self._path)
        if self._known is None or self._known[0] != changed:
            self._known = (changed, ensure_token(self._path))
        return self._known[1]


class LoginKeys:
    """Keys that let someone sign in to the dashboard once. Whoever may write to the farm's home may make one.

    Args:
        folder: where they are kept, as hashes, one file each.
    """

    SECONDS = 3600.0
    """How long a key is good."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def link(self, url: str, page: str = "/") -> str:
        """A link to the dashboard at ``url`` that signs in whoever opens it first, and leads on to ``page``.

        Raises:
            StorageError: the key can't be kept.
        """
        key = secrets.token_urlsafe(24)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in self._folder.iterdir():
                if self._is_old(path):
                    path.unlink(missing_ok=True)
            self._path(key).touch(mode=0o600)
        except OSError as error:
            raise StorageError(f"can't keep a key for the dashboard in {self._folder}: {error.strerror}.") from error
        return f"{url}/login?key={key}" + (f"&next={quote(page, safe='')}" if page != "/" else "")

    def use(self, key: str) -> bool:
        """Whether the key is good; it is used up by this."""
        path = self._path(key)
        try:
            fresh = not self._is_old(path)
            path.unlink()
        except OSError:
            return False
        return fresh

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()

    def _is_old(self, path: Path) -> bool:
        return time.time() - path.stat().st_mtime > self.SECONDS


def checked_token(given: str, name: str) -> str:
    """``given``, a token that stands in the environment as ``name``, without white space around it.

    Raises:
        InputError: it can't be one.
    """
    token = given.strip()
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{name} should be {LEAST_TOKEN} characters at least, of ASCII and without spaces.")
    return token


def put_token(path: Path, token: str) -> None:
    """Keep a token that was given in the file ``path``, in place of what was there. It appears whole; only its owner
    reads it.

    Raises:
        StorageError: it can't be written.
    """
    try:
        _written_aside(path, token).replace(path)
    except OSError as error:
        raise StorageError(f"can't write {path}: {error.strerror}.") from error


def _written_aside(path: Path, token: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}-{secrets.token_hex(4)}.partial")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
    return aside


def ensure_token(path: Path, given: str = "") -> str:
    """The token in the file ``path``; on first use ``given`` is written there, or one is made. Only its owner reads it.

    Safe when several processes ask at once: the file appears whole, and the first one wins.

    Raises:
        StorageError: it can't be read or written.
    """
    try:
        if not path.exists():
            aside = _written_aside(path, given or secrets.token_urlsafe(32))
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
            aside.unlink()
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"can't read or make the token file {path}: {error}. Make it readable or set FARM_HOME."
        ) from None
    if not token:
        raise StorageError(f"the token file {path} is empty; delete it, a new one is made on the next start")
    return token
