"""Buttons and pictures that several pages share."""

from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from farm.errors import FarmError
from farm.jobs.submission import Submission
from model.footage.media import AUDIO
from model.plan.anchors import SOURCE_VIDEO


def act(job_id: str, action: str, icon: str, help_text: str, label: str = "") -> None:
    """A button that asks the farm to ``cancel``, ``pause``, ``resume`` or ``retry`` a job, then redraws."""
    if st.button(label, icon=icon, help=help_text, key=f"{action}-{job_id}", disabled=False):
        try:
            getattr(farm_access.client(), action)(job_id)
        except FarmError as error:
            looks.refusal(error)
        else:
            st.toast(f"{action} accepted", icon=icon)
            st.rerun()


def thumbnail(job: dict[str, Any], width: int | str = "stretch") -> None:
    """The job's start image, else another picture of it."""
    files = {} if job["unreadable"] else Submission.model_validate(job["request"]).files
    name = next((name for name in files if name not in (SOURCE_VIDEO, AUDIO)), "image")
    try:
        data = farm_access.picture(farm_access.source(), job["id"], name, files.get(name, ""))
    except FarmError:
        st.caption("no image")
        return
    st.image(data, width=width)  # type: ignore[arg-type]
