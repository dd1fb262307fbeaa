"""Training clips of the transformer: latents of short true videos, with everything a prompt can say about them."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import pi
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.plan.context import Context, ContextSlot, place_context
from model.plan.layout import Layout

from .codec import TIME
from .motions import MOTIONS
from .prompts import TEMPO_RANGE, write_prompt
from .scenery import Picture
from .train_codec import Codec
from .training import bf16_where_fast
from .world import FPS, Scene, render_clip, sample_puppet, sample_scene

SECTIONS = 5
"""Sections in a training clip: enough for every gap up to the largest that contexts tell apart."""


@dataclass
class Clip:
    """One true clip.

    Attributes:
        scene: what it shows.
        latents: [channels, 1 + 9 * SECTIONS, h, w] fp16, scaled; then one of each picture that comes after a section,
            coded alone, as an end image is: see ``lone``.
        pictures: [1 + SECTIONS, h, w, 3] uint8: the start image, and each picture that comes after a section.
    """

    scene: Scene
    latents: Tensor
    pictures: np.ndarray

    def prompt(self, rng: random.Random) -> str:
        """A fresh phrasing of what a puppet does; what was asked for before another picture."""
        scene = self.scene
        if isinstance(scene, Picture):
            return scene.prompt
        tempo = next((n for n, (low, high) in TEMPO_RANGE.items() if low <= scene.tempo < high), "fast")
        return write_prompt(scene.motion, tempo, rng)


def make_clip(codec: Codec, seed: int, resolution: int, window: int, device: str, plain: float | None = None) -> Clip:
    """Render and encode the clip of ``seed``: of a puppet on plain ground, or with ``plain`` of any scene, that share
    of them such puppets."""
    rng = random.Random(seed)
    scene = _with_slip(sample_puppet(rng) if plain is None else sample_scene(rng, plain), window, rng)
    latent_frames = 1 + window * SECTIONS
    still = isinstance(scene, Picture) and scene.camera.kind == "still"
    frames = render_clip(scene, 0, 1 if still else 2 + TIME * (latent_frames - 1), resolution, device)
    if still:
        given = frames.expand(1 + SECTIONS, -1, -1, -1)
    else:
        given, frames = frames[[0, *range(1 + TIME * window, len(frames), TIME * window)]], frames[:-1]
    with torch.no_grad(), bf16_where_fast(device):
        latents = codec.encode((frames * 2 - 1).transpose(0, 1)[None]).latent_dist.mode()[0]
        alone = codec.encode(given[1:, :, None] * 2 - 1).latent_dist.mode()[:, :, 0].transpose(0, 1)
    known = torch.cat([latents.expand(-1, latent_frames, -1, -1), alone], dim=1)
    pictures = given.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return Clip(scene, (known.float() * codec.config.scaling_factor).half(), pictures)


def lone(layout: Layout, boundary: int) -> int:
    """Which latent of a clip is that of the picture after its first ``boundary`` sections, from 1, coded alone."""
    return layout.window * SECTIONS + boundary


JOIN = 3
"""The section of a clip over which the phase slips in most clips."""


def _with_slip(scene: Scene, window: int, rng: random.Random) -> Scene:
    """Let the phase slip by anything within a cycle, over section ``JOIN`` or, in a third of the clips, ``JOIN`` - 2 to
    ``JOIN``; never so far back that the motion would run backwards.

    Sections rendered without seeing each other disagree on the phase. The model learns here to join them by tempo.
    """
    sections = rng.choice((1, 1, 3))
    seconds = TIME * window * sections / FPS
    hertz = scene.camera.hertz if isinstance(scene, Picture) else MOTIONS[scene.motion].hertz * scene.tempo
    advance = 2 * pi * hertz * seconds
    least = -min(pi, 0.6 * advance)
    ends = TIME * window * (JOIN + 1) / FPS
    slip: dict[str, Any] = {"slip": least + 2 * pi * rng.random(), "slip_at": ends - seconds, "slip_seconds": seconds}
    if isinstance(scene, Picture):
        return replace(scene, camera=replace(scene.camera, **slip))
    return replace(scene, **slip)


@dataclass(frozen=True)
class Draw:
    """A section's ``index`` in its clip, and its context, whose slots name latents of the clip. ``images``: the
    pictures of the clip whose embeddings it sees, by number, and their shares."""

    index: int
    context: Context
    images: tuple[tuple[int, float], ...] = ((0, 1.0),)


def sample_context(layout: Layout, rng: random.Random, anchored: float = 0.0) -> Draw:
    """Draw where a section stands and what its context holds, so that every order is in distribution.

    The context holds nothing, past, future or both, near or far; in three of ten draws a gap of one or three
    sections is joined, over which the clip's phase slips. Where the clip is too short for far latents (more than two
    sections away), any other of its sections takes their place, as if in a long video.

    A share ``anchored`` of all leads to an end image or comes from a keyframe, as ``plan.anchors`` places them.
    """
    if anchored and rng.random() < anchored:
        return _anchored(layout, rng)
    past = future = None
    if rng.random() < 0.3:
        index, distance = rng.choice(((JOIN, 1), (JOIN, 1), (JOIN - 1, 2)))
        place = rng.choice((distance, distance + 1, distance + 2, _LONG))
        past, future = (_Neighbour(index + d, place + d) for d in (-distance, distance))
    else:
        index = rng.choice((0, 0, *range(SECTIONS)))
        place = index if index == 0 or rng.random() < 0.5 else index + _LONG
        if index and rng.random() < 0.75:
            past = _neighbour(index, -1, place, rng)
        if rng.random() < 0.6:
            future = _neighbour(index, 1, place, rng)
    window = layout.window
    context = place_context(
        layout,
        start=1 + window * place,
        past_end=1 + window * (past.place + 1) if past else 1,
        future_start=1 + window * future.place if future else None,
    )
    return Draw(index, replace(context, slots=tuple(_of_clip(context.slots, window, past=past, future=future))))


def _anchored(layout: Layout, rng: random.Random) -> Draw:
    """A section that leads to a picture, near or far, or, in one of four draws, comes from one."""
    window = layout.window
    index = rng.choice((JOIN, *range(SECTIONS)))
    place = index if index == 0 or rng.random() < 0.5 else index + _LONG
    start = 1 + window * place
    if index and rng.random() < 0.25:
        context = place_context(layout, start=start, past_end=start, future_start=None)
        slots = [_only(slot, "past", start - 1, lone(layout, index)) for slot in context.slots]
        return Draw(index, replace(context, slots=tuple(slots)), ((index, 1.0),))
    distance = min(rng.choices((1, 2, 3), (70, 15, 15))[0], SECTIONS - index)
    claimed = distance if distance < 3 else rng.choice((3, 6))
    past = _neighbour(index, -1, place, rng) if index and rng.random() < 0.6 else None
    future_start = start + window * claimed
    context = place_context(
        layout, start=start, past_end=1 + window * (past.place + 1) if past else 1, future_start=future_start
    )
    given = lone(layout, index + distance)
    slots = [_only(slot, "future", future_start, given) for slot in _of_clip(context.slots, window, past=past)]
    share = (place + 0.5) / (place + claimed)
    return Draw(index, replace(context, slots=tuple(slots)), ((0, 1 - share), (index + distance, share)))


def _only(slot: ContextSlot, side: str, latent: int, given: int) -> ContextSlot:
    """A slot of ``side`` holds the latent ``given`` where ``latent`` would be, and nothing elsewhere."""
    return replace(slot, latent=given if slot.latent == latent else None) if slot.side == side else slot


_LONG = 20
"""Sections that a clip's place is moved by to stand for the middle of a long video."""


@dataclass(frozen=True)
class _Neighbour:
    """A section whose latents fill one side: ``index`` in the clip, ``place`` in the video that it stands for."""

    index: int
    place: int


def _of_clip(slots: Iterable[ContextSlot], window: int, **sides: _Neighbour | None) -> list[ContextSlot]:
    """The slots, those of ``sides`` naming latents of the clip and no longer of the video that it stands for."""
    shift = {side: window * (one.index - one.place) for side, one in sides.items() if one}
    return [
        replace(slot, latent=slot.latent + shift[slot.side]) if slot.latent and slot.side in shift else slot
        for slot in slots
    ]


def _neighbour(index: int, side: int, place: int, rng: random.Random) -> _Neighbour | None:
    """Draw the section before (side -1) or after (side 1): adjacent, with one or two sections between, or far."""
    distance = rng.choices((1, 2, 3, 6), (55, 10, 10, 25))[0]
    other, claimed = index + side * distance, place + side * distance
    if claimed < 0:
        return None
    if not 0 <= other < SECTIONS:
        if distance < 3:
            return None
        other = rng.choice([i for i in range(1, SECTIONS) if i != index])
    return _Neighbour(other, claimed)
