"""Previews without decoding: colours as a linear map of a latent's channels, one pixel per latent pixel.

Good enough to see early whether a video goes the right way, and thousands of times cheaper than the codec.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

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


def colours_of(vae: Any, facts: Mapping[str, Any]) -> LatentColours:
    """The map for a codec: that of its family's ``facts``, else one that is fitted to it within a second.

    ``vae`` has the interface of diffusers' video codecs; nothing of it is changed.
    """
    known = facts.get("preview")
    return LatentColours.of(known["factors"], known["bias"]) if known else fit_colours(vae)


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
