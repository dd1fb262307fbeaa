"""A waiting job is edited on the Submit page; what is queued there takes its place."""

import dataclasses
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from dashboard.views.draft import KEPT
from farm.client import FarmClient
from tests.dashboard.views.test_submit import button, errors, start
from tests.support.api import LiveFarm, picture

__all__ = ["start"]


def test_the_new_job_takes_the_place_of_the_old_one(
    show: Callable[..., AppTest], start, quiet: LiveFarm, client: FarmClient
):
    ids = [client.submit(picture(), {"prompt": f"take {n}", "steps": n + 1, "seed": n})["id"] for n in range(3)]
    page = show("queue", text="take 1")
    page.session_state["queue_table"] = {"selection": {"rows": [0]}}
    page.run()
    button(page, "Prompt and settings").click().run()
    names = [f"draft_{name}" for name in (*KEPT, "random_seed", "image", "image_name", "media", "seconds", "loras")]
    drafted = {name: page.session_state[name] for name in (*names, "replaces")}
    assert drafted["draft_prompt"] == "take 1" and drafted["replaces"] == (ids[1], "take 1")

    page = start(dataclasses.replace(quiet.settings, url=quiet.url), **drafted)
    assert not errors(page) and "takes the place of" in page.info[0].value
    page.text_area(key="draft_prompt").set_value("take 1, better").run()
    button(page, "Queue video").click().run()
    assert not errors(page)
    rows = client.rows(sort="place", ascending=True)["rows"]
    assert [row["prompt"] for row in rows] == ["take 0", "take 1, better", "take 2"]
    assert client.job(rows[1]["id"])["job"]["request"]["steps"] == 2
