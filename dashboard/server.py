"""The dashboard's server: Streamlit behind the door, with its look and privacy settings."""

import os
from collections.abc import Mapping
from pathlib import Path

import uvicorn.config
from starlette.middleware import Middleware

from farm.processes import die_with_parent, is_child
from farm.settings import MAX_UPLOAD, Settings
from farm.tokens import LoginKeys

from . import credentials
from .credentials import token
from .theme import COLORS, LIGHT

DEFAULT_PORT = 8501


def _theme(name: str, colors: Mapping[str, str]) -> dict[str, str]:
    """Streamlit shows the one that the browser asks for."""
    return {
        f"theme.{name}.primaryColor": colors["primary"],
        f"theme.{name}.backgroundColor": colors["background"],
        f"theme.{name}.secondaryBackgroundColor": colors["raised"],
        f"theme.{name}.textColor": colors["text"],
        f"theme.{name}.borderColor": colors["border"],
        f"theme.{name}.greenColor": colors["green"],
        f"theme.{name}.redColor": colors["red"],
        f"theme.{name}.orangeColor": colors["orange"],
        f"theme.{name}.sidebar.backgroundColor": colors["sidebar"],
    }


OPTIONS = {
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.maxUploadSize": MAX_UPLOAD // 2**20,  # MiB
    "browser.gatherUsageStats": False,
    "logger.level": "warning",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "theme.showWidgetBorder": True,
    "theme.baseRadius": "10px",
    **_theme("dark", COLORS),
    **_theme("light", LIGHT),
}
"""Of Streamlit."""


def serve(port: int = DEFAULT_PORT) -> None:
    """Serve the dashboard on loopback until told to stop; ``FARM_URL`` and ``FARM_HOME`` say of which farm."""
    if is_child():
        die_with_parent()
    import streamlit

    from . import files, pictures
    from .door import Door
    from .farm_access import person_at, person_of
    from .oidc import Provider

    settings = Settings.from_environment()
    credentials.session_cookie = f"farm_session_{port}"
    door = Middleware(
        Door,
        token=token,
        keys=LoginKeys(settings.login_keys_dir),
        hosts=settings.dashboard_hosts,
        cookie=credentials.session_cookie,
        person=person_of,
        provider=Provider.from_environment(os.environ, person_at),
    )
    app = streamlit.App(
        Path(__file__).with_name("app.py"), routes=[*files.routes(), *pictures.routes()], middleware=[door]
    )
    uvicorn.config.HTTP_PROTOCOLS["auto"] = "farm.connections:GuardedProtocol"
    app.run(config={"server.port": port, "server.address": "127.0.0.1", **OPTIONS})
