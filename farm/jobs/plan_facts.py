"""What a plan comes to, as plain values: stored with its job, answered by the API, printed and exported."""

from typing import Any

from model.plan import Plan
from model.plan.plan import Section


def plan_facts(plan: Plan) -> dict[str, Any]:
    """A plan in numbers, ready for JSON: what ``farm.api.schemas.PlanView`` describes."""
    return {
        "order": plan.order,
        "layout": str(plan.layout),
        "fps": plan.fps,
        "seconds": plan.seconds,
        "requested_seconds": plan.requested_seconds,
        "frames": plan.output_frames,
        "latent_frames": plan.latent_frames,
        "sections": len(plan.sections),
        "depth": plan.depth,
        "width": plan.width,
        "speedup": plan.speedup(),
        "digest": plan.digest(),
        "anchors": [{"name": anchor.name, "second": plan.second_of(anchor)} for anchor in plan.anchors],
        "section_list": [section_facts(plan, section) for section in plan.sections],
    }


def section_facts(plan: Plan, section: Section) -> dict[str, Any]:
    """One section of it; ``first_frame`` and ``last_frame`` are pixel frames, both inclusive."""
    return {
        "index": section.index,
        "start": section.start,
        "stop": section.stop,
        "first_frame": section.frames.start,
        "last_frame": section.frames.stop - 1,
        "predecessors": list(section.predecessors),
        "level": section.level,
        "prompt": section.prompt,
        "next_prompt": section.next_prompt,
        "blend": section.blend,
        "anchors": list(plan.anchors_of(section)),
    }
