"""Cluster: the replicas that render, where they run and what they do."""

from typing import Any

import streamlit as st

from dashboard import farm_access, looks

REFRESH = 3.0
COLORS: dict[str, looks.State] = {
    "idle": "green",
    "busy": "blue",
    "starting": "gray",
    "draining": "orange",
    "resting": "orange",
    "quarantined": "red",
    "lost": "red",
}


def page() -> None:
    """The page."""
    st.title("Cluster")
    _nodes()


@st.fragment(run_every=REFRESH)
def _nodes() -> None:
    with farm_access.explained():
        replicas = farm_access.client().nodes()
    if not replicas:
        with st.container(border=True):
            st.markdown("**No replica yet.** Queued videos wait until one has loaded the model.")
        return
    nodes = sorted({replica["node"] for replica in replicas})
    looks.facts({"nodes": str(len(nodes)), "replicas": str(len(replicas))})
    for node in nodes:
        st.markdown(f"##### {looks.plain(node)}")
        for replica in (r for r in replicas if r["node"] == node):
            _replica(replica)


def _replica(replica: dict[str, Any]) -> None:
    with st.container(border=True):
        name, state, device, seen = st.columns([4, 2, 4, 3], vertical_alignment="center")
        name.markdown(f"**{looks.plain(replica['id'])}**")
        with state:
            st.badge(replica["state"], color=COLORS.get(replica["state"], "gray"))
        device.caption(" · ".join(dict.fromkeys(filter(None, (replica["device"], replica["device_class"])))))
        seen.caption(f"last heard of {looks.ago(replica['seen_at'])}")
        if replica["message"]:
            st.caption(looks.plain(replica["message"]))
