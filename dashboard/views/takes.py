"""The tree of a video's takes: what was made of what, and where it went another way."""

from html import escape
from typing import Any

import streamlit as st

from dashboard import looks
from farm.units import ranges


def tree(detail: dict[str, Any]) -> None:
    """All takes, each below the one that it was made of; nothing for a video without any."""
    takes = detail["tree"]
    if len(takes) < 2:
        return
    st.markdown("##### Takes")
    rows = "".join(_row(take, level, take["id"] == detail["job"]["id"]) for take, level in in_order(takes))
    st.html(f'<div class="takes">{rows}</div>')


def _row(take: dict[str, Any], level: int, this: bool) -> str:
    title = escape(looks.title_of({"name": take["name"], "prompt": take["prompt"]}, 60))
    link = f"<b>{title}</b>" if this else f'<a href="/job?id={escape(take["id"])}" target="_self">{title}</a>'
    draft = "draft, " if take["draft"] else ""
    kept = f", keeps sections {ranges(take['kept'])}" if take["kept"] else ""
    branch = "└ " if level else ""
    state = f"{draft}{escape(take['state'])}{kept}"
    return f'<div style="margin-left:{1.5 * level}rem">{branch}{link} <span>{state}</span></div>'


def in_order(takes: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """Each with its depth, children right after their parent, the oldest first."""
    known = {take["id"] for take in takes}
    below: dict[str, list[dict[str, Any]]] = {}
    for take in takes:
        below.setdefault(take["parent"] if take["parent"] in known else "", []).append(take)
    found: list[tuple[dict[str, Any], int]] = []
    waiting = [(take, 0) for take in reversed(below.get("", []))]
    while waiting:
        take, level = waiting.pop()
        found.append((take, level))
        waiting += [(child, level + 1) for child in reversed(below.get(take["id"], []))]
    return found
