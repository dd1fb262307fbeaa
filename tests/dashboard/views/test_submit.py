"""The Submit page against a real farm, without a browser (Streamlit's own page tester)."""

import io
import json
from pathlib import Path

import pytest
import streamlit as st
import torch
from PIL import Image
from safetensors.torch import save_file
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard.server import OPTIONS
from dashboard.views import pixels
from dashboard.views.media import EXAMPLES
from farm.api.paced import MAX_BODY
from farm.settings import Settings
from model.footage.media import Media
from model.footage.opening import blank_picture
from tests.dashboard.conftest import RunningFarm
from tests.support.clips import clip, flat
from tests.support.ports import free_port

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


def test_loras_are_chosen_called_up_and_sent(start, farm: RunningFarm, monkeypatch):
    file = farm.settings.loras_dir / "ink.safetensors"
    save_file({"x": torch.zeros(1)}, file, {"modelspec.trigger_phrase": "ink style"})
    file.with_suffix(".png").write_bytes(picture())
    st.cache_data.clear()
    page = start(draft_image=picture(), draft_image_name="x.png", draft_loras=["gone"], draft_weight_gone=0.5)
    assert any("`farm models pull framepack`" in caption.value for caption in page.caption)
    assert any("The farm has it no more" in caption.value for caption in page.caption)
    page.text_area(key="draft_prompt").set_value("She waves.").run()
    page.multiselect(key="draft_loras").set_value(["ink"]).run()
    assert any('src="/loras/ink.jpg?v=' in str(html.proto.body) for html in page.get("html"))
    page.number_input(key="draft_weight_ink").set_value(-0.5).run()
    button(page, "ink style").click().run()
    assert page.text_area(key="draft_prompt").value == "She waves. ink style"
    button(page, "Queue video").click().run()
    assert "LoRA" in errors(page) and "'x' is no weight of a LoRA" in errors(page)
    assert page.session_state["draft_weight_ink"] == -0.5
    file.unlink()
    file.with_suffix(".png").unlink()
    st.cache_data.clear()


def test_the_crop_is_shown_before_submitting(start):
    page = start()
    buffer = io.BytesIO()
    Image.new("RGB", (400, 100), (180, 90, 60)).save(buffer, "PNG")
    page.session_state["draft_image"], page.session_state["draft_image_name"] = buffer.getvalue(), "wide.png"
    page.run()
    assert not errors(page)
    assert "The video is 128x128 pixels from 400x100, 75% of the picture cut off." in [c.value for c in page.caption]
    assert any("75% of it is cut off" in caption.value for caption in page.caption)
    page.segmented_control(key="draft_image_fit").set_value("pad").run()
    assert not errors(page)
    assert not any("is cut off" in caption.value for caption in page.caption)
    assert "The video is 128x128 pixels from 400x100, whole picture between black bars." in [
        c.value for c in page.caption
    ]


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
        assert page.selectbox(key="draft_resolution").options == ["128 (the model's own)", "64", "128"]
        assert page.selectbox(key="draft_resolution").proto.placeholder == "128 (the model's own)"
        assert page.selectbox(key="draft_output_fps").proto.placeholder == "30 (as made)"
        button(page, "Queue video").click().run()
        assert not errors(page)
        job = farm.client.jobs(limit=1)["jobs"][0]
        assert [job["request"][name] for name in pixels.FIELDS] == ["crop", 0.5, None, 0.5, -0.5, 60, "motion", "auto"]
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


def test_several_videos_from_one_draft(start, farm: RunningFarm):
    page = start(draft_image=picture(), draft_image_name="x.png")
    page.text_area(key="draft_prompt").set_value("The puppet waves").run()
    page.text_area(key="draft_more_prompts").set_value("The puppet bows\n\n").run()
    page.number_input(key="draft_seeds").set_value(2).run()
    page.text_area(key="draft_sweeps").set_value("steps=1,2").run()
    farm.working.clear()
    try:
        button(page, "Queue 8 videos").click().run()
        assert not page.exception and not page.error
        assert page.title[0].value == "Queue" and len(page.dataframe) == 1
        made = [job for job in farm.client.jobs(limit=50)["jobs"] if job["batch"]]
        assert len(made) == 8 and len({job["batch"] for job in made}) == 1
        assert {(job["prompt"], job["request"]["steps"]) for job in made} == {
            (prompt, steps) for prompt in ("The puppet waves", "The puppet bows") for steps in (1, 2)
        }
        assert len({job["request"]["seed"] for job in made}) == 2
        page = start(draft_image=picture(), draft_image_name="x.png")
        page.text_area(key="draft_prompt").set_value("The puppet waves").run()
        page.text_area(key="draft_sweeps").set_value("stepz=1").run()
        button(page, "Queue video").click().run()
        assert "Did you mean 'steps'" in errors(page)
        farm.client.act("cancel", [job["id"] for job in made])
    finally:
        farm.working.set()


def test_an_example_picture_is_one_click_away(start):
    page = start()
    button(page, "dancer").click().run()
    assert not errors(page) and any("dancer" in caption.value and "pixels" in caption.value for caption in page.caption)
    assert (
        any("Drawn figures, like those of the examples" in caption.value for caption in page.caption)
        and not page.warning
    )


def test_a_photograph_for_a_model_of_drawings_is_warned_of(start):
    buffer = io.BytesIO()
    blank_picture("noise", (64, 64), 1).save(buffer, "PNG")
    page = start(draft_image=buffer.getvalue(), draft_image_name="photo.png")
    assert not errors(page) and "looks like a photograph" in page.warning[0].value


