"""Previews without decoding: colours as a linear map of a latent's channels, one pixel per latent pixel.

Good enough to see early whether a video goes the right way, and thousands of times cheaper than the codec.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

_HUNYUAN_VIDEO = (
    (-0.0395, -0.0331, 0.0445),
    (0.0696, 0.0795, 0.0518),
    (0.0135, -0.0945, -0.0282),
    (0.0108, -0.0250, -0.0765),
    (-0.0209, 0.0032, 0.0224),
    (-0.0804, -0.0254, -0.0639),
    (-0.0991, 0.0271, -0.0669),
    (-0.0646, -0.0422, -0.0400),
    (-0.0696, -0.0595, -0.0894),
    (-0.0799, -0.0208, -0.0375),
    (0.1166, 0.1627, 0.0962),
    (0.1165, 0.0432, 0.0407),
    (-0.2315, -0.1920, -0.1355),
    (-0.0270, 0.0401, -0.0821),
    (-0.0616, -0.0997, -0.0727),
    (0.0249, -0.0469, -0.1703),
)
_HUNYUAN_VIDEO_BIAS = (0.0259, -0.0192, -0.0761)
_RIDGE = 1e-6
_CLIPS, _FRAMES, _SIDE, _PATCH = 8, 9, 96, 16


@dataclass(frozen=True)
class LatentColours:
    """RGB in 0 to 1 is about ``latent @ factors + bias``; ``factors`` [channels, 3], ``bias`` [3], fp32 on the CPU."""

    factors: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, factors: Sequence[Sequence[float]], bias: Sequence[float]) -> "LatentColours":
        return cls(torch.tensor(factors), torch.tensor(bias))

    def frames(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures [frames, h, w, 3] uint8 on the CPU of ``latents`` [channels, frames, h, w]."""
        device = latents.device
        colours = latents.float().permute(1, 2, 3, 0) @ self.factors.to(device) + self.bias.to(device)
        return (colours.clamp(0, 1) * 255).round().to(torch.uint8).cpu()


HUNYUAN_VIDEO = LatentColours.of(_HUNYUAN_VIDEO, _HUNYUAN_VIDEO_BIAS)
"""Of HunyuanVideo's codec: the factors that ComfyUI and FramePack's demo use."""


def colours_of(vae: Any) -> LatentColours:
    """The map for a codec: HunyuanVideo's is known, that of any other is fitted to it within a second.

    ``vae`` has the interface of diffusers' video codecs; nothing of it is changed.
    """
    if type(vae).__name__ == "AutoencoderKLHunyuanVideo" and vae.config.latent_channels == len(_HUNYUAN_VIDEO):
        return HUNYUAN_VIDEO
    return fit_colours(vae)


@torch.no_grad()
def fit_colours(vae: Any) -> LatentColours:
    """Least squares between the latents of moving patches of colour and the colours themselves."""
    clips = _patches(torch.Generator().manual_seed(0))
    encoded = vae.encode((2 * clips - 1).to(vae.device, vae.dtype)).latent_dist.mode() * vae.config.scaling_factor
    latents = encoded.float().cpu()
    height, width = latents.shape[-2:]
    first, rest = clips[:, :, :1], clips[:, :, 1:]
    steps = rest.shape[2] // (latents.shape[2] - 1)
    colours = torch.cat([first, rest.unflatten(2, (-1, steps)).mean(3)], dim=2)
    colours = torch.nn.functional.adaptive_avg_pool3d(colours, (latents.shape[2], height, width))
    known = latents.movedim(1, -1).flatten(0, -2).double()
    known = torch.cat([known, torch.ones(len(known), 1)], dim=1)
    square = known.T @ known
    ridge = _RIDGE * square.diagonal().mean() * torch.eye(len(square))  # channels may be unused, or depend on others
    solution = torch.linalg.solve(square + ridge, known.T @ colours.movedim(1, -1).flatten(0, -2).double()).float()
    return LatentColours(solution[:-1], solution[-1])


def _patches(generator: torch.Generator) -> torch.Tensor:
    """Clips [clips, 3, frames, side, side] in 0 to 1 of coloured squares, sharp and soft ones, that drift."""
    coarse = torch.rand(_CLIPS, 3, _SIDE // _PATCH, _SIDE // _PATCH, generator=generator)
    sharp = torch.nn.functional.interpolate(coarse, size=(_SIDE, _SIDE), mode="nearest")
    soft = torch.nn.functional.interpolate(coarse, size=(_SIDE, _SIDE), mode="bilinear")
    still = torch.cat([sharp[: _CLIPS // 2], soft[_CLIPS // 2 :]])
    drift = torch.randint(-2, 3, (_CLIPS, 2), generator=generator).tolist()
    moved = [
        torch.stack([clip.roll((dy * i, dx * i), (1, 2)) for i in range(_FRAMES)], dim=1)
        for clip, (dy, dx) in zip(still, drift, strict=True)
    ]
    return torch.stack(moved)
