"""The door for new jobs: what the user says wins, what can't work is refused in one line."""

import hashlib
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from farm.errors import InputError
from farm.intake.request import RANDOM_SEEDS, accept, build_request
from farm.jobs.submission import Submission
from model.checkpoint import write_checksums
from model.families import describe
from model.footage.media import Media
from plugins.manager import PluginManager
from tests.support.clips import clip, flat
from tests.support.machine import here
from tests.support.tiny import tiny_checkpoint

MINE = """
name = "Mine"
description = "Made for this test."
[values]
steps = 33
gs = 7.5
seed = 11
order = "inverted"
total_second_length = 3.0
"""


@pytest.fixture(scope="module")
def image() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (80, 64), "orange").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> PluginManager:
    folder = tmp_path_factory.mktemp("presets")
    (folder / "mine.toml").write_text(MINE)
    return PluginManager(presets_dir=folder, packages=False)


@pytest.fixture(autouse=True)
def tiny_puppet(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path_factory.getbasetemp() / "submission-checkpoint"
    monkeypatch.setenv("FARM_PUPPET_PATH", str(path if path.exists() else tiny_checkpoint(path)))


def test_only_a_prompt_is_needed(image: bytes, plugins: PluginManager):
    request = build_request({"prompt": "  The puppet waves. "}, image, plugins=plugins)
    default = plugins.presets.get("Default").values
    assert request.prompt == "The puppet waves."
    assert request.image_sha256 == hashlib.sha256(image).hexdigest()
    assert {name: getattr(request, name) for name in default} == default
    assert Submission.model_validate_json(request.model_dump_json()) == request


def test_user_over_preset_over_default(image: bytes, plugins: PluginManager):
    request = build_request({"prompt": "p", "preset": "mine", "gs": 4, "cfg": None}, image, plugins=plugins)
    assert request.preset == "Mine"
    assert (request.gs, request.steps, request.cfg) == (4.0, 33, 1.0)
    assert (request.seed, request.order, request.total_second_length) == (11, "inverted", 3.0)


def test_a_user_s_value_equal_to_the_default_still_wins(image: bytes, plugins: PluginManager):
    assert build_request({"prompt": "p", "preset": "Mine", "steps": 25}, image, plugins=plugins).steps == 25


@pytest.mark.parametrize("seed", [None, -1, "-1"])
def test_seed_is_drawn_when_not_chosen(image: bytes, plugins: PluginManager, seed: object):
    seeds = {build_request({"prompt": "p", "seed": seed}, image, plugins=plugins).seed for _ in range(8)}
    assert len(seeds) > 1
    assert all(0 <= drawn < RANDOM_SEEDS for drawn in seeds)
    assert build_request({"prompt": "p", "seed": 0}, image, plugins=plugins).seed == 0


@pytest.mark.parametrize(("fields", "seed"), [({}, 5), ({"preset": "mine"}, 11), ({"seed": 3}, 3)])
def test_a_seed_of_the_callers_is_for_requests_without_one(
    image: bytes, plugins: PluginManager, fields: dict[str, object], seed: int
):
    assert accept({"prompt": "p", **fields}, image, plugins=plugins, seed=5).request.seed == seed
    drawn = {accept({"prompt": "p", "seed": -1}, image, plugins=plugins, seed=5).request.seed for _ in range(8)}
    assert len(drawn) > 1


def test_names_are_written_as_they_are_known(image: bytes, plugins: PluginManager):
    fields = {"prompt": "p", "order": " FANOUT:04 ", "exporter": "MP4", "preset": "dance"}
    request = build_request(fields, image, plugins=plugins)
    assert (request.order, request.exporter, request.preset) == ("fanout:4", "mp4", "Dance")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": " \n"}, "the prompt is empty"),
        ({"prompt": None}, "prompt is missing"),
        ({"prompt": "x" * 2001}, "prompt is 'xxx.*at most 2000 characters"),
        ({"promt": "p"}, "unknown field 'promt'. Did you mean 'prompt'"),
        ({"steps": 0}, "steps is 0; it should be greater than or equal to 1"),
        ({"steps": "many"}, "steps is 'many'; it should be a valid integer"),
        ({"gs": float("nan")}, "gs is nan; it should be a finite number"),
        ({"seed": -2}, "seed is -2"),
        ({"total_second_length": 0}, "total_second_length is 0; it should be greater than 0"),
        ({"total_second_length": 3601}, "total_second_length is 3601"),
        ({"order": "bisekt"}, "unknown order 'bisekt'. Did you mean 'bisect'"),
        ({"order": "fanout:0"}, "fanout needs the anchors"),
        ({"order": 5}, "order is 5; expected a text"),
        ({"exporter": "mp5"}, "unknown exporter 'mp5'"),
        ({"preset": "Dence"}, "unknown preset 'Dence'. Did you mean 'Dance'"),
        ({"model_type": "muppet"}, "'muppet'.*puppet"),
        ({"sampler": "magic"}, "unknown sampler 'magic'. Available: DEISMultistepScheduler, "),
        ({"image_sha256": "0" * 64}, "image_sha256 does not match"),
    ],
)
def test_refusals_are_one_line(image: bytes, plugins: PluginManager, fields: dict[str, object], expected: str):
    with pytest.raises(InputError, match=expected) as caught:
        build_request({"prompt": "p", **fields}, image, plugins=plugins)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"GIF89a not really", b"<svg/>"])
