"""The first task of a job: pictures, video and prompts become conditioning, once, so that no other loads encoders."""

import time

from farm.jobs.names import CONDITIONING
from farm.jobs.records import Artifact

from .workspace import OnProgress, Workspace


def encode(work: Workspace, step_done: OnProgress) -> list[Artifact]:
    """Write ``conditioning``: embeddings of the prompts, and latents of what the video starts from and leads to."""
    from model.footage.apart import open_apart
    from model.footage.media import Media

    request, renderer = work.spec.request, work.load()
    started = time.monotonic()
    files = {name: work.inputs.read(name) for name in work.spec.inputs}
    footage = open_apart(
        Media.from_files(files),
        renderer.info.buckets_at(request.resolution),
        given=request.given,
        fps=work.plan.fps,
        blank=request.latent_type,
        seed=request.seed,
        fit=request.fit,
        pieces=renderer.info.pieces,
    )
    tensors = renderer.encode(footage, work.plan.prompts, request.n_prompt, work.plan.given_seed or 0)
    return [work.save(CONDITIONING, dict(tensors), started)]
