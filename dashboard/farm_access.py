"""The farm as pages see it: one client per address and token, cached answers, and failures shown as one clear box."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st
from PIL import Image

from dashboard.credentials import token
from farm.client import FarmClient
from farm.errors import AuthError, ClusterError, FarmError
from farm.service.state import running_url
from farm.settings import Settings
from model.footage.apart import open_image_apart
from model.footage.footage import FileFacts

PAGE_SIDE = 1024
"""Longest side in pixels of a picture on a page."""


@st.cache_resource(max_entries=4)
def _client(url: str, secret: str) -> FarmClient:
    return FarmClient(url, secret)


def address() -> str:
    """``FARM_URL``, else where the farm on this machine says it runs, else the default address."""
    settings = Settings.from_environment()
    if os.environ.get("FARM_URL", "").strip():
        return settings.url
    return running_url(settings) or settings.url


def client() -> FarmClient:
    """The client for ``address()`` with the token of ``FARM_TOKEN`` or the home; read anew each time."""
    return _client(address(), token())


def source() -> str:
    """Names farm and token, for the keys of caches: nobody sees an answer that was given to another token."""
    return f"{address()} {hashlib.sha256(token().encode()).hexdigest()}"


@contextmanager
def explained() -> Iterator[None]:
    """Show a failure of the farm in the page, with what to do, and stop the page there."""
    try:
        yield
    except FarmError as error:
        show_error(error)
        st.stop()


def show_error(error: FarmError) -> None:
    """One box for one error."""
    if isinstance(error, AuthError):
        st.error(
            f"**The farm refused the token.** {error}\n\nThe dashboard reads it from `FARM_TOKEN` or `FARM_HOME/token` "
            f"(`{Settings.from_environment().token_path}`); start it with the same `FARM_HOME` as the farm.",
            icon=":material/key_off:",
        )
    elif isinstance(error, ClusterError):
        st.error(
            f"**The farm can't be reached.** {error}\n\nThis page comes back by itself once the farm answers.",
            icon=":material/cloud_off:",
        )
    else:
        st.error(str(error), icon=":material/error:")


@st.cache_data(ttl=600, max_entries=32, show_spinner=False)
def look_at(data: bytes, what: str = "") -> tuple[FileFacts, Image.Image]:
    """What is in a picture file that a person brought, and the picture, small enough for a page."""
    return open_image_apart(data, what, side=PAGE_SIDE)


@st.cache_data(ttl=30, show_spinner=False)
def _facts(farm: str, what: str) -> Any:
    return getattr(client(), what)()


def presets() -> dict[str, Any]:
    """``{"presets", "broken"}``, at most 30 seconds old."""
    return dict(_facts(source(), "presets"))


def orders() -> list[dict[str, Any]]:
    return list(_facts(source(), "orders"))


def exporters() -> list[dict[str, Any]]:
    return list(_facts(source(), "exporters"))


def models() -> list[dict[str, Any]]:
    return list(_facts(source(), "models"))


def loras() -> list[dict[str, Any]]:
    return list(_facts(source(), "loras"))


@st.cache_data(ttl=600, max_entries=256, show_spinner=False)
def picture(farm: str, job_id: str, name: str, sha256: str) -> bytes:
    """A small artifact by content; ``farm`` (see ``source``) and ``sha256`` are part of the cache's key."""
    return client().artifact(job_id, name)


@st.cache_data(ttl=600, max_entries=4, show_spinner="Fetching the video …")
def video(farm: str, job_id: str, name: str, sha256: str) -> bytes:
    """A video by content; few are kept, since they may be large."""
    return client().artifact(job_id, name)
