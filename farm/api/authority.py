"""Who may ask what of the API: whoever only reads may look, artists queue jobs and save presets, and change their own,
admins the rest.

The wall has found out who asks; here it is decided whether they may, before a route is reached. Every change is noted.
"""

import logging
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.accounts.people import HOUSEHOLD, Caller, Role
from farm.errors import FarmError, ForbiddenError
from farm.store.jobs import JobStore

from .wall import CALLER, NODE_PATHS

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
API = "/api/v1/"
ADMINS_ONLY = ("users", "audit")
"""What even reading takes an admin for."""
QUESTIONS = ("plan",)
"""What is asked by POST and changes nothing."""
ARTISTS = ("jobs", "films", "presets")

log = logging.getLogger(__name__)


def caller_of(request: Request) -> Caller:
    """Who asks; in tests without a wall whoever has the farm."""
    found: Caller = request.scope.get(CALLER, HOUSEHOLD)
    return found


Asking = Annotated[Caller, Depends(caller_of)]
"""Type of a route's parameter that wants to know who asks."""


def needed(method: str, path: str) -> Role:
    """The least role that may do that."""
    first = path.removeprefix(API).partition("/")[0]
    if first in ADMINS_ONLY:
        return Role.ADMIN
    if method in SAFE_METHODS or first in QUESTIONS:
        return Role.VIEWER
    return Role.ARTIST if first in ARTISTS else Role.ADMIN


def authorize(request: Request) -> None:
    """A dependency of all routes.

    Raises:
        ForbiddenError: their role does not let them, or the job is another's.
    """
    caller = caller_of(request)
    role = needed(request.method, request.url.path)
    if not caller.may(role):
        raise ForbiddenError(f"{caller.name} is {_a(caller.role)}; this takes {_a(role)}.")
    job_id = request.path_params.get("job_id")
    if job_id is not None and request.method not in SAFE_METHODS and caller.role is not Role.ADMIN:
        store: JobStore = request.app.state.farm.store
        require_own(caller, store.get_job(job_id).owner)


def require_own(caller: Caller, owner: str) -> None:
    """ForbiddenError when what is ``owner``'s is not the caller's to change."""
    if not caller.may_change(owner):
        raise ForbiddenError(f"that is {owner}'s; {caller.name} may change their own jobs.")


def owned(caller: Caller, fields: dict[str, Any]) -> dict[str, Any]:
    """A job's fields with its owner: who asks. Admins may name another.

    Raises:
        ForbiddenError: another one is named.
    """
    if not caller.known:
        return fields
    given = fields.get("owner")
    if given not in (None, caller.name) and caller.role is not Role.ADMIN:
        raise ForbiddenError(f"owner is {str(given)!r}; a job is its sender's, so leave it out.")
    return {**fields, "owner": given or caller.name}


class Audit:
    """ASGI middleware behind the wall: a line for each change that was asked for, with what it was answered.

    Whoever has an answer finds the line."""

    def __init__(self, app: ASGIApp, store: Callable[[], JobStore]) -> None:
        self._app, self._store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _changes(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        noted = False

        async def note(status: int) -> None:
            nonlocal noted
            noted = True
            caller: Caller = scope.get(CALLER, HOUSEHOLD)
            what = f"{scope['method']} {quote(scope['path'])}"
            try:
                await run_in_threadpool(self._store().put_audit, caller.name, caller.role, what, status)
            except FarmError as error:  # what was done is done
                log.error("%s by %s is not in the audit: %s", what, caller.name, error)

        async def heard(message: Message) -> None:
            if message["type"] == "http.response.start":
                await note(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, heard)
        finally:
            if not noted:
                await note(500)


def _changes(method: str, path: str) -> bool:
    """Whether people ask for a change; what machines say of themselves is none of theirs."""
    if method in SAFE_METHODS or path.startswith(NODE_PATHS) or not path.startswith(API):
        return False
    return needed(method, path) is not Role.VIEWER


def _a(role: Role) -> str:
    return f"an {role}" if role.value[0] in "aeiou" else f"a {role}"
