"""Job: one video with its section timeline in viewer order, its events, its files and what can be done."""

from html import escape
from typing import Any

import streamlit as st

from dashboard import bell, clock, farm_access, live, looks
from dashboard.timeline import cells, timeline_html
from dashboard.views import draft, exports, film, replacing, result, settings
from dashboard.views.actions import act, thumbnail
from dashboard.views.quality import quality
from dashboard.views.section import panel
from dashboard.views.takes import tree
from farm.errors import FarmError, NotFoundError
from farm.units import counted, when

ENDED = ("completed", "failed", "cancelled")
REFRESH = 1.5
EVENTS = 200


def page() -> None:
    """The page of the job that ``?id=`` names; without one, the newest."""
    job_id = st.query_params.get("id") or _newest()
    if job_id is None:
        st.title("Job")
        with st.container(border=True):
            st.markdown("**There is no job yet.**")
            st.page_link(st.session_state["pages"]["submit"], label="Submit a video", icon=":material/add:")
        return
    with farm_access.explained():
        try:
            detail = _detail(job_id)
        except NotFoundError:
            st.title("Job")
            st.warning(f"There is no job `{job_id}`; it may have been deleted.", icon=":material/search_off:")
            return
    state = detail["job"]["state"]
    st.session_state[f"seen-{job_id}"] = state
    if state == "completed":
        _head(detail)
        result.finished(detail)
        _live(job_id)
    else:
        _following(job_id)


def _newest() -> str | None:
    with farm_access.explained():
        found = farm_access.client().rows(limit=1)
    return str(found["rows"][0]["id"]) if found["rows"] else None


def _detail(job_id: str) -> dict[str, Any]:
    return farm_access.client().job(job_id)


@st.fragment(run_every=REFRESH)
def _following(job_id: str) -> None:
    """The changing part; asks for a whole new page when the state changes, so that a player is drawn only once."""
    _live(job_id)


def _live(job_id: str) -> None:
    """All that changes, in places that don't: whatever is in them, each is as high as before."""
    with farm_access.explained():
        detail = _detail(job_id)
    job = detail["job"]
    if job["state"] != st.session_state.get(f"seen-{job_id}"):
        st.rerun()
    shown, key = cells(detail), f"timeline-{job_id}"
    chosen = live.chosen(key)
    cell = next((cell for cell in shown if cell.index == chosen), None)
    if job["state"] != "completed":
        _head(detail)
        if job["error"]:
            st.error(job["error"], icon=":material/error:")
        if job["state"] == "paused" and (reason := _blocked(job)):
            st.warning(looks.plain(reason), icon=":material/pause_circle:")
        done, of = job["counts"]["sections_done"], job["counts"]["sections_total"]
        st.progress(job["progress"], text=f"{job['progress']:.0%} · {done} of {counted(of, 'section')} rendered")
        if job["unreadable"]:
            st.warning(looks.plain(job["unreadable"]), icon=":material/help:")
        growing, section = st.columns([1, 1], gap="large")
        with growing:
            result.growing(detail)
        with section:
            panel(detail, cell)
    st.markdown("##### Sections")
    live.timeline(timeline_html(shown, chosen), key)
    if job["state"] == "completed":
        if cell is not None:
            panel(detail, cell)
    else:
        st.html(_waiting(detail))
    made_with, events = st.columns([5, 7], gap="large")
    with made_with:
        st.markdown("##### Settings")
        settings.show(detail)
    with events:
        st.markdown("##### Events")
        _events(job)
    film.shots(detail)
    tree(detail)
    quality(detail)


def _head(detail: dict[str, Any]) -> None:
    job, plan = detail["job"], detail["plan"]
    picture, text, buttons = st.columns([1, 8, 3], vertical_alignment="center")
    with picture, st.container(key="head-picture"):
        thumbnail(job)
    with text:
        st.html(f'<div class="big">{escape(looks.title_of(job["request"]))}</div>')
        with st.container(horizontal=True, vertical_alignment="center"):
            looks.badge(job["state"])
            if job["draft"]:
                st.badge("draft", icon=":material/stylus_note:", color="violet")
            took = "" if job["took"] is None else looks.duration(job["took"])
            length = f"{plan['seconds']:.2f} s video" if plan else ""
            parts = (length, f"{took} rendering" if took else "", looks.ahead(job["outlook"]))
            st.html(_line(" · ".join(part for part in parts if part)))
        if job["state"] not in ENDED:
            st.html(_line((job["outlook"] or {}).get("why") or ""))
    with buttons:
        with st.container(horizontal=True, horizontal_alignment="right"):
            _buttons(job)
        bell.show(job)


def _line(text: str) -> str:
    """One line, however long or short."""
    return f'<div class="line" title="{escape(text)}">{escape(text) or "&nbsp;"}</div>'


