"""A section is judged by whoever has rendered it, with the model at hand; what follows is decided with its commit."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .workspace import Workspace

if TYPE_CHECKING:
    import torch

    from model.plan.plan import Section

log = logging.getLogger(__name__)


def judged(
    work: Workspace,
    section: "Section",
    known: "Mapping[int, torch.Tensor]",
    latents: "torch.Tensor",
    conditioning: "Mapping[str, torch.Tensor]",
) -> dict[str, Any]:
    """The verdict on a rendered section, ready for JSON, with its ``take``.

    Args:
        work: its attempt's.
        section: which, as it was rendered.
        known: latents that it could see, by absolute frame.
        latents: its own [channels, window, h, w].
        conditioning: of the job.
    """
    from model.quality.gate import judge
    from model.quality.looking import look

    renderer, request = work.load(), work.spec.request
    own = {section.start + i: latents[:, i] for i in range(latents.shape[1])}
    height, width = renderer.info.pixels(*latents.shape[2:])
    tiled = renderer.info.decoding.tiles(height, width, request.vae_tiling)
    verdict = judge(*look(renderer, section, {**known, **own}, _pictures(work, section, known, conditioning), tiled))
    log.info("take %d: score %.3f, outside %s", work.spec.take, verdict.score, ", ".join(verdict.wrong) or "no limit")
    return {"take": work.spec.take, **verdict.to_json()}


def _pictures(
    work: Workspace,
    section: "Section",
    known: "Mapping[int, torch.Tensor]",
    conditioning: "Mapping[str, torch.Tensor]",
) -> "list[torch.Tensor]":
    """Latents [channels, 1, h, w] of the pictures that it should look like.

    Where what is given lies under noise, that is no picture to compare with. A family that decodes sections by
    themselves keeps the first frame of all before each; that is one.
    """
    plan = work.plan
    if plan.given_seed is None and work.spec.request.given.start_image:
        anchors = [conditioning[f"anchor.{anchor.name}"] for anchor in plan.anchors if anchor.frames == 1]
        return [conditioning["start_latent"], *anchors]
    if work.load().info.decoding.alone and 0 in section.predecessors:
        return [known[plan.sections[0].start][:, None]]
    return []
