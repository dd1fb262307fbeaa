"""Storyboard: shots are added, ordered and removed; the film that is queued is what the page shows."""

import json
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from farm.client import FarmClient
from tests.dashboard.views.test_submit import button, errors
from tests.support.api import picture


@pytest.fixture(autouse=True)
def _asked_anew():
    st.cache_data.clear()


def of(page: AppTest, kind: str, label: str) -> list:
    return [each for each in getattr(page, kind) if each.label == label]


def prompts(page: AppTest) -> list[str]:
    return [area.value for area in of(page, "text_area", "What happens")]


def test_shots_are_arranged_and_queued(show: Callable[..., AppTest], client: FarmClient):
    page = show("storyboard")
    assert "Shot 1 needs a prompt" in page.caption[-2].value and button(page, "Queue film").disabled
    of(page, "text_area", "What happens")[0].set_value("The puppet waves.")
    of(page, "selectbox", "Begins with")[0].set_value("dancer.png").run()
    button(page, "Add a shot").click().run()
    of(page, "text_area", "What happens")[1].set_value("The puppet jumps.")
    of(page, "selectbox", "From the shot before")[0].set_value("fade").run()
    assert not errors(page)
    assert page.caption[-1].value == "4.30 s · 2 videos side by side · 4 sections, 2 at once"

    next(each for each in page.button if each.icon == ":material/arrow_downward:").click().run()
    assert prompts(page) == ["The puppet jumps.", "The puppet waves."]
    next(each for each in page.button if each.icon == ":material/content_copy:").click().run()
    assert prompts(page) == ["The puppet jumps.", "The puppet jumps.", "The puppet waves."]
    [each for each in page.button if each.icon == ":material/delete:"][1].click().run()
    of(page, "number_input", "Steps (0: the preset's)")[0].set_value(3).run()
    button(page, "Queue film").click().run()
    assert not errors(page)
    (job,) = client.jobs()["jobs"]
    assert [(shot["request"]["prompt"], shot["request"]["steps"]) for shot in client.job(job["id"])["shots"]] == [
        ("The puppet jumps.", 3),
        ("The puppet waves.", 3),
    ]


def test_what_can_not_be_made_is_said(show: Callable[..., AppTest], client: FarmClient):
    page = show("storyboard")
    of(page, "text_area", "What happens")[0].set_value("The puppet waves.").run()
    assert "shot 1: there is no start image" in errors(page) and button(page, "Queue film").disabled


def test_a_film_comes_back_as_its_storyboard(show: Callable[..., AppTest], client: FarmClient):
    shots = [
        {"name": "dawn", "prompt": "The puppet waves.", "seconds": 2.4, "picture": "a.png"},
        {"name": "noon", "prompt": "The puppet bows.", "seconds": 1.2, "picture": "a.png", "transition": "fade:0.2"},
    ]
    written = {"name": "A day", "priority": 60, "every": {"steps": 2, "gs": 6}, "shots": [*shots]}
    job = client.film(written, {"a.png": picture()})
    page = show("storyboard", job=job["id"])
    assert not errors(page) and prompts(page) == ["The puppet waves.", "The puppet bows."]
    assert of(page, "text_input", "Name")[0].value == "A day"
    assert [each.value for each in of(page, "number_input", "Seconds of the fade")] == [0.2]
    assert page.caption[-1].value.startswith("3.40 s · 2 videos side by side · 3 sections")
    button(page, "Queue film").click().run()
    again = next(each["id"] for each in client.jobs()["jobs"] if each["id"] != job["id"])
    every = {"model_type": "puppet", "preset": "Default", "steps": 2, "gs": 6}
    assert client.storyboard(again)["storyboard"] == {**written, "every": every}
    assert client.job(again)["shots"] == client.job(job["id"])["shots"]
    saved = json.loads(json.dumps(page.session_state["film_shots"], default=str))
    assert [shot["seconds"] for shot in saved] == [2.4, 1.2]
