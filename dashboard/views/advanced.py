"""What waits under Advanced on the Submit page, in tabs: guidance, sampling, picture, quality, output, model."""

from typing import Any

import streamlit as st

from dashboard.ranges import ends, longest
from dashboard.views import exports, gate, loras, pixels, sampling, sound
from farm.templates import FIELDS as NAMES

FIELDS = (
    "steps", "gs", "cfg", "rs", *sampling.FIELDS, *pixels.FIELDS, *gate.FIELDS, "tail", "mp4_crf", "file_name",
    *sound.FIELDS,
)  # fmt: skip
"""Fields that a preset may set and that have a widget; each widget's key is ``draft_`` and the field's name."""

TAILS = {
    "auto": "as the model was trained",
    "td": "dropped",
    "ta": "each as a few pooled tokens (experimental)",
    "tc": "averaged into one frame (experimental)",
}


def show(models: list[dict[str, Any]], known: list[dict[str, Any]]) -> None:
    """The widgets. The values are in the session's state already.

    Args:
        models, known: as the API lists them; ``known`` are LoRAs.
    """
    chosen = next(model for model in models if model["name"] == st.session_state["draft_model_type"])
    with st.expander("Advanced", icon=":material/tune:"):
        names = ["Guidance", "Sampling", "Picture", "Quality", "Output", "Model"]
        guidance, steps, picture, quality, output, model = st.tabs(names)
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
        with quality:
            gate.show()
        with output:
            _output()
        with model:
            _model(models, known)


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


def _output() -> None:
    exports.show()
    first, second = st.columns(2)
    if exports.is_lossy():
        st.slider(
            "Compression (CRF)",
            *ends("mp4_crf"),
            key="draft_mp4_crf",
            help="Of all files that have one and say none of their own. Lower is better and larger; 16 is good.",
        )
    sound.show()
    first.text_input("Name", key="draft_name", max_chars=longest("name"), placeholder="for lists and file names")
    first.text_input(
        "Names of files",
        key="draft_file_name",
        max_chars=longest("file_name"),
        placeholder="{name}-{id}",
        help=f"Text and any of {', '.join(f'{{{name}}}' for name in NAMES)}.",
    )
    second.slider("Priority", *ends("priority"), key="draft_priority", help="Higher goes first.")
    st.toggle("Exact length", key="draft_exact_length", help="Cut the video to the length asked for.")


def _model(models: list[dict[str, Any]], known: list[dict[str, Any]]) -> None:
    """What joins the model, and what those lack that can't be used."""
    loras.show(known)
    for model in models:
        if model["error"]:
            st.caption(f":material/download: {model['error']}")
    st.selectbox(
        "Frames beyond the context",
        list(TAILS),
        key="draft_tail",
        format_func=TAILS.__getitem__,
        help="What a section of a long video sees of frames that are too far for its context slots.",
    )
