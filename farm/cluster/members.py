"""The replicas of a coordinator: created for free slots, probed, replaced when dead, found again after a restart."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import ActorDiedError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from farm.settings import Settings
from farm.store.jobs import JobStore

from .calls import NAMESPACE, REPLICA_PREFIX, Background, answer, courtesy, insist
from .devices import Slot, missing_slots, slots_of
from .replica import Holding, Replica

SWEEP_SECONDS = 3.0
"""Time between two looks at nodes and idle replicas, and between two signs of life in the database."""
PROBE_SECONDS = 10.0
START_SECONDS = 180.0
"""A replica that has not answered by then is replaced."""
LOAD_SECONDS = 600.0
"""Longest time that loading a model may keep a replica from work."""
LONGEST_REST = 60.0
HUNG_PROBES = 9
"""A replica that left so many probes in a row unanswered, on a node that Ray says is alive, hangs and is ended."""

log = logging.getLogger(__name__)


@dataclass
class Member:
    """What the coordinator knows about a replica. ``families``: models it holds; ``attempt``: the one in its hands."""

    id: str
    slot: Slot
    handle: Any
    ready: bool = False
    attempt: str | None = None
    families: frozenset[str] = frozenset()
    pid: int = 0
    troubles: int = 0
    rests_until: float = 0.0
    probing: bool = False
    unanswered: int = 0
    gone: bool = False
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    noted: tuple[str, str | None, float] = field(default=("", None, 0.0))

    @property
    def state(self) -> str:
        """``starting``, ``busy``, ``resting`` after a failure, or ``idle``."""
        if not self.ready:
            return "starting"
        if self.attempt:
            return "busy"
        return "resting" if self.rests_until > time.monotonic() else "idle"

    def release(self, attempt_id: str, troubled: bool = False) -> None:
        """The attempt is settled; after a failure that is not the task's the replica rests, longer each time."""
        if self.attempt == attempt_id:
            self.attempt = None
            self.troubles = self.troubles + 1 if troubled else 0
            rest = min(LONGEST_REST, 0.5 * 2**self.troubles)
            self.rests_until = time.monotonic() + rest if troubled else 0.0


