"""The manifest of a video: how it was made, and what is needed to make it again."""

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from farm.errors import FarmError
from farm.jobs.names import frames_name, latents_name
from farm.jobs.records import AttemptSpec
from farm.jobs.submission import Submission
from model.families import describe
from model.quality.pieces import PICTURES
from model.settings import ModelSettings
from plugins.exporters.process import Written
from plugins.manager import OfferedPostProcessor
from plugins.post.weights import weights_sha256

from .workspace import Workspace

MANIFEST_VERSION = 1
OF_ITS_TIME = {"owner", "priority", "deadline", "mixing", "labels", "batch"}
"""Fields that tell how the job was served, and nothing of the video."""
_PACKAGES = ("framepack-farm", "torch", "diffusers", "numpy", "av")


def manifest_of(
    work: Workspace, number: int, written: Written, sound: str | None, processors: Sequence[OfferedPostProcessor]
) -> dict[str, Any]:
    """Everything needed to say how the video was made, and to make it again.

    Args:
        work: the attempt's.
        number: of the export in the job's order.
        written: the finished export.
        sound: what became of it.
        processors: that its frames passed.
    """
    spec, shape, fps = work.spec, written.shape, work.plan.fps
    wanted = spec.job_order.exports[number]
    sections = [section for shot in work.shots for section in _sections(shot)]
    plans = [_plan(shot) for shot in work.shots]
    shots = [
        {"name": shot.name, "fade": shot.fade, "request": shot.stored.fields, "plan": plan}
        for shot, plan in zip(spec.shots, plans, strict=bool(spec.shots))
    ]
    return {
        "manifest_version": MANIFEST_VERSION,
        "job": spec.job_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "request": settings_of(spec),
        "digest": spec.request.digest,
        "plan": plans[0],
        **({"shots": shots} if shots else {}),
        "video": {
            "width": shape.width,
            "height": shape.height,
            "fps": shape.fps,
            "frames": shape.frames,
            "seconds": shape.seconds,
            "generated_fps": fps,
            "generated_frames": work.starts[-1],
            "frame_interpolation": wanted.frame_interpolation if wanted.output_fps not in (None, fps) else None,
            "sound": sound,
        },
        "export": {
            **wanted.model_dump(mode="json", include={"exporter", "options", "mp4_crf", "post"}),
            "weights_sha256": [
                sha256 for processor in processors for sha256 in weights_sha256(processor, work.settings.model)
            ],
            "file": written.file,
        },
        "model": {
            "family": spec.request.model_type,
            **_family(spec.request.model_type, work.settings.model),
            "checkpoint_sha256": sections[0]["checkpoint_sha256"],
        },
        "device_classes": sorted({section["device_class"] for section in sections}),
        "sections": sections,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
    }


def _plan(shot: Workspace) -> dict[str, Any]:
    plan = shot.plan
    return {
        "digest": shot.spec.plan_digest,
        "order": plan.order,
        "layout": str(plan.layout),
        "sections": len(plan.sections),
        "depth": plan.depth,
        "width": plan.width,
        "latent_frames": plan.latent_frames,
        "anchors": [vars(anchor) for anchor in plan.anchors],
    }


def _sections(shot: Workspace) -> list[dict[str, Any]]:
    """How each section of a shot was made."""
    inputs, spec, found = shot.inputs, shot.spec, []
    for section in shot.plan.sections:
        made = inputs.metadata(latents_name(section.index))
        chunk = inputs.metadata(frames_name(section.index))
        found.append(
            {
                "index": spec.first + section.index,
                "latents": [section.start, section.stop],
                "predecessors": [spec.first + index for index in section.predecessors],
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
                "quality": _quality(chunk),
                **_take(made),
                "sha256": spec.hashes.get(latents_name(section.index)),
            }
        )
    return found


def _family(name: str, settings: ModelSettings) -> dict[str, Any]:
    """What is known of it here: a machine that only writes videos may have no file of it."""
    try:
        family = describe(name, settings)
    except FarmError:
        return {"title": name, "parts": {}}
    return {"title": family.title, "parts": dict(family.origins)}


def settings_of(spec: AttemptSpec) -> dict[str, Any]:
    """All that was asked for and decides the files, as JSON; not who asked."""
    return Submission.of(spec.request, spec.job_order).model_dump(mode="json", exclude=OF_ITS_TIME)


def _quality(chunk: Mapping[str, str]) -> dict[str, Any] | None:
    """What was measured of a section, without its small pictures; None of one that was decoded before this was done."""
    told = json.loads(chunk["quality"]) if "quality" in chunk else None
    return {name: value for name, value in told.items() if name not in PICTURES} if told else None


def _take(made: Mapping[str, str]) -> dict[str, Any]:
    """Which take a section is, and the verdict on it; both unknown where sections were not judged."""
    verdict = json.loads(made["gate"]) if "gate" in made else None
    return {"take": verdict["take"] if verdict else None, "gate": verdict}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
