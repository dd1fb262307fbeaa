"""What a browser's session holds, kept on the dashboard's server so that it is there again after a reload.

Each browser that has signed in has a place of its own, by its cookie; the newest of its tabs counts. In memory: the
pictures of drafts are large, and none of it is worth a file.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import streamlit as st

from dashboard import credentials

MOST, MOST_BYTES = 64, 2**30
"""Browsers that are remembered, and what is kept of all of them."""
LARGEST = 32 * 2**20
"""Bytes; what is larger, such as a video, is not kept."""


class Shelf:
    """State by place, the least recently used goes. Thread-safe."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, place: str, what: dict[str, Any]) -> None:
        with self._lock:
            self._places[place] = what
            self._places.move_to_end(place)
            while len(self._places) > 1 and self._too_much():
                self._places.popitem(last=False)

    def get(self, place: str) -> dict[str, Any]:
        with self._lock:
            return dict(self._places.get(place, {}))

    def _too_much(self) -> bool:
        return (
            len(self._places) > MOST or sum(_size(tuple(kept.values())) for kept in self._places.values()) > MOST_BYTES
        )


@st.cache_resource
def _shelf() -> Shelf:
    return Shelf()


def put(name: str, keys: Iterable[str]) -> None:
    """Keep these values of the session's state under a name."""
    if place := _place(name):
        state = st.session_state
        _shelf().put(place, {key: state[key] for key in keys if key in state and _size(state[key]) <= LARGEST})


def restore(name: str) -> None:
    """Bring back what was kept, once in a session, and never over what is there."""
    if st.session_state.get(f"restored-{name}"):
        return
    st.session_state[f"restored-{name}"] = True
    if place := _place(name):
        for key, value in _shelf().get(place).items():
            st.session_state.setdefault(key, value)


def _place(name: str) -> str:
    cookie = st.context.cookies.get(credentials.session_cookie, "") if credentials.session_cookie else ""
    return f"{name} {hashlib.sha256(cookie.encode()).hexdigest()}" if cookie else ""


def _size(value: Any) -> int:
    """Bytes of files in it."""
    if isinstance(value, bytes):
        return len(value)
    parts = vars(value).values() if hasattr(value, "__dict__") else value if isinstance(value, list | tuple) else ()
    return sum(_size(part) for part in parts)
