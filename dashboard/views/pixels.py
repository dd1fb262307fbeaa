"""The part of the Submit page about the picture: its crop, its size, and what is done to finished frames."""

import io
from typing import Any

import streamlit as st
from PIL import Image

from dashboard.ranges import ends
from model.choices import Fit
from model.footage.buckets import crop_for, show_crop

FIELDS = (
    "image_fit", "image_position", "resolution", "consistency_boost", "motion_bias", "output_fps",
    "frame_interpolation", "vae_tiling",
)  # fmt: skip
"""Fields of a request that are set here; each widget's key is ``draft_`` and the field's name."""

FITS = {"crop": "Crop", "pad": "Pad with black"}
RATES = (None, 24, 25, 30, 50, 60)
_SLOT = "draft_image_slot"


def reserve() -> None:
    """Keep this place of the page for ``show_cropped``, which needs the plan first."""
    st.session_state[_SLOT] = st.empty()


def show_cropped(image: Image.Image, size: tuple[int, int], plan: dict[str, Any] | None) -> None:
    """The start image of ``size`` pixels as it comes into the plan's bucket, and how; without a plan as it is.
    ``image`` may be smaller."""
    state = st.session_state
    if plan is None:
        state.pop(_SLOT).image(image, width=min(image.width, 384))
        return
    bucket = (plan["bucket"][0], plan["bucket"][1])
    fit = Fit(state["draft_image_fit"], state["draft_image_position"])
    crop = crop_for(*size, bucket, fit)
    shown = show_crop(image, crop_for(*image.size, bucket, fit))
    if max(shown.size) < 256:
        scale = 384 // max(shown.size)
        shown = shown.resize((shown.width * scale, shown.height * scale), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    shown.save(buffer, format="PNG")
    with state.pop(_SLOT).container():
        st.image(buffer.getvalue(), width=min(shown.width, 384))
        st.caption(f"The video is {crop}.")
        if crop.barred or crop.kept < 1:
            st.segmented_control(
                "What does not fit", list(FITS), key="draft_image_fit", required=True, format_func=FITS.__getitem__
            )
            st.slider(
                "Position",
                *ends("image_position"),
                step=0.05,
                key="draft_image_position",
                help="What the crop keeps, or where the picture lies between bars: 0 left or top, 1 right or bottom.",
            )


def show(model: dict[str, Any]) -> None:
    """The widgets. The values are in the session's state already."""
    state = st.session_state
    first, second = st.columns(2)
    first.slider(
        "Consistency boost",
        *ends("consistency_boost"),
        step=0.05,
        key="draft_consistency_boost",
        help="Holds colours and contrast to the start image, and evens out jumps between sections. 0 leaves frames as "
        "the model made them; leave it there when the light is meant to change.",
    )
    second.slider(
        "Motion bias",
        *ends("motion_bias"),
        step=0.1,
        key="draft_motion_bias",
        help="Below 0 more happens at the beginning, above 0 at the end. Against a clip that stands still and then "
        "bursts into motion: below 0. Needs at least two sections.",
    )
    sizes = sorted({model["resolution"], *model["resolutions"]})
    if state["draft_resolution"] not in (None, *sizes):
        st.caption(f"Resolution {state['draft_resolution']} is none of this model's; its own is used.")
        state["draft_resolution"] = None
    own, as_made = f"{model['resolution']} (the model's own)", f"{model['fps']} (as made)"
    first.selectbox(
        "Resolution",
        [None, *sizes],
        key="draft_resolution",
        format_func=lambda size: own if size is None else str(size),
        placeholder=own,  # what Streamlit shows for None when it is chosen
        help="Size class: the longer side of a nearly square video. Far from the model's own, quality suffers.",
    )
    rate = state["draft_output_fps"]
    second.selectbox(
        "Frame rate of the file",
        RATES if rate in RATES else (*RATES, rate),
        key="draft_output_fps",
        format_func=lambda fps: as_made if fps is None else f"{fps} fps",
        placeholder=as_made,
        help="The length stays.",
    )
    if rate is not None:
        second.selectbox(
            "Frames in between",
            ["repeat", "motion"],
            key="draft_frame_interpolation",
            format_func={"repeat": "repeat or drop", "motion": "compute from motion (slow)"}.__getitem__,
        )
    if model["tiles"]:
        first.selectbox(
            "Decode in tiles",
            ["auto", "on", "off"],
            key="draft_vae_tiling",
            help="Takes less GPU memory and changes pixels a little. Auto: large pictures.",
        )
    else:
        state["draft_vae_tiling"] = "auto"
