"""What an attempt has before it while it is at work: specification and plan, inputs, a model, a place to write to."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from farm.errors import InputError, ResultError
from farm.intake.planning import plan_for
from farm.jobs.facts import typed_facts
from farm.jobs.names import CONDITIONING, latents_name
from farm.jobs.records import Artifact, AttemptSpec
from farm.jobs.shots import first_frames
from farm.settings import Settings

from .inputs import Inputs, Kept
from .specs import specs_of_shots

if TYPE_CHECKING:
    import torch

    from farm.store.artifacts import ArtifactStore
    from model.family import Renderer
    from model.plan.plan import Plan

OnProgress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""
ShouldStop = Callable[[], bool]


def plan_of(spec: AttemptSpec, settings: Settings) -> "Plan":
    """The plan that an attempt's request had when it was queued; InputError when this version makes another one."""
    plan = plan_for(spec.request, spec.layout, spec.fps, settings=settings.model)
    if plan.digest() != spec.plan_digest:
        raise InputError(
            f"job {spec.job_id} was planned as {spec.plan_digest[:12]}, this version plans it as "
            f"{plan.digest()[:12]}; submit it again, or finish it with the version that it was submitted to."
        )
    return plan


@dataclass
class Workspace:
    """One attempt's.

    Attributes:
        spec, plan: what to do; ``plan`` is that of ``spec.request``.
        artifacts: where outputs are written, below ``spec.output_prefix``.
        settings: of this machine: whose plug-ins export videos, where its models are.
        replica: name under which outputs are recorded.
        load: gives the model of the request's family, loaded.
        kept: the replica's, for what attempts in a row read.
        facts: how the result was made, once something was saved.
    """

    spec: AttemptSpec
    plan: "Plan"
    artifacts: "ArtifactStore"
    settings: Settings
    replica: str
    load: "Callable[[], Renderer]"
    kept: Kept = field(default_factory=Kept)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> Inputs:
        """What other tasks have committed for it."""
        return Inputs(self.artifacts, self.spec)

    @property
    def conditioning(self) -> "Mapping[str, torch.Tensor]":
        """What the encoders made for this job; not to be changed."""
        return self.kept.tensors(self.inputs, CONDITIONING)

    @cached_property
    def shots(self) -> "list[Workspace]":
        """An export's, for each shot of a film that it joins; this one itself for any other video."""
        parts = specs_of_shots(self.spec)
        return (
            [replace(self, spec=part, plan=plan_of(part, self.settings)) for part in parts]
            if len(parts) > 1
            else [self]
        )

    @property
    def starts(self) -> list[int]:
        """The frames of the film at which its ``shots`` begin, and its end; 0 and the length of any other video."""
        fades = [shot.fade for shot in self.spec.shots] or [0]
        return first_frames([shot.plan.output_frames for shot in self.shots], fades)

    @property
    def section(self) -> int:
        """Number of its section; InputError for a task that should have one and has none."""
        if self.spec.section is None:
            raise InputError(f"{self.spec.task_name} names no section.")
        return self.spec.section

    def latents(self, index: int) -> "dict[int, torch.Tensor]":
        """A rendered section's latents [channels, h, w] by absolute latent frame."""
        rendered = self.inputs.tensors(latents_name(index))["latents"]
        return {self.plan.sections[index].start + i: rendered[:, i] for i in range(rendered.shape[1])}

    def save(self, name: str, tensors: "dict[str, torch.Tensor]", started: float, **facts: str) -> Artifact:
        """Write tensors that a model made, with how it did in the file's metadata.

        Args:
            name: of the artifact.
            started: ``time.monotonic()`` when the model began.
            facts: more to tell.

        Raises:
            ResultError: they hold values that are no numbers.
        """
        renderer = self.load()
        for part, tensor in tensors.items():
            self.check(f"{name} ({part})" if len(tensors) > 1 else name, tensor)
        metadata = {
            "job": self.spec.job_id,
            "section": "" if self.spec.section is None else str(self.spec.section),
            "attempt": self.spec.attempt_id,
            "replica": self.replica,
            "seconds": f"{time.monotonic() - started:.3f}",
            "device_class": renderer.device_class,
            "memory_plan": renderer.placement.name,
            "attention": renderer.attention,
            "checkpoint_sha256": renderer.info.checkpoint_sha256,
            **facts,
            **{f"input.{key}": value for key, value in sorted(self.spec.hashes.items())},
        }
        self.facts |= typed_facts(metadata)
        return self.artifacts.save_tensors(
            f"{self.spec.output_prefix}/{name}.safetensors", tensors, metadata, name=name
        )

    def check(self, name: str, made: "torch.Tensor") -> None:
        """Raises ResultError for values that are no numbers: once committed, they would spoil all that follows."""
        if made.is_floating_point() and not all(bool(end.isfinite()) for end in made.aminmax()):  # NaN is both ends
            broken = made.numel() - int(made.isfinite().sum())
            raise ResultError(
                f"{name} has {broken} of {made.numel()} values that are no finite numbers: the device is broken, or "
                f"too coarse for these weights; look at {self.replica}."
            )

    def put(self, name: str, file: str, content: Any, media_type: str) -> Artifact:
        """Write a file that no model made: ``content`` is its bytes, or the path of a file."""
        return self.artifacts.write(f"{self.spec.output_prefix}/{file}", content, name=name, media_type=media_type)
