"""Plans as the API shows them, made from model.plan."""

from typing import Self

from pydantic import BaseModel

from farm.cluster.outlook import JobOutlook
from farm.jobs.plan_facts import plan_facts
from model.footage.buckets import Crop
from model.plan import Plan

from .job_views import OutlookView


class AnchorView(BaseModel):
    """A picture or video that is given, and the second of the video at which it stands."""

    name: str
    second: float


class SectionView(BaseModel):
    """A section of the plan; ``first_frame`` and ``last_frame`` are pixel frames of the video, both inclusive.

    ``prompt`` is its resolved text, into which ``next_prompt`` is mixed with weight ``blend``; it sees ``anchors``.
    """

    index: int
    start: int
    stop: int
    first_frame: int
    last_frame: int
    predecessors: tuple[int, ...]
    level: int
    prompt: str
    next_prompt: str
    blend: float
    anchors: tuple[str, ...]


class ShotPlanView(BaseModel):
    """A shot of a film: the first of its ``sections``, the second at which it begins, and how long it fades in."""

    name: str
    section: int
    sections: int
    second: float
    seconds: float
    fade: float


class PlanView(BaseModel):
    """A plan in numbers. ``seconds`` is the true length; ``depth`` the longest chain of sections; ``shots`` are a
    film's."""

    order: str
    layout: str
    fps: int
    seconds: float
    requested_seconds: float
    frames: int
    latent_frames: int
    sections: int
    depth: int
    width: int
    speedup: float
    digest: str
    anchors: list[AnchorView]
    section_list: list[SectionView]
    shots: list[ShotPlanView] = []

    @classmethod
    def of(cls, plan: Plan) -> Self:
        return cls(**plan_facts(plan))


class PlanPreview(PlanView):
    """A plan before submission.

    ``makespan``: rounds of sections on ``devices`` equal devices; ``bucket``: height and width in pixels that the image
    is cropped to; ``crop``: left, top, right and bottom of what is kept of it, in its own pixels, and ``kept`` that
    part's share; ``experimental``: the model was not trained for this order; ``notes``: what to know before queueing;
    ``outlook``: what would lie before such a job if it were queued now.
    """

    devices: int
    makespan: int
    devices_speedup: float
    bucket: tuple[int, int]
    crop: tuple[float, float, float, float]
    kept: float
    tokens: int
    experimental: bool
    svg: str
    notes: list[str]
    outlook: OutlookView

    @classmethod
    def preview(
        cls,
        plan: Plan,
        devices: int,
        crop: Crop,
        tokens: int,
        experimental: bool,
        svg: str,
        notes: list[str],
        outlook: JobOutlook,
    ) -> Self:
        return cls(
            **plan_facts(plan),
            devices=devices,
            makespan=plan.makespan(devices),
            devices_speedup=plan.speedup(devices),
            bucket=crop.bucket,
            crop=crop.box,
            kept=round(crop.kept, 4),
            tokens=tokens,
            experimental=experimental,
            svg=svg,
            notes=notes,
            outlook=OutlookView.model_validate(outlook),
        )
