"""The codec of larger puppets: two layers, which begin as a small one's and are cut like it."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from model.puppet.codec import AutoencoderPuppet
from model.puppet.layered import LayeredAutoencoderPuppet


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    small = {"latent_channels": 16, "width": 16, "encoder_blocks": 1, "decoder_blocks": 1, "scaling_factor": 1.25}
    return LayeredAutoencoderPuppet(small, coarse_width=16, coarse_blocks=1, scaling_factor=1.25).eval()


@torch.no_grad()
def test_one_and_four_frames_per_latent(codec):
    video = torch.rand(2, 3, 9, 64, 96) * 2 - 1
    latents = codec.encode(video).latent_dist.mode()
    assert latents.shape == (2, 80, 3, 4, 6)
    assert codec.decode(latents).sample.shape == video.shape


@torch.no_grad()
def test_its_layers_are_those_of_codecs_for_half_and_for_all_of_the_picture(codec):
    groups = torch.rand(2, 3, 4, 64, 64) * 2 - 1
    latents = codec.encode_groups(groups)
    half = avg_pool2d(groups.flatten(1, 2), 2).unflatten(1, (3, 4))
    assert torch.equal(latents[:, :16], codec.coarse_encoder(half))
    whole = codec.fine_codec.encode_groups(groups)
    assert torch.equal(torch.nn.functional.pixel_shuffle(latents[:, 16:], 2), whole)
    assert torch.equal(codec.decode_groups(latents), codec.fine_codec.decode_groups(whole))


@torch.no_grad()
def test_an_encoder_has_the_layers_of_the_codec_that_it_is_part_of():
    small = AutoencoderPuppet(width=16, encoder_blocks=1, decoder_blocks=1)
    layered = LayeredAutoencoderPuppet(
        {"width": 16, "encoder_blocks": 1, "decoder_blocks": 1}, coarse_width=16, coarse_blocks=1
    )
    weights = {name: value for name, value in small.state_dict().items() if name.startswith("encode")}
    layered.coarse_encoder.load_state_dict(weights)
    groups = torch.rand(2, 3, 4, 32, 32)
    assert torch.equal(layered.coarse_encoder(groups), small.encode_groups(groups))


@torch.no_grad()
def test_a_video_decodes_in_pieces(codec):
    latents = torch.randn(1, 80, 5, 4, 4)
    whole = codec.decode(latents).sample
    assert torch.equal(whole[:, :, -9:], codec.decode(latents[:, :, 2:]).sample)


def test_wrong_sizes_are_refused(codec):
    with pytest.raises(ValueError, match="multiples of 16"):
        codec.encode(torch.zeros(1, 3, 5, 64, 72))
