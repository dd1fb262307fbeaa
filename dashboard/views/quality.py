"""How good a video is, section by section: a small chart for each kind of fault, with its limit."""

from typing import Any

import streamlit as st

from dashboard import farm_access
from farm.errors import FarmError
from model.quality.judging import KINDS

HEIGHT = 120
"""Pixels of a chart, its axis included."""
TITLES = {
    "tint": "colour shift",
    "look": "same colours",
    "blur": "sharpness",
    "noise": "noise",
    "freeze": "stillness",
    "flicker": "flicker",
    "seam": "jump at its start",
}


def quality(detail: dict[str, Any]) -> None:
    """Of a job, as far as it is decoded; nothing while nothing is."""
    decoded = sum(task["kind"] == "decode" and task["state"] == "done" for task in detail["tasks"])
    if not decoded:
        return
    with st.expander("Quality", icon=":material/monitoring:", key=f"quality-{detail['job']['id']}"):
        try:
            found = _found(farm_access.source(), detail["job"]["id"], decoded)
        except FarmError as error:
            st.caption(str(error))
            return
        if not found["sections"]:
            st.caption("These sections were decoded by an earlier version, which measured nothing.")
            return
        wrong = [each for each in found["sections"] if each["wrong"]]
        for each in wrong:
            st.markdown(f"**Section {each['section']}**: {', '.join(KINDS[kind].words for kind in each['wrong'])}.")
        if not wrong:
            st.caption("Every section is within its limits, beside the first one.")
        columns = st.columns(4) + st.columns(4)
        for column, kind in zip(columns, KINDS, strict=False):
            with column:
                _kind(found, kind)
        with columns[-1]:
            _identity(found)
        if found["drift"]:
            drifts = ", ".join(f"{kind} {value:+.2g}" for kind, value in found["drift"].items())
            st.caption(f"Drift between the first and the last 15%: {drifts}.")


@st.cache_data(ttl=600, max_entries=64, show_spinner=False)
def _found(farm: str, job_id: str, decoded: int) -> dict[str, Any]:
    """Asked once for as many sections as are decoded."""
    return farm_access.client().quality(job_id)


def _kind(found: dict[str, Any], kind: str) -> None:
    """Values by section over the limit, those beyond it in red."""
    fault = KINDS[kind]
    points = [
        {"section": each["section"], "value": each["values"][kind], "wrong": kind in each["wrong"]}
        for each in found["sections"]
    ]
    st.caption(f"{TITLES[kind]}, {'from' if fault.below else 'to'} {fault.limit:g}")
    rule = {"mark": {"type": "rule", "strokeDash": [4, 3], "opacity": 0.6}, "encoding": {"y": {"datum": fault.limit}}}
    _chart(kind, points, [rule])


def _identity(found: dict[str, Any]) -> None:
    """How like the start image each section is, where that was measured; it has no limit."""
    points = [
        {"section": each["section"], "value": each["identity"], "wrong": False}
        for each in found["sections"]
        if each.get("identity") is not None
    ]
    if points:
        st.caption("identity, beside the start image")
        _chart("identity", points, [])


def _chart(name: str, points: list[dict[str, Any]], over: list[dict[str, Any]]) -> None:
    """Bars of ``points`` by section, with more layers over them."""
    mark = {
        "layer": [
            {
                "mark": {"type": "bar"},
                "encoding": {
                    "x": {"field": "section", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}},
                    "y": {"field": "value", "type": "quantitative", "title": None},
                    "color": {
                        "field": "wrong",
                        "type": "nominal",
                        "legend": None,
                        "scale": {"domain": [False, True], "range": ["#7c9cff", "#f2665e"]},
                    },
                },
            },
            *over,
        ],
        "height": HEIGHT,
    }
    st.vega_lite_chart(points, mark, width="stretch", key=f"quality-{name}")
