"""The People page: who may use the farm, and what they did (Streamlit's own page tester, a real farm)."""

import pytest
from streamlit.testing.v1 import AppTest

from farm.client import FarmClient
from tests.dashboard.conftest import RunningFarm


def show() -> None:
    from dashboard.views import people

    people.page()


@pytest.fixture
def page(farm: RunningFarm, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("FARM_HOME", str(farm.settings.home))
    monkeypatch.setenv("FARM_URL", farm.settings.url)
    return AppTest.from_function(show, default_timeout=60)


def test_people_are_added_changed_and_removed(page: AppTest, farm: RunningFarm) -> None:
    page.run()
    assert "Nobody yet" in page.info[0].value
    page.text_input[0].set_value("ann")
    next(button for button in page.button if button.label == "Add").click().run()
    assert not page.exception
    (token,) = page.code
    with FarmClient(farm.settings.url, token.value) as ann:
        assert ann.me() == {"name": "ann", "role": "artist", "known": True}
        page.selectbox(key="role_ann").set_value("viewer").run()
        assert ann.me()["role"] == "viewer" and not page.code, "a token is shown once"
    assert "POST /users" in list(page.dataframe[0].value["What"])
    page.button(key="gone_ann").click().run()
    assert farm.client.users() == [] and not page.exception


def test_a_name_that_is_none_is_said(page: AppTest, farm: RunningFarm) -> None:
    page.run()
    next(button for button in page.button if button.label == "Add").click().run()
    assert page.error and "name" in page.error[0].value and farm.client.users() == []
