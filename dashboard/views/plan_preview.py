"""What a draft would become: true length, sections, and what more devices would bring."""

from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views import beside, media, timed
from farm.errors import FarmError
from farm.units import counted


@st.cache_data(ttl=30, max_entries=256, show_spinner=False)
def _plan(farm: str, **params: Any) -> dict[str, Any]:
    return farm_access.client().plan(**params)


def show(model: dict[str, Any], size: tuple[int, int] | None) -> dict[str, Any] | None:
    """Draw the preview of the draft in the session and return the plan; None when there is none.

    ``size`` is the image's (width, height) in pixels.
    """
    state = st.session_state
    width, height = size or (640, 640)
    params = {
        "seconds": round(float(state["draft_total_second_length"]), 3),
        "order": state["draft_order"],
        "model_type": model["name"],
        "exact_length": state["draft_exact_length"],
        "devices": _devices(),
        "width": width,
        "height": height,
        "resolution": state["draft_resolution"],
        "image_fit": state["draft_image_fit"],
        "image_position": state["draft_image_position"],
        "steps": state["draft_steps"],
        "cfg": state["draft_cfg"],
        "priority": state["draft_priority"],
        "svg": True,
        **media.plan_params(),
    }
    try:
        plan = _plan(farm_access.source(), **params)
    except FarmError as error:
        beside.tell(error)
        return None
    asked = params["seconds"]
    with st.container(border=True, key="plan"):
        length, sections, speedup = st.columns(3)
        length.metric(
            "True length",
            f"{plan['seconds']:.2f} s",
            help=f"Videos grow in whole sections of {model['window'] * 4 / model['fps']:.1f} s.",
        )
        sections.metric("Sections", plan["sections"], help=f"{plan['frames']} frames at {plan['fps']} fps")
        speedup.metric(
            "Speed-up",
            f"{plan['devices_speedup' if plan['devices'] > 1 else 'speedup']:.1f}x",
            help=f"Sections at the same time: {plan['devices_speedup']:.1f}x on the {plan['devices']} replicas "
            f"of this farm; at most {plan['speedup']:.1f}x on {plan['width']}.",
        )
        bucket = f"{plan['bucket'][1]}x{plan['bucket'][0]}"
        chain = counted(plan["depth"], "section")
        note = f"{asked:g} s asked for · {plan['frames']} frames · {bucket} pixels · chain of {chain}"
        st.caption(note)
        st.caption(f":material/schedule: {looks.forecast(plan['outlook'])}")
        for text in plan["notes"]:
            st.caption(f":orange[:material/info:] {looks.plain(text)}")
        if plan["experimental"]:
            st.caption(":orange[:material/science: this model was not trained for this order]")
        if plan["anchors"]:
            st.caption(" · ".join(f"{anchor['name']} at {anchor['second']:.1f} s" for anchor in plan["anchors"]))
        with st.expander("Sections and what they depend on", icon=":material/account_tree:"):
            st.image(plan["svg"], width="stretch")
    timed.resolved(plan)
    return plan


@st.cache_data(ttl=15, show_spinner=False)
def _replicas(farm: str) -> int:
    return sum(len(node["replicas"]) for node in farm_access.client().nodes())


def _devices() -> int:
    try:
        return max(1, _replicas(farm_access.source()))
    except FarmError:
        return 1