def test_refuses_what_is_no_image(plugins: PluginManager, data: bytes):
    with pytest.raises(InputError, match="image"):
        build_request({"prompt": "p"}, data, plugins=plugins)


FILES = [
    (Media(None), {}, "there is no start image; model 'puppet' needs one"),
    (Media(flat("red"), end_image=b"no"), {}, "end image: the file is not an image"),
    (Media(flat("red"), end_image=flat("red")[:60]), {}, "end image: .*damaged or cut short"),
    (Media(flat("red"), keyframes=(flat("red"), b"")), {"keyframes": [1.2, 2.4]}, "keyframe 2: .*empty"),
    (Media(flat("red"), keyframes=(flat("red"),)), {}, "0 seconds in keyframes and 1 pictures"),
    (Media(flat("red")), {"keyframes": [2.4]}, "1 seconds in keyframes and 0 pictures"),
    (Media(flat("red")), {"keyframes": 2.4}, "keyframes is 2.4; expected a list"),
    (Media(flat("red"), keyframes=(flat("red"),)), {"keyframes": ["soon"]}, r"keyframes\.0\.second is 'soon'"),
    (Media(flat("red"), keyframes=(flat("red"),)), {"keyframes": [{"at": 2}]}, r"keyframes\.0\.second is missing"),
    (Media(flat("red"), keyframes=(flat("red"),)), {"keyframes": [7]}, "stand on the seams"),
    (Media(flat("red"), end_image=flat("red")), {"end_image_sha256": "0" * 64}, "end_image_sha256 does not match"),
    (Media(flat("red")), {"end_image_sha256": "0" * 64}, "end_image_sha256 does not match"),
    (Media(flat("red"), end_image=flat("blue")), {"end_image_strength": 0}, "end_image_strength is 0"),
    (Media(flat("red"), end_image=flat("blue")), {"exact_length": True}, "trims the end"),
    (Media(flat("red"), video=clip()), {}, "leave out the other image"),
    (Media(video=clip(12)), {}, r"12 frames at 30 fps; its context needs 17"),
    (Media(video=b"not a video at all"), {}, "the video can't be read"),
    (Media(video=clip(), end_image=flat("red")), {"extend": "start"}, "leave one out"),
    (Media(flat("red")), {"prompt": "[0s-9s: x]"}, "beyond the video's end"),
    (Media(flat("red")), {"prompt_blend_sections": 11}, "prompt_blend_sections is 11"),
]


@pytest.mark.parametrize(("media", "fields", "expected"), FILES)
def test_files_that_cannot_be_used_are_refused_in_one_line(
    plugins: PluginManager, media: Media, fields: dict[str, object], expected: str
):
    with pytest.raises(InputError, match=expected) as caught:
        build_request({"prompt": "p", **fields}, media, plugins=plugins)
    assert "\n" not in str(caught.value)


def test_files_are_named_by_their_hashes(plugins: PluginManager):
    media = Media(flat("red"), flat("blue"), (flat("green"), flat("white")))
    request = build_request({"prompt": "p", "keyframes": [1.2, {"second": 2.5}]}, media, plugins=plugins)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in media.files().items()}
    assert request.files == hashes and Media.from_files(media.files()) == media
    assert [keyframe.second for keyframe in request.keyframes] == [1.2, 2.5]
    assert Submission.model_validate_json(request.model_dump_json()) == request
    again = build_request(request.model_dump(mode="json"), media, plugins=plugins)
    assert again == request


