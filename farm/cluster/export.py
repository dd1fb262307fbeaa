"""The last task of a job: decoded chunks in viewer order become a video, a contact sheet and a manifest."""

import json
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.errors import PluginError
from farm.jobs.names import CONTACT_SHEET, MANIFEST, VIDEO, frames_name, latents_name
from farm.jobs.records import Artifact, AttemptSpec
from farm.jobs.request import RenderRequest
from farm.processes import scratch_folder
from model.families import describe
from model.footage.apart import frames_apart
from model.footage.buckets import Bucket
from model.plan.anchors import SOURCE_VIDEO
from plugins.contact_sheet import ContactSheet
from plugins.exporters.base import ExportInfo, Frame
from plugins.exporters.frame_rate import at_rate, frame_count
from plugins.exporters.process import export_apart
from plugins.manager import OfferedExporter

from .inputs import Inputs

if TYPE_CHECKING:
    import torch

    from farm.store.artifacts import ArtifactStore
    from model.consistency import Frames
    from model.plan.plan import Plan

MANIFEST_VERSION = 1
LEFT_OUT = "that of the given video is left out"
_PACKAGES = ("framepack-farm", "torch", "diffusers", "numpy", "av")


def export_job(
    artifacts: "ArtifactStore",
    exporter: OfferedExporter,
    spec: AttemptSpec,
    plan: "Plan",
    step_done: Callable[[int, int], None],
    exporter_seconds: float,
) -> list[Artifact]:
    """Write ``video``, ``contact_sheet`` and ``manifest``; a few decoded chunks are in memory at a time.

    Raises:
        StorageError: a chunk is missing or damaged, or the disk is full.
        PluginError: the exporter failed, hung or crashed, or wrote no file.
    """
    request = spec.request
    fps = request.output_fps or plan.fps
    inputs = Inputs(artifacts, spec)
    pieces = _pieces(inputs, plan, step_done)
    first = next(pieces)
    height, width = first.shape[1:3]
    source = inputs.read(SOURCE_VIDEO) if request.exports_video else b""
    pieces = _consistent(chain([first], pieces), plan, request, source, (height, width))
    made = (frame for piece in pieces for frame in piece)
    frames: Iterator[Frame] = islice(made, plan.first_frame, plan.first_frame + plan.output_frames)
    count, sound = plan.output_frames, None
    with ExitStack() as stack:
        if request.joins_video:
            given, shown_before = stack.enter_context(frames_apart(source, plan.fps, (height, width)))
            frames = chain(shown_before, frames) if request.extend == "end" else chain(frames, shown_before)
            count, sound = count + given.frames, LEFT_OUT if given.sound else None
        info = ExportInfo(
            width=width,
            height=height,
            fps=fps,
            frames=frame_count(count, plan.fps, fps),
            crf=request.mp4_crf,
            title=request.name,
            metadata={"comment": f"{request.prompt} (seed {request.seed}, {request.order}, {request.steps} steps)"},
        )
        sheet = ContactSheet(info)
        folder = Path(stack.enter_context(scratch_folder("export")))
        video, contact = folder / f"video{exporter.extension}", folder / "contact_sheet.png"
        shown = at_rate(frames, count, plan.fps, fps, request.frame_interpolation)
        export_apart(exporter, sheet.tap(shown), video, info, exporter_seconds)
        if not video.is_file():
            raise PluginError(f"exporter {request.exporter!r} wrote no file.")
        sheet.save(contact)
        manifest = _manifest(inputs, spec, plan, info, sound)
        return [
            _put(artifacts, spec, VIDEO, video, exporter.media_type),
            _put(artifacts, spec, CONTACT_SHEET, contact, "image/png"),
            _put(artifacts, spec, MANIFEST, json.dumps(manifest, indent=2).encode(), "application/json"),
        ]


def _put(artifacts: "ArtifactStore", spec: AttemptSpec, name: str, content: Path | bytes, media_type: str) -> Artifact:
    extension = content.suffix if isinstance(content, Path) else ".json"
    return artifacts.write(f"{spec.output_prefix}/{name}{extension}", content, name=name, media_type=media_type)


def _pieces(inputs: Inputs, plan: "Plan", step_done: Callable[[int, int], None]) -> "Iterator[Frames]":
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
        with frames_apart(source, plan.fps, bucket) as (_, frames):
            then = next(frames)
    sections = in_sections(pieces, [len(section.frames) for section in plan.sections])
    return consistent(sections, request.consistency_boost, then)


def _manifest(inputs: Inputs, spec: AttemptSpec, plan: "Plan", info: ExportInfo, sound: str | None) -> dict[str, Any]:
    """Everything needed to say how the video was made, and to make it again; ``sound``: what became of it."""
    sections = []
    for section in plan.sections:
        made = inputs.metadata(latents_name(section.index))
        chunk = inputs.metadata(frames_name(section.index))
        sections.append(
            {
                "index": section.index,
                "latents": [section.start, section.stop],
                "predecessors": list(section.predecessors),
                "level": section.level,
                "seed": section.seed,
                "prompt": section.prompt,
                "next_prompt": section.next_prompt,
                "blend": section.blend,
                "attempt": made["attempt"],
                "replica": made["replica"],
                "seconds": float(made["seconds"]),
                "device_class": made["device_class"],
                "attention": made.get("attention", "native"),
                "cache": made["cache"],
                "steps_computed": json.loads(made["computed"]),
                "loras": json.loads(made.get("loras", "[]")),
                "checkpoint_sha256": made["checkpoint_sha256"],
                "vae_tiling": chunk["vae_tiling"],
                "sha256": spec.hashes.get(latents_name(section.index)),
            }
        )
    family = describe(spec.request.model_type)
    return {
        "manifest_version": MANIFEST_VERSION,
        "job": spec.job_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "request": spec.request.model_dump(mode="json"),
        "plan": {
            "digest": spec.plan_digest,
            "order": plan.order,
            "layout": str(plan.layout),
            "sections": len(plan.sections),
            "depth": plan.depth,
            "width": plan.width,
            "latent_frames": plan.latent_frames,
            "anchors": [vars(anchor) for anchor in plan.anchors],
        },
        "video": {
            "width": info.width,
            "height": info.height,
            "fps": info.fps,
            "frames": info.frames,
            "seconds": info.seconds,
            "generated_fps": plan.fps,
            "generated_frames": plan.output_frames,
            "frame_interpolation": spec.request.frame_interpolation if info.fps != plan.fps else None,
            "sound": sound,
        },
        "model": {
            "family": family.name,
            "title": family.title,
            "checkpoint_sha256": sections[0]["checkpoint_sha256"],
            "parts": dict(family.origins),
        },
        "device_classes": sorted({section["device_class"] for section in sections}),
        "sections": sections,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
