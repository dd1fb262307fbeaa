"""Pictures of anything: gradients, textures, shapes, frames, noise like a photograph's; and a camera before them.

They teach the puppet to keep what it does not know: a picture without a figure stays as it is, or the camera moves
gently. All are pure functions of a seed and of time, at any resolution.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from .prompts import write_camera_prompt

CAMERA_HERTZ = (0.06, 0.14)
"""Cycles a second of a camera's way in and out, or to and fro."""
RAMP_SECONDS = 0.6
"""Whatever moves starts from rest within this time, so that the start image does not give it away."""


@dataclass(frozen=True)
class Camera:
    """``kind``: still, zoom (in, and back) or pan (to both sides of a picture that is a little larger than the view).

    ``reach``: how much of the picture the way takes, in [0, 0.3]; ``side``: -1 or 1, where a pan begins; ``slip``: as
    of ``world.Puppet``.
    """

    kind: str = "still"
    reach: float = 0.0
    hertz: float = 0.1
    side: float = 1.0
    slip: float = 0.0
    slip_at: float = 0.0
    slip_seconds: float = 1.0

    def view(self, seconds: Tensor) -> tuple[Tensor, Tensor]:
        """How much larger things are drawn, from 1, and where the view's middle is, in its widths; each [frames]."""
        phase = 2 * pi * self.hertz * from_rest(seconds) + self.slip * smooth(
            (seconds - self.slip_at) / self.slip_seconds
        )
        still = torch.zeros_like(seconds)
        if self.kind == "zoom":
            return 1 + self.reach * (1 - torch.cos(phase)) / 2, still
        if self.kind == "pan":
            larger = 1 + self.reach * smooth(seconds / 2)
            return larger, self.side * torch.sin(phase) * (1 - 1 / larger) / 2
        return still + 1, still


@dataclass(frozen=True)
class Picture:
    """A picture of anything, and how the camera moves before it; ``prompt`` is what was asked for."""

    seed: int
    camera: Camera
    prompt: str = ""


def sample_picture(rng: random.Random) -> Picture:
    """Draw a picture, a camera, and a prompt that names what the camera does."""
    kind = rng.choice(("still", "still", "zoom", "pan"))
    reach = rng.uniform(0.1, 0.3) if kind != "still" else 0.0
    camera = Camera(kind, reach, rng.uniform(*CAMERA_HERTZ), rng.choice((-1.0, 1.0)))
    return Picture(rng.randrange(2**31), camera, write_camera_prompt(kind, rng))


def from_rest(seconds: Tensor) -> Tensor:
    """How many seconds of full speed have passed, of what starts from rest at 0."""
    return torch.where(
        seconds < RAMP_SECONDS, seconds.clamp(min=0) ** 2 / (2 * RAMP_SECONDS), seconds - RAMP_SECONDS / 2
    )


