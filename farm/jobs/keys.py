"""Content addresses: the key of a task is the hash of everything that its result depends on.

Two tasks with one key make the same file (on one class of devices), whatever their jobs are called, who owns them and
how their videos are exported. Keys are chained: what a task reads is in its own key by the keys of who made it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from model.choices import CENTRED
from model.decoding import Decoding, sections_read
from model.family import SamplingParams
from model.plan import Plan
from model.quality.gate import LIMITS

from .names import ENCODE, decode_name, section_name
from .request import RenderRequest

KEYS_VERSION = 1
"""Of what makes the files; raised by whoever changes the bytes that an equal task makes."""


def task_keys(
    request: RenderRequest,
    plan: Plan,
    decoding: Decoding,
    checkpoint_sha256: str,
    kept: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The key of every task but the export, whose manifest names its job.

    Args:
        request: what is asked for.
        plan: its plan.
        decoding: which latents chunks read.
        checkpoint_sha256: of the model's weights.
        kept: keys of tasks whose results come from elsewhere as they are.
    """
    kept = kept or {}
    model = {"family": request.model_type, "checkpoint": checkpoint_sha256}
    pictures = _pictures(request, plan)
    keys = {ENCODE: kept.get(ENCODE) or _key("encode", model, pictures, plan.prompts)}
    gate = _gate(request)
    start = _key("pictures", model, pictures)  # texts are encoded one by one: a section depends on its own prompts only
    for section in sorted(plan.sections, key=lambda section: section.level):
        name = section_name(section.index)
        reads = [start, *(keys[section_name(index)] for index in section.predecessors)]
        sampling = _sampling(request, section.index, len(plan.sections))
        keys[name] = kept.get(name) or _key("section", model, reads, asdict(section), sampling, *gate)
    for section in plan.sections:
        name = decode_name(section.index)
        chunk = decoding.chunk(plan, section.index)
        reads = [keys[section_name(index)] for index in sections_read(plan, chunk.latents)]
        overlaps = decoding.overlaps(plan, section.index)
        ranges = [chunk.latents.start, chunk.latents.stop, chunk.frames.start, chunk.frames.stop, *overlaps]
        keys[name] = kept.get(name) or _key("decode", model, start, reads, ranges, request.vae_tiling)
    return keys


def take_key(section: str, take: int) -> str:
    """The key of another take of a section whose key is ``section``; empty when it has none."""
    return section and _key("take", section, take)


def _gate(request: RenderRequest) -> list[Any]:
    """Where sections are judged: a result without a verdict is none then, and the takes decide which one it is."""
    if request.quality_gate == "off":
        return []
    takes = request.retakes if request.quality_gate == "retake" else 0
    return [["gate", takes, {name: kind.limit for name, kind in LIMITS.items()}]]


def _pictures(request: RenderRequest, plan: Plan) -> list[Any]:
    """Everything that encoding reads but the prompts."""
    blank = request.image_sha256 is None and request.video_sha256 is None
    start = [request.latent_type, request.seed if request.latent_type == "noise" else 0] if blank else []
    start += [] if plan.given_seed is None else [plan.given_seed]
    fit = [] if request.fit == CENTRED else [asdict(request.fit)]
    return [request.n_prompt, request.files, asdict(request.given), plan.fps, request.resolution, start, *fit]


def _sampling(request: RenderRequest, index: int, sections: int) -> dict[str, Any]:
    values = {field.name: getattr(request, field.name) for field in fields(SamplingParams)}
    values["loras"] = [[lora.sha256 or lora.name, lora.weight] for lora in request.loras]
    motion = [request.motion_bias, index, sections] if request.motion_bias else []
    return {**values, "motion": motion}


def _key(*parts: Any) -> str:
    text = json.dumps([KEYS_VERSION, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
