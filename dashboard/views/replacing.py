"""Editing a job that waits: its request becomes the draft, and what is queued then takes its place."""

from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views import draft
from farm.errors import FarmError
from farm.jobs.submission import Submission
from model.footage.media import Media


def files_of(request: dict[str, Any], job_id: str) -> Media:
    """The files that a job came with."""
    names = Submission.model_validate(request).files
    return Media.from_files({name: farm_access.client().artifact(job_id, name) for name in names})


def begin(job_id: str) -> None:
    """Open a waiting job on the Submit page, a film on its storyboard's."""
    with farm_access.explained():
        job = farm_access.client().job(job_id)["job"]
        if job["film"]:
            st.session_state[draft.REPLACES] = (job_id, job["name"] or job["prompt"])
            looks.go("storyboard", job=job_id)
        files = files_of(job["request"], job_id)
    draft.load(job["request"], files)
    st.session_state[draft.REPLACES] = (job_id, job["name"] or job["prompt"])
    looks.go("submit")


def show() -> None:
    """Say which job is edited, and let go of it."""
    if draft.REPLACES not in st.session_state:
        return
    name = looks.title_of({"name": st.session_state[draft.REPLACES][1], "prompt": ""}, 60)
    with st.container(horizontal=True, vertical_alignment="center", key="replaces"):
        st.info(f"What you queue takes the place of **{looks.plain(name)}**.", icon=":material/edit:")
        st.button("Keep both", on_click=_let_go)


def finish(job_id: str) -> None:
    """Put a new job where the edited one was, which goes; one that has begun to render meanwhile stays."""
    if draft.REPLACES not in st.session_state:
        return
    old, _ = st.session_state.pop(draft.REPLACES)
    farm = farm_access.client()
    try:
        if farm.job(old)["job"]["state"] == "running":
            st.toast("The job that you edited has begun to render; both are queued.", icon=":material/info:")
            return
        farm.move(job_id, old)
        farm.cancel(old)
        farm.delete(old)
    except FarmError as error:
        looks.refusal(error)


def _let_go() -> None:
    st.session_state.pop(draft.REPLACES, None)
