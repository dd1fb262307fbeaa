"""A farm that renders nothing, for benchmarks: coordinator, replicas, rows and files are real, the renderer sleeps."""

import time
from dataclasses import dataclass
from typing import Any

import ray

from farm.errors import ClusterError
from farm.jobs.names import VIDEO, output_of
from farm.jobs.records import Artifact, AttemptSpec, TaskKind
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore
from farm.work.executor import TaskExecutor
from farm.work.workspace import OnProgress, ShouldStop, Workspace
from model.families import describe

from .calls import COORDINATOR, HEAD, NAMESPACE
from .coordinator import Coordinator
from .devices import CPU_SLOT_BYTES
from .replica import Replica

ENDS_SECONDS = 0.05
"""What encoding and exporting take."""
START_SECONDS = 180.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Sleeps:
    """Seconds that a task takes, whatever it is about."""

    section: float = 1.0
    decode: float = 0.1
    encode: float = ENDS_SECONDS
    export: float = ENDS_SECONDS

    def of(self, kind: TaskKind) -> float:
        return float(getattr(self, kind.value))


@dataclass(frozen=True)
class SleepingSettings(Settings):
    """Those of a farm whose renderer sleeps: settings reach every replica. ``speeds``: of its replicas by their index,
    again from the first where there are more."""

    sleeps: Sleeps = Sleeps()
    speeds: tuple[float, ...] = (1.0,)


class TimedExecutor(TaskExecutor):
    """Notes when a task began and ended."""

    def run(
        self,
        spec: AttemptSpec,
        on_progress: OnProgress = lambda step, steps: None,
        should_stop: ShouldStop = lambda: False,
    ) -> list[Artifact]:
        began = time.time()
        made = super().run(spec, on_progress, should_stop)
        self._facts |= {"began": began, "ended": time.time()}
        return made


class SleepingExecutor(TimedExecutor):
    """Reads a task's inputs, sleeps in as many steps as it would compute, and writes a small file."""

    def __init__(self, artifacts: ArtifactStore, replica: str, settings: SleepingSettings, index: int = 0) -> None:
        super().__init__(artifacts, replica=replica, settings=settings)
        self._sleeps, self._speed = settings.sleeps, settings.speeds[index % len(settings.speeds)]
        self._kinds = dict.fromkeys(TaskKind, self._sleep)

    def renderer(self, family: str) -> Any:
        """None is loaded; its checkpoint is looked at all the same."""
        describe(family, self._settings.model)

    def _sleep(self, work: Workspace, step_done: OnProgress) -> list[Artifact]:
        spec, inputs, begun = work.spec, work.inputs, time.monotonic()
        for name in spec.inputs:
            inputs.read(name)
        seconds = self._sleeps.of(spec.kind) / self._speed
        steps = spec.request.steps if spec.kind is TaskKind.SECTION else 1
        for step in range(1, steps + 1):
            time.sleep(max(0.0, begun + seconds * step / steps - time.monotonic()))
            if spec.kind is TaskKind.SECTION:
                step_done(step, steps)
        name = VIDEO if spec.kind is TaskKind.EXPORT else output_of(spec.task_name)
        return [work.put(name, f"{name}.txt", b"asleep", "text/plain")]


class SleepingReplica(Replica):
    """A replica that renders nothing."""

    def _ready_executor(self) -> TaskExecutor:
        if self._executor is None:
            assert isinstance(self._settings, SleepingSettings)
            self._executor = SleepingExecutor(self._store(), self.id, self._settings, self._slot.index)
        return self._executor


class BenchCoordinator(Coordinator):
    """The coordinator, with replicas of its ``replica_class``."""

    replica_class: type[Replica] = Replica

    async def __init__(self, settings: Settings, replicas: int) -> None:  # type: ignore[misc]
        await super().__init__(settings, max_replicas=replicas)  # type: ignore[misc]
        self._members.actors.replica_class = self.replica_class


class SleepingCoordinator(BenchCoordinator):
    """The coordinator, with replicas that render nothing."""

    replica_class = SleepingReplica


def start_farm(
    settings: Settings, replicas: int, coordinator_class: type[BenchCoordinator] = SleepingCoordinator
) -> Any:
    """The coordinator, once all replicas are idle."""
    actor: Any = ray.remote(coordinator_class)
    options = {"name": COORDINATOR, "namespace": NAMESPACE, "max_concurrency": 1000, "num_cpus": 0}
    coordinator = actor.options(**options, resources={HEAD: 0.001}).remote(settings, replicas)
    deadline = time.monotonic() + START_SECONDS
    idle = 0
    while time.monotonic() < deadline:
        status = ray.get(coordinator.status.remote(), timeout=START_SECONDS)
        idle = sum(each["state"] == "idle" for each in status["replicas"])
        if idle == replicas:
            return coordinator
        time.sleep(POLL_SECONDS)
    raise ClusterError(
        f"only {idle} of {replicas} replicas were there after {START_SECONDS:.0f} s; each is counted with "
        f"{CPU_SLOT_BYTES / 1e9:g} GB of memory. Try fewer."
    )
