"""Job: one video with its section timeline in viewer order, its events, its files and what can be done."""

from html import escape
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.timeline import cells, timeline_html
from dashboard.views import submit
from dashboard.views.actions import act, open_job, thumbnail
from farm.errors import FarmError, NotFoundError
from farm.jobs.names import VIDEO, is_internal
from farm.jobs.request import RenderRequest
from model.footage.media import Media
from model.plan.anchors import START_IMAGE

ENDED = ("completed", "failed", "cancelled")
REFRESH = 1.5
EVENTS = 200
SHOWN_PREVIEWS = 4


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
        _result(detail)
        _live(job_id)
    else:
        _following(job_id)


def _newest() -> str | None:
    with farm_access.explained():
        jobs = farm_access.client().jobs(limit=1)["jobs"]
    return str(jobs[0]["id"]) if jobs else None


def _detail(job_id: str) -> dict[str, Any]:
    return farm_access.client().job(job_id)


@st.fragment(run_every=REFRESH)
def _following(job_id: str) -> None:
    """The changing part; asks for a whole new page when the state changes, so that a player is drawn only once."""
    _live(job_id)


def _live(job_id: str) -> None:
    with farm_access.explained():
        detail = _detail(job_id)
    job, request, plan = detail["job"], detail["job"]["request"], detail["plan"]
    if job["state"] != st.session_state.get(f"seen-{job_id}"):
        st.rerun()
    if job["state"] != "completed":
        _head(detail)
        if job["error"]:
            st.error(job["error"], icon=":material/error:")
        done = sum(t["state"] == "done" for t in detail["tasks"] if t["kind"] == "section")
        of = sum(t["kind"] == "section" for t in detail["tasks"])
        st.progress(job["progress"], text=f"{job['progress']:.0%} · {done} of {of} sections rendered")
        if job["unreadable"]:
            st.warning(looks.plain(job["unreadable"]), icon=":material/help:")
    st.markdown("##### Sections")
    st.html(timeline_html(cells(detail)))
    _previews(detail)
    _waiting(detail)
    settings, events = st.columns([5, 7], gap="large")
    with settings:
        st.markdown("##### Settings")
        _settings(request, plan, detail["rendered"])
    with events:
        st.markdown("##### Events")
        _events(job)


def _head(detail: dict[str, Any]) -> None:
    job, plan = detail["job"], detail["plan"]
    picture, text, buttons = st.columns([1, 8, 3], vertical_alignment="center")
    with picture:
        thumbnail(job)
    with text:
        st.html(f'<div class="big">{escape(looks.title_of(job["request"]))}</div>')
        with st.container(horizontal=True, vertical_alignment="center"):
            looks.badge(job["state"])
            took = looks.elapsed(job["started_at"], job["finished_at"])
            length = f"{plan['seconds']:.2f} s video" if plan else ""
            parts = (length, f"{took} rendering" if took else "", looks.ahead(job["outlook"]))
            st.caption(" · ".join(part for part in parts if part))
        if job["outlook"] and job["outlook"]["why"]:
            st.caption(f":material/hourglass_empty: {looks.plain(job['outlook']['why'])}")
        _takes(detail)
    with buttons, st.container(horizontal=True, horizontal_alignment="right"):
        _buttons(job)


def _takes(detail: dict[str, Any]) -> None:
    """Where this job comes from, and what was made of it."""
    job = detail["job"]
    if job["parent"]:
        st.caption(f"A take: {len(job['kept'])} sections are those of the job it comes from.")
        open_job(job["parent"], f"comes from {job['parent'][:8]}")
    for take in detail["takes"]:
        open_job(take["id"], f"take {looks.title_of(take['request'], 40)} ({take['state']})")


def _buttons(job: dict[str, Any]) -> None:
    job_id, state = job["id"], job["state"]
    if state in ("pending", "running"):
        act(job_id, "pause", ":material/pause:", "Start no more sections; what is done is kept", "Pause")
    if state == "paused":
        act(job_id, "resume", ":material/play_arrow:", "Go on where it stopped", "Resume")
    if state not in ENDED:
        act(job_id, "cancel", ":material/close:", "Stop; finished sections are kept for a retry", "Cancel")
    if state in ("failed", "cancelled"):
        act(job_id, "retry", ":material/replay:", "Finished sections are kept", "Retry")
    _again(job)
    if state in ENDED:
        with st.popover("", icon=":material/delete:", help="Delete"):
            st.markdown("Delete this job with all its files?")
            if st.button("Delete for good", type="primary", key=f"delete-{job_id}"):
                with farm_access.explained():
                    farm_access.client().delete(job_id)
                st.session_state.pop("submitted", None)
                st.switch_page(st.session_state["pages"]["history"])


def _again(job: dict[str, Any]) -> None:
    """Start a new video from all settings of this one, seed and files included."""
    name = "New video with these settings"
    if st.button(
        "", icon=":material/content_copy:", help=name, key=f"again-{job['id']}", disabled=bool(job["unreadable"])
    ):
        with farm_access.explained():
            names = RenderRequest.model_validate(job["request"]).files
            files = {name: farm_access.client().artifact(job["id"], name) for name in names}
        submit.load_draft(job["request"], Media.from_files(files))
        st.switch_page(st.session_state["pages"]["submit"])


