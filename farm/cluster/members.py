"""The replicas of a coordinator: created for free slots, probed, replaced when dead, found again after a restart."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import ActorDiedError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from farm.scheduling.silence import is_silent
from farm.settings import Settings
from farm.store.jobs import JobStore

from .board import Board
from .calls import NAMESPACE, PROBE_SECONDS, REPLICA_PREFIX, Background, answer, courtesy, insist
from .devices import NO_MODEL, UNKNOWN, Slot, chosen
from .member import Held, Member
from .nodes import Nodes
from .noting import Noting
from .replica import Holding, Replica

__all__ = ["Held", "Member", "Members"]

SWEEP_SECONDS = 3.0
"""Time between two looks at nodes and idle replicas."""
START_SECONDS = 180.0
"""A replica that has not answered by then is replaced."""
LOAD_SECONDS = 600.0
"""Longest time that loading a model may keep a replica from work."""
LOOK_SECONDS = 120.0
"""Longest time that a replica's look at the artifacts may take."""
LOOK_AGAIN_SECONDS = 15.0
"""Time between two looks of one that does not see them."""
LONGEST_REST = 60.0
HUNG_PROBES = 9
"""A replica that left so many probes in a row unanswered, on a node that Ray says is alive, hangs and is ended."""

log = logging.getLogger(__name__)


