"""The part of the Submit page that says what becomes of sections outside their limits."""

import streamlit as st

from dashboard.ranges import ends
from farm.jobs.request import GATE, GATES

FIELDS = GATE
"""Fields of a request that are set here; each widget's key is ``draft_`` and the field's name."""
TITLES = {"off": "Nothing", "warn": "Tell me", "stop": "Stop the job", "retake": "Render it again"}


def show() -> None:
    """The widgets. The values are in the session's state already."""
    st.segmented_control(
        "When a section is outside its limits",
        list(GATES),
        key="draft_quality_gate",
        format_func=TITLES.__getitem__,
        required=True,
        help="A section is judged when it is rendered: colours, sharpness, noise, stillness, flicker and jumps.",
    )
    gate = st.session_state["draft_quality_gate"]
    st.caption(f"{GATES[gate][0].upper()}{GATES[gate][1:]}.")
    if gate == "retake":
        st.slider(
            "Other takes",
            *ends("retakes"),
            key="draft_retakes",
            help="Each with a seed of its own, at the same time where there are devices. The best of all is kept.",
        )
