"""What somebody sees on their first visit: what the pages are for, in short. It can be put away, and found again."""

import streamlit as st

from dashboard import looks

COOKIE = "farm_tour"
SEEN = f"<script>document.cookie = '{COOKIE}=seen; path=/; max-age=31536000; samesite=lax'</script>"
STEPS = (
    (":material/add_photo_alternate:", "Submit", "A picture, and a sentence that says what happens: that is all."),
    (":material/list:", "Queue", "What runs and waits, in its order, and why. Select rows to move or pause them."),
    (":material/movie:", "Job", "Sections play as they finish. Click one to see it, or to render it again."),
    (":material/history:", "History", "Finished videos. Point at one to play it; take its settings for another."),
)  # fmt: skip


def show() -> None:
    """The tour, unless this browser has seen it."""
    state = st.session_state
    if state.get("tour_seen") and not state.get("tour"):
        st.html(SEEN, unsafe_allow_javascript=True)
        return
    if COOKIE in st.context.cookies and not state.get("tour"):
        return
    with st.container(border=True, key="tour"):
        for column, (icon, name, told) in zip(st.columns(len(STEPS)), STEPS, strict=True):
            column.markdown(f"{icon} **{name}**")
            column.caption(told)
        st.button("Got it", icon=":material/check:", on_click=_seen)


def again() -> None:
    """The button that brings it back."""
    if st.button("Tour", icon=":material/help:", type="tertiary", key="tour-again"):
        st.session_state["tour"] = True
        looks.go("submit")


def _seen() -> None:
    st.session_state["tour_seen"], st.session_state["tour"] = True, False
