"""What the Submit page shows, saved as a preset."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import farm_access
from dashboard.ranges import default
from farm.errors import FarmError
from plugins.presets import SETTABLE, Preset

UNSAID = "Saved on the Submit page."
ALWAYS = ("model_type", "total_second_length", "order")
"""Fields that a preset has even at their defaults, since those differ from model to model."""
NOT_SAVED = ("seed", "draft", "priority", "labels")
"""What belongs to a video or its place in the queue rather than to a look."""


def show(fields: Mapping[str, Any], presets: list[dict[str, Any]]) -> None:
    """The button, with what it asks. ``fields``: of the draft, as they would be submitted."""
    mine = [preset["name"] for preset in presets if preset["own"]]
    with st.popover("Save", icon=":material/bookmark_add:", help="Save these settings as a preset", width="stretch"):
        with st.form("preset-form", border=False):
            name = st.text_input("Name", max_chars=longest("name"), placeholder="Slow wave")
            description = st.text_input("What it is for", max_chars=longest("description"))
            suggest = st.checkbox("Suggest the prompt, too", disabled=not fields["prompt"].strip())
            st.caption("With all settings of this page but for prompt, pictures and seed. One of yours is replaced.")
            if not st.form_submit_button("Save preset", type="primary"):
                return
        prompts = [fields["prompt"]] if suggest and fields["prompt"].strip() else []
        if not name.strip():
            st.error("Give it a name.")
        elif save(name.strip(), description.strip() or UNSAID, values_of(fields), prompts):
            st.session_state["draft_new_preset"] = name.strip()
            st.toast(f"{'replaced' if name.strip() in mine else 'saved'} {name.strip()}", icon=":material/check:")
            st.rerun()


def values_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a request's fields that a preset keeps: what differs from the defaults."""
    kept = [name for name in SETTABLE if name in fields and name not in NOT_SAVED]
    return {name: fields[name] for name in kept if name in ALWAYS or _plain(fields[name]) != _plain(default(name))}


def save(name: str, description: str, values: Mapping[str, Any], prompts: list[str]) -> bool:
    """Whether it could be saved; if not, that is told."""
    try:
        farm_access.client().save_preset(name, description, values, prompts)
    except FarmError as error:
        farm_access.show_error(error)
        return False
    farm_access.forget()
    return True


def longest(field: str) -> int:
    """Characters that a preset's field may have."""
    return int(next(rule.max_length for rule in Preset.model_fields[field].metadata if hasattr(rule, "max_length")))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
