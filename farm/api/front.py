"""What stands in Ray Serve's proxy, where HTTP requests arrive first. Loaded there by its import path."""

import uvicorn.config
from starlette.middleware import Middleware

from farm.accounts.users import Users
from farm.settings import Settings
from farm.tokens import TokenFile

from .pages_door import PagesDoor
from .store_door import StoreDoor
from .wall import Wall

IMPORT_PATH = f"{__name__}.middlewares"
"""For ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH``."""


def middlewares() -> list[Middleware]:
    """The dashboard's pages, the nodes' door to the artifacts, and the wall, around the proxy; its server gets the
    guarded protocol on the way.

    The doors stand here, so that files of nodes go straight between network and disk, and pages straight to browsers.

    Serve offers no setting for the protocol, but uvicorn finds it by name in a table.
    """
    uvicorn.config.HTTP_PROTOCOLS["auto"] = "farm.connections:GuardedProtocol"
    settings = Settings.from_environment()
    token, node_token = TokenFile(settings.token_path).read, TokenFile(settings.node_token_path).read
    wall = Middleware(Wall, token, node_token, users=Users(settings.users_path))
    return [
        wall,
        Middleware(StoreDoor, settings),
        Middleware(PagesDoor, settings.dashboard_url),
    ]  # the last comes first
