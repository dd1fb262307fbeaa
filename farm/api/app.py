"""``create_app``: the FastAPI application, its life cycle and its error answers. No Ray."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from farm.accounts.users import Users
from farm.errors import FarmError, InputError, NotFoundError
from farm.settings import Settings
from farm.tokens import TokenFile

from . import (
    bulk,
    catalog,
    disk,
    events,
    films,
    growing,
    jobs,
    joining,
    listing,
    logs,
    loras,
    metrics,
    nodes,
    notices,
    presets,
    pushing,
    quality,
    status,
    thumbnails,
    users,
)
from .assets import Shelf
from .authority import Audit, authorize
from .context import FarmContext
from .openapi import complete_description
from .paced import RETRY_SECONDS
from .pages_door import PagesDoor
from .receiving import tidy
from .schemas import ErrorView
from .store_door import StoreDoor
from .wall import DOCS_FILES, Wall

log = logging.getLogger(__name__)

bearer = HTTPBearer(auto_error=False, description="The token in FARM_HOME/token; `farm token` prints it.")
"""For the documentation; the wall is what asks for it."""

DESCRIPTION = """
Render long videos section by section on every device there is.

Queue a job with `POST /api/v1/jobs`, follow it with `GET /api/v1/jobs/{id}/events`, fetch the video with
`GET /api/v1/jobs/{id}/artifacts/video`. Every request but `/health` carries `Authorization: Bearer TOKEN`; `farm token`
prints it. Every failure answers `{"error": {"type", "message"}}`.
"""

FAILURES = {
    code: {"model": ErrorView, "description": text}
    for code, text in {
        401: "The token is missing or wrong",
        403: "The caller's role does not let them, or the job is another's",
        404: "There is no such thing",
        405: "Not a thing to do with this; the header Allow says what is",
        408: "The body came too slowly",
        409: "Not possible in the present state",
        411: "The length of the body is not said",
        413: "The upload is too large",
        422: "The input can't be used; the message says why",
        503: "Not just now, such as while the database restarts; the header Retry-After says when to try again",
        507: "The disk is full or can't be written",
    }.items()
}


def create_app(settings: Settings, nudge: Callable[[], None] = lambda: None) -> FastAPI:
    """Build the API. It keeps no state of its own: any number of copies can run on one home.

    Args:
        settings: home, database and artifact store.
        nudge: called after each change that gives the coordinator something to do; must be quick and never raise.

    Raises (when the application starts):
        StorageError: home or database can't be used.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.farm = FarmContext.open(settings, nudge)
        tidy(app.state.farm)
        yield
        app.state.farm.close()

    app = FastAPIOffline(
        title="framepack-farm",
        version=version("framepack-farm"),
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0"},
        lifespan=lifespan,
        redoc_url=None,
        static_url=DOCS_FILES,
        responses=FAILURES,  # type: ignore[arg-type]
    )
    metrics.instrument(app)
    app.add_middleware(Audit, store=lambda: app.state.farm.store)
    people = Users(settings.users_path)
    node_token = TokenFile(settings.node_token_path).read
    app.add_middleware(Wall, token=lambda: app.state.farm.token, node_token=node_token, users=people)
    app.add_middleware(StoreDoor, settings=settings)
    app.add_middleware(PagesDoor, url=settings.dashboard_url)
    of_jobs = (bulk, listing, jobs, films, thumbnails, events, growing, logs, quality)
    routers = (*of_jobs, catalog, loras, presets, nodes, pushing, notices, users, disk, metrics)
    for router in [module.router for module in routers]:
        app.include_router(router, prefix="/api/v1", dependencies=[Depends(bearer), Depends(authorize)])
    app.include_router(status.router, prefix="/api/v1")
    app.include_router(metrics.usual)
    for router in (joining.router, pushing.node_router):
        app.include_router(router, prefix="/api/v1/join", include_in_schema=False)
    app.state.shelf = Shelf(settings)
    app.add_exception_handler(FarmError, _farm_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    complete_description(app)
    return app


def error_answer(error: FarmError, status_code: int | None = None) -> JSONResponse:
    """``{"error": {"type", "message"}}`` with the error's status."""
    code = status_code or error.status
    body = {"error": {"type": type(error).__name__, "message": " ".join(str(error).split())}}
    return JSONResponse(body, code, headers={"Retry-After": str(RETRY_SECONDS)} if code == 503 else None)


async def _farm_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FarmError)
    if error.status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    return error_answer(error)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    given = first.get("input")
    got = f", got {given!r}"[:80] if isinstance(given, str | int | float) else ""
    said = first["msg"].removeprefix("Value error, ")
    return error_answer(InputError(f"{where}: {said[0].lower()}{said[1:]}{got}"))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return error_answer(NotFoundError(f"there is no {request.url.path}; see /docs"))
    answer = error_answer(InputError(str(error.detail)), error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_answer(FarmError("the farm failed to answer; its log says why"), 500)