def test_names_of_framepack_studio_are_understood(image: bytes, plugins: PluginManager):
    fields = {"prompt": "p", "blend_sections": 2, "end_frame_strength": 0.4}
    request = build_request(fields, Media(image, end_image=image), plugins=plugins)
    assert (request.prompt_blend_sections, request.end_image_strength) == (2, 0.4)


def test_an_extended_video_needs_no_image(plugins: PluginManager):
    request = build_request({"prompt": "p"}, Media(video=clip()), plugins=plugins)
    assert set(request.files) == {"source_video"} and request.given.extend == "end" and request.joins_video


def test_length_beyond_the_model(image: bytes, plugins: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoint = tiny_checkpoint(tmp_path / "checkpoint")
    facts = json.loads((checkpoint / "family.json").read_text())
    (checkpoint / "family.json").write_text(json.dumps(facts | {"max_seconds": 10}))
    write_checksums(checkpoint)
    monkeypatch.setenv("FARM_PUPPET_PATH", str(checkpoint))
    assert build_request({"prompt": "p", "total_second_length": 10}, image, plugins=plugins)
    with pytest.raises(InputError, match=r"length is 10\.5; model 'puppet' makes videos of at most 10 sec"):
        build_request({"prompt": "p", "total_second_length": 10.5}, image, plugins=plugins)


def test_presets_of_the_home_are_found(farm_home: Path, image: bytes):
    (farm_home / "presets").mkdir(parents=True)
    (farm_home / "presets" / "mine.toml").write_text(MINE)
    assert build_request({"prompt": "p", "preset": "Mine"}, image).steps == 33


def test_auto_becomes_the_cache_that_the_family_recommends(image: bytes, plugins: PluginManager):
    asked = {"prompt": "x", "cache": "auto"}
    assert build_request(asked, image, plugins=plugins).cache == describe("puppet", here()).cache == "none"


def test_mag_needs_a_calibration_of_the_model(image: bytes, plugins: PluginManager):
    with pytest.raises(InputError, match="cache 'mag' needs a calibration, and model 'puppet' has none"):
        build_request({"prompt": "x", "cache": "mag"}, image, plugins=plugins)
    given = build_request({"prompt": "x", "cache": "Mag", "magcache_ratios": [1.0, 0.98]}, image, plugins=plugins)
    assert (given.cache, given.magcache_ratios) == ("mag", (1.0, 0.98))


TEXTS = ("prompt", "n_prompt", "name", "owner", "preset", "model_type", "order", "exporter", "sampler", "cache")


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("bad", ["a\0b", "a\x1bb", "a\ud800"])
def test_no_text_holds_control_characters(image: bytes, plugins: PluginManager, field: str, bad: str):
    with pytest.raises(InputError) as caught:
        build_request({"prompt": "p", field: bad}, image, plugins=plugins)
    assert field in str(caught.value) or "unknown" in str(caught.value)


def test_a_lora_name_holds_none_either(image: bytes, plugins: PluginManager):
    for lora in ("a\0b", {"name": "a\0b"}):
        with pytest.raises(InputError, match="control characters"):
            build_request({"prompt": "p", "loras": [lora]}, image, plugins=plugins)


def test_prompt_that_cannot_be_seen_is_none(image: bytes, plugins: PluginManager):
    for prompt in ("\u200b", "\u200d\u2060 \ufeff"):
        with pytest.raises(InputError, match="prompt"):
            build_request({"prompt": prompt}, image, plugins=plugins)


def test_prompt_keeps_its_lines(image: bytes, plugins: PluginManager):
    assert build_request({"prompt": "one\r\ntwo\tthree"}, image, plugins=plugins).prompt == "one\ntwo\tthree"


def test_the_door_crops_as_a_replica_does(plugins: PluginManager):
    """412x549 failed in the replica, three times, and looked fine at the door."""
    accepted = accept({"prompt": "p"}, flat("red", 412, 549), plugins=plugins)
    assert (accepted.facts["image"].width, accepted.facts["image"].height) == (412, 549)
