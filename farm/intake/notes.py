"""What the owner of a new job should know before it is rendered."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from farm.jobs.exports import Export
from farm.jobs.request import RenderRequest
from model.choices import CENTRED, Fit
from model.family import FamilyInfo
from model.footage.buckets import Bucket, crop_for
from model.footage.footage import FileFacts
from model.loras.library import locate
from model.loras.pairs import text_names
from model.plan import Plan
from model.plan.anchors import END_IMAGE, SOURCE_VIDEO, START_IMAGE
from model.plan.prompts import goes_on
from model.settings import ModelSettings

if TYPE_CHECKING:
    from plugins.manager import OfferedExporter

MOST_CUT = 0.5
"""A picture that loses more than this share of its area is spoken of."""
_TITLES = {START_IMAGE: "start image", END_IMAGE: "end image", SOURCE_VIDEO: "given video"}


def notes_on(
    request: RenderRequest,
    plan: Plan,
    family: FamilyInfo,
    facts: Mapping[str, FileFacts],
    settings: ModelSettings,
) -> tuple[str, ...]:
    """Notes on a checked request and its files, a sentence each. ``settings``: of this machine, which has its LoRAs."""
    found = [*prompt_notes(request.prompt, plan), *lora_notes(request, settings)]
    if plan.order not in family.orders:
        found.append(f"model {family.name!r} was not trained for the order {plan.order!r}: an experiment.")
    start = facts.get(START_IMAGE)
    if family.drawn and start is not None and start.is_photograph:
        found.append(
            f"the start image looks like a photograph, and model {family.name!r} moves drawn figures only: all else "
            "stays as it is, or the camera zooms or pans if that is asked for. Take a drawing, or another model."
        )
    first = next((facts[name] for name in (START_IMAGE, SOURCE_VIDEO, *facts) if name in facts), None)
    if first is not None:
        bucket = family.bucket(first.height, first.width, request.resolution)
        for name, file in facts.items():
            found += crop_notes(file.width, file.height, bucket, _TITLES.get(name, name.replace("-", " ")), request.fit)
    return tuple(found)


def sound_notes(exports: Sequence[Export], exporters: "Sequence[OfferedExporter]", of_video: bool = False) -> list[str]:
    """On sound that exporters can't carry; ``of_video``: a video that is joined has some."""
    mute = [(export, one.name) for export, one in zip(exports, exporters, strict=True) if not one.carries_sound]
    left_out = {
        "sound of the given video": [name for _, name in mute] if of_video else [],
        "sound track": [name for export, name in mute if export.audio_sha256],
    }
    return [
        f"the {what} is left out of {', '.join(names)}: no such file carries any."
        for what, names in left_out.items()
        if names
    ]


def lora_notes(request: RenderRequest, settings: ModelSettings) -> list[str]:
    """On what of LoRAs is left out."""
    files = {lora.name: locate(lora, settings) for lora in request.loras}
    return [
        f"LoRA {name!r}: its part for the text encoder is left out; what changes the video model is used."
        for name, file in files.items()
        if text_names(file)
    ]


def prompt_notes(prompt: str, plan: Plan) -> list[str]:
    """On its timed prompts."""
    end = goes_on(prompt, plan.seconds)
    return [] if end is None else [f"the last timed prompt ends at {end:g} s and goes on to {plan.seconds:.1f} s."]


def crop_notes(width: int, height: int, bucket: Bucket, what: str, fit: Fit = CENTRED) -> list[str]:
    """On a picture that would lose most of itself."""
    crop = crop_for(width, height, bucket, fit)
    if crop.kept > 1 - MOST_CUT:
        return []
    return [
        f"the {what} is {width}x{height} pixels and the video {bucket[1]}x{bucket[0]}: {1 - crop.kept:.0%} of it is "
        "cut off. Choose with image_position what is kept, or keep all of it with image_fit=pad."
    ]
