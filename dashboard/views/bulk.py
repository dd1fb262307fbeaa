"""Actions on several jobs at once: what fits which of them, and what became of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from farm.errors import FarmError
from farm.jobs.bulk import FITTING, Action
from farm.jobs.records import JobState
from farm.units import counted

Row = Mapping[str, Any]
DONE = {
    Action.CANCEL: "cancelled",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.RETRY: "retried",
    Action.DELETE: "deleted",
    Action.CHANGE: "changed",
}


def fitting(action: Action, rows: Sequence[Row]) -> list[str]:
    """Ids of the jobs that are in a state for it."""
    return [row["id"] for row in rows if JobState(row["state"]) in FITTING[action]]


def offer(action: Action, rows: Sequence[Row], icon: str, told: str, key: str) -> bool:
    """A button that does it to all of ``rows`` that it fits, and says how many those are; whether it was done."""
    fit = fitting(action, rows)
    told = told if len(fit) == len(rows) else f"{told}. {can_be(action, fit, rows)}."
    return st.button(label(action, fit, rows), icon=icon, help=told, key=key, disabled=not fit) and act(action, fit)


def label(action: Action, fit: Sequence[str], rows: Sequence[Row]) -> str:
    """Such as ``Pause``, or ``Pause 4 of 5``."""
    name = action.value.capitalize()
    return name if len(fit) in (0, len(rows)) else f"{name} {len(fit)} of {len(rows)}"


def can_be(action: Action, fit: Sequence[str], rows: Sequence[Row]) -> str:
    """Such as ``4 of 5 can be paused``."""
    return f"{len(fit)} of {len(rows)} can be {DONE[action]}"


def act(action: Action, ids: Sequence[str], change: Mapping[str, Any] | None = None) -> bool:
    """Ask the farm, and tell what became of it; whether it was done to any."""
    try:
        answer = farm_access.client().act(action.value, ids, change=change)
    except FarmError as error:
        looks.refusal(error)
        return False
    if answer["done"]:
        count = len(answer["done"])
        st.toast(f"{counted(count, 'job')} {DONE[action]}", icon=":material/check:")
    for refused in answer["refused"][:3]:
        looks.refusal(refused["message"])
    return bool(answer["done"])
