"""Cluster: the machines that render, what each replica is at, and how machines are drained and set."""

from collections.abc import Callable
from html import escape
from typing import Any

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views import node_settings
from farm.errors import FarmError
from farm.units import counted, size

REFRESH = 3.0
SHOWN = 40
"""Nodes that the page shows; a farm of thousands is looked at with ``farm nodes``."""
COLORS: dict[str, looks.State] = {
    "active": "green",
    "idle": "green",
    "busy": "blue",
    "starting": "gray",
    "draining": "orange",
    "drained": "orange",
    "closed": "gray",
    "resting": "orange",
    "quarantined": "red",
    "gone": "gray",
    "lost": "red",
}


def page() -> None:
    """The page."""
    st.title("Cluster")
    _nodes()


@st.fragment(run_every=REFRESH)
def _nodes() -> None:
    with farm_access.explained():
        nodes = farm_access.client().nodes()
    here = [node for node in nodes if node["state"] != "gone"]
    gone = [node for node in nodes if node["state"] == "gone"]
    if not here:
        with st.container(border=True):
            st.markdown("**No machine is here yet.** Queued videos wait until one has joined and loaded the model.")
    else:
        replicas = [replica for node in here for replica in node["replicas"]]
        looks.facts(
            {
                "machines": str(len(here)),
                "replicas": str(len(replicas)),
                "at work": str(sum(replica["work"] is not None for replica in replicas)),
                "sections per hour": f"{sum(node['sections_per_hour'] for node in here):g}",
            }
        )
    for node in here[:SHOWN]:
        _node(node)
    if len(here) > SHOWN:
        st.caption(f"and {len(here) - SHOWN} more; `farm nodes` lists all")
    if gone:
        with st.expander(f"{len(gone)} that left", icon=":material/cloud_off:"):
            for node in gone:
                seen = f" · last seen {looks.ago(node['seen_at'])}" if node["seen_at"] else ""
                st.markdown(f"{looks.plain(node['host'])}{seen}")


def _node(node: dict[str, Any]) -> None:
    host = node["host"]
    with st.container(border=True, key=f"node-{host}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{looks.plain(host)}**", width="content")
            _badge(node["state"])
            for label in node["labels"]:
                st.badge(label, icon=":material/label:", color="violet")
            st.space("stretch")
            with st.container(horizontal=True, width="content"):
                if node["drain"]:
                    _act(
                        "Resume", ":material/play_arrow:", f"resume-{host}", lambda: farm_access.client().undrain(host)
                    )
                else:
                    node_settings.drain(host)
                node_settings.settings(node)
        if node["message"]:
            st.caption(f":orange[:material/info:] {looks.plain(node['message'])}")
        looks.facts(_facts(node))
        for replica in node["replicas"]:
            _replica(replica, node)
        if not node["replicas"]:
            st.caption("no replica")


def _facts(node: dict[str, Any]) -> dict[str, str]:
    cap = node["max_replicas"]
    return {
        "GPUs": ", ".join(f"{node['devices'].count(name)} × {name}" for name in dict.fromkeys(node["devices"])),
        "cores": str(node["cores"] or ""),
        "memory": size(node["memory"]) if node["memory"] else "",
        "sections per hour": f"{node['sections_per_hour']:g}",
        "loads per hour": str(node["loads"]),
        "hours": node["hours"],
        "at most": "" if cap is None else counted(cap, "replica"),
        "address": node["address"],
    }


def _replica(replica: dict[str, Any], node: dict[str, Any]) -> None:
    client, seat = farm_access.client(), replica["seat"]
    with st.container(key=f"replica-{replica['id']}", horizontal=True, vertical_alignment="center", gap="small"):
        _badge(replica["state"])
        lines = (_seat(replica), _work(replica, node), _trouble(replica))
        st.html(f'<div class="seat">{"".join(lines)}</div>', width="stretch")
        if seat in node["seats"]:
            told, icon, act = "Let this replica work", ":material/play_arrow:", client.undrain_replica
        else:
            told, icon, act = "Drain this replica", ":material/pause:", client.drain_replica
        if not node["drain"]:
            _act("", icon, f"seat-{replica['id']}", lambda: act(replica["id"]), told)


def _seat(replica: dict[str, Any]) -> str:
    """The device as people know it, and how much it does."""
    parts = [
        replica["seat"].replace("-", " "),
        replica["device_name"] or replica["device"],
        size(replica["memory"]) if replica["memory"] else "",
        f"holds {', '.join(replica['models'])}" if replica["models"] else "",
        f"{replica['sections_per_hour']:g} sections/h",
        f"{counted(replica['loads'], 'load')}/h",
    ]
    return f'<div class="quiet" title="{escape(replica["id"])}">{escape(" · ".join(filter(None, parts)))}</div>'


def _work(replica: dict[str, Any], node: dict[str, Any]) -> str:
    work = replica["work"]
    if work is None:
        said = "" if node["drain"] else replica["message"]
        return f"<div>{escape(said or 'nothing in hand')}</div>"
    name = escape(" ".join(work["job_name"].split())[:60])
    step = f" · step {work['step']} of {work['steps']}" if work["steps"] else ""
    link = f'<a href="job?id={escape(work["job_id"])}" target="_self">{name}</a>'
    return f"<div>{escape(work['task'])} of {link}{step}</div>"


def _trouble(replica: dict[str, Any]) -> str:
    if not replica["trouble"]:
        return ""
    return f'<div class="quiet">last trouble, {looks.ago(replica["trouble_at"])}: {escape(replica["trouble"])}</div>'


def _badge(state: str) -> None:
    st.badge(state, color=COLORS.get(state, "gray"))


def _act(label: str, icon: str, key: str, act: Callable[[], Any], told: str = "") -> None:
    """A button that asks the farm for something, then redraws."""
    if st.button(label, icon=icon, key=key, help=told or None):
        try:
            act()
        except FarmError as error:
            looks.refusal(error)
        else:
            st.rerun(scope="fragment")
