"""The puppet's renderer at two sizes."""

import pytest
import torch

from farm.errors import InputError
from model.families import load
from model.family import Renderer, WithSizes
from model.puppet.build import detailed, read
from tests.support.api import picture
from tests.support.machine import here
from tests.support.tiny import tiny_checkpoint


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    folder = tmp_path_factory.mktemp("detailed")
    detailed(read(tiny_checkpoint(folder / "tiny"), here()), 1).save(folder / "detailed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARM_PUPPET_PATH", str(folder / "detailed"))
        return load("puppet", here())


def test_one_model_in_memory_draws_two_sizes_in_turn(renderer: Renderer) -> None:
    assert isinstance(renderer, WithSizes)
    small, large = renderer.at(64), renderer.at(None)
    assert large is renderer.at(128) is renderer and small is renderer.at(64) is small.at(64)
    assert small.preview.__self__ is not renderer and small.transformer is renderer.transformer
    start = renderer.encode(picture(), ("The puppet waves",), "")["start_latent"]
    latents = torch.cat([start, start], dim=1)
    sizes = [tuple(each.decode(latents).shape) for each in (large, small, large)]
    assert sizes == [(5, 128, 128, 3), (5, 64, 64, 3), (5, 128, 128, 3)]
    assert small.encode(picture(), ("The puppet waves",), "")["start_latent"].shape == start.shape
    assert torch.equal(small.preview(latents), large.preview(latents))
    with pytest.raises(InputError, match="resolution 96: model 'puppet' has 64, 128"):
        renderer.at(96)


def test_a_codec_that_fails_is_as_it_was(renderer: Renderer) -> None:
    assert isinstance(renderer, WithSizes)
    with pytest.raises(RuntimeError):
        renderer.at(64).decode(torch.zeros(3, 1, 8, 8))
    assert renderer.decode(torch.zeros(16, 1, 8, 8)).shape == (1, 128, 128, 3)
