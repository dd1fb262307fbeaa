"""Jobs as cards: a picture that plays while somebody points at it, and what the job was."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from dashboard import looks
from dashboard.files import picture_url, result_url

Row = Mapping[str, Any]
COLUMNS = 5
PICKED = "picked-"
"""Begins the key of a card's checkbox; the job's id follows."""

PLAYING = """
<script>
if (!window.farmPlays) {
  window.farmPlays = true;
  const video = event => event.target.closest && event.target.closest('.result')?.querySelector('video');
  const play = event => video(event)?.play().catch(() => {});
  const rest = event => {
    const shown = video(event);
    if (shown && !shown.closest('.result').contains(event.relatedTarget)) { shown.pause(); shown.load(); }
  };
  document.addEventListener('mouseover', play);
  document.addEventListener('focusin', play);
  document.addEventListener('mouseout', rest);
  document.addEventListener('focusout', rest);
}
</script>
"""
"""Plays what the pointer or the focus is on, and goes back to its picture afterwards."""


def cards(rows: Sequence[Row]) -> None:
    """Draw them, each with a box to select it, see ``picked``."""
    st.html(PLAYING, unsafe_allow_javascript=True)
    with st.container(key="cards"):
        for start in range(0, len(rows), COLUMNS):
            for column, row in zip(st.columns(COLUMNS), rows[start : start + COLUMNS], strict=False):
                with column, st.container(border=True, key=f"card-{row['id']}", height="stretch", gap="xsmall"):
                    st.html(card(row))
                    st.checkbox("Select", key=f"{PICKED}{row['id']}")


def picked(rows: Sequence[Row]) -> list[Row]:
    """Those that are selected."""
    return [row for row in rows if st.session_state.get(f"{PICKED}{row['id']}")]


def card(row: Row) -> str:
    """One job; everything that people wrote is escaped."""
    title = looks.title_of(row, 60)
    took = looks.duration(row["took"]) if row["took"] and row["finished_at"] else ""
    length = f"{row['seconds']:.1f} s" if row["seconds"] else ""
    facts = (
        "draft" if row["draft"] else "",
        length,
        row["preset"],
        row["owner"],
        f"took {took}" if took else "",
        looks.ago(row["created_at"]),
    )
    error = f'<div class="wrong">{escape(row["error"][:120])}</div>' if row["error"] else ""
    return (
        f'<a class="result" href="job?id={escape(row["id"])}" target="_self" title="{escape(title)}">{_picture(row)}'
        f'<b>{escape(title)}</b></a><div class="quiet"><span class="state {escape(row["state"])}">'
        f"{escape(row['state'])}</span> {escape(' · '.join(filter(None, facts)))}</div>{error}"
    )


def _picture(row: Row) -> str:
    """The result, else what there is to see of the job."""
    shown = picture_url(row["id"], row["picture"]) if row["picture"] else ""
    if row["result"].startswith("video/"):
        poster = f' poster="{shown}"' if shown else ""
        return f'<video src="{result_url(row["id"])}"{poster} preload="none" muted loop playsinline></video>'
    return f'<img src="{shown}" alt="" loading="lazy">' if shown else '<div class="none">no picture</div>'
