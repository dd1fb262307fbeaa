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

from farm.scheduling.records import Hold, SeatState, SeatView
from farm.scheduling.silence import is_silent
from farm.scheduling.troubles import Quarantine, Rest
from farm.settings import Settings
from farm.store.jobs import JobStore

from .board import FAST, SPEEDS, Board
from .calls import NAMESPACE, PROBE_SECONDS, REPLICA_PREFIX, Background, answer, courtesy, insist
from .devices import EVERYTHING, NO_MODEL, Slot, wanted_slots
from .replica import Holding, Replica
from .seats import seat_to_row

SWEEP_SECONDS = 3.0
"""Time between two looks at nodes and idle replicas, and between two signs of life in the database."""
START_SECONDS = 180.0
"""A replica that has not answered by then is replaced."""
LOAD_SECONDS = 600.0
"""Longest time that loading a model may keep a replica from work."""
LONGEST_REST = 60.0
UNKNOWN_SECONDS = 30.0
HUNG_PROBES = 9
"""A replica that left so many probes in a row unanswered, on a node that Ray says is alive, hangs and is ended."""

log = logging.getLogger(__name__)


@dataclass
class Held:
    """An attempt in a replica's hands. ``hold``: as scheduling sees it, None for one that an earlier coordinator gave;
    ``began`` and ``heard``: when it started and last spoke; ``step`` of ``steps`` that it reached;
    ``unwanted``: why it was told to stop."""

    attempt: str
    hold: Hold | None = None
    began: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    step: int = 0
    steps: int = 0
    unwanted: str = ""


@dataclass
class Member:
    """What the coordinator knows about a replica. ``families``: models it holds, or will when it
    has begun; ``loaded``: those that it certainly holds; ``loading``: the
    model that it began with, and the seconds that this took; ``running``: what it does; ``ahead``:
    what it does next; ``trouble``: why it gets nothing, or only a probe; ``ending``: why its process is being ended."""

    id: str
    slot: Slot
    handle: Any
    ready: bool = False
    running: Held | None = None
    ahead: Held | None = None
    families: frozenset[str] = frozenset()
    loaded: frozenset[str] = frozenset()
    loading: tuple[str, float] = ("", 0.0)
    pid: int = 0
    trouble: Rest | Quarantine | None = None
    draining: bool = False
    ending: str = ""
    probing: bool = False
    unanswered: int = 0
    gone: bool = False
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    noted: tuple[str, str | None, float] = field(default=("", None, 0.0))

    @property
    def attempt(self) -> str | None:
        """The attempt at work."""
        return self.running.attempt if self.running else None

    @property
    def attempts(self) -> list[str]:
        """All in its hands."""
        return [held.attempt for held in (self.running, self.ahead) if held]

    @property
    def state(self) -> str:
        """``starting``, ``busy``, ``draining``, ``quarantined`` or ``resting`` after failures, or ``idle``."""
        if not self.ready:
            return "starting"
        if self.running:
            return "busy"
        if self.draining:
            return "draining"
        now = time.monotonic()
        if isinstance(self.trouble, Quarantine) and self.trouble.probe_at > now:
            return "quarantined"
        return "resting" if isinstance(self.trouble, Rest) and self.trouble.until > now else "idle"

    @property
    def message(self) -> str:
        """Why it gets nothing; empty when it does."""
        return self.trouble.reason if self.trouble and self.state in ("quarantined", "resting") else ""

    def seat(self) -> SeatView:
        """Itself as scheduling sees it."""
        slot = self.slot
        state = self.state
        if state == "busy":  # what it gets when it is done is decided before
            no_more = self.draining or self.trouble or self.unanswered or (self.running and self.running.unwanted)
            state = "draining" if no_more else "ready"
        return SeatView(
            slot.place,
            slot.node,
            slot.label,
            FAST if slot.device == "cuda" else SPEEDS.get(slot.label, 1.0),
            takes=slot.kinds,
            spares=EVERYTHING - slot.kinds if slot.device == "cuda" else frozenset(),
            models=self.families,
            state=SeatState.READY if state == "idle" else SeatState(state),
            running=_hold(self.running),
            ahead=_hold(self.ahead),
        )

    def holds(self, attempt_id: str) -> Held | None:
        """What is known of an attempt in its hands."""
        return next((held for held in (self.running, self.ahead) if held and held.attempt == attempt_id), None)

    def release(self, attempt_id: str) -> None:
        """The attempt is settled; what was to come next runs now."""
        if self.running and self.running.attempt == attempt_id:
            self.running, self.ahead = self.ahead, None
            if self.running:
                self.running.began = self.running.heard = time.monotonic()
        elif self.ahead and self.ahead.attempt == attempt_id:
            self.ahead = None


