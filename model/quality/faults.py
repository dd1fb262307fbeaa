"""Faults put into a clip at a known piece, by which the limits of ``judging`` are calibrated."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Pieces = list[Tensor]
"""Frames [n, height, width, 3] uint8 of each piece."""


def plant(kind: str, pieces: Pieces, at: int, other: Pieces) -> Pieces:
    """A clip with a fault from piece ``at`` on, or in it alone; ``other``: a clip of something else.

    Kinds: ``tint`` and ``blur`` ramps, ``freeze``, ``flicker``, ``look`` (the other clip goes on from there),
    ``noise``, ``seam`` (the picture jumps aside).
    """
    return FAULTS[kind](pieces, at, other)


def _from_on(pieces: Pieces, at: int, change: Callable[[Tensor, int], Tensor]) -> Pieces:
    return [change(piece, number - at) if number >= at else piece for number, piece in enumerate(pieces)]


def _tint(pieces: Pieces, at: int, other: Pieces) -> Pieces:
    shift = torch.tensor([0.05, 0.0, -0.05])
    return _from_on(pieces, at, lambda piece, after: _bytes(piece.float() / 255 + shift * (1 + after / 2)))


def _blur(pieces: Pieces, at: int, other: Pieces) -> Pieces:
    def blurred(piece: Tensor, after: int) -> Tensor:
        pictures = piece.permute(0, 3, 1, 2).float() / 255
        for _ in range(1 + after):
            pictures = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return _bytes(pictures.permute(0, 2, 3, 1))

    return _from_on(pieces, at, blurred)


def _noise(pieces: Pieces, at: int, other: Pieces) -> Pieces:
    generator = torch.Generator().manual_seed(0)

    def noisy(piece: Tensor, after: int) -> Tensor:
        return _bytes(piece.float() / 255 + 0.02 * torch.randn(piece.shape, generator=generator))

    return _from_on(pieces, at, noisy)


def _freeze(pieces: Pieces, at: int, other: Pieces) -> Pieces:
    frozen = pieces[at][:1].expand_as(pieces[at]).clone()
    return [*pieces[:at], frozen, *pieces[at + 1 :]]


def _flicker(pieces: Pieces, at: int, other: Pieces) -> Pieces:
    gain = torch.ones(len(pieces[at]), 1, 1, 1)
    gain[::2] = 0.97
    return [*pieces[:at], _bytes(pieces[at].float() / 255 * gain), *pieces[at + 1 :]]


def _look(pieces: Pieces, at: int, other: Pieces) -> Pieces:
    return [*pieces[:at], *other[at:]]


def _seam(pieces: Pieces, at: int, other: Pieces) -> Pieces:
    width = pieces[at].shape[2]
    return _from_on(pieces, at, lambda piece, after: piece.roll(width // 12, dims=2))


def _bytes(frames: Tensor) -> Tensor:
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8)


FAULTS: dict[str, Callable[[Pieces, int, Pieces], Pieces]] = {
    "tint": _tint,
    "blur": _blur,
    "noise": _noise,
    "freeze": _freeze,
    "flicker": _flicker,
    "look": _look,
    "seam": _seam,
}
