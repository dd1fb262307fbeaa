"""The Job page offers what whoever looks at it may do."""

from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from farm.client import FarmClient
from tests.support.api import picture


@pytest.mark.parametrize(
    ("role", "offered"), [("viewer", []), ("artist", ["New video with these settings"]), ("admin", ["Pause", "Cancel"])]
)
def test_buttons_are_those_of_the_role(
    show: Callable[..., AppTest], client: FarmClient, monkeypatch: pytest.MonkeyPatch, role: str, offered: list[str]
):
    job = client.submit(picture(), {"prompt": "The puppet waves.", "total_second_length": 1.2, "steps": 1})
    monkeypatch.setenv("FARM_TOKEN", client.add_user(f"some-{role}", role)["token"])
    st.cache_data.clear()
    page = show("job", id=job["id"])
    labels = {each.label or each.help for each in page.button}
    told = {"Pause", "Cancel", "New video with these settings"}
    assert labels & told == {*offered, *(["New video with these settings"] if role == "admin" else [])}