def _on_wall(moment: float) -> float:
    return moment - time.monotonic() + time.time()


def _hold(held: Held | None) -> Hold | None:
    """For scheduling; what nobody knows anything about ends soon, as far as anybody can say."""
    if held is None:
        return None
    return held.hold or Hold(held.attempt, "", held.began + UNKNOWN_SECONDS)


class Members:
    """The replicas at hand.

    Args:
        max_replicas: use no more slots than that, whatever the nodes offer.
        likely_family: names the model that a new replica should load ahead of its first attempt.
        on_change: called when a replica became ready or was lost.
        on_load: called with a model, a kind of device, and the seconds that loading took there.
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
    ) -> None:
        self._settings = settings
        self._store = store
        self._max_replicas = max_replicas
        self._likely_family = likely_family
        self._on_change, self._on_load = on_change, on_load
        self._members: dict[str, Member] = {}
        self._background = Background()
        self._next_sweep = self._next_start = 0.0
        self._failed_starts = 0

    def all(self) -> list[Member]:
        return list(self._members.values())

    def hear(self, attempt_id: str, step: int, steps: int) -> None:
        """A replica has said how far an attempt is."""
        for member in self._members.values():
            if held := member.holds(attempt_id):
                held.heard = time.monotonic()
                held.step, held.steps = step, steps

    async def find(self) -> list[tuple[Member, Holding | None]]:
        """The living replicas of an earlier coordinator, each with what it holds, or None when it does not answer."""
        actors = await asyncio.to_thread(ray.util.list_named_actors, True)
        names = [actor["name"] for actor in actors if actor["namespace"] == NAMESPACE]
        found = await asyncio.gather(*[self._reattach(name) for name in names if name.startswith(REPLICA_PREFIX)])
        for row in await asyncio.to_thread(self._store.replicas):
            if row.id not in self._members:
                await asyncio.to_thread(self._store.remove_replica, row.id)
        return [pair for pair in found if pair is not None]

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

    async def sweep(self) -> None:
        """Give every free slot a replica and make sure that idle ones are alive; at most every few seconds."""
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
        nodes = await asyncio.to_thread(ray.nodes)
        taken = {member.slot.place for member in self.all()}
        for slot in wanted_slots(nodes, self._max_replicas):
            if slot.place not in taken and time.monotonic() >= self._next_start:
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
            trouble = member.trouble
            until = trouble.until if isinstance(trouble, Rest) else trouble.probe_at if trouble else 0.0
            await insist(
                self._store.upsert_replica,
                member.id,
                member.slot.node,
                member.slot.label,
                state,
                device_class=member.slot.label,
                message=message or member.message,
                data={
                    "attempt": member.attempt,
                    "pid": member.pid,
                    "loading": member.loading,
                    "seat": seat_to_row(member.seat(), _on_wall, until),
                },
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
        actor: Any = ray.remote(self.replica_class)
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
        if member.slot.kinds == NO_MODEL:
            member.ready = True
            self._on_change()
            return
        family = await self._likely_family()
        began = time.monotonic()
        try:  # until its model is loaded, work is better off with a replica that has one
            if await answer(member.handle.warm.remote(family), LOAD_SECONDS):
                member.families = member.loaded = frozenset([family])
                member.loading = family, round(time.monotonic() - began, 2)
                self._on_load(family, member.slot.label, member.loading[1])
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