def _result(detail: dict[str, Any]) -> None:
    """The finished video and its downloads; drawn once, outside of what refreshes."""
    job = detail["job"]
    _head(detail)
    artifacts = {a["name"]: a for a in detail["artifacts"]}
    video = artifacts.get("video")
    if video is None:
        st.warning("This job is completed, but its video is gone from the artifact store.")
        return
    try:
        data = farm_access.video(farm_access.source(), job["id"], "video", video["sha256"])
    except FarmError as error:
        farm_access.show_error(error)
        return
    player, sheet = st.columns([1, 1], gap="large")
    with player:
        if video["media_type"].startswith("video/"):
            st.video(data, format=video["media_type"], loop=True, autoplay=True, muted=True)
        elif video["media_type"].startswith("image/"):
            st.image(data)
        with st.container(horizontal=True):
            st.download_button(
                f"Video · {looks.size(video['size'])}",
                data,
                file_name=video["filename"],
                mime=video["media_type"],
                icon=":material/download:",
                type="primary",
                on_click="ignore",
            )
            for artifact in detail["artifacts"]:
                if artifact["name"] not in (VIDEO, START_IMAGE) and not is_internal(artifact["name"]):
                    _download(job["id"], artifact)
    with sheet:
        if "contact_sheet" in artifacts:
            farm, sha256 = farm_access.source(), artifacts["contact_sheet"]["sha256"]
            with farm_access.explained():
                st.image(farm_access.picture(farm, job["id"], "contact_sheet", sha256), width="stretch")


def _download(job_id: str, artifact: dict[str, Any]) -> None:
    with farm_access.explained():
        data = farm_access.picture(farm_access.source(), job_id, artifact["name"], artifact["sha256"])
    label = artifact["name"].replace("_", " ").capitalize()
    st.download_button(
        label,
        data,
        file_name=artifact["filename"],
        mime=artifact["media_type"],
        icon=":material/download:",
        on_click="ignore",
    )


def _previews(detail: dict[str, Any]) -> None:
    """What the sections look like that are being denoised at this moment."""
    running = [task for task in detail["tasks"] if task["kind"] == "section" and task["state"] == "running"]
    for task in running[:SHOWN_PREVIEWS]:
        try:
            picture = farm_access.client().preview(detail["job"]["id"], task["section"])
        except FarmError:  # not there yet, or not any more: the next refresh asks again
            continue
        st.image(picture, caption=f"Section {task['section'] + 1}, as far as it is denoised", width="stretch")


def _waiting(detail: dict[str, Any]) -> None:
    """Why tasks failed or wait, as far as the farm says."""
    for task in detail["tasks"]:
        why = task["why"] if task["state"] == "ready" else ""
        reason = task["reason"] if task["state"] in ("failed", "ready", "running") else ""
        if text := " ".join(filter(None, (reason, why))):
            color = "red" if task["state"] == "failed" else "gray"
            st.markdown(f":{color}-badge[{task['name']}] {looks.plain(text)}")


def _cache(name: str, rendered: list[dict[str, Any]]) -> str:
    """The step cache, and how many of the steps so far it let through."""
    steps = sum(section["steps"] * len(section["steps_computed"]) for section in rendered)
    computed = sum(sum(section["steps_computed"].values()) for section in rendered)
    return f"{name}, {computed} of {steps} steps computed" if name != "none" and steps else name


def _length(plan: dict[str, Any] | None) -> dict[str, str]:
    if plan is None:
        return {}
    return {
        "length": f"{plan['seconds']:.2f} s ({plan['requested_seconds']:g} s asked for)",
        "frames": f"{plan['frames']} at {plan['fps']} fps",
        "sections": f"{plan['sections']}, chain of {plan['depth']}",
    }


def _settings(request: dict[str, Any], plan: dict[str, Any] | None, rendered: list[dict[str, Any]]) -> None:
    st.markdown(looks.plain(request["prompt"]))
    shown = {
        "preset": request["preset"],
        "order": request["order"],
        "seed": str(request["seed"]),
        "steps": str(request["steps"]),
        "distilled CFG": f"{request['gs']:g}",
        "CFG": f"{request['cfg']:g}" if request["cfg"] > 1 else "",
        "cache": _cache(request["cache"], rendered),
        "sampler": request["sampler"],
        "model": request["model_type"],
        **_length(plan),
        "exporter": request["exporter"],
        "priority": str(request["priority"]),
        "owner": request["owner"],
    }
    looks.facts(shown)


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
    lines = []
    for event in reversed(history[-EVENTS:]):
        moment = looks.when(event["at"])
        clock = moment.astimezone().strftime("%H:%M:%S") if moment else ""
        lines.append(f"<div><b>{clock}</b>{escape(event['message'] or event['kind'])}</div>")
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
