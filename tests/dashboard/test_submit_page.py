"""The Submit page against a real farm, without a browser (Streamlit's own page tester)."""

import io
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard.server import OPTIONS
from dashboard.views import pixels
from farm.api.wall import MAX_BODY
from farm.settings import Settings
from model.footage.media import Media
from tests.dashboard.conftest import RunningFarm, free_port
from tests.support.clips import clip, flat

APP = str(Path(dashboard.__file__).with_name("app.py"))
TIMEOUT = 60


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, farm: RunningFarm):
    """Opens the dashboard's first page on a home and an address, with what its session holds already."""

    def opened(settings: Settings = farm.settings, **state: object) -> AppTest:
        monkeypatch.setenv("FARM_HOME", str(settings.home))
        monkeypatch.setenv("FARM_URL", settings.url)
        page = AppTest.from_file(APP, default_timeout=TIMEOUT)
        for key, value in state.items():
            page.session_state[key] = value
        return page.run()

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
    assert page.slider(key="draft_gs").value == 14
    assert page.selectbox(key="draft_cache").value == "none"
    assert page.text_area(key="draft_prompt").value == "mine"
    button(page, "He greets with a wave of the hand, with a smile.").click().run()
    assert page.text_area(key="draft_prompt").value == "He greets with a wave of the hand, with a smile."


def test_opens_with_the_values_of_its_preset(start):
    page = start()
    opened = {widget.key: widget.value for widget in (*page.slider, *page.selectbox, *page.toggle)}
    for name in ("Dance", "Default"):
        page.selectbox(key="draft_preset").set_value(name).run()
        assert not errors(page)
        shown = {widget.key: widget.value for widget in (*page.slider, *page.selectbox, *page.toggle)}
        assert (shown == opened) is (name == "Default")


def test_a_cache_brings_its_own_settings(start):
    page = start()
    page.selectbox(key="draft_cache").set_value("taylor").run()
    assert not errors(page)
    page.slider(key="draft_taylor_interval").set_value(4)
    page.number_input(key="draft_shift").set_value(5.0)
    page.selectbox(key="draft_sampler").set_value("unipc_bh2").run()
    assert not errors(page)
    assert "draft_magcache_threshold" not in {slider.key for slider in page.slider}
    page.selectbox(key="draft_cache").set_value("mag").run()
    assert not errors(page)
    assert any("a model without one" in caption.value for caption in page.caption)


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
        page.text_input(key="draft_seed").set_value("77").run()
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


def test_loras_are_sent_and_missing_models_say_how_to_get_them(start, farm: RunningFarm):
    page = start()
    assert any("`farm models pull framepack`" in caption.value for caption in page.caption)
    page.session_state["draft_image"], page.session_state["draft_image_name"] = picture(), "picture.png"
    page.text_area(key="draft_prompt").set_value("p").run()
    page.text_area(key="draft_loras").set_value("nobody:0.5\n").run()
    button(page, "Queue video").click().run()
    assert "unknown LoRA 'nobody'" in errors(page)


def test_the_crop_is_shown_before_submitting(start):
    page = start()
    buffer = io.BytesIO()
    Image.new("RGB", (400, 100), (180, 90, 60)).save(buffer, "PNG")
    page.session_state["draft_image"], page.session_state["draft_image_name"] = buffer.getvalue(), "wide.png"
    page.run()
    assert not errors(page)
    assert "The video is 64x64 pixels from 400x100, 75% of the picture cut off." in [c.value for c in page.caption]


def test_settings_of_the_picture_are_sent(start, farm: RunningFarm):
    farm.working.clear()
    try:
        page = start()
        page.session_state["draft_image"], page.session_state["draft_image_name"] = picture(), "brown.png"
        page.text_area(key="draft_prompt").set_value("The puppet waves").run()
        page.slider(key="draft_consistency_boost").set_value(0.5)
        page.slider(key="draft_motion_bias").set_value(-0.5)
        page.selectbox(key="draft_output_fps").set_value(60).run()
        page.selectbox(key="draft_frame_interpolation").set_value("motion").run()
        assert page.selectbox(key="draft_resolution").options == ["64 (the model's own)", "64"]
        assert page.selectbox(key="draft_resolution").proto.placeholder == "64 (the model's own)"
        assert page.selectbox(key="draft_output_fps").proto.placeholder == "30 (as made)"
        button(page, "Queue video").click().run()
        assert not errors(page)
        job = farm.client.jobs(limit=1)["jobs"][0]
        assert [job["request"][name] for name in pixels.FIELDS] == [None, 0.5, -0.5, 60, "motion", "auto"]
        farm.client.cancel(job["id"])
    finally:
        farm.working.set()


def test_the_upload_box_takes_what_the_api_takes():
    assert int(OPTIONS["server.maxUploadSize"]) * 2**20 <= MAX_BODY < (int(OPTIONS["server.maxUploadSize"]) + 1) * 2**20


def test_submits_end_image_keyframes_and_timed_prompts(start, farm: RunningFarm):
    farm.working.clear()
    try:
        page = start()
        page.session_state["draft_image"], page.session_state["draft_image_name"] = picture(), "x.png"
        page.session_state["draft_media"] = Media(end_image=flat("red"), keyframes=(flat("blue"),))
        page.session_state["draft_seconds"] = [2.4]
        page.text_area(key="draft_prompt").set_value("A girl. [0s-2s: She waves.] [2s: She spins.]").run()
        assert any("keyframe-1 at 2.4 s · end_image at 4.8 s" in caption.value for caption in page.caption)
        assert any(
            "2.4-3.6 s: A girl. She waves. → A girl. She spins. (50%)" in c.value.replace("\\", "")
            for c in page.caption
        )
        page.slider(key="draft_end_image_strength").set_value(0.5).run()
        page.number_input(key="draft_second_0").set_value(1.3).run()
        button(page, "Queue video").click().run()
        assert not errors(page)
        job = farm.client.jobs(limit=1)["jobs"][0]
        request = job["request"]
        assert request["end_image_strength"] == 0.5 and request["keyframes"][0]["second"] == 1.3
        assert farm.client.artifact(job["id"], "end_image") == flat("red")
        assert farm.client.artifact(job["id"], "keyframe-1") == flat("blue")
        farm.client.cancel(job["id"])
    finally:
        farm.working.set()


def test_a_video_to_extend_takes_the_start_images_place(start, farm: RunningFarm):
    farm.working.clear()
    try:
        page = start()
        page.session_state["draft_media"] = Media(video=clip())
        page.text_area(key="draft_prompt").set_value("The puppet spins").run()
        assert not button(page, "Queue video").disabled
        button(page, "Queue video").click().run()
        assert not errors(page)
        job = farm.client.jobs(limit=1)["jobs"][0]
        assert job["request"]["image_sha256"] is None and job["request"]["extend"] == "end"
        assert farm.client.artifact(job["id"], "source_video") == clip()
        farm.client.cancel(job["id"])
    finally:
        farm.working.set()
