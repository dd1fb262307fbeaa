"""How the dashboard's server is started: one place for its address, look and privacy settings."""

import os
import sys
from pathlib import Path

from farm.processes import die_with_parent
from farm.settings import MAX_UPLOAD

DEFAULT_PORT = 8501

OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.maxUploadSize": str(MAX_UPLOAD // 2**20),  # MiB
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "theme.base": "dark",
    "theme.primaryColor": "#7c9cff",
    "theme.backgroundColor": "#0f1218",
    "theme.secondaryBackgroundColor": "#181d27",
    "theme.textColor": "#e6e9f0",
    "theme.borderColor": "#2a3140",
    "theme.greenColor": "#4cc38a",
    "theme.redColor": "#f2665e",
    "theme.orangeColor": "#f0a35e",
    "theme.showWidgetBorder": "true",
    "theme.baseRadius": "10px",
    "theme.sidebar.backgroundColor": "#12161e",
}


def command(port: int = DEFAULT_PORT, address: str = "127.0.0.1") -> list[str]:
    """The command line that serves the dashboard; ``FARM_URL`` and ``FARM_HOME`` in its environment say which farm."""
    options = {"server.port": str(port), "server.address": address, **OPTIONS}
    script = Path(__file__).with_name("app.py")
    return [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(script),
        *(f"--{key}={value}" for key, value in options.items()),
    ]


def main() -> None:
    """Become the dashboard's server (``python -m dashboard [PORT]``)."""
    die_with_parent()
    arguments = command(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PORT)
    os.execv(arguments[0], arguments)
