"""The list of people: a file in the home of the farm's head, with hashes of their tokens. It appears whole."""

import hashlib
import json
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from farm.errors import ConflictError, InputError, NotFoundError, StorageError, unknown_name
from farm.files import written_aside
from farm.locks import lock

from .people import Caller, Role

MAX_NAME = 80
EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}")


@dataclass(frozen=True)
class User:
    """A person.

    Attributes:
        token_sha256: of their token, in hex; the token itself is nowhere.
        created_at: ISO 8601.
        email: by which a provider of identities knows them; empty for none.
    """

    name: str
    role: Role
    token_sha256: str
    created_at: str
    email: str = ""


class Users:
    """See the module. What has changed in the file counts at once; safe from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path, self._mutex = path, threading.Lock()
        self._mark: tuple[int, int] | None = None
        self._known: dict[str, User] = {}
        self._hashes: dict[str, User] = {}

    def all(self) -> list[User]:
        """By name. StorageError when the list can't be read."""
        return sorted(self._load().values(), key=lambda user: user.name)

    def by_token(self, token: str) -> Caller | None:
        """Who has that token."""
        self._load()
        user = self._hashes.get(_digest(token))
        return Caller(user.name, user.role) if user else None

    def by_name(self, name: str) -> Caller | None:
        """The person of that name."""
        user = self._load().get(name)
        return Caller(user.name, user.role) if user else None

    def add(self, name: str, role: Role, email: str = "") -> str:
        """Add a person; gives their token, which can't be shown again.

        Raises:
            InputError: that is no name, or no e-mail address.
            ConflictError: there is somebody of that name or address.
        """
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise InputError(f"{name!r} is no name; expected 1 to {MAX_NAME} characters on one line.")
        token = secrets.token_urlsafe(32)
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        with _Change(self._path) as users:
            if name in users:
                raise ConflictError(f"there is a user {name!r} already; `farm users token` gives them a new token.")
            users[name] = User(name, role, _digest(token), moment, _own_email(users, name, email))
        return token

    def change(self, name: str, *, role: Role | None = None, email: str | None = None) -> User:
        """Another role or address; None stays. NotFoundError when there is nobody of that name; else as ``add``."""
        with _Change(self._path) as users:
            user = _find(users, name)
            kept = user.email if email is None else _own_email(users, name, email)
            users[name] = replace(user, role=role or user.role, email=kept)
            return users[name]

    def new_token(self, name: str) -> str:
        """Another token for a person; the old one is of no use from now on."""
        token = secrets.token_urlsafe(32)
        with _Change(self._path) as users:
            users[name] = replace(_find(users, name), token_sha256=_digest(token))
        return token

    def remove(self, name: str) -> None:
        """Their token is of no use from now on; their jobs stay."""
        with _Change(self._path) as users:
            del users[_find(users, name).name]

    def _load(self) -> dict[str, User]:
        with self._mutex:
            try:
                found = self._path.stat()
                mark = (found.st_mtime_ns, found.st_size)
            except OSError:
                mark = (0, 0)
            if mark != self._mark:
                self._known = _read(self._path)
                self._hashes = {user.token_sha256: user for user in self._known.values()}
                self._mark = mark
            return self._known


class _Change:
    """The list for one change at a time, written when that went well."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> dict[str, User]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = self._path.with_suffix(".lock").open("wb")
        lock(self._lock)
        self._users = _read(self._path)
        return self._users

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                with written_aside(self._path) as aside:
                    aside.touch(mode=0o600)
                    aside.write_text(json.dumps([asdict(user) for user in self._users.values()], indent=1))
        except OSError as error:
            raise StorageError(f"can't write {self._path}: {error.strerror}.") from error
        finally:
            self._lock.close()


def _read(path: Path) -> dict[str, User]:
    try:
        rows = json.loads(path.read_text())
        users = [User(**{**row, "role": Role(row["role"])}) for row in rows]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(f"can't read the list of users {path}: {error}.") from error
    return {user.name: user for user in users}


def _find(users: Mapping[str, User], name: str) -> User:
    if name not in users:
        raise NotFoundError(str(unknown_name("user", name, list(users))))
    return users[name]


def _own_email(users: Mapping[str, User], name: str, email: str) -> str:
    """The address, if it is one and nobody else's."""
    email = email.strip()
    if email and not EMAIL.fullmatch(email):
        raise InputError(f"{email!r} is no e-mail address; expected one such as ann@example.org.")
    for other in users.values():
        if email and other.name != name and other.email.casefold() == email.casefold():
            raise ConflictError(f"{email} is {other.name}'s already.")
    return email


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
