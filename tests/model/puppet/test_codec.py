"""The puppet's codec: shapes, cuts, and errors."""

import pytest
import torch

from model.puppet.codec import AutoencoderPuppet


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    return AutoencoderPuppet(width=16, encoder_blocks=1, decoder_blocks=1).eval()


@torch.no_grad()
def test_one_and_four_frames_per_latent(codec):
    video = torch.rand(2, 3, 9, 32, 48) * 2 - 1
    latents = codec.encode(video).latent_dist.mode()
    assert latents.shape == (2, 16, 3, 4, 6)
    assert codec.decode(latents).sample.shape == video.shape


@torch.no_grad()
def test_a_video_decodes_in_pieces(codec):
    latents = torch.randn(1, 16, 5, 4, 4)
    whole = codec.decode(latents).sample
    piece = codec.decode(latents[:, :, 2:]).sample  # its first latent gives one frame, the last of its four
    assert torch.allclose(whole[:, :, -9:], piece, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 3, 4, 32, 32), (1, 3, 5, 30, 32)])
def test_wrong_sizes_are_refused(codec, shape):
    with pytest.raises(ValueError, match=r"1 \+ 4n frames"):
        codec.encode(torch.zeros(shape))


@torch.no_grad()
def test_a_deeper_decoder_starts_as_the_same_function(codec):
    deeper = AutoencoderPuppet.from_config(codec.config)
    deeper.load_state_dict(codec.state_dict())
    deeper.deepen_decoder(3)
    latents = torch.randn(1, 16, 2, 4, 4)
    assert deeper.config.decoder_blocks == len(deeper.decode_blocks) == 3
    assert torch.equal(deeper.decode(latents).sample, codec.decode(latents).sample)


@pytest.fixture(scope="module")
def detailed(codec):
    """The same, with details that have learnt something."""
    torch.manual_seed(1)
    larger = codec.with_details(2)
    torch.nn.init.normal_(larger.details.draw.weight)
    return larger


@torch.no_grad()
def test_details_begin_as_the_same_pictures_enlarged(codec):
    larger = codec.with_details(2)
    assert (codec.space, larger.space) == (8, 16)
    latents = torch.randn(1, 16, 2, 4, 6)
    small = codec.decode(latents).sample.transpose(1, 2).flatten(0, 1)
    wanted = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
    given = larger.decode(latents).sample.transpose(1, 2).flatten(0, 1)
    assert given.shape == wanted.shape == (5, 3, 64, 96)
    assert torch.allclose(given, wanted, atol=1e-6)


@torch.no_grad()
def test_a_codec_with_details_has_the_same_latents_and_small_pictures(codec, detailed, tmp_path):
    detailed.save_pretrained(tmp_path)
    read = AutoencoderPuppet.from_pretrained(tmp_path)
    video = torch.rand(1, 3, 5, 64, 96) * 2 - 1
    smaller = torch.nn.functional.avg_pool2d(video.transpose(1, 2).flatten(0, 1), 2)[None].transpose(1, 2)
    latents = read.encode(video).latent_dist.mode()
    assert torch.allclose(latents, codec.encode(smaller).latent_dist.mode(), atol=1e-6)
    large = read.decode(latents).sample
    read.disable_details()
    assert torch.equal(read.decode(latents).sample, codec.decode(latents).sample)
    assert torch.equal(read.encode(smaller).latent_dist.mode(), codec.encode(smaller).latent_dist.mode())
    read.enable_details()
    assert torch.equal(read.decode(latents).sample, large)
    assert large.shape == video.shape
    plain = detailed.with_details(0)
    assert plain.details is None and plain.config.detail_blocks == 0
    assert torch.equal(plain.decode(latents).sample, codec.decode(latents).sample)
