"""One section of a job, chosen in the timeline: what it looks like, how it was made, its log, another go at it."""

from html import escape
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.timeline import Cell, picture_of
from farm.errors import FarmError
from farm.jobs.names import decode_name, section_name, take_of

TAIL = 60
"""Lines of an attempt's log on the page; the whole is a download."""
HEIGHT = 352
"""Pixels of the panel, whatever is in it."""


def panel(detail: dict[str, Any], cell: Cell | None) -> None:
    """The chosen section's, of the same height without one."""
    with st.container(height=HEIGHT, border=True, key="section-panel"):
        if cell is None:
            st.caption(
                "Choose a section in the timeline to see it in full, read its log, render it again, or go another "
                "way from it."
            )
            return
        picture = picture_of(detail, cell, strip=True)
        image = f'<img src="{escape(picture)}" alt="section {cell.index}">' if picture else ""
        st.html(f'<div class="strip">{image}</div>')
        facts = {
            f"section {cell.index}": cell.state,
            "at": f"{cell.start:.2f}-{cell.stop:.2f} s",
            "on": cell.place,
            "step": f"{cell.step} of {cell.steps}" if cell.steps else "",
            "took": looks.duration(cell.seconds) if cell.place else "",
            "tries": str(cell.tries or ""),
            "judged": cell.verdict,
        }
        looks.facts(facts)
        if cell.reason:
            st.caption(looks.plain(cell.reason))
        _again(detail["job"], cell.index)
        _logs(detail, cell.index)


def _again(job: dict[str, Any], index: int) -> None:
    """Redo and fork: both are new jobs that keep the rest. A film's shots are changed in its storyboard."""
    if job["film"] or not farm_access.may_change(job["owner"]):
        return
    with st.container(horizontal=True):
        if st.button("Redo", icon=":material/replay:", key=f"redo-{job['id']}-{index}", help="Another seed for it"):
            _take(job["id"], sections=[index])
        with st.popover("Fork from here", icon=":material/fork_right:"):
            prompt = st.text_area("Prompt from here on", value=job["prompt"], key=f"prompt-{job['id']}-{index}")
            if st.button("Fork", type="primary", key=f"fork-{job['id']}-{index}"):
                _take(job["id"], from_section=index, changes={"prompt": prompt})


def _take(job_id: str, **which: Any) -> None:
    try:
        made = farm_access.client().take(job_id, **which)
    except FarmError as error:
        looks.refusal(error)
        return
    looks.go("job", id=made["id"])


def _logs(detail: dict[str, Any], index: int) -> None:
    """Each attempt's last lines, the newest first."""
    job_id = detail["job"]["id"]
    names = {task["id"]: task["name"] for task in detail["tasks"]}
    wanted = (section_name(index), decode_name(index))
    tried = [
        attempt
        for attempt in detail["attempts"]
        if (name := names[attempt["task_id"]]) in wanted or (take_of(name) and name.startswith(f"{wanted[0]}-"))
    ]
    for attempt in sorted(tried, key=lambda each: str(each["started_at"]), reverse=True):
        title = f"{names[attempt['task_id']]}, attempt {attempt['number']}: {attempt['state']}"
        with st.expander(title, icon=":material/article:", key=f"log-{attempt['id']}"):
            text = log_text(job_id, attempt)
            st.code("".join(text.splitlines(keepends=True)[-TAIL:]) or "no log", language=None, wrap_lines=True)
            if text:
                st.download_button(
                    "Whole log", text, file_name=f"{attempt['id']}.txt", key=f"whole-{attempt['id']}", on_click="ignore"
                )


def log_text(job_id: str, attempt: dict[str, Any]) -> str:
    """An attempt's log; that of an ended one is read once."""
    if attempt["state"] == "running":
        return _read(job_id, attempt["id"])
    return _kept(farm_access.source(), job_id, attempt["id"], attempt["state"])


@st.cache_data(ttl=600, max_entries=64, show_spinner=False)
def _kept(farm: str, job_id: str, attempt_id: str, state: str) -> str:
    return _read(job_id, attempt_id)


def _read(job_id: str, attempt_id: str) -> str:
    try:
        return farm_access.client().log(job_id, attempt_id).decode(errors="replace")
    except FarmError:
        return ""
