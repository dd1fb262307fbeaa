"""The sound track of a draft."""

import streamlit as st

from dashboard.ranges import ends
from dashboard.views import media

FIELDS = (
    "audio_start", "audio_end", "audio_at", "audio_loop", "audio_gain", "audio_fade_in", "audio_fade_out",
)  # fmt: skip
"""Request fields with a widget here; each widget's key is ``draft_`` and the field's name."""
KINDS = ["wav", "flac", "mp3", "ogg", "opus", "m4a", "aac", "aiff", "mp4", "mov", "mkv", "webm"]


def show() -> None:
    """The track and how it is heard."""
    upload = st.file_uploader(
        "Sound track",
        type=KINDS,
        key=media.upload_key("audio"),
        help="Heard under the video, in files that carry sound.",
    )
    if upload is not None:
        media.change(audio=upload.getvalue())
    track = st.session_state["draft_media"].audio
    if track is None:
        return
    st.audio(track)
    first, second, third = st.columns(3)
    first.number_input("From its second", *ends("audio_start"), step=0.1, key="draft_audio_start")
    second.number_input(
        "To its second", *ends("audio_end"), None, step=0.1, key="draft_audio_end", placeholder="its end"
    )
    third.number_input("At second of the video", *ends("audio_at"), step=0.1, key="draft_audio_at")
    first.number_input("Fade in (seconds)", *ends("audio_fade_in"), step=0.1, key="draft_audio_fade_in")
    second.number_input("Fade out (seconds)", *ends("audio_fade_out"), step=0.1, key="draft_audio_fade_out")
    third.number_input("Louder by (dB)", *ends("audio_gain"), step=1.0, key="draft_audio_gain")
    st.toggle("Again and again", key="draft_audio_loop")
    media.remove("audio", audio=None)
