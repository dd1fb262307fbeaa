import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import model.families as families
from model.families.framepack.renderer import FramePackRenderer
from model.family import SamplingParams
from model.plan.context import place_context
from model.plan.plan import Section
from tests.support.farms import puppet_at
from tests.support.machine import here
from tests.support.tiny import tiny_checkpoint


@dataclass(frozen=True)
class Scene:
    """What a test renders: a picture, its conditioning for two prompts, and sections of a video."""

    renderer: FramePackRenderer
    picture: bytes
    prompt: str
    other_prompt: str
    conditioning: dict[str, torch.Tensor]

    def section(self, start: int = 1, seed: int = 5, prompt: str | None = None) -> Section:
        """A section that begins at latent ``start`` and sees all latents before it."""
        info = self.renderer.info
        context = place_context(info.layout, start, start, None)
        stop = start + info.window
        return Section(0, start, stop, (), context.slots, context.window_index, 0, seed, prompt or self.prompt)

    def denoise(
        self, section: Section | None = None, latents: Mapping[int, torch.Tensor] | None = None, **params: Any
    ) -> torch.Tensor:
        """Denoise in few steps."""
        chosen = SamplingParams(**({"steps": 4} | params))
        return self.renderer.denoise(
            section or self.section(), latents or {}, self.conditioning, chosen, lambda done, steps: None
        )


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG in which no two parts look alike."""
    red, green = Image.linear_gradient("L"), Image.radial_gradient("L")
    image = Image.merge("RGB", (red, green, red.rotate(90))).resize((96, 80))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny checkpoint that a test may damage; the family puppet points to it."""
    path = tiny_checkpoint(tmp_path / "checkpoint")
    monkeypatch.setenv("FARM_PUPPET_PATH", str(path))
    return path


@pytest.fixture(scope="module")
def renderer(tiny_folder: Path) -> FramePackRenderer:
    with puppet_at(tiny_folder):
        loaded = families.load("puppet", here())
    assert isinstance(loaded, FramePackRenderer)
    return loaded


@pytest.fixture(scope="module")
def scene(renderer: FramePackRenderer, picture: bytes) -> Scene:
    prompts = ("The person dances gracefully.", "The girl waves slowly.")
    return Scene(renderer, picture, *prompts, renderer.encode(picture, prompts, ""))
