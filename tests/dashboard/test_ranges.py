"""Every value that a request accepts goes through the Submit page unchanged, from presets and from earlier jobs."""

from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.ranges import default, ends, longest
from dashboard.views import draft
from farm.jobs.submission import Submission
from model.footage.media import Media
from tests.dashboard.conftest import RunningFarm
from tests.dashboard.views.test_submit import button, errors, picture, start

__all__ = ["start"]

TINY = 0.001
"""For fields whose smallest value is excluded."""
NUMBERS = {
    name: bounds
    for name, field in Submission.model_fields.items()
    if {"int", "float"} & set(str(field.annotation).replace("'", " ").replace(">", " ").split())
    and (bounds := ends(name))
}
SHORT = 12.0
"""Seconds of a video whose plan is drawn at once; that of the longest takes the page seconds."""
CACHES = ("none", "tea", "mag", "first_block", "taylor")


def extremes(high: bool, most_seconds: float) -> dict[str, Any]:
    """All fields of numbers at one end of their range, as far as the model goes."""
    values: dict[str, Any] = {name: bounds[high] for name, bounds in NUMBERS.items()}
    values["seed"] = 2**63 - 1 if high else 0
    values["total_second_length"] = most_seconds if high else TINY
    values["shift"] = 100.0 if high else TINY
    del values["resolution"]
    return values


def test_every_field_of_numbers_is_walked():
    assert {"steps", "cfg", "gs", "rs", "shift", "mp4_crf", "priority", "taylor_interval", "motion_bias"} <= set(
        NUMBERS
    )
    assert ends("cfg") == (1.0, 32.0) and ends("steps") == (1, 100) and isinstance(ends("steps")[0], int)
    assert longest("prompt") == 2000 and default("steps") == 25


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("high", [False, True], ids=["low", "high"])
def test_presets_at_both_limits_reach_the_farm_unchanged(start, farm: RunningFarm, high: bool, cache: str):
    most = farm.client.models()[0]["max_seconds"] if cache == CACHES[0] else SHORT
    wanted = extremes(high, most) | {"cache": cache, "magcache_ratios": [1.0] * 30}
    lines = "\n".join(
        f"{name} = {value!r}" if name != "cache" else f'cache = "{value}"' for name, value in wanted.items()
    )
    name = f"Limit {cache} {'high' if high else 'low'}"
    file = farm.settings.presets_dir / f"{name}.toml"
    file.write_text(f'name = "{name}"\ndescription = "x"\n[values]\n{lines}\n')
    try:
        request = submitted(start, farm, lambda page: page.selectbox(key="draft_preset").set_value(name).run())
    finally:
        file.unlink()
    assert {field: request[field] for field in wanted} == wanted


@pytest.mark.parametrize("high", [False, True], ids=["low", "high"])
def test_settings_of_an_earlier_job_reach_the_farm_unchanged(start, farm: RunningFarm, monkeypatch, high: bool):
    fields = extremes(high, SHORT) | {
        "prompt": "p",
        "cache": "tea",
        "preset": "Default",
    }
    farm.working.clear()
    earlier = farm.client.submit(picture(), fields)
    try:
        drafted: dict[str, Any] = {}
        with monkeypatch.context() as patch:
            patch.setattr(st, "session_state", drafted)
            draft.load(earlier["request"], Media(picture()))
        for key in ("draft_image", "draft_image_name"):
            del drafted[key]
        assert submitted(start, farm, lambda page: None, **drafted) == earlier["request"]
    finally:
        farm.client.cancel(earlier["id"])


@pytest.mark.parametrize(
    "values", [{"cfg": 12.0}, {"seed": 2**53 + 1}, {"seed": 2**60}, {"shift": 0.05}, {"rs": 0.333}, {"gs": 7.77}]
)
def test_values_between_the_steps_of_a_widget_stay_as_they_are(start, farm: RunningFarm, values: dict[str, Any]):
    state = {f"draft_{name}": str(value) if name == "seed" else value for name, value in values.items()}

    def fill_in(page: AppTest) -> None:
        for key, value in (state | {"draft_random_seed": False}).items():
            page.session_state[key] = value
        page.run()

    request = submitted(start, farm, fill_in)
    assert {name: request[name] for name in values} == values


@pytest.mark.parametrize("seed", ["", "-3", "1e3", "seven", str(2**63)])
def test_a_seed_that_is_none_is_said_and_not_sent(start, seed: str):
    page = start()
    page.toggle(key="draft_random_seed").set_value(False).run()
    page.text_input(key="draft_seed").set_value(seed).run()
    assert not errors(page) and button(page, "Queue video").disabled
    assert any("The seed is a whole number from 0 to 9223372036854775807" in c.value for c in page.caption)


def submitted(start, farm: RunningFarm, change: Callable[[AppTest], object], **state: object) -> dict[str, Any]:
    """Opens the page, lets ``change`` fill it in, queues, and gives the request that the farm got."""
    st.cache_data.clear()
    farm.working.clear()
    try:
        page = start(draft_image=picture(), draft_image_name="x.png", **state)
        page.text_area(key="draft_prompt").set_value("p").run()
        change(page)
        assert not errors(page)
        button(page, "Queue video").click().run()
        assert not errors(page)
        job = farm.client.jobs(limit=1)["jobs"][0]
        farm.client.cancel(job["id"])
        return dict(job["request"])
    finally:
        farm.working.set()
