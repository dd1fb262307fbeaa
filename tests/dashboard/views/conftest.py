"""A farm that only answers, and pages of the dashboard on it, without a browser."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from farm.client import FarmClient
from tests.support.api import LiveFarm, live_farm
from tests.support.tiny import tiny_checkpoint


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFarm]:
    """A served farm without a worker."""
    folder: Path = tmp_path_factory.mktemp("quiet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "FARM_PUPPET_PATH", str(tiny_checkpoint(folder / "checkpoint")))
        with live_farm(folder / "home") as farm:
            patch.setenv("FARM_HOME", str(farm.settings.home))
            patch.setenv("FARM_URL", farm.url)
            yield farm


@pytest.fixture
def client(quiet: LiveFarm) -> Iterator[FarmClient]:
    """Afterwards no job is left."""
    with quiet.client() as made:
        yield made
        ids = [job["id"] for job in made.jobs(limit=500)["jobs"]]
        if ids:
            made.act("cancel", ids)
            made.act("delete", ids)


def _shown(name: str) -> None:
    import streamlit as st

    from dashboard.views import extend, history, job, queue, storyboard

    modules = {"job": job, "queue": queue, "history": history, "extend": extend, "storyboard": storyboard}
    pages = {name: st.Page(modules[name].page, title=name, default=True)}
    for other in ("submit", "job", "queue", "history"):
        pages.setdefault(other, st.Page(lambda: None, title=other, url_path=other))
    st.session_state["pages"] = pages
    st.navigation(list(pages.values())).run()


@pytest.fixture
def show() -> Callable[..., AppTest]:
    """Draws a page, as its address says."""

    def draw(name: str, **address: str) -> AppTest:
        shown = AppTest.from_function(_shown, args=(name,), default_timeout=60)
        for key, value in address.items():
            shown.query_params[key] = value
        shown.run()
        assert not shown.exception
        return shown

    return draw
