"""What stands in Ray Serve's proxy, where HTTP requests arrive first. Loaded there by its import path."""

import uvicorn.config
from starlette.middleware import Middleware

from farm.settings import Settings
from farm.tokens import TokenFile

from .store_door import StoreDoor
from .wall import Wall

IMPORT_PATH = f"{__name__}.middlewares"
"""For ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH``."""


def middlewares() -> list[Middleware]:
    """The nodes' door to the artifacts and the wall, around the proxy; its server gets the guarded protocol on the way.

    The door stands here, so that files of nodes go straight from the network to the disk and back.

    Serve offers no setting for the protocol, but uvicorn finds it by name in a table.
    """
    uvicorn.config.HTTP_PROTOCOLS["auto"] = "farm.connections:GuardedProtocol"
    settings = Settings.from_environment()
    wall = Middleware(Wall, TokenFile(settings.token_path).read, TokenFile(settings.node_token_path).read)
    return [Middleware(StoreDoor, settings), wall]
