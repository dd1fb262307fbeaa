"""The Submit page against a real farm, without a browser (Streamlit's own page tester)."""

import io
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import dashboard
from farm.settings import Settings
from tests.dashboard.conftest import RunningFarm, free_port

APP = str(Path(dashboard.__file__).with_name("app.py"))
TIMEOUT = 60


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, farm: RunningFarm):
    """Opens the dashboard's first page on a home and an address."""

    def opened(settings: Settings = farm.settings) -> AppTest:
        monkeypatch.setenv("FARM_HOME", str(settings.home))
        monkeypatch.setenv("FARM_URL", settings.url)
        return AppTest.from_file(APP, default_timeout=TIMEOUT).run()

    return opened


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (180, 90, 60)).save(buffer, "PNG")
    return buffer.getvalue()


def errors(page: AppTest) -> str:
    assert not page.exception, page.exception
    return "\n".join(error.value for error in page.error)


def button(page: AppTest, label: str):
    return next(button for button in page.button if button.label == label)


def test_offers_presets_and_shows_the_true_length(start):
    page = start()
    assert not errors(page)
    assert page.selectbox(key="draft_preset").options[0] == "Default"
    assert page.metric[0].value == "4.83 s" and page.metric[1].value == "4"
    page.number_input(key="draft_total_second_length").set_value(2.5).run()
    assert page.metric[0].value == "2.43 s"
    assert page.slider(key="draft_slider").value == 2.5
    page.slider(key="draft_slider").set_value(10.0).run()
    assert page.number_input(key="draft_total_second_length").value == 10.0


def test_a_preset_sets_values_and_leaves_the_prompt(start):
    page = start()
    page.text_area(key="draft_prompt").set_value("mine").run()
    page.selectbox(key="draft_preset").set_value("Hand Movement").run()
    assert page.slider(key="draft_steps").value == 35
    assert page.selectbox(key="draft_cache").value == "none"
    assert page.text_area(key="draft_prompt").value == "mine"
    button(page, "He greets with a wave of the hand, with a smile.").click().run()
    assert page.text_area(key="draft_prompt").value == "He greets with a wave of the hand, with a smile."


def test_nothing_is_queued_before_image_and_prompt_are_there(start, farm: RunningFarm):
    page = start()
    assert button(page, "Queue video").disabled
    page.session_state["draft_image"] = b"not an image"
    page.session_state["draft_image_name"] = "x.png"
    page.run()
    assert "not an image" in errors(page)
    assert button(page, "Queue video").disabled


def test_submits_exactly_what_the_page_shows(start, farm: RunningFarm):
    farm.working.clear()
    try:
        page = start()
        page.session_state["draft_image"], page.session_state["draft_image_name"] = picture(), "x.png"
        page.text_area(key="draft_prompt").set_value("The puppet spins").run()
        page.selectbox(key="draft_preset").set_value("Dance").run()
        page.slider(key="draft_steps").set_value(3).run()
        page.toggle(key="draft_random_seed").set_value(False).run()
        page.number_input(key="draft_seed").set_value(77).run()
        button(page, "Queue video").click().run()
        assert not errors(page)
        job = farm.client.jobs(limit=1)["jobs"][0]
        request = job["request"]
        assert (request["prompt"], request["preset"], request["seed"]) == ("The puppet spins", "Dance", 77)
        assert (request["steps"], request["gs"], request["cache"]) == (3, 12.0, "none")
        farm.client.cancel(job["id"])
    finally:
        farm.working.set()


def test_says_what_to_do_when_no_farm_answers(start, tmp_path: Path):
    page = start(Settings.for_home(tmp_path, url=f"http://127.0.0.1:{free_port()}"))
    assert "The farm can't be reached" in errors(page) and "farm up" in errors(page)


def test_says_what_to_do_when_the_token_is_wrong(start, farm: RunningFarm, tmp_path: Path):
    (tmp_path / "token").write_text("wrong")
    page = start(Settings.for_home(tmp_path, url=farm.settings.url))
    assert "refused the token" in errors(page) and str(tmp_path / "token") in errors(page)
