"""The plan of one video: a pure function of the request and the model's layout."""

import hashlib
import heapq
import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from .context import ContextSlot
from .layout import Layout

FRAMES_PER_LATENT = 4
"""Pixel frames per latent frame, except for latent 0, which gives one."""


@dataclass(frozen=True)
class Section:
    """One section: ``window`` latent frames rendered by one task.

    ``index`` counts in viewer order; ``start``/``stop`` are absolute latent frames (latent 0 is the start image);
    ``predecessors`` are the sections whose latents fill its context; ``level`` is its depth in the DAG, from 0;
    ``seed`` seeds its noise; ``prompt`` is its resolved text.
    """

    index: int
    start: int
    stop: int
    predecessors: tuple[int, ...]
    slots: tuple[ContextSlot, ...]
    window_index: int
    level: int
    seed: int
    prompt: str

    @property
    def frames(self) -> range:
        """The pixel frames that it makes; frame 0 is the start image's and belongs to section 0."""
        first = FRAMES_PER_LATENT * (self.start - 1) + 1
        return range(first if self.index else 0, FRAMES_PER_LATENT * (self.stop - 1) + 1)


@dataclass(frozen=True)
class Plan:
    """All sections of a video in viewer order. Built by ``make_plan``.

    ``requested_seconds`` is what was asked for; ``exact_length`` says that frames beyond it are trimmed at the end.
    """

    order: str
    layout: Layout
    fps: int
    sections: tuple[Section, ...]
    requested_seconds: float
    exact_length: bool = False

    @property
    def latent_frames(self) -> int:
        """Latent frames in all, with the start image's: 9n + 1."""
        return self.sections[-1].stop

    @property
    def frames(self) -> int:
        """Pixel frames rendered: 36n + 1."""
        return FRAMES_PER_LATENT * (self.latent_frames - 1) + 1

    @property
    def output_frames(self) -> int:
        """Pixel frames of the finished video: ``frames``, less those trimmed for an exact length."""
        return min(self.frames, frames_of(self.requested_seconds, self.fps)) if self.exact_length else self.frames

    @property
    def seconds(self) -> float:
        """True length of the finished video."""
        return self.output_frames / self.fps

    @cached_property
    def level_widths(self) -> tuple[int, ...]:
        """Sections per level of the DAG."""
        widths = Counter(section.level for section in self.sections)
        return tuple(widths[level] for level in range(len(widths)))

    @property
    def depth(self) -> int:
        """Sections on the longest chain: the time that a video takes on unlimited devices."""
        return len(self.level_widths)

    @property
    def width(self) -> int:
        """Sections of the widest level."""
        return max(self.level_widths)

    @cached_property
    def remaining(self) -> tuple[int, ...]:
        """Per section, the sections on the longest chain that starts with it."""
        longest = [1] * len(self.sections)
        for section in sorted(self.sections, key=lambda section: -section.level):
            for parent in section.predecessors:
                longest[parent] = max(longest[parent], longest[section.index] + 1)
        return tuple(longest)

    def total_tokens(self, height: int, width: int) -> int:
        """Tokens of all sections, one pass each, for latents of ``height`` x ``width`` (latent pixels)."""
        return len(self.sections) * self.layout.tokens(height, width)

    def makespan(self, devices: int) -> int:
        """Time in sections on ``devices`` equal devices: list scheduling, longest remaining chain first."""
        waiting = [len(section.predecessors) for section in self.sections]
        children: list[list[int]] = [[] for _ in self.sections]
        for section in self.sections:
            for parent in section.predecessors:
                children[parent].append(section.index)
        ready = [(-self.remaining[i], i) for i, missing in enumerate(waiting) if not missing]
        heapq.heapify(ready)
        time = 0
        while ready:
            time += 1
            for _, index in [heapq.heappop(ready) for _ in range(min(devices, len(ready)))]:
                for child in children[index]:
                    waiting[child] -= 1
                    if not waiting[child]:
                        heapq.heappush(ready, (-self.remaining[child], child))
        return time

    def speedup(self, devices: int | None = None) -> float:
        """Upper bound of the speed-up over one device; None: unlimited devices."""
        return len(self.sections) / (self.depth if devices is None else self.makespan(devices))

    def to_json(self) -> str:
        """Canonical JSON of everything that decides the pixels: sorted keys, ASCII, no spaces."""
        record = {
            "order": self.order,
            "layout": str(self.layout),
            "fps": self.fps,
            "output_frames": self.output_frames,
            "sections": [
                {
                    "index": section.index,
                    "range": [section.start, section.stop],
                    "predecessors": section.predecessors,
                    "slots": [[slot.kernel, slot.side, slot.latent, slot.index] for slot in section.slots],
                    "window_index": section.window_index,
                    "seed": section.seed,
                    "prompt": section.prompt,
                }
                for section in self.sections
            ],
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    def digest(self) -> str:
        """sha256 of ``to_json()``, hex; the same in every process and Python version."""
        return self._digest


def frames_of(seconds: float, fps: int) -> int:
    """Pixel frames of a length, at least 1."""
    return max(1, round(seconds * fps))
