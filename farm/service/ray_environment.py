"""The environment variables that make Ray ours alone. They must stand before ``ray`` is imported; hence no Ray here."""

import os
from pathlib import Path

from farm.joining.raylet import ENVIRONMENT
from farm.joining.tokens import ray_token_path, read_ray_token
from farm.settings import Settings

PROXY_READY_SECONDS = 120
"""Ray Serve's own limit is 5 s, which a machine that is busy with something else takes longer for."""


def own_ray(settings: Settings, open_to_others: bool = False) -> None:
    """For a Ray that this process starts: with a token in the farm's home, and on this machine's loopback alone unless
    other machines are to join."""
    read_ray_token(settings)
    os.environ.update(
        {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(ray_token_path(settings)),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": str(int(open_to_others)),  # with 0 it uses 127.0.0.1, nobody joins
            "AUTOSCALER_METRIC_PORT": "-1",  # servers without a token; with these numbers they can't start
            "DASHBOARD_METRIC_PORT": "-1",
            **_common(),
        }
    )
    os.environ.pop("RAY_AUTH_TOKEN", None)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def joined_ray() -> None:
    """For a Ray that is there already: its token, if it has one, is where Ray looks for it by itself."""
    os.environ.update(_common())
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if given or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _common() -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "farm.api.front.middlewares",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": str(PROXY_READY_SECONDS),
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",
    }