def _buttons(job: dict[str, Any]) -> None:
    """What may be done by who looks at it: viewers see none, artists those of their own jobs."""
    own = farm_access.may_change(job["owner"])
    if own:
        _steer(job)
    if own and job["draft"]:
        _promote(job["id"])
    if farm_access.may_queue():
        _again(job)
    if own and job["state"] in ENDED:
        _ended(job["id"])


def _steer(job: dict[str, Any]) -> None:
    job_id, state = job["id"], job["state"]
    if state in ("pending", "running"):
        act(job_id, "pause", ":material/pause:", "Start no more sections; what is done is kept", "Pause")
    if state == "paused":
        act(job_id, "resume", ":material/play_arrow:", "Go on where it stopped", "Resume")
    if state not in ENDED:
        act(job_id, "cancel", ":material/close:", "Stop; finished sections are kept for a retry", "Cancel")
    if state in ("failed", "cancelled"):
        act(job_id, "retry", ":material/replay:", "Finished sections are kept", "Retry")


def _ended(job_id: str) -> None:
    with st.popover("", icon=":material/file_export:", help="Other files of this video"):
        exports.again([job_id], f"again_{job_id}")
    with st.popover("", icon=":material/delete:", help="Delete"):
        st.markdown("Delete this job with all its files?")
        if st.button("Delete for good", type="primary", key=f"delete-{job_id}"):
            with farm_access.explained():
                farm_access.client().delete(job_id)
            st.session_state.pop("submitted", None)
            looks.go("history")


def _promote(job_id: str) -> None:
    told = "Render the same video in full: with the steps, the size and the cache that the draft lowered"
    if st.button("Promote", icon=":material/upgrade:", type="primary", key=f"promote-{job_id}", help=told):
        with farm_access.explained():
            made = farm_access.client().promote(job_id)
        looks.go("job", id=made["id"])


def _again(job: dict[str, Any]) -> None:
    """Start a new video from all settings of this one, seed and files included; a film from its storyboard."""
    if job["film"]:
        return
    name = "New video with these settings"
    if st.button(
        "", icon=":material/content_copy:", help=name, key=f"again-{job['id']}", disabled=bool(job["unreadable"])
    ):
        with farm_access.explained():
            files = replacing.files_of(job["request"], job["id"])
        draft.load(job["request"], files)
        looks.go("submit")


def _waiting(detail: dict[str, Any]) -> str:
    """Why tasks failed or wait, as far as the farm says."""
    lines = []
    for task in detail["tasks"]:
        why = task["why"] if task["state"] == "ready" else ""
        reason = task["reason"] if task["state"] in ("failed", "ready", "running") else ""
        if text := " ".join(filter(None, (reason, why))):
            state = "failed" if task["state"] == "failed" else ""
            lines.append(f'<div class="{state}"><b>{escape(task["name"])}</b>{escape(text)}</div>')
    return f'<div class="why">{"".join(lines) or "<div>Nothing waits for anything but its turn.</div>"}</div>'


def _blocked(job: dict[str, Any]) -> str:
    """Why the farm has paused a job; empty where a person did."""
    try:
        history = _history(farm_access.source(), job["id"], job["updated_at"], str(job["counts"]))
    except FarmError:
        return ""
    pauses = [event for event in history if event["kind"] in ("job_blocked", "job_paused", "job_resumed")]
    return next((event["message"] for event in reversed(pauses) if event["kind"] == "job_blocked"), "")


def _events(job: dict[str, Any]) -> None:
    """The job's history, newest first; read anew only when the job has changed."""
    try:
        history = _history(farm_access.source(), job["id"], job["updated_at"], str(job["counts"]))
    except FarmError as error:
        st.caption(f"Events can't be read: {error}")
        return
    if not history:
        st.caption("Nothing has happened yet.")
        return
    lines, zone = [], clock.zone_name()
    for event in reversed(history[-EVENTS:]):
        moment = clock.shown(when(event["at"]))
        at, day = (moment.strftime(form) for form in ("%H:%M:%S", f"%Y-%m-%d %H:%M:%S {zone}")) if moment else ("", "")
        lines.append(f'<div><b title="{escape(day)}">{at}</b>{escape(event["message"] or event["kind"])}</div>')
    st.html(f'<div class="events">{"".join(lines)}</div>')


@st.cache_data(ttl=600, max_entries=64, show_spinner=False)
def _history(farm: str, job_id: str, updated_at: str, counts: str) -> list[dict[str, Any]]:
    """History lines so far; the stream sends them first and then how the job is now, where reading stops."""
    lines = []
    for message in farm_access.client().events(job_id, reconnect=False):
        if message["event"] in ("progress", "end"):
            break
        lines.append(message["data"])
    return lines
