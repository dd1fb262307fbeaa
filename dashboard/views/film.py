"""On a film's Job page: its shots, when each begins and what happens in it."""

from html import escape
from typing import Any

import streamlit as st

from dashboard import farm_access, looks


def shots(detail: dict[str, Any]) -> None:
    """The list, with a way back to the storyboard; nothing for a job that is no film."""
    job, plan, found = detail["job"], detail["plan"], detail["shots"]
    if not found:
        return
    with st.expander(f"{len(found)} shots", icon=":material/view_carousel:", expanded=True):
        lines = []
        for shot, planned in zip(found, plan["shots"], strict=True):
            last = shot["first"] + shot["sections"] - 1
            where = f"sections {shot['first']} to {last}" if last > shot["first"] else f"section {last}"
            fades = f" · fades in for {shot['fade']:g} s" if shot["fade"] else ""
            lines.append(
                f"<div><b>{planned['second']:.1f} s · {escape(shot['name'])}</b> {escape(shot['request']['prompt'])} "
                f"<span>{where}{fades}</span></div>"
            )
        st.html(f'<div class="takes">{"".join(lines)}</div>')
        if farm_access.may_queue() and st.button(
            "Edit the storyboard", icon=":material/edit:", key=f"film-{job['id']}"
        ):
            looks.go("storyboard", job=job["id"])
        st.caption("Queue it again with a shot changed: all others are taken over and cost nothing.")
