"""Replicas whose model sleeps, for benchmarks: all else that they do is real. Sections write latents and previews,
decodings write frames and clips, of the size that a model would make."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from farm.jobs.names import CONDITIONING, VIDEO
from farm.jobs.records import Artifact, TaskKind
from farm.store.artifacts import ArtifactStore
from farm.work.executor import TaskExecutor
from farm.work.workspace import OnProgress, Workspace
from model.families import describe

from .replica import Replica
from .sleeping import BenchCoordinator, SleepingSettings, Sleeps, TimedExecutor

if TYPE_CHECKING:
    import torch

    from model.family import FamilyInfo, OnLook, OnStep, SamplingParams
    from model.plan.plan import Section

TEXT = (512, 4096)
"""Tokens of a prompt, and numbers of each, as Wan's text encoder gives them."""


@dataclass(frozen=True)
class StreamingSettings(SleepingSettings):
    """``size``: height and width of the frames, in pixels."""

    size: tuple[int, int] = (384, 640)


class SleepingRenderer:
    """A ``Renderer`` that sleeps as long as its model would compute. What it gives is noise and moving stripes."""

    device_class, attention = "sleeping", "none"

    def __init__(self, info: "FamilyInfo", sleeps: Sleeps, size: tuple[int, int]) -> None:
        import torch

        from model.memory import PLACEMENTS
        from model.preview import LatentColours

        self.info, self.placement = info, PLACEMENTS["resident"]
        torch.set_num_threads(1)  # as a real one on a CPU
        self._sleeps = sleeps
        height, width = (side // info.latent_pixels for side in size)
        noise = torch.Generator().manual_seed(0)
        self._latents = torch.randn(info.latent_channels, info.window, height, width, generator=noise)
        self._text = torch.randn(TEXT, generator=noise)
        self._colours = LatentColours.of([[0.1, 0.1, 0.1]] * info.latent_channels, [0.5] * 3)

    def conditioning(self) -> "dict[str, torch.Tensor]":
        """The start image's latent, and a text embedding."""
        return {"start_latent": self._latents[:, :1], "text": self._text}

    def denoise(
        self,
        section: "Section",
        latents: "Mapping[int, torch.Tensor]",
        conditioning: "Mapping[str, torch.Tensor]",
        params: "SamplingParams",
        on_step: "OnStep",
        on_look: "OnLook" = lambda step: None,
    ) -> "torch.Tensor":
        """Noise, after as many steps as are asked for."""
        from model.family import Step

        begun = time.monotonic()
        for step in range(1, params.steps + 1):
            sleep_until(begun + self._sleeps.section * step / params.steps)
            on_look(Step(step, params.steps, self._latents, {"": [True] * step}))
            on_step(step, params.steps)
        return self._latents

    def preview(self, latents: "torch.Tensor") -> "torch.Tensor":
        """As of any model."""
        return self._colours.frames(latents)

    def decode(self, latents: "torch.Tensor", tiled: bool = False) -> "torch.Tensor":
        """Stripes that move, after the time of a decoding."""
        import torch

        begun = time.monotonic()
        frames, (height, width) = latents.shape[1], self.info.pixels(*latents.shape[2:])
        across = torch.linspace(-1, 1, width).expand(height, -1)
        shown = [across.roll(4 * frame, 1) for frame in range(1 + 4 * (frames - 1))]
        made = torch.stack(shown)[..., None].repeat(1, 1, 1, 3)
        sleep_until(begun + self._sleeps.decode)
        return made


class StreamingExecutor(TimedExecutor):
    """Sections and decodings as they are, with that renderer; encoding and exporting sleep."""

    def __init__(self, artifacts: ArtifactStore, replica: str, settings: StreamingSettings) -> None:
        super().__init__(artifacts, replica=replica, settings=settings)
        self._own, self._asleep = settings, dict[str, SleepingRenderer]()
        self._kinds = {**self._kinds, TaskKind.ENCODE: self._encode, TaskKind.EXPORT: self._export}

    def renderer(self, family: str) -> Any:
        """Made once."""
        if family not in self._asleep:
            info = describe(family, self._own.model)
            self._asleep[family] = SleepingRenderer(info, self._own.sleeps, self._own.size)
        return self._asleep[family]

    def _encode(self, work: Workspace, step_done: OnProgress) -> list[Artifact]:
        started = time.monotonic()
        time.sleep(self._own.sleeps.encode)
        renderer: SleepingRenderer = self.renderer(work.spec.request.model_type)
        return [work.save(CONDITIONING, renderer.conditioning(), started)]

    def _export(self, work: Workspace, step_done: OnProgress) -> list[Artifact]:
        time.sleep(self._own.sleeps.export)
        return [work.put(VIDEO, f"{VIDEO}.txt", b"asleep", "text/plain")]


class StreamingReplica(Replica):
    """A replica with that executor."""

    def _ready_executor(self) -> TaskExecutor:
        if self._executor is None:
            assert isinstance(self._settings, StreamingSettings)
            self._executor = StreamingExecutor(self._store(), self.id, self._settings)
        return self._executor


class StreamingCoordinator(BenchCoordinator):
    """The coordinator, with such replicas."""

    replica_class = StreamingReplica


def sleep_until(moment: float) -> None:
    """``moment``: of ``time.monotonic``; one that has passed is now."""
    time.sleep(max(0.0, moment - time.monotonic()))
