"""Presets & plug-ins: presets are changed, removed, and chosen as a model's default."""

from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.views.extend import read, written
from farm.client import FarmClient
from farm.errors import InputError
from tests.dashboard.views.test_submit import button, errors


@pytest.fixture(autouse=True)
def _asked_anew():
    st.cache_data.clear()


def preset(client: FarmClient, name: str) -> dict | None:
    return next((preset for preset in client.presets()["presets"] if preset["name"] == name), None)


def test_a_saved_preset_is_changed_and_deleted(show: Callable[..., AppTest], client: FarmClient):
    client.save_preset("Slow", "Calm.", {"steps": 7}, ["One."])
    page = show("extend")
    assert [each.label for each in page.button].count("Delete for good") == 1, "built-in ones stay"
    values = next(area for area in page.text_area if area.label.startswith("Values"))
    assert values.value == "steps = 7"
    values.set_value("steps = 9\ncache = tea\nstepz = 1")
    button(page, "Save").click().run()
    assert "Did you mean 'steps'" in errors(page) and preset(client, "Slow")["values"] == {"steps": 7}
    next(area for area in page.text_area if area.label.startswith("Values")).set_value("steps = 9\ncache = tea")
    button(page, "Save").click().run()
    assert not errors(page)
    assert preset(client, "Slow")["values"] == {"steps": 9, "cache": "tea"}
    assert preset(client, "Slow")["prompts"] == ["One."]
    page.button(key="delete-Slow").click().run()
    assert not errors(page) and preset(client, "Slow") is None


def test_a_model_gets_a_default_preset(show: Callable[..., AppTest], client: FarmClient):
    page = show("extend")
    page.selectbox(key="default-puppet-Default").set_value("Dance").run()
    assert not errors(page) and preset(client, "Dance")["default_for"] == ["puppet"]
    page.selectbox(key="default-puppet-Dance").set_value("Default").run()
    assert not errors(page) and preset(client, "Dance")["default_for"] == []


def test_values_are_read_as_they_are_written():
    values = {"steps": 7, "cache": "tea", "loras": [{"name": "ink", "weight": 0.5}], "exact_length": True, "gs": 9.5}
    assert read(written(values)) == values
    assert read("cache = tea\n\n") == {"cache": "tea"}
    with pytest.raises(InputError, match="'steps' is no value"):
        read("steps")
