"""Videos rendered while a model learns, by the family's own renderer."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import torch

from farm.files import written_aside
from model.family import Renderer, SamplingParams, Tensors
from model.pixels import to_bytes
from model.plan import make_plan
from model.plan.plan import Plan

from .config import Sample


def render_sample(renderer: Renderer, sample: Sample, conditioning: Tensors, file: Path) -> None:
    """Render ``sample`` as it is learnt so far into ``file`` (MP4)."""
    info = renderer.info
    plan = make_plan(
        layout=info.layout,
        order=info.default_order,
        seconds=sample.seconds,
        seed=sample.seed,
        prompt=sample.prompt,
        fps=info.fps,
    )
    latents = sample_latents(renderer, plan, conditioning, SamplingParams(steps=sample.steps, gs=sample.gs))
    frames = renderer.decode(latents, info.decoding.tiles(*info.pixels(*latents.shape[-2:])))
    write_video(file, to_bytes(frames).numpy(), info.fps)


def sample_latents(renderer: Renderer, plan: Plan, conditioning: Tensors, params: SamplingParams) -> torch.Tensor:
    """Latents [channels, frames, h, w] of a whole video, section after section."""
    known = {0: conditioning["start_latent"][:, 0]}
    for section in sorted(plan.sections, key=lambda section: section.level):
        made = renderer.denoise(section, known, conditioning, params, lambda done, steps: None)
        known |= {section.start + i: made[:, i] for i in range(made.shape[1])}
    return torch.stack([known[i] for i in range(plan.latent_frames)], dim=1)


def write_video(file: Path, frames: npt.NDArray[np.uint8], fps: int) -> None:
    """H.264 in MP4 of frames [frames, height, width, 3]."""
    with written_aside(file) as aside, av.open(str(aside), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "16"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