class Members:
    """The replicas at hand.

    Args:
        max_replicas: use no more slots than that, whatever the nodes offer.
        likely_family: names the model that a new replica should load ahead of its first attempt.
        on_change: called when a replica became ready or was lost.
        on_load: called with a model, a kind of device, and the seconds that loading took there.
        nodes: where they may be, and what people want of each.
        farm: gives the id of the farm's artifacts, which replicas must see; "" asks nothing of them.
    """

    replica_class = Replica

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        max_replicas: int | None,
        likely_family: Callable[[], Awaitable[str]],
        on_change: Callable[[], None],
        on_load: Callable[[str, str, float], None] = lambda family, device, seconds: None,
        nodes: Nodes | None = None,
        farm: Callable[[], str] = lambda: "",
    ) -> None:
        self._settings = settings
        self._store = store
        self._max_replicas = max_replicas
        self._likely_family = likely_family
        self._on_change, self._on_load = on_change, on_load
        self._members: dict[str, Member] = {}
        self._farm = farm
        self._nodes, self._noting = nodes or Nodes(store), Noting(store)
        self._blames: dict[str, tuple[str, float]] = {}
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
            if row.trouble_at is not None:
                self._blames[f"{row.host}/{row.seat}"] = row.trouble, row.trouble_at.timestamp()
            if member := self._members.get(row.id):
                member.loads, member.loaded = tuple(row.loads), frozenset(row.models)
                member.families = member.loaded
            else:
                await asyncio.to_thread(self._store.remove_replica, row.id)
        return [pair for pair in found if pair is not None]

    def heed(self) -> None:
        """Have every replica stand as people want it to now."""
        for member in self.all():
            member.standing = self._nodes.standing(member.slot)
            member.labels = self._nodes.labels(member.slot.host)
            member.blame = self._blames.get(_lasting(member), member.blame)

    def handing_back(self) -> Iterator[tuple[Member, Held, str]]:
        """What replicas are at and should not go on with, and why."""
        for member in self.all():
            if member.standing.now and member.running and not member.running.unwanted:
                yield member, member.running, f"{member.slot.host} is {member.standing.why}"

    def blame(self, member: Member, why: str) -> None:
        """Remember what went wrong on a seat last, also for the next replica there."""
        self._blames[_lasting(member)] = member.blame = why, time.time()

    def watch(self, board: Board) -> None:
        """End the processes of replicas whose attempts show no sign of progress; who follows them sees them die."""
        now = time.monotonic()
        for member in self.all():
            held = member.running
            if held is None or held.hold is None or held.hold.task is None or member.ending:
                continue
            kind, family = held.hold.task.kind, held.hold.task.needs.family
            expected = board.expected(member.slot.place, held.hold)
            heard = held.heard if held.heard > held.began else None
            loaded = not family or family in member.loaded
            if is_silent(kind, expected, held.steps, heard, held.began, loaded, now, step=held.step):
                member.ending = f"it showed no progress for {now - (heard or held.began):.0f} s"
                log.warning("%s: %s; its process is ended", member.id, member.ending)
                with courtesy():
                    ray.kill(member.handle)

    @property
    def sweep_due(self) -> bool:
        return time.monotonic() >= self._next_sweep

    async def sweep(self) -> None:
        """Give every free slot a replica that people want there, and make sure that idle ones are alive; due every few
        seconds."""
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
        nodes = await asyncio.to_thread(ray.nodes)
        self._nodes.see(nodes)
        self.heed()
        for member in self.all():
            if (member.ready or member.unfit) and not member.standing.there and not member.attempts:
                await self.remove(member, member.standing.why)
        taken = {member.slot.place for member in self.all()}
        for slot in chosen(self._nodes.slots(), self._max_replicas, taken):
            if slot.place not in taken and time.monotonic() >= self._next_start:
                await self._add(slot)
        alive = {str(node["NodeID"]) for node in nodes if node["Alive"]}
        for member in self.all():
            if member.pid and not member.probing:
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

    async def note_all(self, state: str | None = None) -> None:
        """Write into rows what has changed; with a ``state``, which all shall have, of all."""
        await self._noting.all(self.all(), self._nodes, state)

    @property
    def note_due(self) -> bool:
        return self._noting.due

    async def _reattach(self, name: str) -> tuple[Member, Holding | None] | None:
        holding: Holding | None = None
        slot, pid, facts = Slot("", "cpu", "CPU"), 0, UNKNOWN
        try:
            handle = await asyncio.to_thread(ray.get_actor, name, NAMESPACE)
            slot, pid = await answer(handle.describe.remote(), PROBE_SECONDS)
            holding = await answer(handle.holds.remote(), PROBE_SECONDS)
            facts = await answer(handle.device.remote(), PROBE_SECONDS)
        except (ValueError, ActorDiedError):
            return None
        except (RayError, TimeoutError):
            log.warning("%s does not answer; it keeps its attempt until it is known to be dead", name)
        member = Member(name, slot, handle, ready=True, pid=pid, facts=facts, heard=bool(pid))
        self._members[name] = member
        if holding is not None and holding.running is None:
            member.ready = False
            self._background.start(self._look_again(member))
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
        actor: Any = ray.remote(self.replica_class)
        far = slot.node != self._here()
        handle = await asyncio.to_thread(actor.options(**options).remote, name, self._settings, slot, far)
        standing = self._nodes.standing(slot)
        self._members[name] = member = Member(
            name, slot, handle, standing=standing, labels=self._nodes.labels(slot.host)
        )
        self._background.start(self._greet(member))

    async def _greet(self, member: Member) -> None:
        try:
            _, member.pid = await answer(member.handle.describe.remote(), START_SECONDS)
            member.facts = await answer(member.handle.device.remote(), START_SECONDS)
        except (RayError, TimeoutError) as error:
            self._failed_starts += 1
            self._next_start = time.monotonic() + min(LONGEST_REST, 2.0**self._failed_starts)
            await self.remove(member, f"did not start: {type(error).__name__}")
            return
        self._failed_starts = 0
        if not await self._sees_artifacts(member):
            return
        if member.slot.kinds == NO_MODEL:
            member.ready = True
            self._on_change()
            return
        family = await self._likely_family()
        began = time.monotonic()
        try:  # until its model is loaded, work is better off with a replica that has one
            if await answer(member.handle.warm.remote(family), LOAD_SECONDS):
                member.has_loaded(family)
                member.loading = family, round(time.monotonic() - began, 2)
                self._on_load(family, member.slot.label, member.loading[1])
        except ActorDiedError:
            await self.remove(member, f"died while loading {family}")
            return
        except (RayError, TimeoutError) as error:
            log.warning("%s: loading %s: %s", member.id, family, type(error).__name__)
        member.ready = True
        self._on_change()

    async def _sees_artifacts(self, member: Member) -> bool:
        """Wait until a replica can work with the farm's artifacts; False when it is gone before."""
        farm = await insist(self._farm)
        while farm and not member.gone:
            try:
                member.unfit = await answer(member.handle.unfit.remote(farm), LOOK_SECONDS)
            except ActorDiedError:
                await self.remove(member, "died while it looked at the artifacts")
                return False
            except (RayError, TimeoutError) as error:
                member.unfit = f"it does not say whether it sees the farm's artifacts: {type(error).__name__}"
            if not member.unfit:
                break
            log.warning("%s on %s: %s", member.id, member.slot.host or member.slot.node[:6], member.unfit)
            self.blame(member, member.unfit)
            self._on_change()
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return not member.gone

    async def _look_again(self, member: Member) -> None:
        """A new coordinator does not know whether an idle replica sees the artifacts."""
        if await self._sees_artifacts(member):
            member.ready = True
            self._on_change()

    @staticmethod
    def _here() -> str:
        return str(ray.get_runtime_context().get_node_id())

    async def _probe(self, member: Member, on_living_node: bool) -> None:
        member.probing = True
        try:
            await answer(member.handle.describe.remote(), PROBE_SECONDS)
            member.unanswered, member.heard = 0, True
        except ActorDiedError:
            if not member.running:
                await self.remove(member, "its process died")
        except (RayError, TimeoutError):
            member.unanswered += 1
            log.warning("%s does not answer (%d)", member.id, member.unanswered)
            if member.unanswered >= HUNG_PROBES and on_living_node:
                with courtesy():  # who follows its attempt sees it die
                    ray.kill(member.handle)
        finally:
            member.probing = False


def _lasting(member: Member) -> str:
    """The name of its seat, whichever incarnation of its node it is on."""
    return f"{member.slot.host}/{member.slot.seat}"
