"""Measuring a piece of a video, such as a section: colours, sharpness, noise, motion. No model, no files."""

import base64
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from .pieces import COLOURS, SIDE, Measures

LOOKS = 8
"""Frames of a piece whose sharpness and noise are measured, evenly apart."""
STILL = 0.0004
"""Two frames that differ by less, of 1, are the same."""
_LAPLACE = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
_NOISE = torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
"""Blind to flat areas and straight edges (Immerkaer, Fast Noise Variance Estimation, 1996)."""


def measure(frames: Tensor) -> Measures:
    """Of frames [n, height, width, 3] uint8, n at least 1."""
    return measure_each(frames, len(frames))


def measure_each(frames: Iterable[Tensor], count: int) -> Measures:
    """Of ``count`` frames [height, width, 3] uint8, at least 1, as they come; few of them are in memory at a time."""
    looked_at = set(torch.linspace(0, count - 1, min(LOOKS, count)).long().tolist())
    means: list[Tensor] = []
    contrasts: list[Tensor] = []
    clipped: list[Tensor] = []
    moves: list[Tensor] = []
    small: list[Tensor] = []
    looks: list[Tensor] = []
    colours = torch.zeros(COLOURS**3)
    before: Tensor | None = None
    for number, frame in enumerate(frames):
        picture = frame.permute(2, 0, 1).float() / 255
        means.append(picture.mean(dim=(1, 2)))
        contrasts.append(picture.std(dim=(1, 2)))
        clipped.append(((frame <= 2) | (frame >= 253)).float().mean())
        small.append(F.adaptive_avg_pool2d(picture, SIDE))
        if before is not None:
            moves.append((picture - before).abs().mean())
        if number in looked_at:
            looks.append(picture.mean(dim=0, keepdim=True))
        if number % max(1, count // LOOKS) == 0:
            colours += _counts(frame)
        before = picture
    mean, moved, seen = torch.stack(means), torch.tensor(moves), torch.stack(looks)
    steps = torch.stack(small).diff(dim=0).abs().mean(dim=(1, 2, 3))
    return Measures(
        mean=_rounded(mean.mean(dim=0)),
        contrast=_rounded(torch.stack(contrasts).mean(dim=0)),
        sharpness=_number(F.conv2d(seen, _LAPLACE[None, None]).square().mean().sqrt()),
        noise=_number(F.conv2d(seen, _NOISE[None, None]).abs().mean() * (torch.pi / 2) ** 0.5 / 6),
        motion=_number(moved.mean()) if len(moved) else 0.0,
        still=_number((moved < STILL).float().mean()) if len(moved) else 0.0,
        flicker=_number(mean.mean(dim=1).diff(n=2).abs().mean()) if len(mean) > 2 else 0.0,
        step=_number(steps.median()) if len(steps) else 0.0,
        clipped=_number(torch.stack(clipped).mean()),
        colours=_rounded(colours / colours.sum()),
        first=_packed(small[0]),
        last=_packed(small[-1]),
    )


def _counts(frame: Tensor) -> Tensor:
    """How many pixels have each colour."""
    red, green, blue = ((frame.long() * COLOURS) // 256).unbind(dim=-1)
    return torch.bincount(((red * COLOURS + green) * COLOURS + blue).flatten(), minlength=COLOURS**3)


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, 5) for value in values.tolist())


def _number(value: Tensor) -> float:
    return round(value.item(), 6)


def _packed(picture: Tensor) -> str:
    return base64.b64encode(bytes((picture * 255).round().byte().permute(1, 2, 0).flatten().tolist())).decode()
