"""Previews: colours from latents by one matrix."""

import random
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo
from torch import nn

import model.families as families
from model.facts import family_facts
from model.family import SamplingParams
from model.preview import LatentColours, colours_of, fit_colours
from model.puppet.world import render_clip, sample_puppet
from tests.support.machine import here


def test_colours_are_a_matrix_and_a_bias_clamped_and_rounded() -> None:
    colours = LatentColours.of([[0.5, 0.0, 0.0], [0.0, 2.0, 0.0]], [0.25, 0.0, -1.0])
    latents = torch.tensor([1.0, 0.1]).view(2, 1, 1, 1).expand(2, 3, 4, 5)
    frames = colours.frames(latents)
    assert frames.shape == (3, 4, 5, 3) and frames.dtype == torch.uint8
    assert frames[2, 3, 4].tolist() == [191, 51, 0]


def test_hunyuan_videos_codec_has_known_colours() -> None:
    """A grey latent of zeros shows the bias alone, as in FramePack's demo."""
    tiny = dict.fromkeys(("down_block_types",), ("HunyuanVideoDownBlock3D",) * 4) | dict.fromkeys(
        ("up_block_types",), ("HunyuanVideoUpBlock3D",) * 4
    )
    codec = AutoencoderKLHunyuanVideo(
        latent_channels=16, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, **tiny
    )
    known = colours_of(codec, family_facts("framepack"))
    assert known.factors.shape == (16, 3)
    assert known.frames(torch.zeros(16, 1, 1, 1)).flatten().tolist() == [7, 0, 0]


def test_fit_finds_the_colours_of_a_codec_that_is_linear() -> None:
    class Codec(nn.Module):
        """Averages 4 frames of 8 x 8 pixels and mixes the colours; the first frame stands alone."""

        config = type("Config", (), {"scaling_factor": 0.5})
        device, dtype = torch.device("cpu"), torch.float32
        mixed = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, -0.5], [0.3, 0.0, 1.0], [0.2, 0.2, 0.2]])

        def encode(self, x: torch.Tensor) -> Any:
            first, rest = x[:, :, :1], x[:, :, 1:].unflatten(2, (-1, 4)).mean(3)
            video = nn.functional.avg_pool3d(torch.cat([first, rest], 2), (1, 8, 8))
            latents = torch.einsum("kc,bcfhw->bkfhw", self.mixed, video)
            return type("Output", (), {"latent_dist": type("Point", (), {"mode": lambda self: latents})()})

    colours = fit_colours(Codec())
    picture = torch.tensor([0.8, 0.1, 0.4])
    latent = 0.5 * Codec.mixed @ (2 * picture - 1)
    shown = colours.frames(latent.view(4, 1, 1, 1))[0, 0, 0]
    assert shown.tolist() == pytest.approx((255 * picture).tolist(), abs=1)


def test_puppets_are_recognised_in_their_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shipped codec: the colours of held-out pictures, pooled to latent pixels, are hardly off."""
    monkeypatch.delenv("FARM_PUPPET_PATH", raising=False)
    renderer = families.load("puppet", here())
    info = renderer.info
    clip = render_clip(sample_puppet(random.Random(3)), 0, 33, info.resolution).movedim(1, 0)[None]
    latents = renderer._vae.encode(2 * clip - 1).latent_dist.mode() * renderer._vae.config.scaling_factor
    shown = renderer.preview(latents[0]).float() / 255
    groups = torch.cat([clip[:, :, :1], clip[:, :, 1:].unflatten(2, (-1, 4)).mean(3)], dim=2)
    true = nn.functional.avg_pool3d(groups, (1, info.latent_pixels, info.latent_pixels))[0].permute(1, 2, 3, 0)
    assert (shown - true).abs().mean() < 0.02
    assert (shown - true).abs().mean() < 0.2 * (true - true.mean((0, 1, 2))).abs().mean()


def test_previews_leave_the_result_alone(scene: Any) -> None:
    seen: list[torch.Tensor] = []
    plain = scene.denoise()
    state = torch.random.get_rng_state()
    watched = scene.renderer.denoise(
        scene.section(),
        {},
        scene.conditioning,
        SamplingParams(steps=4),
        lambda done, steps: None,
        lambda step: seen.append(scene.renderer.preview(step.x0)),
    )
    assert watched.equal(plain)
    assert torch.random.get_rng_state().equal(state)
    assert [frames.shape for frames in seen] == [(9, 8, 8, 3)] * 4
    assert not seen[0].equal(seen[-1])
    assert seen[-1].equal(scene.renderer.preview(plain))
