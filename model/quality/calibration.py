"""How well faults are found: on true clips of puppets that nobody has seen, with and without planted faults."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from .faults import FAULTS, Pieces, plant
from .gate import Around, Verdict, judge
from .judging import Finding, findings, values_of
from .measures import measure
from .pieces import Measures

SECTIONS = 8
FRAMES = 36
"""Of a section."""
BEFORE = 4
"""Frames before a section that the gate sees: those of a latent."""


@dataclass
class Calibration:
    """``clips``: clean ones, with ``alarms`` in ``pieces`` pieces; ``planted`` and ``found``: faults, by kind; those of
    the gate, which knows the start image and the frames before a section alone, are ``gate_alarms`` and ``gate_found``.
    """

    clips: int = 0
    pieces: int = 0
    alarms: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    planted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    gate_alarms: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    gate_found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))

    @property
    def named(self) -> float:
        """Share of planted faults that are named at their section."""
        return sum(self.found.values()) / max(1, sum(self.planted.values()))

    @property
    def false_alarms(self) -> float:
        """Alarms of any kind for each clean section."""
        return sum(self.alarms.values()) / max(1, self.pieces)

    @property
    def gate_named(self) -> float:
        """The same share at the gate."""
        return sum(self.gate_found.values()) / max(1, sum(self.planted.values()))

    @property
    def gate_false_alarms(self) -> float:
        """The same at the gate."""
        return sum(self.gate_alarms.values()) / max(1, self.pieces)


def true_clip(index: int, resolution: int = 64) -> Pieces:
    """A held-out puppet as it should move, in sections."""
    from model.puppet.quality import held_out_puppet
    from model.puppet.world import FPS, render

    pictures = render(held_out_puppet(index), torch.arange(SECTIONS * FRAMES) / FPS, resolution)
    assert isinstance(pictures, torch.Tensor)
    frames = (pictures.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return list(frames.split(FRAMES))


def found_in(measured: Sequence[Measures]) -> list[Finding]:
    """What is wrong with a clip."""
    return findings(values_of(measured))


def verdict_at(clip: Pieces, measured: Sequence[Measures], at: int) -> Verdict:
    """The gate's on a piece, as if the clip were rendered from its start on."""
    before = measure(clip[at - 1][-BEFORE:]) if at else None
    return judge(measured[at], Around((measure(clip[0][:1]),), before))


def calibrate(clips: int, first: int = 0, resolution: int = 128) -> Iterator[Calibration]:
    """The figures after each clip, on held-out puppets from ``first`` on, ``resolution`` pixels high and wide."""
    made, rng = Calibration(), random.Random(first)
    for index in range(first, first + clips):
        clip, other = true_clip(index, resolution), true_clip(index + 10_000, resolution)
        clean = [measure(piece) for piece in clip]
        made.clips, made.pieces = made.clips + 1, made.pieces + len(clip)
        for found in found_in(clean):
            made.alarms[found.kind] += 1
        for wrong in (kind for at in range(len(clip)) for kind in verdict_at(clip, clean, at).wrong):
            made.gate_alarms[wrong] += 1
        for kind in FAULTS:
            at = rng.randrange(1, SECTIONS)
            faulty = plant(kind, clip, at, other)
            measured = [measure(piece) for piece in faulty]
            made.planted[kind] += 1
            made.found[kind] += any(found.kind == kind and found.piece == at for found in found_in(measured))
            made.gate_found[kind] += kind in verdict_at(faulty, measured, at).wrong
        yield made
