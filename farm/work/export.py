"""The last tasks of a job: decoded chunks in viewer order become a file each, with a manifest and a contact sheet."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from farm.jobs.exports import Export
from farm.jobs.names import CONTACT_SHEET, MANIFEST, VIDEO, export_index, frames_name, numbered
from farm.jobs.records import Artifact
from farm.jobs.request import RenderRequest
from farm.processes import scratch_folder
from model.footage.apart import frames_apart
from model.footage.buckets import Bucket
from model.footage.media import AUDIO
from model.plan.anchors import SOURCE_VIDEO
from plugins.contact_sheet import ContactSheet
from plugins.exporters.base import Frame
from plugins.exporters.process import Step, export_apart
from plugins.manager import PluginManager, get_manager

from .export_info import info_for
from .fades import one_after_the_other
from .inputs import Inputs
from .manifest import manifest_of
from .sound import Given, sound_of
from .workspace import OnProgress, Workspace

if TYPE_CHECKING:
    import torch

    from model.consistency import Frames
    from model.plan.plan import Plan

RATE_OF_FILE = "interpolate"
"""The post-processor that gives a file its own frame rate."""


def export(work: Workspace, step_done: OnProgress) -> list[Artifact]:
    """Write the ``video`` and ``manifest`` of one of the job's exports, and the ``contact_sheet`` with the first; a few
    decoded chunks are in memory at a time.

    Raises:
        StorageError: a chunk is missing or damaged, or the disk is full.
        PluginError: the exporter failed, hung or crashed, or wrote no whole file.
    """
    request, plan, inputs = work.spec.request, work.plan, work.inputs
    number = export_index(work.spec.task_name)
    wanted = work.spec.job_order.exports[number]
    plugins = get_manager(work.settings)
    exporter = plugins.exporter(wanted.exporter)
    source = inputs.read(SOURCE_VIDEO) if request.exports_video else b""
    frames = film_frames(work, source, step_done)
    first = next(frames)
    frames, (height, width) = chain([first], frames), first.shape[:2]
    before, after, heard = 0, 0, None
    with ExitStack() as stack:
        if request.joins_video:
            given, shown = stack.enter_context(frames_apart(source, plan.fps, (height, width), request.fit))
            if request.extend == "end":
                frames, before = chain(shown, frames), given.frames
            else:
                frames, after = chain(frames, shown), given.frames
            if given.sound:
                heard = Given(source, plan.output_frames / plan.fps if after else 0.0, given.frames / plan.fps)
        folder = Path(stack.enter_context(scratch_folder("export")))
        info = info_for(work, number, plugins, (height, width), before, after, folder)
        track = inputs.read(AUDIO) if wanted.audio_sha256 else b""
        file, sound = sound_of(exporter, wanted, track, heard, info.seconds, folder)
        info = replace(info, sound=file)
        sheet = ContactSheet(info)
        video = folder / f"{numbered(VIDEO, number)}{exporter.extension}"
        steps = _steps(plugins, wanted)
        written = export_apart(exporter, sheet.tap(frames), video, info, work.settings.exporter_seconds, steps)
        files = [work.put(numbered(VIDEO, number), video.name, video, exporter.media_type)]
        if not number:
            contact = folder / f"{CONTACT_SHEET}.png"
            sheet.save(contact)
            files.append(work.put(CONTACT_SHEET, contact.name, contact, "image/png"))
        name = numbered(MANIFEST, number)
        manifest = manifest_of(work, number, written, sound, [processor for processor, _ in steps])
        text = json.dumps(manifest, indent=2).encode()
        return [*files, work.put(name, f"{name}.json", text, "application/json")]


def _steps(plugins: PluginManager, wanted: Export) -> list[Step]:
    """What frames pass on their way to the exporter; the file's own frame rate comes last."""
    steps: list[Step] = [(plugins.post_processor(step.processor), step.options) for step in wanted.post]
    if wanted.output_fps is not None:
        options = {"fps": wanted.output_fps, "method": wanted.frame_interpolation}
        steps.append((plugins.post_processor(RATE_OF_FILE), options))
    return steps


def film_frames(work: Workspace, source: bytes, step_done: OnProgress) -> Iterator[Frame]:
    """What was made, frame by frame: the video, or the shots of a film, one passing over into the next."""
    total, done = sum(len(shot.plan.sections) for shot in work.shots), 0
    shots: list[tuple[Iterator[Frame], int]] = []
    for number, shot in enumerate(work.shots):

        def told(step: int, _steps: int, before: int = done) -> None:
            step_done(before + step, total)

        fade = work.spec.shots[number].fade if work.spec.shots else 0
        shots.append((_frames(shot, source, told), fade))
        done += len(shot.plan.sections)
    return one_after_the_other(shots)


def _frames(work: Workspace, source: bytes, step_done: OnProgress) -> Iterator[Frame]:
    """Those of a video, or of one shot, that are shown."""
    request, plan = work.spec.request, work.plan
    pieces = _pieces(work.inputs, plan, step_done)
    first = next(pieces)
    pieces = _consistent(chain([first], pieces), plan, request, source, first.shape[1:3])
    made = (frame for piece in pieces for frame in piece)
    yield from islice(made, plan.first_frame, plan.first_frame + plan.output_frames)


def _pieces(inputs: Inputs, plan: "Plan", step_done: OnProgress) -> "Iterator[Frames]":
    """The video, as it was decoded, in pieces [n, h, w, 3] uint8 in viewer order."""
    from model.pixels import joined

    def chunks() -> "Iterator[dict[str, torch.Tensor]]":
        names = [frames_name(section.index) for section in plan.sections]
        with ThreadPoolExecutor(1, thread_name_prefix="chunk") as reader:  # the next comes while one is written
            coming = reader.submit(inputs.tensors, names[0])
            for number in range(1, len(names) + 1):
                chunk = coming.result()
                if number < len(names):
                    coming = reader.submit(inputs.tensors, names[number])
                yield chunk
                step_done(number, len(names))

    return (piece.numpy() for piece in joined(chunks()))


def _consistent(
    pieces: "Iterator[Frames]", plan: "Plan", request: RenderRequest, source: bytes, bucket: Bucket
) -> "Iterator[Frames]":
    """``pieces`` with the request's ``consistency_boost``."""
    if not request.consistency_boost:
        return pieces
    from model.consistency import consistent, in_sections

    then = None
    if source and request.extend == "start":
        with frames_apart(source, plan.fps, bucket, request.fit) as (_, frames):
            then = next(frames)
    sections = in_sections(pieces, [len(section.frames) for section in plan.sections])
    return consistent(sections, request.consistency_boost, then)
