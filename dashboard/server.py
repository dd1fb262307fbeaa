"""The dashboard's server: Streamlit behind the door, at an address, with its look and privacy settings."""

from pathlib import Path

import uvicorn.config
from starlette.middleware import Middleware

from farm.processes import die_with_parent, is_child
from farm.settings import MAX_UPLOAD, Settings
from farm.tokens import LoginKeys

from .credentials import token
from .theme import COLORS

DEFAULT_PORT = 8501

OPTIONS = {
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.maxUploadSize": MAX_UPLOAD // 2**20,  # MiB
    "browser.gatherUsageStats": False,
    "logger.level": "warning",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "theme.base": "dark",
    "theme.primaryColor": COLORS["primary"],
    "theme.backgroundColor": COLORS["background"],
    "theme.secondaryBackgroundColor": COLORS["raised"],
    "theme.textColor": COLORS["text"],
    "theme.borderColor": COLORS["border"],
    "theme.greenColor": COLORS["green"],
    "theme.redColor": COLORS["red"],
    "theme.orangeColor": COLORS["orange"],
    "theme.showWidgetBorder": True,
    "theme.baseRadius": "10px",
    "theme.sidebar.backgroundColor": COLORS["sidebar"],
}
"""Of Streamlit."""


def serve(port: int = DEFAULT_PORT, address: str = "127.0.0.1") -> None:
    """Serve the dashboard until told to stop; ``FARM_URL`` and ``FARM_HOME`` in the environment say which farm."""
    if is_child():
        die_with_parent()
    import streamlit

    from .door import Door

    settings = Settings.from_environment()
    door = Middleware(
        Door,
        token=token,
        keys=LoginKeys(settings.login_keys_dir),
        hosts=settings.dashboard_hosts,
        cookie=f"farm_session_{port}",
    )
    app = streamlit.App(Path(__file__).with_name("app.py"), middleware=[door])
    uvicorn.config.HTTP_PROTOCOLS["auto"] = "farm.connections:GuardedProtocol"
    app.run(config={"server.port": port, "server.address": address, **OPTIONS})