class Members:
    """The replicas at hand.

    Args:
        max_replicas: use no more slots than that, whatever the nodes offer.
        likely_family: names the model that a new replica should load ahead of its first attempt.
        on_change: called when a replica became ready or was lost.
    """

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        max_replicas: int | None,
        likely_family: Callable[[], Awaitable[str]],
        on_change: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._max_replicas = max_replicas
        self._likely_family = likely_family
        self._on_change = on_change
        self._members: dict[str, Member] = {}
        self._background = Background()
        self._next_sweep = self._next_start = 0.0
        self._failed_starts = 0

    def all(self) -> list[Member]:
        return list(self._members.values())

    async def find(self) -> list[tuple[Member, Holding | None]]:
        """The living replicas of an earlier coordinator, each with what it holds, or None when it does not answer."""
        actors = await asyncio.to_thread(ray.util.list_named_actors, True)
        names = [actor["name"] for actor in actors if actor["namespace"] == NAMESPACE]
        found = await asyncio.gather(*[self._reattach(name) for name in names if name.startswith(REPLICA_PREFIX)])
        for row in await asyncio.to_thread(self._store.replicas):
            if row.id not in self._members:
                await asyncio.to_thread(self._store.remove_replica, row.id)
        return [pair for pair in found if pair is not None]

    async def sweep(self) -> None:
        """Give every free slot a replica and make sure that idle ones are alive; at most every few seconds."""
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
        nodes = await asyncio.to_thread(ray.nodes)
        wanted = [slot for node in nodes for slot in slots_of(node)][: self._max_replicas]
        for slot in missing_slots(wanted, [member.slot for member in self.all()]):
            if time.monotonic() >= self._next_start:
                await self._add(slot)
        alive = {str(node["NodeID"]) for node in nodes if node["Alive"]}
        for member in self.all():
            if member.ready and not member.probing:
                self._background.start(self._probe(member, member.slot.node in alive))

    async def remove(self, member: Member, why: str) -> None:
        """Forget a replica that is dead or of no use; the next sweep replaces it."""
        if self._members.pop(member.id, None) is None:
            return
        log.warning("%s: %s", member.id, why)
        with courtesy():
            ray.kill(member.handle)
        self._next_sweep = 0.0
        async with member.writing:
            member.gone = True
            await insist(self._store.remove_replica, member.id)
        self._on_change()

    async def note_all(self) -> None:
        """Write the rows of replicas whose state changed, and of the others every few seconds as a sign of life."""
        for member in self.all():
            state, attempt, at = member.noted
            if (state, attempt) != (member.state, member.attempt) or time.monotonic() - at > SWEEP_SECONDS:
                member.noted = (member.state, member.attempt, time.monotonic())
                await self.note(member, member.state)

    async def note(self, member: Member, state: str, message: str = "") -> None:
        """Write a replica's row, unless it was removed in between: a row that comes back would stay for ever."""
        async with member.writing:
            if member.gone:
                return
            await insist(
                self._store.upsert_replica,
                member.id,
                member.slot.node,
                member.slot.label,
                state,
                message=message,
                data={"attempt": member.attempt, "pid": member.pid},
            )

    async def _reattach(self, name: str) -> tuple[Member, Holding | None] | None:
        holding: Holding | None = None
        slot, pid = Slot("", "cpu", "CPU"), 0
        try:
            handle = await asyncio.to_thread(ray.get_actor, name, NAMESPACE)
            slot, pid = await answer(handle.describe.remote(), PROBE_SECONDS)
            holding = await answer(handle.holds.remote(), PROBE_SECONDS)
        except (ValueError, ActorDiedError):
            return None
        except (RayError, TimeoutError):
            log.warning("%s does not answer; it keeps its attempt until it is known to be dead", name)
        member = Member(name, slot, handle, ready=True, pid=pid)
        self._members[name] = member
        return member, holding

    async def _add(self, slot: Slot) -> None:
        name = f"{REPLICA_PREFIX}{slot.node[:6]}-{uuid4().hex[:6]}"
        options = {
            "name": name,
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "max_restarts": 0,
            "max_concurrency": 1000,
            "num_cpus": slot.num_cpus,
            "num_gpus": slot.num_gpus,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(slot.node, soft=False),
        }
        actor: Any = ray.remote(Replica)
        handle = await asyncio.to_thread(actor.options(**options).remote, name, self._settings, slot)
        self._members[name] = member = Member(name, slot, handle)
        self._background.start(self._greet(member))

    async def _greet(self, member: Member) -> None:
        try:
            _, member.pid = await answer(member.handle.describe.remote(), START_SECONDS)
        except (RayError, TimeoutError) as error:
            self._failed_starts += 1
            self._next_start = time.monotonic() + min(LONGEST_REST, 2.0**self._failed_starts)
            await self.remove(member, f"did not start: {type(error).__name__}")
            return
        self._failed_starts = 0
        family = await self._likely_family()
        try:  # until its model is loaded, work is better off with a replica that has one
            if await answer(member.handle.warm.remote(family), LOAD_SECONDS):
                member.families = frozenset([family])
        except ActorDiedError:
            await self.remove(member, f"died while loading {family}")
            return
        except (RayError, TimeoutError) as error:
            log.warning("%s: loading %s: %s", member.id, family, type(error).__name__)
        member.ready = True
        self._on_change()

    async def _probe(self, member: Member, on_living_node: bool) -> None:
        member.probing = True
        try:
            await answer(member.handle.describe.remote(), PROBE_SECONDS)
            member.unanswered = 0
        except ActorDiedError:
            if not member.attempt:
                await self.remove(member, "its process died")
        except (RayError, TimeoutError):
            member.unanswered += 1
            log.warning("%s does not answer (%d)", member.id, member.unanswered)
            if member.unanswered >= HUNG_PROBES and on_living_node:
                with courtesy():  # who follows its attempt sees it die
                    ray.kill(member.handle)
        finally:
            member.probing = False
