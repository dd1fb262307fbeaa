"""History: every job with its result, filtered, page by page; many at once are deleted, exported or downloaded."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import streamlit as st

from dashboard import clock, farm_access, looks
from dashboard.files import zip_url
from dashboard.views import bulk, exports, gallery
from farm.client import FarmClient
from farm.jobs.bulk import Action
from farm.jobs.records import ACTIVE, ENDED

STATES = {state.value: (state.value,) for state in ENDED} | {"not finished": tuple(state.value for state in ACTIVE)}
FINISHED = [state.value for state in ENDED]
PAGE = 20
MOST_EXPORTED = 10_000
STEP = 500
"""Jobs that the farm is asked for at a time."""
COLUMNS = (
    "id", "state", "name", "prompt", "owner", "priority", "family", "preset", "seconds", "labels", "deadline",
    "created_at", "started_at", "finished_at", "error", "result", "result_bytes",
)  # fmt: skip
"""Of an export."""


def page() -> None:
    """The page."""
    st.title("History")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="history-filters"):
        asked = _filters()
    number = looks.page_number()
    with farm_access.explained():
        answer = farm_access.client().rows(**asked, sort="finished", limit=PAGE, offset=(number - 1) * PAGE)
    if not answer["total"]:
        _empty(answer["states"])
        return
    rows = answer["rows"]
    looks.stay_within(rows, answer["total"])
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="history-bar"):
        _bar(rows, asked, answer["total"])
    gallery.cards(rows)


def _filters() -> dict[str, Any]:
    """What the widgets, which are bound to the address, ask the API for."""
    bound: dict[str, Any] = {"bind": "query-params", "on_change": looks.first_page}
    with farm_access.explained():
        owners = [owner["name"] for owner in farm_access.owners()]
        models = [model["name"] for model in farm_access.models()]
        presets = [preset["name"] for preset in farm_access.presets()["presets"]]
    free = {**bound, "accept_new_options": True}  # an address may name what is not among the newest
    text = st.text_input("Search", key="words", placeholder="Name or prompt", width=150, **bound)
    state = st.selectbox("Status", list(STATES), None, key="state", placeholder="Finished", width=150, **bound)
    owner = st.selectbox("Owner", owners, None, key="of", placeholder="Everybody", width=120, **free)
    model = st.selectbox("Model", models, None, key="model", placeholder="All", width=115, **free)
    preset = st.selectbox("Preset", presets, None, key="preset", placeholder="All", width=115, **free)
    since = st.date_input("From", None, key="since", width=138, **bound)
    until = st.date_input("To", None, key="until", width=138, **bound)
    return {
        "text": text.strip() or None,
        "state": STATES[state] if state else FINISHED,
        "owner": owner,
        "family": model,
        "preset": preset,
        "since": clock.midnight(since),
        "until": clock.midnight(until + timedelta(days=1)) if until else None,
    }


def _bar(rows: Sequence[bulk.Row], asked: Mapping[str, Any], total: int) -> None:
    """What can be done to the selected jobs, and with all that match."""
    chosen = gallery.picked(rows)
    every = len(chosen) == len(rows)
    st.button("None" if every else "All", key="pick-all", on_click=_pick, args=(rows, not every), help="Of this page")
    st.caption(f"{len(chosen)} of {total} selected", width="content")
    finished = [row["id"] for row in chosen if row["result"]]
    label = "Download" if len(finished) in (0, len(chosen)) else f"Download {len(finished)} of {len(chosen)}"
    told = "The results of the selected jobs in one zip"
    st.link_button(label, zip_url(finished), icon=":material/download:", help=told, disabled=not finished)
    with st.popover("Other files", icon=":material/file_export:", help="Of the selected jobs", disabled=not chosen):
        exports.again([row["id"] for row in chosen], "again_history")
    if bulk.offer(Action.RETRY, chosen, ":material/replay:", "Finished sections are kept", "history-retry"):
        st.rerun()
    _promote([row for row in chosen if row["draft"]])
    _delete(chosen)
    with st.popover("Export", icon=":material/table_view:", help="What is known of all jobs that match"):
        st.caption(f"{min(total, MOST_EXPORTED)} jobs")
        for name, mime, write in (("csv", "text/csv", as_csv), ("json", "application/json", as_json)):
            made = partial(_made, write, farm_access.client(), dict(asked))
            st.download_button(name.upper(), made, f"jobs.{name}", mime, on_click="ignore")
    st.space("stretch")
    looks.pager(total, PAGE)


def _pick(rows: Sequence[bulk.Row], on: bool) -> None:
    for row in rows:
        st.session_state[f"{gallery.PICKED}{row['id']}"] = on


def _promote(drafts: Sequence[bulk.Row]) -> None:
    """Render the drafts among the selected jobs in full."""
    told = "Render the selected drafts in full"
    if st.button("Promote", icon=":material/upgrade:", help=told, key="history-promote", disabled=not drafts):
        with farm_access.explained():
            for row in drafts:
                farm_access.client().promote(row["id"])
        looks.go("queue")


def _delete(chosen: Sequence[bulk.Row]) -> None:
    fit = bulk.fitting(Action.DELETE, chosen)
    with st.popover(bulk.label(Action.DELETE, fit, chosen), icon=":material/delete:", disabled=not fit):
        st.markdown(f"{bulk.can_be(Action.DELETE, fit, chosen)}, with all files. This can't be undone.")
        if st.button("Delete for good", type="primary", key="history-delete") and bulk.act(Action.DELETE, fit):
            st.rerun()


def _made(write: Callable[[Sequence[bulk.Row]], str], client: FarmClient, asked: Mapping[str, Any]) -> str:
    return write(list(every(client, asked)))


def every(client: FarmClient, asked: Mapping[str, Any]) -> Iterator[bulk.Row]:
    """All jobs that match, the newest first, ``MOST_EXPORTED`` at most."""
    for offset in range(0, MOST_EXPORTED, STEP):
        answer = client.rows(**asked, limit=STEP, offset=offset)
        rows = answer["rows"]
        yield from rows
        if len(rows) < STEP:
            return


def as_json(rows: Sequence[bulk.Row]) -> str:
    """A list of objects."""
    return json.dumps([{name: row[name] for name in COLUMNS} for row in rows], indent=1, ensure_ascii=False)


def as_csv(rows: Sequence[bulk.Row]) -> str:
    """For spreadsheets: a text that they would take for a formula gets an apostrophe before it."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(" ".join(row[name]) if name == "labels" else row[name]) for name in COLUMNS])
    return file.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _empty(states: Mapping[str, int]) -> None:
    """What to do next."""
    with st.container(border=True):
        if any(states[state] for state in FINISHED):
            st.markdown("**No job matches.** Take a filter away to see the others.")
        elif any(states.values()):
            st.markdown("**Nothing is finished yet.** What waits and renders is under Queue.")
            st.page_link(st.session_state["pages"]["queue"], label="Queue", icon=":material/list:")
        else:
            st.markdown("**No videos yet.** Make the first on Submit; what you submit stays here with its result.")
            st.page_link(st.session_state["pages"]["submit"], label="Submit a video", icon=":material/add:")
