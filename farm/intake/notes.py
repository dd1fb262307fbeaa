"""What the owner of a new job should know before it is rendered."""

from collections.abc import Mapping

from farm.jobs.request import RenderRequest
from model.family import FamilyInfo
from model.footage.buckets import Bucket, crop_for
from model.footage.footage import FileFacts
from model.plan import Plan
from model.plan.anchors import END_IMAGE, SOURCE_VIDEO, START_IMAGE
from model.plan.prompts import goes_on

MOST_CUT = 0.5
"""A picture that loses more than this share of its area is spoken of."""
_TITLES = {START_IMAGE: "start image", END_IMAGE: "end image", SOURCE_VIDEO: "given video"}


def notes_on(request: RenderRequest, plan: Plan, family: FamilyInfo, facts: Mapping[str, FileFacts]) -> tuple[str, ...]:
    """Notes on a checked request and its files, a sentence each."""
    found = [*prompt_notes(request.prompt, plan)]
    if plan.order not in family.orders:
        found.append(f"model {family.name!r} was not trained for the order {plan.order!r}: an experiment.")
    first = next((facts[name] for name in (START_IMAGE, SOURCE_VIDEO, *facts) if name in facts), None)
    if first is not None:
        bucket = family.bucket(first.height, first.width, request.resolution)
        for name, file in facts.items():
            found += crop_notes(file.width, file.height, bucket, _TITLES.get(name, name.replace("-", " ")))
    source = facts.get(SOURCE_VIDEO)
    if source is not None and source.sound and request.joins_video:
        found.append("the sound of the given video is left out: exports carry none yet.")
    return tuple(found)


def prompt_notes(prompt: str, plan: Plan) -> list[str]:
    """On its timed prompts."""
    end = goes_on(prompt, plan.seconds)
    return [] if end is None else [f"the last timed prompt ends at {end:g} s and goes on to {plan.seconds:.1f} s."]


def crop_notes(width: int, height: int, bucket: Bucket, what: str) -> list[str]:
    """On a picture that would lose most of itself."""
    crop = crop_for(width, height, bucket)
    if crop.kept > 1 - MOST_CUT:
        return []
    return [
        f"the {what} is {width}x{height} pixels and the video {bucket[1]}x{bucket[0]}: {1 - crop.kept:.0%} of it is "
        "cut off. Crop it yourself to choose what is kept."
    ]