def test_a_prompt_that_can_not_be_read_is_marked_there_and_not_sent(start):
    page = start(draft_image=picture(), draft_image_name="x.png")
    page.text_area(key="draft_prompt").set_value("[0s-9s: She waves]").run()
    assert "goes beyond the video's end" in errors(page) and button(page, "Queue video").disabled
    assert any("marked there" in caption.value for caption in page.caption)
    page.text_area(key="draft_prompt").set_value("[0s-4s: She waves]").run()
    assert not errors(page) and not button(page, "Queue video").disabled


def test_timed_prompts_are_edited_as_rows(start):
    page = start()
    prompt = page.text_area(key="draft_prompt")
    prompt.set_value("A girl. [2.4s: She spins.]").run()
    page.text_input(key="timed_0_text").set_value("She [slowly] bows.").run()
    assert prompt_of(page) == "A girl. [2.4s: She (slowly) bows.]"
    page.number_input(key="timed_0_stop").set_value(3.6).run()
    page.text_input(key="timed_new_text").set_value("She leaves.")
    button(page, "Add").click().run()
    assert prompt_of(page) == "A girl. [2.4s-3.6s: She (slowly) bows.] [3.6s: She leaves.]"
    assert any(c.value.replace("\\", "") == "3.6-4.8 s: A girl. She leaves." for c in page.caption)
    page.button(key="timed_0_remove").click().run()
    assert prompt_of(page) == "A girl. [3.6s: She leaves.]" and not errors(page)


def prompt_of(page: AppTest) -> str:
    return str(page.text_area(key="draft_prompt").value)


def test_the_form_is_saved_as_a_preset_and_chosen_then(start, farm: RunningFarm):
    page = start()
    page.text_area(key="draft_prompt").set_value("She waves.").run()
    page.slider(key="draft_steps").set_value(7).run()
    page.selectbox(key="draft_cache").set_value("taylor").run()
    name, suggest = (next(w for w in kind if w.label == label) for kind, label in FORM(page))
    name.set_value("Slow")
    suggest.check()
    button(page, "Save preset").click().run()
    assert not errors(page) and page.selectbox(key="draft_preset").value == "Slow"
    saved = next(preset for preset in farm.client.presets()["presets"] if preset["name"] == "Slow")
    assert saved["prompts"] == ["She waves."]
    assert saved["values"] == {
        "steps": 7, "cache": "taylor", "model_type": "puppet", "total_second_length": 5.0, "order": "bisect",
    }  # fmt: skip
    farm.client.delete_preset("Slow")
    st.cache_data.clear()


def FORM(page: AppTest):
    return (page.text_input, "Name"), (page.checkbox, "Suggest the prompt, too")


def test_a_draft_is_queued_as_one(start, farm: RunningFarm):
    farm.working.clear()
    try:
        page = start(draft_image=picture(), draft_image_name="x.png")
        page.text_area(key="draft_prompt").set_value("p").run()
        page.toggle(key="draft_draft").set_value(True).run()
        button(page, "Queue draft").click().run()
        assert not errors(page)
        job = farm.client.jobs(limit=1)["jobs"][0]
        assert job["draft"] and job["request"]["steps"] == 10 and job["request"]["full"]["steps"] == 25
        farm.client.cancel(job["id"])
    finally:
        farm.working.set()


def test_example_pictures_are_those_of_the_readme():
    root = Path(__file__).parents[3]
    found = {path.name: path.read_bytes() for path in EXAMPLES}
    assert found == {path.name: path.read_bytes() for path in (root / "examples").glob("*.png")} and found


def test_a_dropped_file_brings_every_setting_back(start, farm: RunningFarm, tmp_path: Path):
    fields = {
        "prompt": "The puppet waves; again",
        "gs": 7.25,
        "seed": 2**60,
        "cfg": 1.5,
        "loras": [],
        "order": "inverted",
    }
    job = farm.client.submit(picture(), {**fields, "total_second_length": 3.6, "name": "Wave"})
    farm.client.cancel(job["id"])
    page = start()
    page.file_uploader[0].upload(
        "wave.json", json.dumps({"request": job["request"]}).encode(), "application/json"
    ).run()
    assert not errors(page)
    state = page.session_state
    assert (state["draft_seed"], state["draft_random_seed"], state["draft_gs"]) == (str(2**60), False, 7.25)
    assert (state["draft_prompt"], state["draft_order"], state["draft_cfg"]) == (fields["prompt"], "inverted", 1.5)
    assert state["draft_total_second_length"] == 3.6 and state["draft_name"] == "Wave"
    page.number_input(key="draft_total_second_length").set_value(2.4).run()
    assert page.session_state["draft_total_second_length"] == 2.4, "it is taken over once"


def test_dropped_settings_of_studio_say_what_is_left_out(start, farm: RunningFarm):
    job = {"prompt": "waves", "resolutionW": 64, "resolutionH": 64, "seed": 5, "surprise": 1, "latent_window_size": 9}
    page = start()
    page.file_uploader[0].upload("studio.json", json.dumps(job).encode(), "application/json").run()
    assert not errors(page) and page.session_state["draft_seed"] == "5"
    assert any("surprise" in caption.value for caption in page.caption)
    page.file_uploader[0].upload("bad.json", b"[1]", "application/json").run()
    assert "bad.json holds no JSON object" in errors(page)
