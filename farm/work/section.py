"""The task that a farm is for: denoise one section from its context."""

import json
import time
from dataclasses import asdict, fields, replace

from farm.jobs.names import in_shot, output_of, preview_key, preview_of
from farm.jobs.records import Artifact

from .gate import judged
from .previews import Watch
from .workspace import OnProgress, Workspace


def denoise_section(work: Workspace, step_done: OnProgress) -> list[Artifact]:
    """Write the section's latents, and its last preview if there is one. Where the job has a gate, it is judged."""
    from model.conditioning import given_latents
    from model.family import SamplingParams
    from model.pace import time_step
    from model.quality.gate import take_seed

    spec, plan, request, renderer = work.spec, work.plan, work.spec.request, work.load()
    section = plan.sections[work.section]
    conditioning = work.conditioning
    known = given_latents(plan, conditioning)
    for index in section.predecessors:
        known.update(work.latents(index))
    context = {slot.latent: known[slot.latent] for slot in section.slots if slot.latent is not None}
    pace = time_step(request.motion_bias, section.index, len(plan.sections))
    section = replace(section, time_step=pace, seed=take_seed(section.seed, spec.take))
    params = SamplingParams(**{field.name: getattr(request, field.name) for field in fields(SamplingParams)})
    task, started = in_shot(spec.task_name, spec.first), time.monotonic()
    watch = Watch(work.artifacts, preview_key(spec.output_prefix, section.index), renderer.preview)
    try:
        latents = renderer.denoise(section, context, conditioning, params, step_done, watch)
        facts = watch.facts(request.cache, request.steps)
        if request.loras:
            facts["loras"] = json.dumps([asdict(lora) for lora in request.loras])
        if request.quality_gate != "off":
            facts["gate"] = json.dumps(judged(work, section, known, latents, conditioning))
        made = work.save(output_of(task), {"latents": latents}, started, **facts)
    finally:
        preview = watch.close()  # its last picture was drawn and written meanwhile
    return [made, replace(preview, name=preview_of(task))] if preview else [made]
