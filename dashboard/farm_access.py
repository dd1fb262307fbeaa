"""The farm as pages see it: one client per address and token, cached answers, and failures shown as one clear box."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st
from PIL import Image

from dashboard import credentials
from dashboard.credentials import address, token
from farm.accounts.people import Caller, Role
from farm.client import FarmClient
from farm.errors import AuthError, ClusterError, FarmError
from farm.settings import Settings
from model.footage.apart import open_image_apart
from model.footage.footage import FileFacts

PAGE_SIDE = 1024
"""Longest side in pixels of a picture on a page."""


@st.cache_resource(max_entries=32)
def _client(url: str, secret: str, person: str) -> FarmClient:
    return FarmClient(url, secret, user=person)


def client() -> FarmClient:
    """The client for ``address()``, which asks for whoever signed in; read anew each time.

    Raises:
        AuthError: the session has ended.
    """
    return _client(address(), token(), person())


def person() -> str:
    """Who signed in with a token of their own; empty for the household.

    Raises:
        AuthError: the session has ended.
    """
    if not credentials.session_cookie:
        return ""
    return credentials.read(token(), st.context.cookies.get(credentials.session_cookie, ""))


def person_of(secret: str) -> str:
    """The name of whose own token that is; empty for nobody's. FarmError when the farm can't be asked."""
    try:
        with FarmClient(address(), secret) as asking:
            found = asking.me()
    except AuthError:
        return ""
    return str(found["name"]) if found["known"] else ""


def person_at(email: str) -> str:
    """The name of whom a provider of identities knows by that address; empty for nobody. FarmError as above."""
    with FarmClient(address(), token()) as asking:
        known = {str(user["email"]).casefold(): str(user["name"]) for user in asking.users()}
    return known.get(email.casefold(), "") if email else ""


@st.cache_data(ttl=30, show_spinner=False)
def _me(farm: str) -> dict[str, Any]:
    return client().me()


def me() -> dict[str, Any]:
    """``{"name", "role", "known"}`` of whoever signed in, at most 30 seconds old."""
    return _me(source())


def may_change(owner: str) -> bool:
    """Whether whoever signed in may change what is ``owner``'s; the farm decides, pages only leave out what it would
    refuse."""
    return _caller().may_change(owner)


def may_queue() -> bool:
    """Whether they may queue jobs."""
    return _caller().may(Role.ARTIST)


def _caller() -> Caller:
    found = me()
    return Caller(found["name"], Role(found["role"]), known=found["known"])


def source() -> str:
    """Names farm, token and person, for the keys of caches: nobody sees an answer that was given to another."""
    return f"{address()} {hashlib.sha256(token().encode()).hexdigest()} {person()}"


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
    if isinstance(error, AuthError) and credentials.session_cookie:
        st.error(f"**The farm does not know you.** {error} [Sign in](/login)", icon=":material/key_off:")
    elif isinstance(error, AuthError):
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


@st.cache_data(ttl=5, show_spinner=False)
def _loras(farm: str) -> list[dict[str, Any]]:
    return client().loras()


def forget() -> None:
    """Ask anew, as after a change."""
    _facts.clear()
    _loras.clear()


def presets() -> dict[str, Any]:
    """``{"presets", "broken"}``, at most 30 seconds old."""
    return dict(_facts(source(), "presets"))


def orders() -> list[dict[str, Any]]:
    return list(_facts(source(), "orders"))


def caches() -> list[dict[str, Any]]:
    return list(_facts(source(), "caches"))


def exporters() -> list[dict[str, Any]]:
    return list(_facts(source(), "exporters"))


def post_processors() -> list[dict[str, Any]]:
    return list(_facts(source(), "post_processors"))


def models() -> list[dict[str, Any]]:
    return list(_facts(source(), "models"))


def loras() -> list[dict[str, Any]]:
    """At most 5 seconds old: people put a file into the folder and look for it at once."""
    return _loras(source())


def owners() -> list[dict[str, Any]]:
    return list(_facts(source(), "owners"))


@st.cache_data(ttl=600, max_entries=256, show_spinner=False)
def picture(farm: str, job_id: str, name: str, sha256: str) -> bytes:
    """A small artifact by content; ``farm`` (see ``source``) and ``sha256`` are part of the cache's key."""
    return client().artifact(job_id, name)


@st.cache_data(ttl=600, max_entries=4, show_spinner="Fetching the video …")
def video(farm: str, job_id: str, name: str, sha256: str) -> bytes:
    """A video by content; few are kept, since they may be large."""
    return client().artifact(job_id, name)
