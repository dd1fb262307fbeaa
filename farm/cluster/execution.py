"""Executes attempts: encode, section, decode and export, with files only. No Ray, no SQL.

An executor holds at most one model and runs one attempt at a time. It reads the inputs that the
specification names, checks them against the hashes they were committed with, and writes below
``spec.output_prefix`` only, so nothing it leaves behind is visible until the attempt is committed.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from farm.errors import CancelledError, InputError
from farm.intake.planning import plan_for
from farm.jobs.facts import typed_facts
from farm.jobs.names import CONDITIONING, frames_name, latents_name, preview_key
from farm.jobs.records import Artifact, AttemptSpec, TaskKind
from farm.settings import Settings

from .attempts import is_out_of_memory
from .inputs import Inputs
from .watching import Watch

if TYPE_CHECKING:
    import torch

    from farm.store.artifacts import ArtifactStore
    from model.family import Renderer
    from model.memory import MemoryBudget
    from model.plan.plan import Plan

OnProgress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""
ShouldStop = Callable[[], bool]

PIXELS = 8
"""Pixels per latent pixel, each way, of every family."""


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
        settings: Settings | None = None,
    ) -> None:
        self._artifacts = artifacts
        self._settings = settings or Settings.from_environment()
        self._device = device
        self._threads = threads
        self._replica = replica
        self._renderer: Renderer | None = None
        self._budget = _budget(self._settings)
        self._notes: list[str] = []
        self._facts: dict[str, Any] = {}
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
            DamagedArtifactError: an input is not what was committed, or gone.
            StorageError: an input can't be read, or an output can't be written.
            InputError: the job's plan can't be reproduced by this version.
        """
        self._facts = {}
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

        while True:
            checkpoint()
            try:
                started = time.monotonic()
                made = self._kinds[spec.kind](spec, plan, step_done)
                self._facts["whole_seconds"] = round(time.monotonic() - started, 3)
                return made
            except (MemoryError, RuntimeError) as error:
                if not (is_out_of_memory(error) and self._shrink(spec, error)):
                    raise

    def take_notes(self) -> list[str]:
        """What the job's history should tell of the attempts since the last call."""
        notes, self._notes = self._notes, []
        return notes

    def take_facts(self) -> dict[str, Any]:
        """How the last attempt's result was made, for its row; empty for what no model made."""
        facts, self._facts = self._facts, {}
        return facts

    def _shrink(self, spec: AttemptSpec, error: BaseException) -> bool:
        """After running out of memory: drop the model, and have it read again under the next smaller memory plan."""
        from model.memory import next_smaller

        if self._renderer is None:
            return False
        before = self._renderer.placement.name
        smaller = next_smaller(before)
        if smaller is None:
            return False
        self._renderer = None
        error.__traceback__ = None  # its frames hold tensors
        _free_memory()
        self._budget = replace(self._budget, plan=smaller)
        self._notes.append(
            f"{self._replica} ran out of memory in {spec.task_name} under the memory plan {before!r} "
            f"and goes on with {smaller!r}"
        )
        return True

    def renderer(self, family: str) -> "Renderer":
        """The loaded model; loading another family first drops the one in memory."""
        from model import families

        if self._renderer is None or self._renderer.info.name != family:
            self._renderer = None
            self._renderer = families.load(family, self._device, self._threads, self._budget)
        return self._renderer

    def _encode(self, spec: AttemptSpec, plan: "Plan", step_done: OnProgress) -> list[Artifact]:
        from model.footage.apart import open_apart
        from model.footage.media import Media

        request = spec.request
        renderer = self.renderer(request.model_type)
        started = time.monotonic()
        inputs = Inputs(self._artifacts, spec)
        files = {name: inputs.read(name) for name in spec.inputs}
        footage = open_apart(
            Media.from_files(files),
            renderer.info.buckets_at(request.resolution),
            given=request.given,
            fps=plan.fps,
            blank=request.latent_type,
            seed=request.seed,
        )
        tensors = renderer.encode(footage, plan.prompts, request.n_prompt)
        return [self._save(spec, CONDITIONING, dict(tensors), started)]

    def _section(self, spec: AttemptSpec, plan: "Plan", step_done: OnProgress) -> list[Artifact]:
        from model.conditioning import given_latents
        from model.family import SamplingParams
        from model.pace import time_step

        renderer = self.renderer(spec.request.model_type)
        section = plan.sections[_index(spec)]
        inputs = Inputs(self._artifacts, spec)
        conditioning = inputs.tensors(CONDITIONING)
        known = given_latents(plan, conditioning)
        for index in section.predecessors:
            known.update(_latents(inputs, plan, index))
        context = {slot.latent: known[slot.latent] for slot in section.slots if slot.latent is not None}
        request = spec.request
        section = replace(section, time_step=time_step(request.motion_bias, section.index, len(plan.sections)))
        params = SamplingParams(**{field.name: getattr(request, field.name) for field in fields(SamplingParams)})
        started = time.monotonic()
        watch = Watch(self._artifacts, preview_key(spec.output_prefix, section.index), renderer.preview)
        try:
            latents = renderer.denoise(section, context, conditioning, params, step_done, watch)
        finally:
            preview = watch.close()
        facts = watch.facts(request.cache, request.steps)
        if request.loras:
            facts["loras"] = json.dumps([asdict(lora) for lora in request.loras])
        made = self._save(spec, latents_name(section.index), {"latents": latents}, started, **facts)
        return [made, preview] if preview else [made]

    def _decode(self, spec: AttemptSpec, plan: "Plan", step_done: OnProgress) -> list[Artifact]:
        import torch

        from model.decoding import sections_read
        from model.pixels import pack_chunk

        renderer = self.renderer(spec.request.model_type)
        decoding = renderer.info.decoding
        chunk = decoding.chunk(plan, _index(spec))
        inputs = Inputs(self._artifacts, spec)
        known = {0: inputs.tensors(CONDITIONING)["start_latent"][:, 0]} if 0 in chunk.latents else {}
        for index in sections_read(plan, chunk.latents):
            known.update(_latents(inputs, plan, index))
        latents = torch.stack([known[i] for i in chunk.latents], dim=1)
        tiled = decoding.tiles(latents.shape[2] * PIXELS, latents.shape[3] * PIXELS, spec.request.vae_tiling)
        started = time.monotonic()
        frames = renderer.decode(latents, tiled)[chunk.skip :][: len(chunk.frames)]
        if frames.shape != (len(chunk.frames), latents.shape[2] * PIXELS, latents.shape[3] * PIXELS, 3):
            raise InputError(f"{spec.task_name}: the model gave frames {list(frames.shape)} for {chunk.frames}.")
        parts = pack_chunk(frames, *decoding.overlaps(plan, chunk.index))
        return [self._save(spec, frames_name(chunk.index), parts, started, vae_tiling="on" if tiled else "off")]

    def _export(self, spec: AttemptSpec, plan: "Plan", step_done: OnProgress) -> list[Artifact]:
        from plugins.manager import get_manager

        from .export import export_job

        exporter = get_manager(self._settings).exporter(spec.request.exporter)
        return export_job(self._artifacts, exporter, spec, plan, step_done, self._settings.exporter_seconds)

    def _save(
        self, spec: AttemptSpec, name: str, tensors: dict[str, "torch.Tensor"], started: float, **facts: str
    ) -> Artifact:
        renderer = self.renderer(spec.request.model_type)
        metadata = {
            "job": spec.job_id,
            "section": "" if spec.section is None else str(spec.section),
            "attempt": spec.attempt_id,
            "replica": self._replica,
            "seconds": f"{time.monotonic() - started:.3f}",
            "device_class": renderer.device_class,
            "memory_plan": renderer.placement.name,
            "attention": renderer.attention,
            "checkpoint_sha256": renderer.info.checkpoint_sha256,
            **facts,
            **{f"input.{key}": value for key, value in sorted(spec.hashes.items())},
        }
        self._facts = typed_facts(metadata)
        return self._artifacts.save_tensors(f"{spec.output_prefix}/{name}.safetensors", tensors, metadata, name=name)


def _latents(inputs: Inputs, plan: "Plan", index: int) -> dict[int, "torch.Tensor"]:
    """A rendered section's latents [channels, h, w] by absolute latent frame."""
    rendered = inputs.tensors(latents_name(index))["latents"]
    return {plan.sections[index].start + i: rendered[:, i] for i in range(rendered.shape[1])}


def _budget(settings: Settings) -> "MemoryBudget":
    from model.memory import MemoryBudget

    return MemoryBudget(settings.gpu_memory_preservation, settings.memory_plan or None)


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _index(spec: AttemptSpec) -> int:
    if spec.section is None:
        raise InputError(f"{spec.task_name} names no section.")
    return spec.section
