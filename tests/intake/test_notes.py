"""What is said before a job is rendered."""

import io

import pytest

from farm.intake.request import accept
from model.footage.media import Media
from model.footage.opening import blank_picture
from plugins.manager import PluginManager
from tests.intake.test_request import image, plugins, tiny_puppet
from tests.support.clips import clip, flat, talking

__all__ = ["image", "plugins", "tiny_puppet"]


def notes(plugins: PluginManager, media: Media, **fields: object) -> str:
    return " ".join(accept({"prompt": "p", **fields}, media, plugins=plugins).notes)


def test_an_ordinary_job_has_none(image: bytes, plugins: PluginManager):
    assert notes(plugins, Media(image)) == ""


def test_a_crop_that_cuts_most_of_a_picture_is_said(plugins: PluginManager):
    said = notes(plugins, Media(flat("red", 64, 4000)))
    assert "the start image is 64x4000 pixels and the video 64x64: 98% of it is cut off" in said
    said = notes(plugins, Media(flat("red"), end_image=flat("blue", 400, 64)))
    assert "the end image is 400x64" in said and "start image" not in said
    assert notes(plugins, Media(flat("red", 120, 64))) == ""


def test_a_photograph_for_a_model_of_drawings_is_said(plugins: PluginManager):
    buffer = io.BytesIO()
    blank_picture("noise", (64, 64), 1).save(buffer, "PNG")
    assert "looks like a photograph, and model 'puppet' moves drawn figures" in notes(plugins, Media(buffer.getvalue()))


def test_a_timed_prompt_that_goes_on_is_said(image: bytes, plugins: PluginManager):
    said = notes(plugins, Media(image), prompt="[0s: up] [1.2s-3.3s: rest]", total_second_length=6)
    assert said == "the last timed prompt ends at 3.3 s and goes on to 6.0 s."


@pytest.mark.parametrize(("output", "word"), [("joined", True), ("extension", False)])
def test_sound_that_is_left_out_is_said(plugins: PluginManager, output: str, word: bool):
    assert (
        "sound of the given video is left out"
        in notes(plugins, Media(video=talking()), extend_output=output, exporter="gif")
    ) is word
    assert notes(plugins, Media(video=clip(24))) == ""


def test_an_experimental_order_is_said(image: bytes, plugins: PluginManager):
    assert "was not trained for the order 'fanout:5'" in notes(plugins, Media(image), order="fanout:5")
