"""The dashboard's entry: ``streamlit run`` this file, or ``python -m dashboard``."""

from pathlib import Path

import streamlit as st

from dashboard import farm_access, looks, tour
from dashboard.views import cluster, draft, extend, history, job, people, queue, storyboard, submit
from farm.errors import FarmError

NAME = "FramePack Farm"
LOGO, ICON = (str(Path(__file__).with_name(name)) for name in ("logo.svg", "icon.svg"))


def main() -> None:
    """Draw the frame and the chosen page."""
    st.set_page_config(page_title=NAME, page_icon=ICON, layout="wide")
    st.logo(LOGO, icon_image=ICON, size="large")
    st.html(looks.STYLE)
    draft.keep()
    pages = {
        "submit": st.Page(submit.page, title="Submit", icon=":material/add_photo_alternate:", default=True),
        "storyboard": st.Page(
            storyboard.page, title="Storyboard", icon=":material/view_carousel:", url_path="storyboard"
        ),
        "queue": st.Page(queue.page, title="Queue", icon=":material/list:", url_path="queue"),
        "job": st.Page(job.page, title="Job", icon=":material/movie:", url_path="job"),
        "history": st.Page(history.page, title="History", icon=":material/history:", url_path="history"),
        "cluster": st.Page(cluster.page, title="Cluster", icon=":material/memory:", url_path="cluster"),
        "extend": st.Page(
            extend.page, title="Presets & plug-ins", icon=":material/extension:", url_path="presets-and-plugins"
        ),
    }
    if _is_admin():
        pages["people"] = st.Page(people.page, title="People", icon=":material/group:", url_path="people")
    st.session_state["pages"] = pages
    chosen = st.navigation(list(pages.values()))
    st.set_page_config(page_title=f"{chosen.title} · {NAME}")
    with st.sidebar:
        _status()
        tour.again()
    chosen.run()


def _is_admin() -> bool:
    """Whether whoever signed in may see to people; nobody while the farm can't be asked."""
    try:
        return bool(farm_access.me()["role"] == "admin")
    except FarmError:
        return False


@st.fragment(run_every=5)
def _status() -> None:
    """Whether the farm answers, and how much waits."""
    try:
        states = farm_access.client().states()
    except FarmError:
        st.session_state["farm_lost"] = True
        st.badge("farm not reachable", icon=":material/cloud_off:", color="red")
        return
    if st.session_state.pop("farm_lost", False):
        st.rerun()
    st.badge("farm connected", icon=":material/cloud_done:", color="green")
    st.caption(f"{states['running']} running · {states['pending']} pending")
    if person := farm_access.person():
        st.caption(f"{looks.plain(person)} · {farm_access.me()['role']} · [sign out](/logout)")


main()
