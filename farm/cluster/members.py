"""The replicas of a coordinator: created for free slots, probed, replaced when dead, found again after a restart."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from uuid import uuid4

from ray.exceptions import ActorDiedError, RayError

from farm.jobs.records import TaskKind
from farm.scheduling.silence import is_silent
from farm.settings import Settings
from farm.store.jobs import JobStore
from farm.work.failures import Failure

from .actors import Actors
from .board import Board
from .calls import PROBE_SECONDS, REPLICA_PREFIX, Background, answer, courtesy, insist
from .devices import UNKNOWN, Slot, beside_cards, chosen
from .member import Held, Member
from .nodes import Nodes
from .noting import Noting
from .readiness import Readiness
from .replica import Holding
from .reports import Reports

__all__ = ["Held", "Member", "Members"]

SWEEP_SECONDS = 3.0
"""Time between two looks at nodes and idle replicas."""
SOON_SECONDS = 0.5
"""The same at least, where somebody knows that there is something to see."""
START_SECONDS = 180.0
"""A replica that has not answered by then is replaced."""
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
        on_load, on_failed_load: see ``Readiness``.
        nodes: where they may be, and what people want of each.
        farm: gives the id of the farm's artifacts, which replicas must see; "" asks nothing of them.

    ``actors``: where replicas come from.
    """

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        max_replicas: int | None,
        likely_family: Callable[[], Awaitable[str]],
        on_change: Callable[[], None],
        on_load: Callable[[str, str, float], None] = lambda family, device, seconds: None,
        on_failed_load: Callable[[str, str, Failure], None] = lambda seat, family, failure: None,
        nodes: Nodes | None = None,
        farm: Callable[[], str] = lambda: "",
    ) -> None:
        self._settings = settings
        self._store = store
        self._max_replicas = max_replicas
        self._on_change = on_change
        self._members: dict[str, Member] = {}
        self.actors = Actors()
        self._nodes, self._noting = nodes or Nodes(store), Noting(store)
        self._reports = Reports(self._nodes)
        told = (self.remove, self.blame, on_change, on_load, on_failed_load)
        self._readiness = Readiness(farm, likely_family, self._reports, *told)
        self._blames: dict[str, tuple[str, float]] = {}
        self._background = Background()
        self._next_sweep = self._next_start = self._swept = 0.0
        self._failed_starts = 0

    def all(self) -> list[Member]:
        return list(self._members.values())

    async def find(self) -> list[tuple[Member, Holding | None]]:
        """The living replicas of an earlier coordinator, each with what it holds, or None when it does not answer."""
        names = await asyncio.to_thread(self.actors.replicas)
        found = await asyncio.gather(*[self._reattach(name) for name in names])
        for node in await asyncio.to_thread(self._store.nodes):
            self._nodes.hear(node.host, node.facts.report)
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
        usual = self._nodes.usual_speed()
        kinds = beside_cards((member.slot.label, member.facts.tflops) for member in self.all())
        for member in self.all():
            member.kind = kinds.get(member.slot.label, 1.0)
            member.standing = self._nodes.standing(member.slot)
            member.labels = self._nodes.labels(member.slot.host)
            member.assets = self._nodes.assets(member.slot.host)
            member.seed = self._nodes.beside(member.slot.host, usual)
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
        """End the processes of replicas whose attempts show no sign of progress; who follows them sees them die. Nobody
        knows how long what an earlier coordinator gave should take: it has the longest time."""
        now = time.monotonic()
        for member in self.all():
            held = member.running
            if held is None or member.ending:
                continue
            task = held.hold.task if held.hold else None
            kind, family = (task.kind, task.needs.family) if task else (TaskKind.SECTION, "")
            expected = board.expected(member.slot.place, held.hold) if held.hold else 0.0
            heard = held.heard if held.heard > held.began else None
            loaded = not family or family in member.loaded
            if is_silent(kind, expected, held.steps, heard, held.began, loaded, now, step=held.step):
                member.ending = f"it showed no progress for {now - (heard or held.began):.0f} s"
                log.warning("%s: %s; its process is ended", member.id, member.ending)
                self.actors.end(member.handle)

    def look(self) -> None:
        """Look soon: a machine may have come, or people may want other replicas."""
        self._next_sweep = min(self._next_sweep, self._swept + SOON_SECONDS)

    @property
    def sweep_due(self) -> bool:
        return time.monotonic() >= self._next_sweep

    async def sweep(self) -> None:
        """Give every free slot a replica that people want there, and make sure that idle ones are alive; due every few
        seconds."""
        self._swept = time.monotonic()
        self._next_sweep = self._swept + SWEEP_SECONDS
        nodes = await asyncio.to_thread(self.actors.nodes)
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
            if (member.pid or member.unanswered) and not member.probing:
                self._background.start(self._probe(member, not member.pid or member.slot.node in alive))
        for member in self._reports.due(self.all()):
            self._background.start(self._ask_again(member))

    async def remove(self, member: Member, why: str) -> None:
        """Forget a replica that is dead or of no use; the next sweep replaces it."""
        if self._members.pop(member.id, None) is None:
            return
        log.warning("%s: %s", member.id, why)
        self.actors.end(member.handle)
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
            handle = await asyncio.to_thread(self.actors.find, name)
            slot, pid = await answer(handle.describe.remote(), PROBE_SECONDS)
            holding = await answer(handle.holds.remote(), PROBE_SECONDS)
            facts = await answer(handle.device.remote(), PROBE_SECONDS)
        except (ValueError, ActorDiedError):
            return None
        except (RayError, TimeoutError):
            log.warning("%s does not answer; it keeps its attempt until it is known to be dead", name)
        member = Member(name, slot, handle, ready=True, pid=pid, facts=facts, unanswered=int(not pid))
        self._members[name] = member
        if holding is not None and holding.running is None:
            member.ready = False
            self._background.start(self._look_again(member))
        return member, holding

    async def _add(self, slot: Slot) -> None:
        name = f"{REPLICA_PREFIX}{slot.node[:6]}-{uuid4().hex[:6]}"
        handle = await asyncio.to_thread(self.actors.create, name, self._settings, slot)
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
        if await self._readiness.reached(member):
            member.ready = True
            self._on_change()

    async def _ask_again(self, member: Member) -> None:
        with courtesy():
            if await self._reports.ask(member):
                self.heed()
                self._on_change()

    async def _look_again(self, member: Member) -> None:
        """A new coordinator does not know whether an idle replica sees the artifacts."""
        if await self._readiness.sees_artifacts(member):
            member.ready = True
            self._on_change()

    async def _probe(self, member: Member, on_living_node: bool) -> None:
        member.probing = True
        try:
            slot, pid = await answer(member.handle.describe.remote(), PROBE_SECONDS)
            member.unanswered = 0
            if not member.pid:
                await self._known_again(member, slot, pid)
        except ActorDiedError:
            if not member.running:
                await self.remove(member, "its process died")
        except (RayError, TimeoutError):
            member.unanswered += 1
            log.warning("%s does not answer (%d)", member.id, member.unanswered)
            if member.unanswered >= HUNG_PROBES and on_living_node:
                self.actors.end(member.handle)  # who follows its attempt sees it die
        finally:
            member.probing = False

    async def _known_again(self, member: Member, slot: Slot, pid: int) -> None:
        """One of an earlier coordinator's answers at last; its seat may be another's by now."""
        if all(other.slot.place != slot.place for other in self.all()):
            member.slot, member.pid = slot, pid
            return
        member.ending = "another replica has its seat by now"
        self.actors.end(member.handle)  # who follows its attempt sees it die
        if not member.running:
            await self.remove(member, member.ending)


def _lasting(member: Member) -> str:
    """The name of its seat, whichever incarnation of its node it is on."""
    return f"{member.slot.host}/{member.slot.seat}"
