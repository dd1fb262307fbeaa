"""The plan of one video: a pure function of the request and the model's layout."""

import hashlib
import heapq
import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property

from .anchors import Anchor
from .context import ContextSlot
from .layout import Layout
from .rules import CONTINUOUS, FRAMES_PER_LATENT, Rules, pixel_frames

__all__ = ["FRAMES_PER_LATENT", "LoneSection", "Plan", "Section", "frames_of", "pixel_frames"]


@dataclass(frozen=True)
class Section:
    """One section: ``window`` latent frames rendered by one task.

    ``index`` counts in viewer order; ``start``/``stop`` are absolute latent frames (latent 0 is the start image);
    ``predecessors`` are the sections whose latents fill its context; ``level`` is its depth in the DAG, from 0;
    ``seed`` seeds its noise; ``prompt`` is its resolved text, into which ``next_prompt`` is mixed with weight
    ``blend``; ``time_step`` is a factor on all its time indices; ``images`` gives each anchor's share of the image
    embedding; empty: the start image's alone.
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
    time_step: float = 1.0
    next_prompt: str = ""
    blend: float = 0.0
    images: tuple[tuple[str, float], ...] = ()

    @property
    def prompts(self) -> tuple[tuple[str, float], ...]:
        """Its prompts with their weights."""
        return ((self.prompt, 1 - self.blend), (self.next_prompt, self.blend)) if self.blend else ((self.prompt, 1.0),)

    @property
    def frames(self) -> range:
        """The pixel frames that it makes; frame 0 is the start image's and belongs to section 0."""
        return range(pixel_frames(self.start) if self.index else 0, pixel_frames(self.stop))


@dataclass(frozen=True)
class LoneSection(Section):
    """A section that is decoded alone: see ``Rules.sections_alone``. Latent 0 gives no frame."""

    @property
    def frames(self) -> range:
        """The pixel frames that it makes."""
        own = pixel_frames(self.stop - self.start)
        return range(own * self.index, own * (self.index + 1))


@dataclass(frozen=True)
class Plan:
    """All sections of a video in viewer order. Built by ``make_plan``.

    ``requested_seconds`` is what was asked for; ``exact_length`` says that frames beyond it are trimmed at the end.
    ``anchors`` are what is given beside the start image; ``shows_start``: whether frame 0, the start image's, is shown.
    ``rules``: of the family; ``given_seed``: of the noise that is laid over what is given, if the family does that.
    """

    order: str
    layout: Layout
    fps: int
    sections: tuple[Section, ...]
    requested_seconds: float
    exact_length: bool = False
    anchors: tuple[Anchor, ...] = ()
    shows_start: bool = True
    rules: Rules = CONTINUOUS
    given_seed: int | None = None

    @property
    def latent_frames(self) -> int:
        """Latent frames in all, with the start image's: 9n + 1."""
        return self.sections[-1].stop

    @property
    def frames(self) -> int:
        """Pixel frames rendered: 36n + 1, or 33n where sections are decoded alone."""
        return self.sections[-1].frames.stop

    @property
    def output_frames(self) -> int:
        """Pixel frames of the finished video: ``frames`` from ``first_frame`` on, less those trimmed at the end."""
        shown = self.frames - self.first_frame
        return min(shown, frames_of(self.requested_seconds, self.fps)) if self.exact_length else shown

    @property
    def first_frame(self) -> int:
        """The first frame that is shown: 0, or 1 when the start image is frame 0 and not shown."""
        return 0 if self.shows_start or self.rules.sections_alone else 1

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """All prompts of all sections, each once."""
        return tuple(dict.fromkeys(prompt for section in self.sections for prompt, _ in section.prompts))

    @property
    def seconds(self) -> float:
        """True length of the finished video."""
        return self.output_frames / self.fps

    def second_of(self, anchor: Anchor) -> float:
        """When the video meets an anchor."""
        return self.rules.section_frames(self.layout.window) * anchor.boundary / self.fps

    def anchors_of(self, section: Section) -> tuple[str, ...]:
        """Names of the anchors whose latents the section sees."""
        seen = {slot.latent for slot in section.slots}
        return tuple(a.name for a in self.anchors if not seen.isdisjoint(range(a.first, a.first + a.frames)))

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
        record: dict[str, object] = {
            "order": self.order,
            "layout": str(self.layout),
            "fps": self.fps,
            "output_frames": self.output_frames,
            "sections": [
                {
                    "index": section.index,
                    "range": [section.start, section.stop],
                    "predecessors": section.predecessors,
                    "slots": [_slot_record(slot) for slot in section.slots],
                    "window_index": section.window_index,
                    "seed": section.seed,
                    "prompt": section.prompt,
                    **_unless_plain(section),
                }
                for section in self.sections
            ],
        }
        if self.anchors:
            record["anchors"] = [[a.name, a.boundary, a.frames, a.first, a.strength] for a in self.anchors]
        if not self.shows_start:
            record["shows_start"] = False
        if self.rules != CONTINUOUS:
            record["rules"] = asdict(self.rules)
        if self.given_seed is not None:
            record["given_seed"] = self.given_seed
        return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    def digest(self) -> str:
        """sha256 of ``to_json()``, hex; the same in every process and Python version."""
        return self._digest


def _slot_record(slot: ContextSlot) -> list[int | str | None]:
    kernel = slot.kernel.t if slot.kernel.is_cubic else str(slot.kernel)
    return [kernel, slot.side, slot.latent, slot.index, *([slot.tail] if slot.tail else [])]


def _unless_plain(section: Section) -> dict[str, object]:
    """What a section with one prompt and one image doesn't have; left out there, so that its digest stays the same."""
    record: dict[str, object] = {}
    if section.blend:
        record |= {"next_prompt": section.next_prompt, "blend": section.blend}
    if section.images:
        record["images"] = section.images
    return record


def frames_of(seconds: float, fps: int) -> int:
    """Pixel frames of a length, at least 1."""
    return max(1, round(seconds * fps))