def smooth(x: Tensor) -> Tensor:
    """From 0 to 1 where ``x`` does, without a jolt at either end."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


def render_picture(picture: Picture, seconds: Tensor, resolution: int) -> Tensor:
    """Frames [frames, 3, resolution, resolution] in [0, 1] at the given times, on their device."""
    still = paint(picture.seed, resolution).to(seconds.device)
    larger, middle = picture.camera.view(seconds)
    if picture.camera.kind == "still":
        return still.expand(len(seconds), -1, -1, -1).clone()
    return views(still, larger, middle)


def views(picture: Tensor, larger: Tensor, middle: Tensor) -> Tensor:
    """Views [n, 3, h, w] of ``picture`` [3, h, w].

    Each shows things ``larger`` [n] than it does, from 1, around a ``middle`` [n] that is so many of its widths away.
    """
    turn = torch.zeros(len(larger), 2, 3, device=picture.device)
    turn[:, 0, 0] = turn[:, 1, 1] = 1 / larger
    turn[:, 0, 2] = 2 * middle
    whole = picture.expand(len(larger), -1, -1, -1)
    grid = torch.nn.functional.affine_grid(turn, list(whole.shape), align_corners=False)
    return torch.nn.functional.grid_sample(whole, grid, "bicubic", "border", align_corners=False).clamp(0, 1)


def paint(seed: int, resolution: int, plain: bool = False) -> Tensor:
    """The picture [3, resolution, resolution] of ``seed``; ``plain``: a backdrop, with few things on it."""
    rng = random.Random(seed)
    fine = 2 * resolution
    axis = (torch.arange(fine, dtype=torch.float32) + 0.5) / fine
    y, x = axis[:, None].expand(fine, fine), axis[None, :].expand(fine, fine)
    picture = rng.choice(_GROUNDS[1:] if plain else _GROUNDS)(rng, x, y)
    for _ in range(rng.choice((0, 0, 1)) if plain else rng.choice((0, 2, 4, 8, 12))):
        cover = (0.5 - rng.choice(_SHAPES)(rng, x, y) * fine / 2).clamp(0, 1)
        fill = rng.choice((_even, _even, _slope, _cloud))(rng, x, y)
        picture = picture + cover * (fill - picture)
    if rng.random() < (0.25 if plain else 0.2):
        width = rng.uniform(0.02, 0.12)
        edge = torch.minimum(torch.minimum(x, 1 - x), torch.minimum(y, 1 - y)) - width
        picture = picture + (0.5 - edge * fine / 2).clamp(0, 1) * (_slope(rng, x, y) - picture)
    if not plain and rng.random() < 0.25:
        grain = torch.Generator().manual_seed(seed)
        noise = torch.randn(1, 1, 128, 128, generator=grain) * rng.uniform(0.01, 0.06)
        picture = picture + torch.nn.functional.interpolate(noise, size=(fine, fine), mode="bilinear")[0]
    return torch.nn.functional.avg_pool2d(picture.clamp(0, 1), 2)


Painter = Callable[[random.Random, Tensor, Tensor], Tensor]


def _colour(rng: random.Random) -> Tensor:
    return torch.tensor([rng.uniform(0.03, 0.97) for _ in range(3)])[:, None, None]


def _even(rng: random.Random, x: Tensor, y: Tensor) -> Tensor:
    return _colour(rng).expand(3, *x.shape)


def _slope(rng: random.Random, x: Tensor, y: Tensor) -> Tensor:
    """From one colour to another, along a line or around a point."""
    a, b = _colour(rng), _colour(rng)
    b = a + rng.uniform(0.3, 1.0) * (b - a)
    if rng.random() < 0.3:
        far = ((x - rng.uniform(0, 1)) ** 2 + (y - rng.uniform(0, 1)) ** 2).sqrt() * rng.uniform(0.8, 1.6)
    else:
        angle = torch.tensor(rng.uniform(0, 2 * pi))
        far = 0.5 + (torch.cos(angle) * (x - 0.5) + torch.sin(angle) * (y - 0.5)) * rng.uniform(0.7, 1.3)
    return a + smooth(far) * (b - a)


def _cloud(rng: random.Random, x: Tensor, y: Tensor) -> Tensor:
    """Noise of several sizes between colours, as sky, foliage or stone have."""
    source = torch.Generator().manual_seed(rng.randrange(2**31))
    roughness, first = rng.uniform(0.35, 0.75), rng.choice((2, 3, 5))
    value, weight, cells = torch.zeros_like(x), 1.0, first
    for _ in range(4):
        grid = torch.randn(1, 1, cells + 2, cells + 2, generator=source)
        value = value + weight * torch.nn.functional.interpolate(grid, size=x.shape, mode="bicubic")[0, 0]
        weight, cells = weight * roughness, cells * 2
    share = (0.5 + 0.4 * value).clamp(0, 1)
    a, b, c = _colour(rng), _colour(rng), _colour(rng)
    return a + share * (b - a) + (2 * share - 1).clamp(min=0) * 0.5 * (c - a)


def _pattern(rng: random.Random, x: Tensor, y: Tensor) -> Tensor:
    """Stripes or checks, soft or hard."""
    angle, count, hard = torch.tensor(rng.uniform(0, pi)), rng.uniform(2, 9), rng.choice((0.5, 1.0, 4.0))
    along = torch.cos(angle) * x + torch.sin(angle) * y
    wave = torch.sin(2 * pi * count * along)
    if rng.random() < 0.4:
        wave = wave * torch.sin(2 * pi * count * (torch.cos(angle) * y - torch.sin(angle) * x))
    a, b = _colour(rng), _colour(rng)
    return a + (0.5 + hard * wave / 2).clamp(0, 1) * rng.uniform(0.2, 1.0) * (b - a)


_GROUNDS: tuple[Painter, ...] = (_even, _slope, _slope, _cloud, _pattern)


def _turned(rng: random.Random, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    angle = torch.tensor(rng.uniform(0, 2 * pi))
    x, y = x - rng.uniform(0, 1), y - rng.uniform(0, 1)
    return torch.cos(angle) * x + torch.sin(angle) * y, torch.cos(angle) * y - torch.sin(angle) * x


def _ellipse(rng: random.Random, x: Tensor, y: Tensor) -> Tensor:
    x, y = _turned(rng, x, y)
    a, b = rng.uniform(0.03, 0.3), rng.uniform(0.03, 0.3)
    return (((x / a) ** 2 + (y / b) ** 2).sqrt() - 1) * min(a, b)


def _box(rng: random.Random, x: Tensor, y: Tensor) -> Tensor:
    x, y = _turned(rng, x, y)
    return torch.maximum(x.abs() - rng.uniform(0.02, 0.3), y.abs() - rng.uniform(0.02, 0.3))


def _stroke(rng: random.Random, x: Tensor, y: Tensor) -> Tensor:
    x, y = _turned(rng, x, y)
    length = rng.uniform(0.1, 0.4)
    return ((x - x.clamp(-length, length)) ** 2 + y**2).sqrt() - rng.uniform(0.008, 0.06)


def _corner(rng: random.Random, x: Tensor, y: Tensor) -> Tensor:
    """A triangle."""
    x, y = _turned(rng, x, y)
    size, slant = rng.uniform(0.05, 0.3), rng.uniform(0.5, 2.0)
    return torch.maximum(torch.maximum(-y, y - size + slant * x), y - size - slant * x) / max(1.0, slant)


_SHAPES: tuple[Painter, ...] = (_ellipse, _box, _stroke, _corner)
