"""The codec of larger puppets: it holds a small one, which it does not change, and is cut like it."""

import json

import pytest
import torch

from model.puppet.codec import AutoencoderPuppet
from model.puppet.layered import LayeredAutoencoderPuppet


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    small = AutoencoderPuppet(width=16, encoder_blocks=1, decoder_blocks=1, scaling_factor=1.25)
    made = LayeredAutoencoderPuppet(
        base={name: value for name, value in small.config.items() if not name.startswith("_")},
        detail_channels=4,
        widths=(16, 16, 8),
        encoder_blocks=(1, 1, 1),
        decoder_blocks=(1, 1, 1),
        scaling_factor=1.25,
    )
    return made.eval()


@torch.no_grad()
def test_one_and_four_frames_per_latent(codec):
    video = torch.rand(2, 3, 9, 64, 96) * 2 - 1
    latents = codec.encode(video).latent_dist.mode()
    assert latents.shape == (2, 20, 3, 4, 6)
    assert codec.decode(latents).sample.shape == video.shape


@torch.no_grad()
def test_its_first_channels_are_those_of_the_codec_for_half_the_size(codec):
    video = torch.rand(1, 3, 5, 64, 64) * 2 - 1
    half = torch.nn.functional.avg_pool2d(video[0].transpose(0, 1), 2).transpose(0, 1)[None]
    wanted = codec.coarse.encode(half).latent_dist.mode()
    assert torch.allclose(codec.encode(video).latent_dist.mode()[:, :16], wanted, atol=1e-5)


@torch.no_grad()
def test_before_it_has_learnt_it_shows_the_base_enlarged(codec):
    latents = torch.randn(1, 20, 2, 4, 4)
    small = codec.coarse.decode(latents[:, :16]).sample[0].transpose(0, 1)
    large = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
    bias = codec.decode_out.bias[None, :, None, None].expand(1, -1, 16, 16)
    flat = torch.nn.functional.pixel_shuffle(bias, 4).unflatten(1, (3, 4))[0].transpose(0, 1)
    assert torch.allclose(codec.decode(latents).sample[0].transpose(0, 1)[1:], large[1:] + flat, atol=1e-5)


@torch.no_grad()
def test_a_video_decodes_in_pieces(codec):
    latents = torch.randn(1, 20, 5, 4, 4)
    whole = codec.decode(latents).sample
    assert torch.equal(whole[:, :, -9:], codec.decode(latents[:, :, 2:]).sample)


@torch.no_grad()
def test_settling_changes_no_latent(codec):
    torch.manual_seed(1)
    other = LayeredAutoencoderPuppet.from_config(codec.config)
    groups = torch.rand(4, 3, 4, 64, 64) * 2 - 1
    for _ in range(3):
        other.train().encode_groups(groups)  # its statistics move
    before = other.eval().encode_groups(groups)
    other.settle(groups)
    assert other.config.settled and torch.allclose(other.encode_groups(groups), before, atol=1e-5)
    again = LayeredAutoencoderPuppet.from_config(json.loads(other.to_json_string()))
    again.load_state_dict(other.state_dict())
    assert torch.equal(again.eval().encode_groups(groups), other.encode_groups(groups))


def test_wrong_sizes_are_refused(codec):
    with pytest.raises(ValueError, match="multiples of 16"):
        codec.encode(torch.zeros(1, 3, 5, 64, 72))
