"""Secrets between machines: what a node shows the head, and what Ray's processes show each other."""

import os
from collections.abc import Mapping
from pathlib import Path

from farm.errors import ConflictError
from farm.settings import Settings
from farm.tokens import checked_token, ensure_token

GIVEN = "FARM_NODE_TOKEN"


def ray_token_path(settings: Settings) -> Path:
    """Its file."""
    return settings.home / "ray-token"


def read_ray_token(settings: Settings) -> str:
    """It, made on first use."""
    return ensure_token(ray_token_path(settings))


def ensure_node_token(settings: Settings, environ: Mapping[str, str] | None = None) -> str:
    """The head's token for nodes: the one in its home; on first use that of the environment, or a new one.

    Raises:
        InputError: the environment's can't be one.
        ConflictError: the environment has another than the home.
    """
    given = (os.environ if environ is None else environ).get(GIVEN, "").strip()
    token = ensure_token(settings.node_token_path, checked_token(given, GIVEN) if given else "")
    if given and given != token:
        raise ConflictError(
            f"{GIVEN} is not the token in {settings.node_token_path}; remove that file to have nodes use the new one."
        )
    return token
