"""Executes attempts: encode, section, decode and export, with files only. No Ray, no SQL.

An executor holds at most one model and runs one attempt at a time. It reads the inputs that the
specification names, checks them against the hashes they were committed with, and writes below
``spec.output_prefix`` only, so nothing it leaves behind is visible until the attempt is committed.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from farm.errors import CancelledError
from farm.jobs.records import Artifact, AttemptSpec, TaskKind
from farm.settings import Settings

from .decode import decode
from .encode import encode
from .failures import is_out_of_memory
from .inputs import Kept
from .logs import attempt_log
from .section import denoise_section
from .workspace import OnProgress, ShouldStop, Workspace, plan_of

if TYPE_CHECKING:
    from farm.store.artifacts import ArtifactStore
    from model.family import Renderer
    from model.memory import MemoryBudget


log = logging.getLogger(__name__)


def _export(work: Workspace, step_done: OnProgress) -> list[Artifact]:
    from .export import export  # reads codecs, which a replica that never exports has no use for

    return export(work, step_done)


KINDS: Mapping[TaskKind, Callable[[Workspace, OnProgress], list[Artifact]]] = {
    TaskKind.ENCODE: encode,
    TaskKind.SECTION: denoise_section,
    TaskKind.DECODE: decode,
    TaskKind.EXPORT: _export,
}
"""How a task of each kind is done: writes below the attempt's own folder and gives what it wrote; ``step_done`` raises
CancelledError when the attempt should stop."""


class TaskExecutor:
    """Runs attempts on one device.

    Args:
        artifacts: where inputs are read and outputs written.
        device: torch device, such as ``cpu`` or ``cuda``.
        threads: torch threads on a CPU; results are the same for the same number only.
        replica: name under which outputs are recorded.
        settings: of this machine: whose plug-ins export videos, where its models are, which kernels they run on; by
            default those of the environment.
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
        self._kinds = KINDS
        self._kept = Kept()

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

        What happens meanwhile, and what is raised, is in the attempt's log (``logs``).
        """
        with attempt_log(self._artifacts, spec):
            log.info("%s of job %s on %s (%s)", spec.task_name, spec.job_id, self._replica, self._device)
            started = time.monotonic()
            made = self._run(spec, on_progress, should_stop)
            log.info("made %s in %.1f s", ", ".join(file.name for file in made), time.monotonic() - started)
            return made

    def _run(self, spec: AttemptSpec, on_progress: OnProgress, should_stop: ShouldStop) -> list[Artifact]:
        from plugins.caches import ensure_cache
        from plugins.families import ensure_family

        self._facts = {}
        ensure_family(spec.request.model_type, self._settings)
        ensure_cache(spec.request.cache, self._settings)
        plan = plan_of(spec, self._settings)

        def checkpoint() -> None:
            if should_stop():
                raise CancelledError(f"{spec.task_name} was asked to stop.")

        def step_done(step: int, steps: int) -> None:
            log.info("%d of %d", step, steps)
            on_progress(step, steps)
            checkpoint()

        while True:
            checkpoint()
            try:
                started = time.monotonic()
                work = Workspace(
                    spec, plan, self._artifacts, self._settings, self._replica, self._loader(spec), self._kept
                )
                made = self._kinds[spec.kind](work, step_done)
                self._facts = {**work.facts, "whole_seconds": round(time.monotonic() - started, 3)}
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

    def _loader(self, spec: AttemptSpec) -> "Callable[[], Renderer]":
        from model.family import WithSizes

        def load() -> "Renderer":
            renderer = self.renderer(spec.request.model_type)
            return renderer.at(spec.request.resolution) if isinstance(renderer, WithSizes) else renderer

        return load

    def renderer(self, family: str) -> "Renderer":
        """The loaded model; loading another family first drops the one in memory."""
        from model import families

        if self._renderer is None or self._renderer.info.name != family:
            self._renderer = None
            started = time.monotonic()
            self._renderer = families.load(family, self._settings.model, self._device, self._threads, self._budget)
            log.info("loaded the model %s in %.1f s", family, time.monotonic() - started)
        return self._renderer


def _budget(settings: Settings) -> "MemoryBudget":
    from model.memory import MemoryBudget

    return MemoryBudget(settings.gpu_memory_preservation, settings.memory_plan or None)


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
