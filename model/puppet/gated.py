"""What the gate does to long videos, and what it costs: the same puppets with it and without."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from model.family import Renderer, SamplingParams
from model.plan import Plan, make_plan
from model.plan.plan import Section
from model.quality.gate import Verdict, best_take, judge, take_seed
from model.quality.looking import look

from .orders import renderer, scores_of
from .quality import decode_sections, held_out_puppet, start_image

Conditioning = Mapping[str, Tensor]


@dataclass(frozen=True)
class GateWork:
    """One clip to render and judge: the held-out puppet ``index``; without ``retakes`` there is no gate."""

    index: int
    seconds: float
    order: str
    retakes: int
    params: SamplingParams


@dataclass(frozen=True)
class GatedClip:
    """What became of it. ``sections`` it has and ``rendered``, other takes included; ``outside``: sections that were so
    when they were first rendered; ``scores``: as of ``orders.Clip``."""

    index: int
    retakes: int
    sections: int
    rendered: int
    outside: int
    scores: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge_gated(work: GateWork) -> GatedClip:
    """Render a clip as a farm with that gate does, in a process that is prepared."""
    model, puppet = renderer(), held_out_puppet(work.index)
    info = model.info
    plan = make_plan(
        layout=info.layout,
        order=work.order,
        seconds=work.seconds,
        seed=work.index,
        prompt=puppet.prompt,
        fps=info.fps,
    )
    conditioning = model.encode(start_image(puppet, info.buckets[0][0]), (puppet.prompt,), "")
    latents, rendered, outside = _rendered(model, plan, conditioning, work)
    pieces = [torch.from_numpy(frames) for frames in decode_sections(model, plan, latents)]
    scores = scores_of(puppet, pieces)
    return GatedClip(work.index, work.retakes, len(plan.sections), rendered, outside, scores)


def _rendered(
    model: Renderer, plan: Plan, conditioning: Conditioning, work: GateWork
) -> tuple[dict[int, Tensor], int, int]:
    """All latents; how many sections were rendered, and how many were outside at first."""
    start = conditioning["start_latent"]
    latents, rendered, outside = {0: start[:, 0]}, 0, 0

    def take(section: Section, number: int) -> tuple[dict[int, Tensor], Verdict]:
        nonlocal rendered
        seeded = replace(section, seed=take_seed(section.seed, number))
        made = model.denoise(seeded, latents, conditioning, work.params, lambda done, steps: None)
        own = {section.start + i: made[:, i] for i in range(made.shape[1])}
        seen = {0: latents[0], **own}
        for other in (plan.sections[index] for index in section.predecessors):
            seen |= {i: latents[i] for i in range(other.start, other.stop)}
        rendered += 1
        return own, judge(*look(model, section, seen, [start]))

    for section in sorted(plan.sections, key=lambda section: (section.level, section.index)):
        takes = {0: take(section, 0)}
        if takes[0][1].wrong:
            outside += 1
            takes |= {number: take(section, number) for number in range(1, work.retakes + 1)}
        latents |= takes[best_take({number: verdict.score for number, (_, verdict) in takes.items()})][0]
    return latents, rendered, outside
