"""A section's latents, and those that its codec sees beside them, become frames."""

import json
import time
from dataclasses import replace

from farm.errors import InputError
from farm.jobs.names import frames_name
from farm.jobs.records import Artifact

from .clips import put_clip
from .identity import identity_of
from .workspace import OnProgress, Workspace


def decode(work: Workspace, step_done: OnProgress) -> list[Artifact]:
    """Write the section's frames, with what the next chunk blends into apart, and what shows them meanwhile."""
    import torch

    from model.decoding import sections_read
    from model.pixels import pack_chunk, to_bytes
    from model.quality.measures import measure

    spec, plan, renderer = work.spec, work.plan, work.load()
    decoding = renderer.info.decoding
    chunk = decoding.chunk(plan, work.section)
    known = {0: work.conditioning["start_latent"][:, 0]} if 0 in chunk.latents else {}
    for index in sections_read(plan, chunk.latents):
        known.update(work.latents(index))
    latents = torch.stack([known[i] for i in chunk.latents], dim=1)
    height, width = renderer.info.pixels(*latents.shape[2:])
    tiled = decoding.tiles(height, width, spec.request.vae_tiling)
    started = time.monotonic()
    frames = renderer.decode(latents, tiled)[chunk.skip :][: len(chunk.frames)]
    if frames.shape != (len(chunk.frames), height, width, 3):
        raise InputError(f"{spec.task_name}: the model gave frames {list(frames.shape)} for {chunk.frames}.")
    work.check(spec.task_name, frames)  # as bytes they would pass for a picture
    pictures, own = to_bytes(frames), plan.sections[chunk.index].frames
    parts = pack_chunk(frames, pictures, *decoding.overlaps(plan, chunk.index))
    section = pictures[own.start - chunk.frames.start :][: len(own)]
    measures = replace(measure(section), identity=identity_of(work, section))
    facts = {"vae_tiling": "on" if tiled else "off", "quality": json.dumps(measures.to_json())}
    made = work.save(frames_name(chunk.index), parts, started, **facts)
    return [made, *put_clip(work, pictures.numpy(), chunk.frames.start)]
