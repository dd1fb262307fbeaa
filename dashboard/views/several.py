"""Several videos from one draft: more pictures, prompts, seeds and values, each with each."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import streamlit as st

from dashboard import farm_access
from dashboard.views import beside, media
from farm.errors import FarmError, InputError
from farm.jobs.batch import Batch, new_batch, read_sweeps, variations
from farm.jobs.order import MAX_BATCH
from model.footage.media import Media

FIELDS = ("more_prompts", "seeds", "sweeps")
ONE = {"more_prompts": "", "seeds": 1, "sweeps": "", "more_images": ()}
"""What makes one video."""


def begin() -> None:
    """Fill what is empty."""
    for field, value in ONE.items():
        st.session_state.setdefault(f"draft_{field}", value)


def reset() -> None:
    """Back to one video."""
    for field, value in ONE.items():
        st.session_state[f"draft_{field}"] = value


def show() -> None:
    """The controls, folded away until somebody wants them."""
    state = st.session_state
    with st.expander("Several at once", icon=":material/grid_view:", expanded=batch().size > 1):
        uploads = st.file_uploader(
            "More start images", type=media.PICTURES, accept_multiple_files=True, help="Each makes videos of its own."
        )
        if uploads:
            state["draft_more_images"] = tuple((upload.name, upload.getvalue()) for upload in uploads)
        if state["draft_more_images"]:
            names = ", ".join(name for name, _ in state["draft_more_images"])
            st.caption(f"{len(state['draft_more_images'])} more: {names[:200]}")
            if st.button("Take them away", icon=":material/close:", key="no_more_images"):
                state["draft_more_images"] = ()
                st.rerun()
        st.text_area("More prompts, one a line", key="draft_more_prompts", height=80, help="Beside the one above.")
        st.number_input("Seeds of each", 1, MAX_BATCH, key="draft_seeds", help="Drawn; the same ones for all others.")
        st.text_area("Values to try, a field a line", key="draft_sweeps", height=80, placeholder="steps=10,25\ngs=6,10")


def batch() -> Batch:
    """What the draft varies; a sweep that can't be read counts as none here, and is told when the jobs are made."""
    state = st.session_state
    own = state.get("draft_image_name", "picture")
    images = [own, *(name for name, _ in state["draft_more_images"])] if state.get("draft_image") else []
    prompts = [line.strip() for line in state["draft_more_prompts"].splitlines() if line.strip()]
    prompts = [state["draft_prompt"].strip(), *prompts] if prompts else []
    try:
        sweeps = read_sweeps([line for line in state["draft_sweeps"].splitlines() if line.strip()])
    except InputError:
        sweeps = {}
    return Batch([PurePath(name).stem for name in images], prompts, int(state["draft_seeds"]), sweeps)


def submit(files: Media, fields: Mapping[str, Any]) -> list[str] | None:
    """Queue them all; their ids, None when one could not be, which is told. Those before it stay queued."""
    state = st.session_state
    called = new_batch()
    made: list[str] = []
    try:
        read_sweeps([line for line in state["draft_sweeps"].splitlines() if line.strip()])
        wanted = variations({**fields, "batch": called}, batch())
        pictures = [files.image, *(data for _, data in state["draft_more_images"])]
        shown = st.progress(0.0, f"Queueing {len(wanted)} videos")
        for number, one in enumerate(wanted, 1):
            own = replace(files, image=pictures[one.image]) if one.image else files
            made.append(farm_access.client().submit(own, one.fields)["id"])
            shown.progress(number / len(wanted), f"{number} of {len(wanted)} queued")
    except FarmError as error:
        if made:
            st.warning(f"{len(made)} videos of {called} are queued; the next was refused.", icon=":material/warning:")
        beside.tell(error)
        return None
    return made
