"""Queue: what runs, waits or is paused, with progress and what can be done about it."""

from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views.actions import act, open_job, thumbnail

ORDER = ("running", "paused", "pending")
REFRESH = 2.0
SHOWN = 40


def page() -> None:
    """The page."""
    st.title("Queue")
    _jobs()


@st.fragment(run_every=REFRESH)
def _jobs() -> None:
    with farm_access.explained():
        answers = {state: farm_access.client().jobs(state=state, limit=SHOWN) for state in ORDER}
    total = sum(answer["total"] for answer in answers.values())
    if not total:
        with st.container(border=True):
            st.markdown("**Nothing to do.** Finished videos are under History.")
            st.page_link(st.session_state["pages"]["submit"], label="Submit a video", icon=":material/add:")
        return
    looks.facts({state: str(answer["total"]) for state, answer in answers.items()})
    for state, answer in answers.items():
        jobs = sorted(answer["jobs"], key=lambda job: (job["outlook"] or {}).get("place", 0))
        for job in jobs:
            _row(job)
        if answer["total"] > len(jobs):
            st.caption(f"and {answer['total'] - len(jobs)} more {state}")


def _row(job: dict[str, Any]) -> None:
    request, counts = job["request"], job["counts"]
    with st.container(border=True, key=f"row-{job['id']}"):
        picture, text, buttons = st.columns([1, 7, 3], vertical_alignment="center")
        with picture:
            thumbnail(job)
        with text:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{looks.plain(looks.title_of(request, 70))}**", width="content")
                looks.badge(job["state"])
            steps = f"{counts.get('steps_done', 0)} of {counts.get('steps_total', 0)} steps"
            took = looks.elapsed(job["started_at"], None)
            length = f"{request['total_second_length']:g} s"
            parts = [f"{job['progress']:.0%}", steps, length, request["order"], took, looks.ahead(job["outlook"])]
            st.progress(job["progress"], text=" · ".join(part for part in parts if part))
            if job["outlook"] and job["outlook"]["why"]:
                st.caption(f":material/hourglass_empty: {looks.plain(job['outlook']['why'])}")
        with buttons, st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
            if job["state"] == "paused":
                act(job["id"], "resume", ":material/play_arrow:", "Resume")
            else:
                act(job["id"], "pause", ":material/pause:", "Pause: finish nothing new, keep what is done")
            act(job["id"], "cancel", ":material/close:", "Cancel")
            open_job(job["id"])
