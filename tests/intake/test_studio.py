"""FramePack-Studio's own settings become a request, and what is not understood is listed."""

import json
from typing import Any

import pytest

from farm.errors import InputError
from farm.intake.request import accept
from farm.intake.studio import is_studio, model_named, translate
from farm.jobs.submission import Submission
from plugins.manager import PluginManager
from tests.intake.test_request import image, plugins, tiny_puppet

__all__ = ["image", "plugins", "tiny_puppet"]

KNOWN = list(Submission.model_fields)
JOB: dict[str, Any] = {
    "prompt": "The person dances",
    "negative_prompt": "blurry",
    "seed": 2500,
    "steps": 25,
    "cfg": 1.0,
    "gs": 10.0,
    "rs": 0.0,
    "latent_type": "Noise",
    "total_second_length": 6,
    "blend_sections": 4,
    "latent_window_size": 9,
    "resolutionW": 640,
    "resolutionH": 640,
    "use_teacache": False,
    "teacache_num_steps": 25,
    "teacache_rel_l1_thresh": 0.15,
    "use_magcache": True,
    "magcache_threshold": 0.1,
    "magcache_max_consecutive_skips": 2,
    "magcache_retention_ratio": 0.25,
    "loras": {"style": 0.8},
    "model_type": "Original",
    "end_frame_strength": 1.0,
}


def translated(**changes: Any) -> tuple[dict[str, Any], list[str]]:
    fields = {name: value for name, value in (JOB | changes).items() if value is not None}
    from farm.intake.studio import ALIASES

    return translate({ALIASES.get(name, name): value for name, value in fields.items()}, KNOWN, [480, 640], 9)


def test_every_key_of_a_job_is_understood():
    made, notes = translated()
    assert notes == []
    assert made["n_prompt"] == "blurry" and made["cache"] == "mag" and made["resolution"] == 640
    assert made["latent_type"] == "noise" and made["loras"] == [{"name": "style", "weight": 0.8}]
    assert made["prompt_blend_sections"] == 4 and made["end_image_strength"] == 1.0
    assert set(made) <= set(KNOWN)


@pytest.mark.parametrize(
    ("switches", "cache"),
    [((True, False), "tea"), ((False, True), "mag"), ((True, True), "mag"), ((False, False), "none")],
)
def test_switches_choose_the_cache(switches: tuple[bool, bool], cache: str):
    assert translated(use_teacache=switches[0], use_magcache=switches[1])[0]["cache"] == cache


def test_what_is_changed_or_left_out_is_listed():
    made, notes = translated(resolutionW=512, resolutionH=448, latent_window_size=12, mp4_crf=80, x_param="Seed", y=1)
    assert made["resolution"] == 480 and made["mp4_crf"] == 51
    text = " ".join(notes)
    assert "not understood and left out: x_param, y." in text
    assert "latent_window_size 12: the model's own is 9" in text and "mp4_crf 80" in text


@pytest.mark.parametrize(
    ("words", "family"),
    [
        ("Original", "framepack"), ("F1", "framepack-f1"), ("Original with Endframe", "framepack"),
        ("F1 with Endframe", "framepack-f1"), ("video f1", "framepack-f1"), ("puppet", "puppet"), (7, 7),
    ],
)  # fmt: skip
def test_generation_types_name_families(words: object, family: object):
    assert model_named(words) == family


def test_ours_is_not_taken_for_studios(image: bytes, plugins: PluginManager):
    assert not is_studio({"prompt": "p", "negative_prompt": "x", "blend_sections": 3})
    with pytest.raises(InputError, match="unknown field 'promt'"):
        accept({"prompt": "p", "promt": "x"}, image, plugins=plugins)


def test_a_job_is_accepted_with_its_notes(image: bytes, plugins: PluginManager):
    job = json.loads(json.dumps(JOB | {"model_type": "puppet", "loras": {}, "use_magcache": False, "surprise": 1}))
    accepted = accept(job, image, plugins=plugins)
    request = accepted.request
    assert (request.n_prompt, request.seed, request.latent_type, request.cache) == ("blurry", 2500, "noise", "none")
    assert request.resolution == 64
    assert any("left out: surprise" in note for note in accepted.notes)
    assert any("resolution 640" in note for note in accepted.notes)


def test_a_model_that_is_not_here_says_how_to_get_it(image: bytes, plugins: PluginManager):
    with pytest.raises(Exception, match="farm models pull framepack"):
        accept(JOB, image, plugins=plugins)
