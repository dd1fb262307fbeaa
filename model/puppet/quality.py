"""How good the puppet is: motion accuracy, identity and sharpness of rendered clips, beside the true ones.

Held-out seeds: no puppet here was in training. A clip is rendered from its start image and prompt alone, with the
same plan, sampler and codec as any job.
"""

import io
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.conditioning import given_latents
from model.family import Renderer, SamplingParams
from model.pace import time_step
from model.pixels import to_bytes
from model.plan import Plan, make_plan

from .classifier import EVERY, LOOKS, SIDE, MotionClassifier
from .motions import MOTIONS
from .world import FPS, REGIONS, Puppet, render, sample_puppet

HELD_OUT_SEED = 50_000_000


@dataclass(frozen=True)
class Score:
    """Of one rendered clip, beside the true one. ``identity``: mean colour error in [0, 1] RGB in the last second;
    ``sharpness`` and ``blockiness``: ratios."""

    motion: str
    named: str
    identity: float
    sharpness: float
    blockiness: float = 1.0

    @property
    def right(self) -> bool:
        return self.motion == self.named


def held_out_puppet(index: int) -> Puppet:
    """One of the puppets that training never saw, motions in turn."""
    return sample_puppet(random.Random(HELD_OUT_SEED + index), list(MOTIONS)[index % len(MOTIONS)])


def start_image(puppet: Puppet, resolution: int = 64) -> bytes:
    """The puppet at rest as a PNG file."""
    picture = render(puppet, torch.zeros(1), resolution)
    assert isinstance(picture, Tensor)
    return png(np.asarray(pil(picture[0])))


def pil(picture: Tensor) -> Image.Image:
    """A picture [3, h, w] in [0, 1]."""
    return Image.fromarray(picture.mul(255).round().byte().permute(1, 2, 0).numpy())


def png(frame: np.ndarray) -> bytes:
    """A frame [h, w, 3] uint8 as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()


def render_sections(
    renderer: Renderer,
    puppet: Puppet,
    *,
    order: str,
    seconds: float,
    seed: int,
    params: SamplingParams,
    motion_bias: float = 0.0,
) -> Iterator[np.ndarray]:
    """Render section by section in the order's own sequence; yields each one's frames [n, h, w, 3] uint8, in viewer
    order."""
    info = renderer.info
    plan = make_plan(layout=info.layout, order=order, seconds=seconds, seed=seed, prompt=puppet.prompt, fps=info.fps)
    conditioning = renderer.encode(start_image(puppet, info.buckets[0][0]), (puppet.prompt,), "")
    yield from decode_sections(renderer, plan, render_plan(renderer, plan, conditioning, params, motion_bias))


def render_plan(
    renderer: Renderer, plan: Plan, conditioning: Mapping[str, Tensor], params: SamplingParams, motion_bias: float = 0.0
) -> dict[int, Tensor]:
    """All latents of a plan's video, rendered in the order's own sequence."""
    latents = given_latents(plan, conditioning)
    for section in sorted(plan.sections, key=lambda section: (section.level, section.index)):
        paced = replace(section, time_step=time_step(motion_bias, section.index, len(plan.sections)))
        made = renderer.denoise(paced, latents, conditioning, params, lambda done, steps: None)
        latents.update({section.start + i: made[:, i] for i in range(made.shape[1])})
    return latents


def decode_sections(renderer: Renderer, plan: Plan, latents: Mapping[int, Tensor]) -> Iterator[np.ndarray]:
    """The frames [n, h, w, 3] uint8 of each section, in viewer order, from all latents of a video."""
    for section in plan.sections:
        chunk = renderer.info.decoding.chunk(plan, section.index)
        decoded = renderer.decode(torch.stack([latents[i] for i in chunk.latents], dim=1))
        yield to_bytes(decoded[chunk.skip :][: len(chunk.frames)]).numpy()


def render_video(
    renderer: Renderer, puppet: Puppet, *, order: str, seconds: float, seed: int, params: SamplingParams
) -> Iterator[np.ndarray]:
    """The frames [h, w, 3] uint8 of ``render_sections``, one by one."""
    for frames in render_sections(renderer, puppet, order=order, seconds=seconds, seed=seed, params=params):
        yield from frames


def score(judge: MotionClassifier, puppet: Puppet, frames: list[np.ndarray], block: int = 8) -> Score:
    """Judge the end of a clip: its last 4.5 seconds for the motion, its last second for everything else.

    ``block``: how many pixels high and wide a latent is.
    """
    looks = torch.from_numpy(np.stack(frames[-EVERY * LOOKS :][::EVERY])).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        logits = judge(torch.nn.functional.interpolate(looks, size=(SIDE, SIDE), mode="area")[None])
    last = torch.from_numpy(np.stack(frames[-FPS:])).permute(0, 3, 1, 2).float() / 255
    seconds = torch.arange(len(frames) - FPS, len(frames), dtype=torch.float32) / FPS
    truth = render(puppet, seconds, last.shape[-1])
    assert isinstance(truth, Tensor)
    return Score(
        motion=puppet.motion,
        named=list(MOTIONS)[int(logits.argmax())],
        identity=identity_error(puppet, last),
        sharpness=sharpness(last) / sharpness(truth),
        blockiness=edges(last, block) / edges(truth, block),
    )


def identity_error(puppet: Puppet, frames: Tensor) -> float:
    """Mean absolute colour error of skin, shirt, trousers and background against the start image.

    Every pixel goes to the nearest of the start image's colours; a region's colour is the median of its pixels. A
    region that has shrunk below a fifth of its area in the start image counts as lost: error 1.
    """
    picture, owner = render(puppet, torch.zeros(1), frames.shape[-1], with_regions=True)
    start, owner = picture[0], owner[0]
    wanted = torch.stack([start[:, owner == i].median(dim=1).values for i in range(len(REGIONS))])
    others = torch.tensor([puppet.hair, (0.12, 0.1, 0.1)])
    pixels = frames.permute(0, 2, 3, 1).flatten(0, 2)
    nearest = torch.cdist(pixels, torch.cat([wanted, others])).argmin(dim=1)
    errors = []
    for index in range(len(REGIONS)):
        mine = pixels[nearest == index]
        area = (owner == index).sum().item() * len(frames)
        lost = len(mine) < area / 5
        errors.append(1.0 if lost else (mine.median(dim=0).values - wanted[index]).abs().mean().item())
    return sum(errors) / len(errors)


def edges(frames: Tensor, block: int) -> float:
    """How much pictures [n, 3, h, w] change from pixel to pixel where blocks meet, beside within them."""
    at = within = 0.0
    for way in (-1, -2):
        steps = frames.diff(dim=way).abs().mean(dim=(0, 1, -3 - way))
        meet = torch.arange(1, len(steps) + 1, device=steps.device) % block == 0
        at, within = at + steps[meet].mean().item(), within + steps[~meet].mean().item()
    return at / within


def sharpness(frames: Tensor) -> float:
    """Standard deviation of the Laplacian of the brightness of pictures [n, 3, h, w] in [0, 1]: high at crisp edges."""
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    edges = torch.nn.functional.conv2d(frames.mean(dim=1, keepdim=True), kernel[None, None])
    return edges.square().mean().sqrt().item()
