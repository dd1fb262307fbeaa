"""A family's facts are read from its checkpoint, or refused with the field that is at fault."""

from dataclasses import replace

import pytest

from farm.errors import CheckpointError, InputError
from model.families import checkpoint
from model.families.registry import _info
from tests.support.machine import here


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"layout": "f1k1_x_td_f16k4f2k2f1k1_g9+D"}, r"bad or missing field \(layout .*discretised \(\+D\)"),
        ({"layout": "f1k1"}, "has no window"),
        ({"cache": "tee"}, "unknown cache 'tee'"),
        ({"fps": "many"}, "bad or missing field"),
        ({"buckets": [[64]]}, "bad or missing field"),
        (
            {"buckets": [[64, 64]], "latent_pixels": 8, "resolutions": [60], "same_latents": True},
            "resolutions: 60 is no",
        ),
    ],
)
def test_bad_facts_are_refused(facts: dict[str, object], message: str) -> None:
    puppet = checkpoint("puppet", here())
    with pytest.raises(CheckpointError, match=message) as caught:
        _info("puppet", replace(puppet, family={**puppet.family, **facts}))
    assert "family.json" in str(caught.value)


@pytest.mark.parametrize(("same", "pixels"), [(False, 16), (True, 8)])
def test_at_another_resolution_a_picture_has_fewer_latents_or_smaller_ones(same: bool, pixels: int) -> None:
    puppet = checkpoint("puppet", here())
    facts = {"buckets": [[128, 128]], "latent_pixels": 16, "resolutions": [64], "same_latents": same}
    info = _info("puppet", replace(puppet, family={**puppet.family, **facts}))
    small = info.at(64)
    assert (small.resolution, small.buckets, small.latent_pixels) == (64, ((64, 64),), pixels)
    assert info.at(None) is info.at(128) is info and info.pixels(8, 8) == (128, 128)
    with pytest.raises(InputError, match="resolution 96: model 'puppet' has 64, 128"):
        info.at(96)
