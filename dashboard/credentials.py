"""The farm's token as the dashboard holds it: it asks the farm with it, and lets people in who have it."""

import os

from farm.settings import Settings


def token() -> str:
    """``FARM_TOKEN``, else the one in the home; read anew each time, empty when there is none."""
    given = os.environ.get("FARM_TOKEN", "").strip()
    path = Settings.from_environment().token_path
    return given or (path.read_text().strip() if path.is_file() else "")
