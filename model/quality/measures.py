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
LEVELS = 256
CLIPPED = 2
"""Levels from the darkest and from the brightest that count as clipped."""


def measure(frames: Tensor) -> Measures:
    """Of frames [n, height, width, 3] uint8, n at least 1."""
    return measure_each(frames, len(frames))


def measure_each(frames: Iterable[Tensor], count: int) -> Measures:
    """Of ``count`` frames [height, width, 3] uint8, at least 1, as they come; few of them are in memory at a time."""
    looked_at = set(torch.linspace(0, count - 1, min(LOOKS, count)).long().tolist())
    levels: list[Tensor] = []
    moves: list[Tensor] = []
    small: list[Tensor] = []
    edges: list[Tensor] = []
    grains: list[Tensor] = []
    colours = torch.zeros(COLOURS**3)
    before: Tensor | None = None
    for number, frame in enumerate(frames):
        planes = frame.permute(2, 0, 1).contiguous()
        picture = planes.float() / 255
        levels.append(torch.stack([plane.flatten().bincount(minlength=LEVELS) for plane in planes]))
        small.append(F.adaptive_avg_pool2d(picture, SIDE))
        if before is not None:
            moves.append((torch.maximum(planes, before) - torch.minimum(planes, before)).float().mean() / 255)
        if number in looked_at:
            edge, grain = _fine(picture.mean(dim=0))
            edges.append(edge)
            grains.append(grain)
        if number % max(1, count // LOOKS) == 0:
            colours += _counts(planes)
        before = planes
    mean, contrast, clipped = _of_levels(torch.stack(levels).double())
    moved = torch.tensor(moves)
    steps = torch.stack(small).diff(dim=0).abs().mean(dim=(1, 2, 3))
    return Measures(
        mean=_rounded(mean.mean(dim=0)),
        contrast=_rounded(contrast.mean(dim=0)),
        sharpness=_number(torch.stack(edges).mean().sqrt()),
        noise=_number(torch.stack(grains).mean() * (torch.pi / 2) ** 0.5 / 6),
        motion=_number(moved.mean()) if len(moved) else 0.0,
        still=_number((moved < STILL).float().mean()) if len(moved) else 0.0,
        flicker=_number(mean.mean(dim=1).diff(n=2).abs().mean()) if len(mean) > 2 else 0.0,
        step=_number(steps.median()) if len(steps) else 0.0,
        clipped=_number(clipped.mean()),
        colours=_rounded(colours / colours.sum()),
        first=_packed(small[0]),
        last=_packed(small[-1]),
    )


def _fine(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Of [height, width], the mean square of its Laplacian; and the mean size of what is left when flat areas and
    straight edges are taken out (Immerkaer, Fast Noise Variance Estimation, 1996)."""
    down, across = _bend(picture, 0), _bend(picture, 1)
    return (down[:, 1:-1] + across[1:-1]).square().mean(), _bend(down, 1).abs().mean()


def _bend(picture: Tensor, dim: int) -> Tensor:
    """Second differences along ``dim``."""
    inner = picture.shape[dim] - 2
    before, here, after = (picture.narrow(dim, start, inner) for start in range(3))
    return before + after - 2 * here


def _of_levels(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and share of clipped values, [frames, 3] each, of how often each level is in a channel,
    [frames, 3, 256]."""
    values, pixels = torch.arange(LEVELS).double() / 255, counts.sum(dim=2)
    mean = (counts * values).sum(dim=2) / pixels
    squares = (counts * (values - mean[..., None]).square()).sum(dim=2)
    clipped = (counts[..., : CLIPPED + 1].sum(dim=2) + counts[..., -CLIPPED - 1 :].sum(dim=2)) / pixels
    return mean, (squares / (pixels - 1)).sqrt(), clipped


def _counts(planes: Tensor) -> Tensor:
    """How many pixels of [3, height, width] have each colour."""
    red, green, blue = ((planes.int() * COLOURS) // LEVELS).unbind()
    return torch.bincount(((red * COLOURS + green) * COLOURS + blue).flatten(), minlength=COLOURS**3)


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, 5) for value in values.tolist())


def _number(value: Tensor) -> float:
    return round(value.item(), 6)


def _packed(picture: Tensor) -> str:
    return base64.b64encode(bytes((picture * 255).round().byte().permute(1, 2, 0).flatten().tolist())).decode()
