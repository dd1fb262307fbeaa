"""History: every job, searchable, page by page."""

from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views.actions import open_job, thumbnail

STATES = ("all", "completed", "failed", "cancelled", "running", "pending", "paused")
PAGE = 12


def page() -> None:
    """The page."""
    st.title("History")
    search, states = st.columns([4, 7], vertical_alignment="bottom")
    text = search.text_input(
        "Search", placeholder="Words of the prompt or name", key="history_text", on_change=_first_page
    )
    with states:
        state = st.segmented_control(
            "State", STATES, default="all", key="history_state", on_change=_first_page, required=True
        )
    number = int(st.session_state.get("history_page", 0))
    with farm_access.explained():
        answer = farm_access.client().jobs(
            state=None if state == "all" else state, text=text.strip() or None, limit=PAGE, offset=number * PAGE
        )
    if not answer["total"]:
        filtered = bool(text.strip()) or state != "all"
        with st.container(border=True):
            st.markdown("No job matches." if filtered else "**No videos yet.** What you submit appears here.")
        return
    for start in range(0, len(answer["jobs"]), 4):
        for column, job in zip(st.columns(4), answer["jobs"][start : start + 4], strict=False):
            with column:
                _card(job)
    _pager(number, answer["total"])


def _first_page() -> None:
    st.session_state["history_page"] = 0


def _card(job: dict[str, Any]) -> None:
    request = job["request"]
    with st.container(border=True, key=f"card-{job['id']}", height="stretch"):
        thumbnail(job)
        looks.badge(job["state"])
        st.markdown(f"**{looks.plain(looks.title_of(request, 60))}**")
        took = looks.elapsed(job["started_at"], job["finished_at"]) if job["finished_at"] else ""
        parts = [f"{request['total_second_length']:g} s", request["preset"], took, looks.ago(job["created_at"])]
        st.caption(" · ".join(part for part in parts if part))
        if job["error"]:
            st.caption(f":red[{looks.plain(job['error'][:120])}]")
        open_job(job["id"])


def _pager(number: int, total: int) -> None:
    pages = -(-total // PAGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center"):
        st.button("", icon=":material/chevron_left:", key="previous", disabled=number == 0, on_click=_turn, args=(-1,))
        st.caption(f"page {number + 1} of {pages} · {total} jobs", width="content")
        st.button(
            "", icon=":material/chevron_right:", key="next", disabled=number + 1 >= pages, on_click=_turn, args=(1,)
        )


def _turn(by: int) -> None:
    st.session_state["history_page"] = max(0, int(st.session_state.get("history_page", 0)) + by)
