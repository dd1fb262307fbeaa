"""Errors beside the field that they are about."""

import re

import streamlit as st

from dashboard import farm_access
from farm.errors import AuthError, ClusterError, FarmError

WORDS = {
    "loras": r"\bLoRAs?\b",
    "media": r"\bkeyframes?\b|\bend image\b|\bvideo to\b|\bthe video has\b",
    "image": r"\bstart image\b|\bimage_\w+\b",
    "prompt": r"\bprompts?\b",
    "length": r"\btotal_second_length\b|\blength \S+ s\b",
}
"""What messages name a field by, the first that fits counts."""
_SLOT = "beside_"


def reserve(field: str) -> None:
    """Keep this place of the page for errors about the field."""
    st.session_state[f"{_SLOT}{field}"] = st.empty()


def tell(error: FarmError) -> None:
    """Show it beside the field that it names, else here."""
    field = field_of(error)
    slot = st.session_state.get(f"{_SLOT}{field}")
    with slot.container() if slot is not None else st.container():
        farm_access.show_error(error)


def field_of(error: FarmError) -> str:
    """The field that an error is about; empty for one that is about none."""
    if isinstance(error, AuthError | ClusterError):
        return ""
    return next((field for field, words in WORDS.items() if re.search(words, str(error))), "")
