"""What waits under Advanced on the Submit page, in tabs: guidance, sampling, picture, output, model."""

from typing import Any

import streamlit as st

from dashboard.ranges import ends, longest
from dashboard.views import pixels, sampling

FIELDS = ("steps", "gs", "cfg", "rs", *sampling.FIELDS, *pixels.FIELDS, "tail", "mp4_crf")
"""Fields that a preset may set and that have a widget; each widget's key is ``draft_`` and the field's name."""

TAILS = {
    "auto": "as the model was trained",
    "td": "dropped",
    "ta": "each as a few pooled tokens (experimental)",
    "tc": "averaged into one frame (experimental)",
}


def show(models: list[dict[str, Any]], exporters: list[dict[str, Any]], loras: list[str]) -> None:
    """The widgets. The values are in the session's state already.

    Args:
        models, exporters: as the API lists them.
        loras: names of those on the farm.
    """
    chosen = next(model for model in models if model["name"] == st.session_state["draft_model_type"])
    with st.expander("Advanced", icon=":material/tune:"):
        guidance, steps, picture, output, model = st.tabs(["Guidance", "Sampling", "Picture", "Output", "Model"])
        with guidance:
            _guidance()
        with steps:
            st.slider(
                "Steps",
                *ends("steps"),
                key="draft_steps",
                help="Denoising steps per section. 25 is what models expect.",
            )
            sampling.show()
        with picture:
            pixels.show(chosen)
        with output:
            _output(exporters)
        with model:
            _model(models, loras)


def _guidance() -> None:
    st.slider(
        "Distilled CFG scale",
        *ends("gs"),
        step=0.5,
        format="%.1f",
        key="draft_gs",
        help="How closely to follow the prompt.",
    )
    first, second = st.columns(2)
    first.slider("CFG scale", *ends("cfg"), step=0.1, format="%.1f", key="draft_cfg", help="Above 1 doubles the time.")
    second.slider("CFG re-scale", *ends("rs"), step=0.05, key="draft_rs", help="Against colours that CFG overdoes.")
    off = st.session_state["draft_cfg"] <= 1
    st.text_area("Negative prompt", key="draft_n_prompt", height=68, max_chars=longest("n_prompt"), disabled=off)
    if off:
        st.caption("A negative prompt needs a CFG scale above 1.")
    st.slider(
        "Sections to blend between prompts",
        *ends("prompt_blend_sections"),
        key="draft_prompt_blend_sections",
        help="For prompts with times: over so many sections a new prompt comes in.",
    )


def _output(exporters: list[dict[str, Any]]) -> None:
    first, second = st.columns(2)
    first.selectbox("Exporter", [exporter["name"] for exporter in exporters], key="draft_exporter")
    second.slider(
        "MP4 compression (CRF)", *ends("mp4_crf"), key="draft_mp4_crf", help="Lower is better and larger; 16 is good."
    )
    first.text_input("Name", key="draft_name", max_chars=longest("name"), placeholder="for lists and file names")
    second.slider("Priority", *ends("priority"), key="draft_priority", help="Higher goes first.")
    st.toggle("Exact length", key="draft_exact_length", help="Cut the video to the length asked for.")


def _model(models: list[dict[str, Any]], loras: list[str]) -> None:
    """The choice between the models that can be used, what the others lack, and what joins the model."""
    titles = {model["name"]: model["title"] for model in models if not model["error"]}
    if len(titles) > 1:
        st.selectbox("Model", list(titles), key="draft_model_type", format_func=titles.__getitem__)
    else:
        st.markdown(f"Model: **{next(iter(titles.values()))}**")
    for model in models:
        if model["error"]:
            st.caption(f":material/download: {model['error']}")
    st.text_area(
        "LoRAs",
        key="draft_loras",
        height=68,
        placeholder="style:0.8",
        help="Name and weight of each, one a line. On this farm: " + (", ".join(loras) or "none") + ".",
    )
    st.selectbox(
        "Frames beyond the context",
        list(TAILS),
        key="draft_tail",
        format_func=TAILS.__getitem__,
        help="What a section of a long video sees of frames that are too far for its context slots.",
    )
