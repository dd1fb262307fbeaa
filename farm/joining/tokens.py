"""The secret that Ray's processes show each other, as the head keeps it and as a node gets it."""

from pathlib import Path

from farm.settings import Settings
from farm.tokens import ensure_token


def ray_token_path(settings: Settings) -> Path:
    """Its file."""
    return settings.home / "ray-token"


def read_ray_token(settings: Settings) -> str:
    """It, made on first use."""
    return ensure_token(ray_token_path(settings))
