"""How well the puppet keeps what it does not know: pictures without a figure, grounds behind one, and end images.

All on held-out scenes; each error is beside that of the codec alone, which no model can fall below.
"""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.family import Renderer, SamplingParams
from model.footage.footage import Footage
from model.pixels import to_bytes
from model.plan import make_plan
from model.plan.anchors import END_IMAGE, Given

from .prompts import write_camera_prompt
from .quality import HELD_OUT_SEED, decode_sections, pil, render_plan
from .scenery import Camera, Picture, views
from .world import FPS, Scene, render_clip, sample_puppet, sample_staged

KINDS = ("still", "asked", "zoom", "pan", "ground", "end image")
"""A picture that is to stay; one before which a figure's motion is asked for; before which the camera zooms, or pans;
the ground behind a figure of any size; a puppet that is to come to an end image."""
ZOOMS, PANS = torch.linspace(1, 1.35, 15), torch.linspace(-1, 1, 15)


@dataclass(frozen=True)
class KeptWork:
    """One clip to render and judge: the held-out scene ``index`` of a kind."""

    kind: str
    index: int
    seconds: float
    order: str
    params: SamplingParams


@dataclass(frozen=True)
class Kept:
    """Mean absolute ``error`` in [0, 1] of a clip's last second, or of its last frame beside an end image; ``codec``:
    that of the codec alone. ``moved``: mean change from the first frame to the last."""

    kind: str
    error: float
    codec: float
    moved: float


def held_out_scene(kind: str, index: int) -> Scene:
    """One of the scenes that training never saw."""
    rng = random.Random(f"{HELD_OUT_SEED} {kind} {index}")
    if kind == "ground":
        return sample_staged(rng)
    if kind == "end image":
        return sample_puppet(rng)
    camera = Camera(kind, 0.25, 0.1) if kind in ("zoom", "pan") else Camera()
    prompt = sample_puppet(rng).prompt if kind == "asked" else write_camera_prompt(camera.kind, rng)
    return Picture(rng.randrange(2**31), camera, prompt)


def judge_kept(renderer: Renderer, work: KeptWork) -> Kept:
    """Render a clip and judge it."""
    scene, side = held_out_scene(work.kind, work.index), renderer.info.buckets[0][0]
    frames = _render(renderer, scene, work)
    last = torch.from_numpy(np.stack(frames[-FPS:])).permute(0, 3, 1, 2).float() / 255
    start = render_clip(scene, 0, 1, side)
    moved = (last[-1] - start[0]).abs().mean().item()
    if work.kind == "end image":
        end = render_clip(scene, len(frames), 1, side)
        return Kept(work.kind, _error(last[-1:], end), _error(_coded(renderer, end), end), moved)
    if isinstance(scene, Picture):
        shown = _nearest(last, start) if scene.camera.kind != "still" else last - start
        return Kept(work.kind, shown.abs().mean().item(), _error(_coded(renderer, start), start), moved)
    true = render_clip(scene, 0, len(frames), side)
    still = (true - start).abs().amax(dim=(0, 1)) < 1 / 255
    codec = (_coded(renderer, start) - start)[..., still].abs().mean().item()
    return Kept(work.kind, (last - start)[..., still].abs().mean().item(), codec, moved)


def _render(renderer: Renderer, scene: Scene, work: KeptWork) -> list[np.ndarray]:
    info, given = renderer.info, Given(end_strength=1.0 if work.kind == "end image" else None)
    plan = make_plan(
        layout=info.layout,
        order=work.order,
        seconds=work.seconds,
        seed=work.index,
        prompt=scene.prompt,
        fps=info.fps,
        given=given,
    )
    side = info.buckets[0][0]
    anchors = {END_IMAGE: [pil(render_clip(scene, plan.frames, 1, side)[0])]} if plan.anchors else {}
    footage = Footage(pil(render_clip(scene, 0, 1, side)[0]), anchors)
    conditioning = renderer.encode(footage, (scene.prompt,), "")
    latents = render_plan(renderer, plan, conditioning, work.params)
    return [frame for frames in decode_sections(renderer, plan, latents) for frame in frames]


def _nearest(last: Tensor, start: Tensor) -> Tensor:
    """What each of ``last`` differs by from the view of the start image that it is nearest to."""
    larger, middle = (each.flatten() for each in torch.meshgrid(ZOOMS, PANS, indexing="ij"))
    shown = views(start[0], larger, middle * (1 - 1 / larger) / 2)
    return torch.stack([(shown - frame)[(shown - frame).abs().mean(dim=(1, 2, 3)).argmin()] for frame in last])


def _coded(renderer: Renderer, picture: Tensor) -> Tensor:
    """A picture [1, 3, h, w] after the codec alone."""
    start = renderer.encode(Footage(pil(picture[0])), ("",), "")["start_latent"]
    return to_bytes(renderer.decode(start)).permute(0, 3, 1, 2).float() / 255


def _error(given: Tensor, true: Tensor) -> float:
    return (given - true).abs().mean().item()
