"""What ``motion_bias`` and ``consistency_boost`` do, in numbers: the work of ``farm bench controls``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from model.consistency import Frames, consistent
from model.family import Renderer, SamplingParams

from .quality import render_sections
from .world import Puppet

TINT = (18.0, -6.0, -14.0)
"""Levels of 255 by which red, green and blue of a clip with a known drift have wandered at its end."""
CONTRAST = 1.2
"""Its contrast at the end, beside that at the start."""


@dataclass(frozen=True)
class Consistency:
    """Of one clip, in levels of 255. ``drift``: how far means and contrasts of the channels are from the first frame's
    in the last section; ``seam`` and ``inside``: how much of a frame changes from one to the next, at seams and
    elsewhere, seen through the coarse picture that flicker shows in."""

    drift: float
    seam: float
    inside: float


def motion_by_third(sections: list[Frames]) -> tuple[float, float, float]:
    """Mean change from frame to frame, in levels of 255, in the first, middle and last third of a clip."""
    video = np.concatenate(sections).astype(np.float32)
    steps = np.abs(np.diff(video, axis=0)).mean(axis=(1, 2, 3))
    first, middle, last = (float(part.mean()) for part in np.array_split(steps, 3))
    return first, middle, last


def measure_consistency(sections: list[Frames], boost: float) -> Consistency:
    """Colours and seams of a clip after ``consistency_boost``."""
    corrected = list(consistent(sections, boost))
    anchor, last = corrected[0][:1].astype(np.float64), corrected[-1].astype(np.float64)
    means = np.abs(last.mean(axis=(1, 2)).mean(axis=0) - anchor.mean(axis=(1, 2))[0])
    contrasts = np.abs(last.std(axis=(1, 2)).mean(axis=0) - anchor.std(axis=(1, 2))[0])
    video = np.concatenate([_coarse(frames) for frames in corrected])
    steps = np.abs(np.diff(video, axis=0)).mean(axis=(1, 2, 3))
    seams = np.cumsum([len(frames) for frames in corrected])[:-1] - 1
    inside = np.delete(steps, seams)
    return Consistency(float((means + contrasts).mean() / 2), float(steps[seams].mean()), float(inside.mean()))


def drifting(sections: list[Frames], tint: tuple[float, float, float], contrast: float) -> Iterator[Frames]:
    """A clip with a fault of a known size: colours that wander by ``tint`` levels and ``contrast`` by its end, in steps
    from section to section."""
    last = len(sections) - 1
    for index, frames in enumerate(sections):
        share = index / last if last else 0.0
        wandered = (frames.astype(np.float32) - 128) * (1 + share * (contrast - 1)) + 128 + share * np.array(tint)
        yield wandered.round().clip(0, 255).astype(np.uint8)


def _coarse(frames: Frames, cells: int = 8) -> np.ndarray:
    """Frames [n, cells, cells, 3] as means over equal cells."""
    count, height, width, _ = frames.shape
    cut = frames[:, : height // cells * cells, : width // cells * cells].astype(np.float32)
    return cut.reshape(count, cells, height // cells, cells, width // cells, 3).mean(axis=(2, 4))


def measure_controls(
    renderer: Renderer,
    puppets: Sequence[Puppet],
    *,
    order: str,
    seconds: float,
    params: SamplingParams,
    report: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, list[float]]]:
    """Both settings on the same clips, averaged.

    Returns:
        ``motion``: by bias, the motion of each third. ``colours``: by boost, drift, seam and inside. ``tinted``: the
        same for clips with a known drift added.
    """
    motion: dict[str, list[tuple[float, ...]]] = {}
    colours: dict[str, list[tuple[float, ...]]] = {}
    tinted: dict[str, list[tuple[float, ...]]] = {}
    for seed, puppet in enumerate(puppets):
        for bias in (-1.0, 0.0, 1.0):
            clip = list(
                render_sections(
                    renderer, puppet, order=order, seconds=seconds, seed=seed, params=params, motion_bias=bias
                )
            )
            motion.setdefault(f"{bias:g}", []).append(motion_by_third(clip))
            report()
            if bias:
                continue
            faulty = list(drifting(clip, TINT, CONTRAST))
            for boost in (0.0, 0.5, 1.0):
                colours.setdefault(f"{boost:g}", []).append(astuple(measure_consistency(clip, boost)))
                tinted.setdefault(f"{boost:g}", []).append(astuple(measure_consistency(faulty, boost)))
    return {
        name: {value: [round(float(mean), 3) for mean in np.mean(rows, axis=0)] for value, rows in found.items()}
        for name, found in (("motion", motion), ("colours", colours), ("tinted", tinted))
    }
