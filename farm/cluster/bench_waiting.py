"""A farm without Ray: the whole coordinator, and machines whose replicas are objects that wait."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

from farm.jobs.assets import NO_REPORT, NodeReport
from farm.jobs.names import output_of
from farm.jobs.records import AttemptSpec
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store

from .actors import Actors
from .coordinator import Coordinator
from .devices import CPU_SLOT_BYTES, DeviceFacts, Slot
from .replica import Holding, Outcome

STEPS = 25
"""Each attempt reports so many."""


class WaitingReplica:
    """A replica that waits for ``seconds`` where a real one computes, and leaves a small file. So that not all end at
    once, it finds some steps of its first attempt done; a step takes it as long as any other.

    It answers as ``farm.cluster.replica.Replica`` does, as far as a coordinator asks.
    """

    def __init__(self, slot: Slot, seconds: float, artifacts: ArtifactStore, report: Callable[..., Awaitable[bool]]):
        self._slot, self._seconds, self._artifacts, self._report = slot, seconds, artifacts, report
        self._done = STEPS * random.Random(slot.node).random()
        self._queue: asyncio.Queue[AttemptSpec] = asyncio.Queue()
        self._outcomes: dict[str, asyncio.Future[Outcome]] = {}
        self._work: asyncio.Task[None] | None = None

    async def describe(self) -> tuple[Slot, int]:
        return self._slot, 1

    async def device(self) -> DeviceFacts:
        return DeviceFacts("waits")

    async def unfit(self, farm: str) -> str:
        return ""

    async def look_around(self) -> NodeReport:
        return NO_REPORT

    async def warm(self, family: str) -> None:
        return None

    async def holds(self) -> Holding:
        return Holding(None, ())

    async def start(self, spec: AttemptSpec) -> None:
        if spec.attempt_id in self._outcomes:
            return
        self._outcomes[spec.attempt_id] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(spec)
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._go_on())

    async def wait(self, attempt_id: str, seconds: float) -> Outcome | None:
        done, _ = await asyncio.wait([self._outcomes[attempt_id]], timeout=seconds)
        return next((each.result() for each in done), None)

    async def acknowledge(self, attempt_id: str) -> None:
        self._outcomes.pop(attempt_id, None)

    async def withdraw(self, attempt_id: str) -> bool:
        return False

    async def cancel(self, attempt_id: str) -> None:
        """It goes on; nothing is cancelled here."""

    async def _go_on(self) -> None:
        while not self._queue.empty():
            spec = self._queue.get_nowait()
            done, self._done = self._done, 0.0
            await self._report(spec.attempt_id, 0, 0)
            for step in range(int(done) + 1, STEPS + 1):
                await asyncio.sleep((step - max(done, step - 1)) * self._seconds / STEPS)
                await self._report(spec.attempt_id, step, STEPS)
            key, name = f"{spec.output_prefix}/{output_of(spec.task_name)}.txt", output_of(spec.task_name)
            made = await asyncio.to_thread(self._artifacts.write, key, b"waited", name=name)
            outcome = Outcome(spec, (made,), facts={"seconds": self._seconds})
            self._outcomes[spec.attempt_id].set_result(outcome)


class _Handle:
    """Calls an object of this process as an actor is called."""

    def __init__(self, actor: object) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._actor, name)
        return SimpleNamespace(remote=lambda *values: asyncio.ensure_future(method(*values)))


class WaitingActors(Actors):
    """A cluster of so many machines, each with one replica that waits."""

    def __init__(self, count: int, seconds: float, artifacts: ArtifactStore, report: Callable[..., Awaitable[bool]]):
        self._count, self._given = count, (seconds, artifacts, report)

    def nodes(self) -> list[Mapping[str, Any]]:
        resources = {"CPU": 1.0, "memory": 2.0 * CPU_SLOT_BYTES}
        return [
            {"NodeID": f"{index:056x}", "Alive": True, "NodeManagerHostname": f"node-{index}", "Resources": resources}
            for index in range(self._count)
        ]

    def replicas(self) -> list[str]:
        return []

    def create(self, name: str, settings: Settings, slot: Slot) -> Any:
        return _Handle(WaitingReplica(slot, *self._given))

    def end(self, handle: Any) -> None:
        """It has no process."""


class TimedCoordinator(Coordinator):
    """The coordinator. ``rounds``: milliseconds of each; ``ends``: attempts that ended."""

    async def __init__(self, settings: Settings, replicas: int, seconds: float) -> None:  # type: ignore[misc]
        await super().__init__(settings)  # type: ignore[misc]
        self.rounds: list[float] = []
        self.ends = 0
        self._members.actors = WaitingActors(replicas, seconds, open_store(settings), self.report)

    async def _tick(self) -> None:
        begun = time.perf_counter()
        await super()._tick()
        self.rounds.append(1000 * (time.perf_counter() - begun))

    async def report(self, attempt_id: str, step: int, steps: int) -> bool:
        self.ends += step == STEPS
        return await super().report(attempt_id, step, steps)

    def hold(self, held: bool) -> None:
        """Start nothing, or go on."""
        self._stopping = held

    def count(self, state: str) -> int:
        """Replicas in that state."""
        return sum(member.state == state for member in self._members.all())
