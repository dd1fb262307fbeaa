"""What a draft starts from and leads to beside its start image: end image, keyframes, a video to extend."""

from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.farm_access import look_at
from dashboard.ranges import default, ends
from dashboard.views import beside
from farm.errors import FarmError
from model.footage.media import Media

PICTURES = ["png", "jpg", "jpeg", "webp", "heic", "heif", "avif", "bmp", "tif", "tiff", "gif"]
EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.png"))
"""Pictures to begin with."""
VIDEOS = ["mp4", "mov", "mkv", "webm", "avi", "gif", "webp"]

FIELDS = ("prompt_blend_sections", "end_image_strength", "extend", "extend_output", "num_cleaned_frames", "latent_type")
"""Request fields with a widget here; each widget's key is ``draft_`` and the field's name."""
_SIDES = {"end": "after its end", "start": "before its start"}
_OUTPUTS = {"joined": "both in one", "extension": "the new part alone"}
_BLANKS = {"noise": "Noise", "white": "White", "black": "Black", "green": "Green Screen"}


def begin() -> None:
    """Fill an empty draft."""
    for field in FIELDS:
        st.session_state.setdefault(f"draft_{field}", default(field))
    st.session_state.setdefault("draft_media", Media())
    st.session_state.setdefault("draft_seconds", [])


def load(request: dict[str, Any], media: Media) -> None:
    """Make a job's files and fields the draft's, except for the start image."""
    for field in FIELDS:
        st.session_state[f"draft_{field}"] = request[field]
    st.session_state["draft_media"] = media
    _set_seconds([float(keyframe["second"]) for keyframe in request["keyframes"]])


def draft() -> Media:
    """All files of the draft."""
    state = st.session_state
    media: Media = state["draft_media"]
    start = None if media.video is not None and state["draft_extend"] == "end" else state.get("draft_image")
    return Media(start, media.end_image, media.keyframes, media.video, media.audio)


def fields() -> dict[str, Any]:
    """The request fields that go with the draft's files."""
    state = st.session_state
    found: dict[str, Any] = {field: state[f"draft_{field}"] for field in FIELDS}
    if draft().keyframes:
        found["keyframes"] = list(state["draft_seconds"])
    return found


def plan_params() -> dict[str, Any]:
    """What of it a preview of the plan has to know."""
    media = draft()
    return {
        "prompt": st.session_state["draft_prompt"],
        "prompt_blend_sections": st.session_state["draft_prompt_blend_sections"],
        "end_image": media.end_image is not None,
        "keyframes": tuple(st.session_state["draft_seconds"]) if media.keyframes else (),
        "extend": st.session_state["draft_extend"] if media.video is not None else None,
    }


def show(model: dict[str, Any]) -> None:
    """Draw the widgets and take over what was uploaded."""
    begin()
    media: Media = st.session_state["draft_media"]
    used = media.end_image is not None or media.keyframes or media.video is not None
    with st.expander("End image, keyframes, video to extend", icon=":material/flag:", expanded=bool(used)):
        _end_image()
        _keyframes()
        _video()
        beside.reserve("media")
        if model["text_to_video"]:
            st.selectbox(
                "Latent image",
                list(_BLANKS),
                key="draft_latent_type",
                format_func=_BLANKS.__getitem__,
                help="What the video starts from when there is no start image; an experiment.",
            )


def _end_image() -> None:
    upload = st.file_uploader(
        "End image", type=PICTURES, key=upload_key("end"), help="The video leads to this picture."
    )
    if upload is not None:
        change(end_image=upload.getvalue())
    media: Media = st.session_state["draft_media"]
    if media.end_image is None:
        return
    _picture(media.end_image, "end image")
    st.slider("End image influence", *ends("end_image_strength"), step=0.05, key="draft_end_image_strength")
    remove("end", end_image=None)


def _keyframes() -> None:
    state = st.session_state
    uploads = st.file_uploader(
        "Keyframes",
        type=PICTURES,
        key=upload_key("keyframes"),
        accept_multiple_files=True,
        help="Pictures on the way. The stretches between them render at the same time.",
    )
    data = tuple(upload.getvalue() for upload in uploads)
    if data and data != state["draft_media"].keyframes:
        change(keyframes=data)
        step = float(state["draft_total_second_length"]) / (len(data) + 1)
        _set_seconds([round(step * (i + 1), 1) for i in range(len(data))])
    for i, keyframe in enumerate(state["draft_media"].keyframes):
        picture, second = st.columns([2, 3], vertical_alignment="center")
        with picture:
            _picture(keyframe, f"keyframe {i + 1}")
        key = f"draft_second_{i}"
        state.setdefault(key, state["draft_seconds"][i])
        state["draft_seconds"][i] = second.number_input(f"Second of keyframe {i + 1}", 0.0, step=0.1, key=key)
    if state["draft_media"].keyframes:
        remove("keyframes", keyframes=())


def _video() -> None:
    upload = st.file_uploader(
        "Video to extend",
        type=VIDEOS,
        key=upload_key("video"),
        help="At most two minutes; takes the start image's place.",
    )
    if upload is not None:
        change(video=upload.getvalue())
    media: Media = st.session_state["draft_media"]
    if media.video is None:
        return
    st.video(media.video)
    st.radio("Make what comes", list(_SIDES), key="draft_extend", format_func=_SIDES.__getitem__, horizontal=True)
    st.radio("Write", list(_OUTPUTS), key="draft_extend_output", format_func=_OUTPUTS.__getitem__, horizontal=True)
    st.slider(
        "Number of context frames",
        *ends("num_cleaned_frames"),
        key="draft_num_cleaned_frames",
        help="Latent frames that are seen.",
    )
    remove("video", video=None)


def upload_key(name: str) -> str:
    """An uploader's key; a new one empties it."""
    return f"draft_upload_{name}_{st.session_state.get(f'draft_uploads_{name}', 0)}"


def change(**files: Any) -> None:
    """Put files into the draft."""
    st.session_state["draft_media"] = Media(**{**vars(st.session_state["draft_media"]), **files})


def _set_seconds(seconds: list[float]) -> None:
    state = st.session_state
    state["draft_seconds"] = seconds
    for i, second in enumerate(seconds):
        state[f"draft_second_{i}"] = second


def remove(name: str, **files: Any) -> None:
    """A button that takes files out of the draft and empties their uploader."""
    if st.button("Remove", icon=":material/close:", key=f"remove-{name}"):
        change(**files)
        count = f"draft_uploads_{name}"
        st.session_state[count] = st.session_state.get(count, 0) + 1
        st.rerun()


def _picture(data: bytes, what: str) -> None:
    try:
        _, image = look_at(data, what)
    except FarmError as error:
        st.error(str(error), icon=":material/broken_image:")
        return
    st.image(image, width=160)
