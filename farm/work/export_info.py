"""What an exporter is told of a video: its size and rate, what is seen when, and where its latents are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farm.jobs.filenames import NAMING, values_of, video_file
from farm.jobs.names import in_film, latents_name
from model.footage.buckets import Bucket
from plugins.exporters.base import ExportInfo, Moment, SectionInfo, TimedPrompt
from plugins.manager import PluginManager

from .manifest import settings_of
from .workspace import Workspace


def info_for(
    work: Workspace, number: int, plugins: PluginManager, size: Bucket, before: int, after: int, folder: Path
) -> ExportInfo:
    """Facts for the export of that number, before post-processing.

    Args:
        work: the attempt's.
        number: of the export in the job's order.
        plugins: what exporters there are.
        size: height and width of the pictures.
        before, after: frames of a given video that stand before and after those that were made.
        folder: where files for the exporter may be put.
    """
    order, plan, request = work.spec.job_order, work.plan, work.spec.request
    wanted = order.exports[number]
    *starts, end = (before + start for start in work.starts)
    shots = list(zip(work.shots, starts, strict=True))
    sections = tuple(section for shot, start in shots for section in _sections(shot, start))
    seconds = work.starts[-1] / plan.fps
    exporter, first = (plugins.exporter(export.exporter) for export in (wanted, order.export))
    values = values_of(
        work.spec.job_id,
        work.spec.created_at,
        order.name,
        request.prompt,
        order.owner,
        order.preset,
        {**request.model_dump(include=set(NAMING)), **({"total_second_length": seconds} if work.spec.shots else {})},
    )
    return ExportInfo(
        width=size[1],
        height=size[0],
        fps=plan.fps,
        frames=end + after,
        crf=wanted.mp4_crf,
        title=order.name,
        metadata={
            "description": f"{request.prompt} (seed {request.seed}, {request.order}, {request.steps} steps)",
            "comment": json.dumps(_comment(work), ensure_ascii=False, separators=(",", ":")),
        },
        options=dict(wanted.options),
        file_name=video_file(wanted.file_name, values, number, exporter.extension),
        video_name=video_file(order.export.file_name, values, 0, first.extension),
        sections=sections,
        prompts=_prompts(sections, plan.fps),
        keyframes=tuple(moment for shot, start in shots for moment in _keyframes(shot, start)),
        latents=tuple(path for shot, _ in shots for path in _latents(shot, folder)) if exporter.reads_latents else (),
    )


def _comment(work: Workspace) -> dict[str, Any]:
    """What the file says of how it was made: settings, of a film those of its first shot and how many there are."""
    shots = {"shots": len(work.spec.shots)} if work.spec.shots else {}
    return {"request": settings_of(work.spec), **shots}


def _latents(shot: Workspace, folder: Path) -> Iterator[Path]:
    """Copies of the sections' files, each checked."""
    for section in shot.plan.sections:
        path = folder / f"{latents_name(shot.spec.first + section.index)}.safetensors"
        path.write_bytes(shot.inputs.read(latents_name(section.index)))
        yield path


def _keyframes(shot: Workspace, start: int) -> Iterator[Moment]:
    for anchor in shot.plan.anchors:
        second = shot.plan.second_of(anchor) + start / shot.plan.fps
        yield Moment(second, in_film(anchor.name, shot.spec.shot, shot.spec.first))


def _sections(shot: Workspace, before: int) -> Iterator[SectionInfo]:
    """Sections by the frames of the video; one that is trimmed away has none and is left out."""
    plan = shot.plan
    shown = plan.first_frame + plan.output_frames

    def at(frame: int) -> int:
        return before + min(max(frame, plan.first_frame), shown) - plan.first_frame

    for section in plan.sections:
        start, stop = at(section.frames.start), at(section.frames.stop)
        if stop > start:
            yield SectionInfo(shot.spec.first + section.index, start, stop - start, section.prompt)


def _prompts(sections: tuple[SectionInfo, ...], fps: int) -> tuple[TimedPrompt, ...]:
    """Each prompt for as long as sections that follow each other have it."""
    found: list[TimedPrompt] = []
    for section in sections:
        end = (section.first_frame + section.frames) / fps
        if found and found[-1].text == section.prompt:
            found[-1] = TimedPrompt(found[-1].start, end, section.prompt)
        else:
            found.append(TimedPrompt(section.first_frame / fps, end, section.prompt))
    return tuple(found)
