"""Executes attempts: encode, section, decode and export, with files only. No Ray, no SQL.

An executor holds at most one model and runs one attempt at a time. It reads the inputs that the
specification names, checks them against the hashes they were committed with, and writes below
``spec.output_prefix`` only, so nothing it leaves behind is visible until the attempt is committed.
"""

import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from farm.errors import CancelledError, InputError
from farm.jobs.graph import plan_for
from farm.jobs.records import Artifact, AttemptSpec, TaskKind

if TYPE_CHECKING:
    import torch

    from farm.settings import Settings
    from farm.store.artifacts import ArtifactStore
    from model.family import Renderer
    from model.plan.plan import Plan

OnProgress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""
ShouldStop = Callable[[], bool]


class TaskExecutor:
    """Runs attempts on one device.

    Args:
        artifacts: where inputs are read and outputs written.
        device: torch device, such as ``cpu`` or ``cuda``.
        threads: torch threads on a CPU; results are the same for the same number only.
        replica: name under which outputs are recorded.
        settings: whose plug-ins export videos; by default those of the environment.
    """

    def __init__(
        self,
        artifacts: "ArtifactStore",
        device: str = "cpu",
        threads: int = 1,
        replica: str = "local",
        settings: "Settings | None" = None,
    ) -> None:
        self._artifacts = artifacts
        self._settings = settings
        self._device = device
        self._threads = threads
        self._replica = replica
        self._renderer: Renderer | None = None
        self._kinds = {
            TaskKind.ENCODE: self._encode,
            TaskKind.SECTION: self._section,
            TaskKind.DECODE: self._decode,
            TaskKind.EXPORT: self._export,
        }

    def run(
        self,
        spec: AttemptSpec,
        on_progress: OnProgress = lambda step, steps: None,
        should_stop: ShouldStop = lambda: False,
    ) -> list[Artifact]:
        """Execute an attempt and return what it wrote, with private keys.

        Raises:
            CancelledError: ``should_stop`` became true; checked between two steps, chunks or frames.
            StorageError, NotFoundError: an input is damaged or missing, or an output can't be written.
            InputError: the job's plan can't be reproduced by this version.
        """
        plan = plan_for(spec.request)
        if plan.digest() != spec.plan_digest:
            raise InputError(
                f"job {spec.job_id} was planned as {spec.plan_digest[:12]}, this version plans it as "
                f"{plan.digest()[:12]}; submit it again, or finish it with the version that it was submitted to."
            )

        def checkpoint() -> None:
            if should_stop():
                raise CancelledError(f"{spec.task_name} was asked to stop.")

        def step_done(step: int, steps: int) -> None:
            on_progress(step, steps)
            checkpoint()

        checkpoint()
        return self._kinds[spec.kind](spec, plan, step_done)

    def renderer(self, family: str) -> "Renderer":
        """The loaded model; loading another family first drops the one in memory."""
        from model import families

        if self._renderer is None or self._renderer.info.name != family:
            self._renderer = None
            self._renderer = families.load(family, device=self._device, threads=self._threads)
        return self._renderer

    def _encode(self, spec: AttemptSpec, plan: "Plan", step_done: OnProgress) -> list[Artifact]:
        renderer = self.renderer(spec.request.model_type)
        prompts = tuple(dict.fromkeys(section.prompt for section in plan.sections))
        started = time.monotonic()
        tensors = renderer.encode(
            self._artifacts.read(spec.inputs["image"], spec.hashes.get("image")), prompts, spec.request.n_prompt
        )
        return [self._save(spec, "conditioning", dict(tensors), started)]

    def _section(self, spec: AttemptSpec, plan: "Plan", step_done: OnProgress) -> list[Artifact]:
        from model.family import SamplingParams

        renderer = self.renderer(spec.request.model_type)
        section = plan.sections[_index(spec)]
        conditioning = self._tensors(spec, "conditioning")
        known = {0: conditioning["start_latent"][:, 0]}
        for index in section.predecessors:
            rendered = self._tensors(spec, f"latents-{index:03d}")["latents"]
            known.update({plan.sections[index].start + i: rendered[:, i] for i in range(rendered.shape[1])})
        context = {slot.latent: known[slot.latent] for slot in section.slots if slot.latent is not None}
        request = spec.request
        params = SamplingParams(
            steps=request.steps,
            gs=request.gs,
            cfg=request.cfg,
            rs=request.rs,
            shift=request.shift,
            sampler=request.sampler,
            cache=request.cache,
            teacache_rel_l1_thresh=request.teacache_rel_l1_thresh,
        )
        started = time.monotonic()
        latents = renderer.denoise(section, context, conditioning, params, step_done)
        return [self._save(spec, f"latents-{section.index:03d}", {"latents": latents}, started)]

    def _decode(self, spec: AttemptSpec, plan: "Plan", step_done: OnProgress) -> list[Artifact]:
        import torch

        renderer = self.renderer(spec.request.model_type)
        section = plan.sections[_index(spec)]
        latents = self._tensors(spec, f"latents-{section.index:03d}")["latents"]
        overlap = 0
        if section.index == 0:
            latents = torch.cat([self._tensors(spec, "conditioning")["start_latent"].to(latents.dtype), latents], dim=1)
        elif renderer.info.decode_overlap:
            overlap = renderer.info.decode_overlap
            before = self._tensors(spec, f"latents-{section.index - 1:03d}")["latents"]
            latents = torch.cat([before[:, -overlap:], latents], dim=1)
        frames = renderer.decode(latents, overlap).cpu().numpy()
        return [self._save_frames(spec, f"frames-{section.index:03d}", frames)]

    def _export(self, spec: AttemptSpec, plan: "Plan", step_done: OnProgress) -> list[Artifact]:
        from plugins.manager import get_manager

        from .export import export_job

        exporter = get_manager(self._settings).exporter(spec.request.exporter)
        return export_job(self._artifacts, exporter, spec, plan, step_done)

    def _tensors(self, spec: AttemptSpec, name: str) -> dict[str, "torch.Tensor"]:
        return self._artifacts.load_tensors(spec.inputs[name], spec.hashes.get(name))

    def _save(self, spec: AttemptSpec, name: str, tensors: dict[str, "torch.Tensor"], started: float) -> Artifact:
        renderer = self.renderer(spec.request.model_type)
        metadata = {
            "job": spec.job_id,
            "section": "" if spec.section is None else str(spec.section),
            "attempt": spec.attempt_id,
            "replica": self._replica,
            "seconds": f"{time.monotonic() - started:.3f}",
            "device_class": renderer.device_class,
            "checkpoint_sha256": renderer.info.checkpoint_sha256,
            **{f"input.{key}": value for key, value in sorted(spec.hashes.items())},
        }
        return self._artifacts.save_tensors(f"{spec.output_prefix}/{name}.safetensors", tensors, metadata, name=name)

    def _save_frames(self, spec: AttemptSpec, name: str, frames: np.ndarray) -> Artifact:
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise InputError(
                f"{spec.task_name}: the model gave frames {frames.dtype}{frames.shape}; expected uint8 [n, h, w, 3]."
            )
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(frames), allow_pickle=False)
        return self._artifacts.write(f"{spec.output_prefix}/{name}.npy", buffer.getvalue(), name=name)


def _index(spec: AttemptSpec) -> int:
    if spec.section is None:
        raise InputError(f"{spec.task_name} names no section.")
    return spec.section
