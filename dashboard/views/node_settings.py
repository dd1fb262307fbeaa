"""What a person sets for a machine: draining it, and its labels, hours and number of replicas."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from farm.errors import FarmError
from farm.jobs.labels import MAX_LABELS
from farm.jobs.nodes import ANY, EXAMPLE_HOURS, MOST_REPLICAS, DrainForm

BY = "the dashboard"
REASON = DrainForm.model_fields["reason"]
MOST_REASON = max(each.max_length for each in REASON.metadata if hasattr(each, "max_length"))


def drain(host: str) -> None:
    """The button that drains, with what it asks before."""
    with st.popover("Drain", icon=":material/pause:"):
        with st.form(f"drain-{host}", border=False):
            reason = st.text_input("Reason", max_chars=MOST_REASON, placeholder="new driver")
            now = st.checkbox("Hand back at once what it renders", help="It is done elsewhere and charged to nobody.")
            st.caption("Otherwise it finishes what it is at. It takes nothing more until you resume it.")
            if st.form_submit_button(f"Drain {host}", type="primary"):
                _ask(lambda: farm_access.client().drain(host, reason=reason, now=now, by=BY))


def settings(node: Mapping[str, Any]) -> None:
    """The button that opens a machine's settings."""
    host, cap = node["host"], node["max_replicas"]
    with st.popover("Settings", icon=":material/tune:"):
        with st.form(f"settings-{host}", border=False):
            labels = st.text_input(
                "Labels",
                ", ".join(node["labels"]),
                placeholder="studio, rack-2",
                help=f"Words by which jobs ask for machines; {MAX_LABELS} at most.",
            )
            told = f"When it works, such as {EXAMPLE_HOURS}, by the head's clock"
            hours = st.text_input("Hours", node["hours"], placeholder=ANY, help=told)
            most = st.number_input(
                "Most replicas with a model", 0, MOST_REPLICAS, cap, placeholder="as many as it has room for"
            )
            if st.form_submit_button("Save", type="primary"):
                words = [word.strip() for word in labels.split(",") if word.strip()]
                _ask(lambda: _save(host, words, hours, most))


def _save(host: str, labels: list[str], hours: str, most: int | None) -> None:
    farm_access.client().change_node(host, labels=labels, hours=hours or ANY, max_replicas=most)


def _ask(what: Any) -> None:
    try:
        what()
    except FarmError as error:
        looks.refusal(error)
    else:
        st.rerun(scope="fragment")
