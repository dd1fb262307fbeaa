"""Queue: what runs, waits or is paused, in the order in which it will run, and what can be done about it."""

import time
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views import queue_bar, queue_table
from farm.errors import FarmError

REFRESH = 3.0
PAGE = 25
STATES = ("running", "pending", "paused")
SORTS = {
    "Run order": "place",
    "Priority": "priority",
    "Newest": "created",
    "Name": "name",
    "Owner": "owner",
    "Status": "state",
}
"""As people and the API call them; the address has the former."""
MOST_SAID = 5
"""Of the selected jobs, whose reasons for waiting are said in full below the table, where nothing else moves."""
SHOWN, TABLE, OPENED = "queue_shown", "queue_table", "queue_opened"
"""In the session's state: the answer that is on the page, the table's selection, the name that was clicked."""


def page() -> None:
    """The page."""
    st.title("Queue")
    _queue()
    _watch()


@st.fragment(run_every=REFRESH)
def _watch() -> None:
    """Has the page drawn anew when something has changed; that alone costs next to nothing."""
    shown = st.session_state.get(SHOWN)
    if shown is None or time.monotonic() - shown["at"] < REFRESH / 2:  # the page has just been drawn
        return
    try:
        answer, etag = farm_access.client().rows_since(shown["etag"], **shown["asked"])
    except FarmError:
        return  # the sidebar says so
    if answer is not None:
        st.session_state[SHOWN] = {**shown, "etag": etag, "answer": answer, "fresh": True}
        st.rerun()


@st.fragment
def _queue() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="queue-filters"):
        asked = _filters()
    with farm_access.explained():
        rows, answer = _look(asked)
    looks.stay_within(rows, answer["total"])
    with st.container(horizontal=True, vertical_alignment="center", key="queue-head"):
        looks.facts({state: str(answer["states"].get(state, 0)) for state in STATES})
        looks.pager(answer["total"], PAGE)
    if not rows:
        _empty(answer)
        return
    selected = [rows[at] for at in _selection() if at < len(rows)]
    if queue_bar.bar(selected, rows, (asked["sort"], asked["ascending"]) == ("place", True)):
        st.rerun()
    st.dataframe(
        queue_table.frame(rows),
        key=TABLE,
        on_select="rerun",
        selection_mode="multi-row",
        hide_index=True,
        row_height=queue_table.ROW,
        height=queue_table.height(len(rows)),
        column_config=queue_table.columns(_note_opened, OPENED),
    )
    for row in selected[:MOST_SAID]:
        if why := (row["outlook"] or {}).get("why"):
            st.caption(f"**{looks.plain(looks.title_of(row, 60))}** · {looks.plain(why)}")
    if job_id := st.session_state.pop("queue_open", None):
        looks.go("job", id=job_id)


def _filters() -> dict[str, Any]:
    """What the widgets, which are bound to the address, ask the API for."""
    bound: dict[str, Any] = {"bind": "query-params", "on_change": looks.first_page}
    text = st.text_input("Search", key="text", placeholder="Words of name or prompt", width=220, **bound)
    states = st.pills("Status", STATES, selection_mode="multi", key="status", **bound)
    owners = [owner["name"] for owner in farm_access.owners()]
    owner = st.selectbox(
        "Owner", owners, None, key="owner", placeholder="Everybody", width=150, accept_new_options=True, **bound
    )
    sort = SORTS[st.selectbox("Order", list(SORTS), key="sort", width=140, **bound)]
    turned = st.toggle("Reverse", key="reverse", **bound)
    return {
        "state": list(states) or list(STATES),
        "owner": owner,
        "text": text.strip() or None,
        "sort": sort,
        "ascending": (sort not in ("created", "priority")) != turned,
        "limit": PAGE,
        "offset": (looks.page_number() - 1) * PAGE,
    }


def _look(asked: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Rows and answer: what is on the page already unless something has changed. Selected jobs stay selected."""
    shown = st.session_state.get(SHOWN)
    if shown is None or shown["asked"] != asked:
        shown = {"asked": asked, "etag": "", "answer": None, "fresh": False, "drawn": []}
    if not shown["fresh"]:
        answer, shown["etag"] = farm_access.client().rows_since(shown["etag"], **asked)
        shown["answer"] = answer or shown["answer"]
    rows = shown["answer"]["rows"]
    before = {shown["drawn"][at] for at in _selection() if at < len(shown["drawn"])}
    after = [at for at, row in enumerate(rows) if row["id"] in before]
    if after != _selection():
        st.session_state[TABLE] = {"selection": {"rows": after}}
    st.session_state[SHOWN] = {
        **shown,
        "fresh": False,
        "drawn": [row["id"] for row in rows],
        "at": time.monotonic(),
    }
    return rows, shown["answer"]


def _selection() -> list[int]:
    """Numbers of the selected rows."""
    found = st.session_state.get(TABLE)
    return sorted(found["selection"]["rows"]) if found else []


def _note_opened() -> None:
    click, shown = st.session_state.get(OPENED), st.session_state.get(SHOWN)
    if click and shown and click["row"] < len(shown["drawn"]):
        st.session_state["queue_open"] = shown["drawn"][click["row"]]


def _empty(answer: dict[str, Any]) -> None:
    """What to do next."""
    with st.container(border=True):
        if any(answer["states"].get(state) for state in STATES):
            st.markdown("**No job matches.** Take a filter away to see the others.")
        elif any(answer["states"].values()):
            st.markdown("**Nothing to do.** Finished videos are under History.")
            st.page_link(st.session_state["pages"]["history"], label="History", icon=":material/history:")
        else:
            st.markdown("**No videos yet.** Make the first on Submit; it appears here while it waits and renders.")
        st.page_link(st.session_state["pages"]["submit"], label="Submit a video", icon=":material/add:")
