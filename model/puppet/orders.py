"""How orders compare on held-out puppets: drift, motion and seams of videos that differ in nothing else."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

import torch

from model.families import load
from model.family import FamilyInfo, Renderer
from model.plan import make_plan
from model.quality.judging import drift, findings, values_of
from model.quality.measures import measure
from model.quality.report import DRIFTS
from model.settings import ModelSettings

from .bench import Work
from .quality import held_out_puppet, identity_error, render_sections, sharpness
from .world import FPS, Puppet, render

SCORES = (*DRIFTS, "seam", "outside", "identity", "truth_sharpness", "truth_motion")
"""Of each clip: drifts by kind, without their signs; the mean of its seams; the share of sections outside a limit; and
of its last second, beside the true clip's: the error of its colours; its sharpness and its motion, as ratios."""
_ready: dict[str, Renderer] = {}


@dataclass(frozen=True)
class Clip:
    """What one video was like. ``scores``: by ``SCORES``; ``index``: of its puppet."""

    order: str
    index: int
    seconds: float
    scores: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def prepare(settings: ModelSettings) -> None:
    """Load the model, once per process."""
    torch.set_num_threads(1)
    _ready["renderer"] = load("puppet", settings)


def renderer() -> Renderer:
    """The model of this process, which is prepared."""
    return _ready["renderer"]


def judge_order(work: Work) -> Clip:
    """Render a clip and judge it, in a process that is prepared."""
    puppet = held_out_puppet(work.index)
    made = render_sections(
        renderer(), puppet, order=work.order, seconds=work.seconds, seed=work.index, params=work.params
    )
    scores = scores_of(puppet, [torch.from_numpy(frames) for frames in made])
    return Clip(work.order, work.index, work.seconds, scores)


def scores_of(puppet: Puppet, pieces: Sequence[torch.Tensor]) -> dict[str, float]:
    """By ``SCORES``, of a video's sections [n, h, w, 3] uint8."""
    measured = [measure(piece) for piece in pieces]
    values = values_of(measured)
    last = torch.cat(list(pieces))[-FPS:].permute(0, 3, 1, 2).float() / 255
    count = sum(map(len, pieces))
    truth = render(puppet, torch.arange(count - FPS, count) / FPS, last.shape[-1])
    assert isinstance(truth, torch.Tensor)
    scores = {
        **{kind: abs(drift(measured, kind)) for kind in DRIFTS},
        "seam": fmean(values["seam"][1:]) if len(measured) > 1 else 0.0,
        "outside": len({finding.piece for finding in findings(values)}) / len(measured),
        "identity": identity_error(puppet, last),
        "truth_sharpness": sharpness(last) / sharpness(truth),
        "truth_motion": _motion(last) / max(_motion(truth), 1e-6),
    }
    return {name: round(value, 5) for name, value in scores.items()}


@dataclass(frozen=True)
class Mean:
    """Of some clips, with its standard error; 0 for a single one."""

    value: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        return cls(fmean(values), stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0)


def means(clips: Iterable[Clip]) -> dict[str, Mean]:
    """By score."""
    kept = list(clips)
    return {name: Mean.of([clip.scores[name] for clip in kept]) for name in SCORES} if kept else {}


def beside(clips: Iterable[Clip], base: Iterable[Clip]) -> dict[str, Mean]:
    """By score, how much more ``clips`` have than those of ``base``, of the same puppets: what puppets differ in drops
    out of it."""
    scores = {clip.index: clip.scores for clip in base}
    pairs = [(clip.scores, scores[clip.index]) for clip in clips if clip.index in scores]
    return {name: Mean.of([mine[name] - theirs[name] for mine, theirs in pairs]) for name in SCORES} if pairs else {}


def bounds(info: FamilyInfo, order: str, seconds: float, devices: Sequence[int]) -> dict[int, int]:
    """By number of equal devices, how many sections' time a video takes at least, decoding left out; 1 device takes one
    for each section."""
    plan = make_plan(layout=info.layout, order=order, seconds=seconds, seed=0, prompt="-", fps=info.fps)
    return {count: plan.makespan(count) for count in devices}


def _motion(frames: torch.Tensor) -> float:
    """Mean difference of two frames in a row."""
    return frames.diff(dim=0).abs().mean().item()
