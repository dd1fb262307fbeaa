"""The video of a job: finished with its downloads, or what there is of it."""

from typing import Any

import streamlit as st

from dashboard import farm_access, live
from dashboard.pictures import video_url
from farm.errors import FarmError
from farm.jobs.names import VIDEO, clip_index, use_of
from farm.units import counted, ranges, size


def growing(detail: dict[str, Any]) -> None:
    """What is finished of the video, and what is not."""
    found = (clip_index(artifact["name"]) for artifact in detail["artifacts"])
    there = sorted(index for index in found if index is not None)
    of = detail["plan"]["sections"] if detail["plan"] else len(there)
    missing = [index for index in range(of) if index not in there]
    note = f"Plays {len(there)} of {counted(of, 'section')}" + (
        f"; {ranges(missing)} not finished yet" if missing else ""
    )
    live.player(
        video_url(detail) if there else "",
        note if there else "",
        "What is finished plays here, from the first decoded section on.",
        f"player-{detail['job']['id']}",
    )


def finished(detail: dict[str, Any]) -> None:
    """The finished video and its downloads; drawn once, outside of what refreshes."""
    job = detail["job"]
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
                f"Video · {size(video['size'])}",
                data,
                file_name=video["filename"],
                mime=video["media_type"],
                icon=":material/download:",
                type="primary",
                on_click="ignore",
            )
            for artifact in detail["artifacts"]:
                if artifact["name"] != VIDEO and use_of(artifact["name"]) == "video":
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
