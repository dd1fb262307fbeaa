"""``--from``: the settings that the farm writes into its files come back whole; other programs' are found."""

import json
import zipfile
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, PngImagePlugin

from farm.errors import InputError
from farm.intake.request import accept
from farm.intake.settings_files import Found, only, read_settings
from farm.jobs.submission import Submission
from farm.work.manifest import OF_ITS_TIME
from farm.work.reference import render_in_process
from model.footage.media import Media
from tests.support.api import picture
from tests.support.farms import Farm, alone, tiny

__all__ = ["alone", "tiny"]


def test_every_setting_comes_back_from_every_file(alone: Farm) -> None:
    asked = ["mp4:codec=h265,crf=30", "webm:output_fps=10", "ffv1", "mov-prores"]
    prompt = "A \u201cpuppet\u201d waves = bows; [0s: It waves]"
    job = alone.job(
        prompt=prompt, total_second_length=1.2, steps=1, exports=asked, gs=7.5, loras=[], name="Bow", owner="ann"
    )
    done = render_in_process(alone.store, alone.artifacts, job.id)
    assert done.state == "completed", done.error
    files = alone.store.artifacts(job.id)
    expected = json.loads(job.submission.model_dump_json(exclude=OF_ITS_TIME))
    expected = {name: value for name, value in expected.items() if not name.endswith("sha256") and name != "keyframes"}
    for name in ("video", "video-1", "video-2", "video-3", "contact_sheet", "manifest", "manifest-2"):
        [job_found] = read_settings(Path(alone.artifacts.path(files[name].key)))
        found = job_found.fields
        assert found == expected, name
        assert Submission.model_validate(found).job_order.exports == job.job_order.exports
        assert "owner" not in found


def test_texts_of_other_programs_are_found_wherever_they_stand(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("comment", "made at night")
    texts.add_text("settings", json.dumps({"steps": 30, "use_teacache": True}))
    Image.new("RGB", (8, 8)).save(tmp_path / "studio.png", pnginfo=texts)
    assert read_settings(tmp_path / "studio.png") == [Found({"steps": 30, "use_teacache": True})]


STUDIO: dict[str, Any] = {
    **{"app_version": "0.5", "prompt": "The puppet waves", "negative_prompt": "", "seed": 7, "steps": 4, "cfg": 1.0},
    **{"gs": 9.0, "rs": 0.0, "latent_type": "Noise", "timestamp": 1.5, "resolutionW": 64, "resolutionH": 64},
    **{"model_type": "puppet", "generation_type": "Original", "has_input_image": True, "input_image_path": None},
    **{"total_second_length": 1.2, "blend_sections": 4, "latent_window_size": 9, "num_cleaned_frames": 5},
    **{"end_frame_strength": 1.0, "end_frame_image_path": None, "end_frame_used": "False", "input_video": None},
    **{"video_path": None, "x_param": None, "y_values": None, "combine_with_source": False, "use_teacache": True},
    **{"teacache_num_steps": 25, "teacache_rel_l1_thresh": 0.15, "use_magcache": False, "magcache_threshold": 0.1},
    **{"magcache_max_consecutive_skips": 2, "magcache_retention_ratio": 0.25, "loras": {}},
}
"""Every key that FramePack-Studio writes beside a video."""


def test_a_picture_of_framepack_studio_has_a_text_for_each_setting(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    for name, value in STUDIO.items():
        if not isinstance(value, dict):
            texts.add_text(name, str(value))
    Image.new("RGB", (8, 8)).save(tmp_path / "studio.png", pnginfo=texts)
    [found] = read_settings(tmp_path / "studio.png")
    expected = {name: value for name, value in STUDIO.items() if value is not None and name != "loras"}
    assert found.fields == {**expected, "end_frame_used": False, "app_version": 0.5}
    accepted = accept(found.fields, picture())
    assert (accepted.request.prompt, accepted.request.gs, accepted.request.cache) == ("The puppet waves", 9.0, "tea")
    assert not any("left out" in note for note in accepted.notes)


def test_a_queue_of_framepack_studio_comes_with_its_pictures(tmp_path: Path) -> None:
    first, end, second = picture(), picture(96, 64), picture(64, 96)
    shared = {"created_at": 1.0, "queue_position": 1, "error": None}
    queue = {
        "a1": STUDIO
        | shared
        | {"id": "a1", "status": "running", "saved_input_image_path": "queue_images\\a1_input.png"}
        | {"saved_end_frame_image_path": "queue_images/a1_end_frame.png", "surprise": 3},
        "b2": STUDIO | shared | {"id": "b2", "status": "completed"},
        "c3": {
            "id": "c3", "status": "pending", **shared,
            "params": STUDIO | {"seed": 8, "input_image_path": "/home/ann/queue_images/c3_input.png"},
        },
    }  # fmt: skip
    with zipfile.ZipFile(tmp_path / "queue.zip", "w") as archive:
        archive.writestr("queue.json", json.dumps(queue))
        archive.writestr("queue_images/a1_input.png", first)
        archive.writestr("queue_images/a1_end_frame.png", end)
        archive.writestr("queue_images/c3_input.png", second)
    one, two = read_settings(tmp_path / "queue.zip")
    assert one.media == Media(image=first, end_image=end) and two.media == Media(image=second)
    assert accept(two.fields, two.media).request.seed == 8
    accepted = accept(one.fields, one.media)
    assert [note for note in accepted.notes if "left out" in note] == ["not understood and left out: surprise."]
    (tmp_path / "queue.json").write_text(json.dumps(queue))
    assert [found.fields for found in read_settings(tmp_path / "queue.json")] == [one.fields, two.fields]
    with pytest.raises(InputError, match="2 jobs; `farm submit --from"):
        only(tmp_path / "queue.zip", [one, two])


def test_a_file_without_settings_says_so(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "plain.png").read_bytes()[:40])
    with av.open(str(tmp_path / "plain.mp4"), "w") as video:
        stream = video.add_stream("libx264", rate=10)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        video.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        video.mux(stream.encode(None))
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "plain.mp4").read_bytes()[:100])
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "ended.json").write_text(json.dumps({"a": {"id": "a", "status": "completed"}}))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello" * 100)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "other.zip").read_bytes()[:60])
    (tmp_path / "text.txt").write_text("hello")
    for name, message in {
        "plain.png": "holds no settings",
        "plain.mp4": "holds no settings",
        "cut.png": "can't be read",
        "cut.mp4": "can't be read",
        "list.json": "holds no JSON object",
        "ended.json": "holds no job that waits",
        "other.zip": "holds no queue.json",
        "cut.zip": "is no whole ZIP file",
        "text.txt": "is no JSON file",
        "none.mp4": "No such file",
    }.items():
        with pytest.raises(InputError, match=message):
            read_settings(tmp_path / name)
