"""The work of ``farm bench puppet`` that runs in processes of one torch thread each."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from model.families import load
from model.family import Renderer, SamplingParams, WithSizes
from model.settings import ModelSettings

from .classifier import MotionClassifier
from .kept import Kept, KeptWork, judge_kept
from .quality import Score, held_out_puppet, png, render_video, score

COLUMNS = 12
_ready: dict[str, Any] = {}


@dataclass(frozen=True)
class Work:
    """One clip to render and judge: the held-out puppet ``index``."""

    index: int
    seconds: float
    order: str
    params: SamplingParams


def prepare(judge_weights: dict[str, torch.Tensor], settings: ModelSettings, resolution: int | None) -> None:
    """Load the model, for videos of ``resolution``, and the judge, once per process."""
    torch.set_num_threads(1)
    judge = MotionClassifier()
    judge.load_state_dict(judge_weights)
    _ready["judge"] = judge.eval()
    renderer = load("puppet", settings)
    _ready["renderer"] = renderer.at(resolution) if isinstance(renderer, WithSizes) else renderer


def judge_clip(work: Work) -> tuple[Score, list[bytes]]:
    """Render and judge one clip; also returns ``COLUMNS`` of its frames as PNG files."""
    renderer: Renderer = _ready["renderer"]
    puppet = held_out_puppet(work.index)
    frames = list(
        render_video(renderer, puppet, order=work.order, seconds=work.seconds, seed=work.index, params=work.params)
    )
    judged = score(_ready["judge"], puppet, frames, renderer.info.latent_pixels)
    return judged, [png(frames[i * len(frames) // COLUMNS]) for i in range(COLUMNS)]


def judge_kept_clip(work: KeptWork) -> Kept:
    """``judge_kept`` in such a process."""
    return judge_kept(_ready["renderer"], work)


def write_sheet(path: Path, clips: list[list[bytes]]) -> None:
    """A picture with one row per clip, frames evenly spaced in time."""
    rows = [np.concatenate([np.asarray(Image.open(io.BytesIO(png))) for png in clip], axis=1) for clip in clips]
    Image.fromarray(np.concatenate(rows, axis=0)).save(path, "PNG")
