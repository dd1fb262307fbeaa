"""What a plan comes to, as plain values: stored with its job, answered by the API, printed and exported."""

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from model.plan import Plan
from model.plan.plan import Section

from .names import in_film
from .shots import first_frames


def plan_facts(plan: Plan) -> dict[str, Any]:
    """A plan in numbers, ready for JSON: what ``farm.api.plan_views.PlanView`` describes."""
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


def film_facts(plans: Sequence[Plan], names: Sequence[str], fades: Sequence[int]) -> dict[str, Any]:
    """The plans of a film's shots as one, sections and frames counted through; ``shots`` says where each begins.
    ``fades``: frames that each has in common with the one before."""
    starts = first_frames([plan.output_frames for plan in plans], fades)
    made = [plan_facts(plan) for plan in plans]
    firsts = list(accumulate((plan["sections"] for plan in made), initial=0))
    sections, depth = firsts[-1], max(plan["depth"] for plan in made)
    return {
        **made[0],
        "seconds": starts[-1] / made[0]["fps"],
        "requested_seconds": sum(plan["requested_seconds"] for plan in made),
        "frames": starts[-1],
        "latent_frames": sum(plan["latent_frames"] for plan in made),
        "sections": sections,
        "depth": depth,
        "width": sum(plan["width"] for plan in made),
        "speedup": sections / depth,
        "digest": hashlib.sha256("".join(plan["digest"] for plan in made).encode()).hexdigest(),
        "anchors": [
            {"name": in_film(anchor["name"], number, 0), "second": anchor["second"] + starts[number] / plan["fps"]}
            for number, plan in enumerate(made)
            for anchor in plan["anchors"]
        ],
        "section_list": [
            _in_film(section, number, firsts[number], starts[number] - plans[number].first_frame)
            for number, plan in enumerate(made)
            for section in plan["section_list"]
        ],
        "shots": [
            {
                "name": names[number],
                "section": firsts[number],
                "sections": plan["sections"],
                "second": starts[number] / plan["fps"],
                "seconds": plan["seconds"],
                "fade": fades[number] / plan["fps"],
            }
            for number, plan in enumerate(made)
        ],
    }


def _in_film(section: dict[str, Any], shot: int, first: int, start: int) -> dict[str, Any]:
    return {
        **section,
        "index": first + section["index"],
        "first_frame": start + section["first_frame"],
        "last_frame": start + section["last_frame"],
        "predecessors": [first + index for index in section["predecessors"]],
        "anchors": [in_film(anchor, shot, first) for anchor in section["anchors"]],
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
