"""The last task of a job: decoded chunks in viewer order become a video, a contact sheet and a manifest."""

import io
import json
import platform
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from farm.errors import PluginError
from farm.jobs.records import Artifact, AttemptSpec
from model.families import describe
from plugins.contact_sheet import ContactSheet
from plugins.exporters.base import Exporter, ExportInfo, Frame

if TYPE_CHECKING:
    from farm.store.artifacts import ArtifactStore
    from model.plan.plan import Plan

MANIFEST_VERSION = 1
_PACKAGES = ("framepack-farm", "torch", "diffusers", "numpy", "av")


def export_job(
    artifacts: "ArtifactStore",
    exporter: Exporter,
    spec: AttemptSpec,
    plan: "Plan",
    step_done: Callable[[int, int], None],
) -> list[Artifact]:
    """Write ``video``, ``contact_sheet`` and ``manifest``; one decoded chunk is in memory at a time.

    Raises:
        StorageError: a chunk is missing or damaged, or the disk is full.
        PluginError: the exporter wrote no file.
    """
    request = spec.request
    count = plan.output_frames
    first = _chunk(artifacts, spec, 0)
    info = ExportInfo(
        width=first.shape[2],
        height=first.shape[1],
        fps=plan.fps,
        frames=count,
        crf=request.mp4_crf,
        title=request.name,
        metadata={"comment": f"{request.prompt} (seed {request.seed}, {request.order}, {request.steps} steps)"},
    )
    sheet = ContactSheet(info)
    with tempfile.TemporaryDirectory(prefix="farm-export-") as folder:
        video, contact = Path(folder, f"video{exporter.extension}"), Path(folder, "contact_sheet.png")
        exporter.export(sheet.tap(islice(_frames(artifacts, spec, plan, step_done), count)), video, info)
        if not video.is_file():
            raise PluginError(f"exporter {request.exporter!r} wrote no file.")
        sheet.save(contact)
        manifest = _manifest(artifacts, spec, plan, info)
        return [
            _put(artifacts, spec, "video", video, exporter.media_type),
            _put(artifacts, spec, "contact_sheet", contact, "image/png"),
            _put(artifacts, spec, "manifest", json.dumps(manifest, indent=2).encode(), "application/json"),
        ]


def _put(artifacts: "ArtifactStore", spec: AttemptSpec, name: str, content: Path | bytes, media_type: str) -> Artifact:
    extension = content.suffix if isinstance(content, Path) else ".json"
    return artifacts.write(f"{spec.output_prefix}/{name}{extension}", content, name=name, media_type=media_type)


def _chunk(artifacts: "ArtifactStore", spec: AttemptSpec, section: int) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    name = f"frames-{section:03d}"
    data = io.BytesIO(artifacts.read(spec.inputs[name], spec.hashes.get(name)))
    chunk: np.ndarray[Any, np.dtype[np.uint8]] = np.lib.format.read_array(data, allow_pickle=False)
    return chunk


def _frames(
    artifacts: "ArtifactStore", spec: AttemptSpec, plan: "Plan", step_done: Callable[[int, int], None]
) -> Iterator[Frame]:
    for section in plan.sections:
        yield from _chunk(artifacts, spec, section.index)
        step_done(section.index + 1, len(plan.sections))


def _manifest(artifacts: "ArtifactStore", spec: AttemptSpec, plan: "Plan", info: ExportInfo) -> dict[str, Any]:
    """Everything needed to say how the video was made, and to make it again."""
    sections = []
    for section in plan.sections:
        made = artifacts.tensor_metadata(spec.inputs[f"latents-{section.index:03d}"])
        sections.append(
            {
                "index": section.index,
                "latents": [section.start, section.stop],
                "predecessors": list(section.predecessors),
                "level": section.level,
                "seed": section.seed,
                "prompt": section.prompt,
                "attempt": made["attempt"],
                "replica": made["replica"],
                "seconds": float(made["seconds"]),
                "device_class": made["device_class"],
                "checkpoint_sha256": made["checkpoint_sha256"],
                "sha256": spec.hashes.get(f"latents-{section.index:03d}"),
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
        },
        "video": {
            "width": info.width,
            "height": info.height,
            "fps": info.fps,
            "frames": info.frames,
            "seconds": info.seconds,
        },
        "model": {"family": family.name, "title": family.title, "checkpoint_sha256": sections[0]["checkpoint_sha256"]},
        "device_classes": sorted({section["device_class"] for section in sections}),
        "sections": sections,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
