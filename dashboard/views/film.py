"""On a film's Job page: its shots, when each begins and what happens in it."""

from html import escape
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views import settings


def shots(detail: dict[str, Any]) -> None:
    """The list, each with the settings that are not all shots', and a way back to the storyboard; nothing for a job
    that is no film."""
    job, plan, found = detail["job"], detail["plan"], detail["shots"]
    if not found:
        return
    with st.expander(f"{len(found)} shots", icon=":material/view_carousel:", expanded=True):
        lines = []
        apart = settings.own(settings.requests_of(detail))
        for shot, planned, own in zip(found, plan["shots"], apart, strict=True):
            last = shot["first"] + shot["sections"] - 1
            where = f"sections {shot['first']} to {last}" if last > shot["first"] else f"section {last}"
            fades = f" · fades in for {shot['fade']:g} s" if shot["fade"] else ""
            more = "".join(f" · {escape(name)} {escape(value or 'none')}" for name, value in own.items())
            lines.append(
                f"<div><b>{planned['second']:.1f} s · {escape(shot['name'])}</b> {escape(shot['request']['prompt'])} "
                f"<span>{where}{fades}{more}</span></div>"
            )
        st.html(f'<div class="takes">{"".join(lines)}</div>')
        if farm_access.may_queue() and st.button(
            "Edit the storyboard", icon=":material/edit:", key=f"film-{job['id']}"
        ):
            looks.go("storyboard", job=job["id"])
        st.caption("Queue it again with a shot changed: all others are taken over and cost nothing.")
