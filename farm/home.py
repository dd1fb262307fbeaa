"""The farm's home folder: what every layer needs to know, the models below the settings too."""

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from .errors import InputError


def farm_home(environ: Mapping[str, str] | None = None) -> Path:
    """``FARM_HOME`` as an absolute path, else the user's data folder; it need not exist.

    Raises:
        InputError: it is a file.
    """
    given = (os.environ if environ is None else environ).get("FARM_HOME", "").strip()
    home = Path(given or platformdirs.user_data_dir("framepack-farm", appauthor=False)).expanduser()
    if home.exists() and not home.is_dir():
        raise InputError(f"FARM_HOME is {str(home)!r}, which is a file; set it to a folder.")
    return home.absolute()
