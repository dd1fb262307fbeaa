"""The dashboard's entry: ``streamlit run`` this file, or ``python -m dashboard``."""

import streamlit as st

from dashboard import farm_access, looks
from dashboard.views import cluster, extend, history, job, queue, submit
from farm.errors import FarmError


def main() -> None:
    """Draw the frame and the chosen page."""
    st.set_page_config(page_title="FramePack Farm", page_icon="🎬", layout="wide")
    st.html(looks.STYLE)
    submit.keep_draft()
    pages = {
        "submit": st.Page(submit.page, title="Submit", icon=":material/add_photo_alternate:", default=True),
        "queue": st.Page(queue.page, title="Queue", icon=":material/list:", url_path="queue"),
        "job": st.Page(job.page, title="Job", icon=":material/movie:", url_path="job"),
        "history": st.Page(history.page, title="History", icon=":material/history:", url_path="history"),
        "cluster": st.Page(cluster.page, title="Cluster", icon=":material/memory:", url_path="cluster"),
        "extend": st.Page(
            extend.page, title="Presets & plug-ins", icon=":material/extension:", url_path="presets-and-plugins"
        ),
    }
    st.session_state["pages"] = pages
    chosen = st.navigation({"FramePack Farm": list(pages.values())})
    with st.sidebar:
        _status()
    chosen.run()


@st.fragment(run_every=5)
def _status() -> None:
    """Whether the farm answers, and how much waits."""
    try:
        client = farm_access.client()
        running, pending = (
            client.jobs(state="running", limit=1)["total"],
            client.jobs(state="pending", limit=1)["total"],
        )
    except FarmError:
        st.session_state["farm_lost"] = True
        st.badge("farm not reachable", icon=":material/cloud_off:", color="red")
        return
    if st.session_state.pop("farm_lost", False):
        st.rerun()
    st.badge("farm connected", icon=":material/cloud_done:", color="green")
    st.caption(f"{running} running · {pending} pending")


main()
