"""What the coordinator knows about a replica, and how scheduling sees it."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from farm.jobs.assets import Assets
from farm.scheduling.nodes import FINE, Standing
from farm.scheduling.paces import Pace
from farm.scheduling.records import Hold, SeatState, SeatView
from farm.scheduling.verdicts import Quarantine, Rest
from farm.store.attempts import Reached

from .board import FAST, SPEEDS
from .devices import EVERYTHING, UNKNOWN, DeviceFacts, Slot

UNKNOWN_SECONDS = 30.0
LOADS_SECONDS = 3600.0
"""For so long the loadings of models are remembered."""


@dataclass
class Held:
    """An attempt in a replica's hands. ``hold``: as scheduling sees it, None for one that an earlier coordinator gave;
    ``began`` and ``heard``: when it started and last spoke; ``step`` of ``steps`` that it reached;
    ``taken_up``: when its replica said that it has begun; ``news``: whether something of this is not in the rows yet;
    ``stale``: the rows say that it is not current any more; ``unwanted``: why it was told to stop; ``early``: it has no
    row yet, see ``foresight``."""

    attempt: str
    hold: Hold | None = None
    began: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    step: int = 0
    steps: int = 0
    taken_up: datetime | None = None
    news: bool = False
    stale: bool = False
    unwanted: str = ""
    early: bool = False

    @property
    def reached(self) -> Reached:
        """As rows have it."""
        return Reached(self.attempt, self.step, self.steps, self.taken_up)


@dataclass
class Member:
    """What the coordinator knows about a replica. ``families``: models it holds, or will when it
    has begun; ``loaded``: those that it certainly holds; ``loading``: the model that it began with, and the seconds
    that this took; ``loads``: when it read one; ``running``: what it does; ``ahead``: what it does next; ``standing``,
    ``labels``: what people want of it and its node; ``facts``: of its device; ``pace``: how fast it is on its sections;
    ``trouble``: why it gets nothing, or only a probe; ``blame``: what went wrong last, and when; ``ending``: why its
    process is being ended; ``unfit``: why it can't work with the artifacts; ``proven``: it may hold a task for later;
    ``unanswered``: probes in a row; ``assets``: what its node has on its disk; ``seed``: its pace
    until one was measured; ``kind``: of a card, how fast its kind is beside the usual one, as far as that is known."""

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
    standing: Standing = FINE
    labels: frozenset[str] = frozenset()
    facts: DeviceFacts = UNKNOWN
    assets: Assets | None = None
    seed: float = 1.0
    kind: float = 1.0
    pace: Pace | None = None
    loads: tuple[float, ...] = ()
    blame: tuple[str, float] = ("", 0.0)
    ending: str = ""
    unfit: str = ""
    proven: bool = False
    probing: bool = False
    unanswered: int = 0
    gone: bool = False
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    noted: tuple[Any, ...] = ()

    @property
    def attempt(self) -> str | None:
        """The attempt at work."""
        return self.running.attempt if self.running else None

    @property
    def attempts(self) -> list[str]:
        """All in its hands."""
        return [held.attempt for held in self.held]

    @property
    def held(self) -> list[Held]:
        """What is known of each of them."""
        return [held for held in (self.running, self.ahead) if held]

    @property
    def heard(self) -> bool:
        """Whether it answered when it was asked last."""
        return bool(self.pid) and not self.unanswered

    @property
    def state(self) -> str:
        """``starting``, ``busy``, ``draining``, ``quarantined`` or ``resting`` after failures, or ``idle``."""
        if self.unfit:
            return "quarantined"
        if not self.ready:
            return "starting"
        if self.running:
            return "busy"
        if not self.standing.takes:
            return "draining"
        now = time.monotonic()
        if isinstance(self.trouble, Quarantine) and self.trouble.probe_at > now:
            return "quarantined"
        return "resting" if isinstance(self.trouble, Rest) and self.trouble.until > now else "idle"

    @property
    def condition(self) -> tuple[Any, ...]:
        """All that its row tells besides its state; two equal ones make equal rows."""
        held = [(each.attempt, each.hold, bool(each.unwanted)) if each else None for each in (self.running, self.ahead)]
        models = (self.families, self.loaded, self.loading, self.loads)
        people = (self.standing, self.labels)
        return (
            *held,
            *models,
            *people,
            self.facts,
            self.pace,
            self.trouble,
            self.blame,
            self.unfit,
            self.pid,
            bool(self.unanswered),
        )

    @property
    def message(self) -> str:
        """Why it gets nothing; empty when it does."""
        if not self.standing.takes:
            return self.standing.why
        if self.unfit:
            return self.unfit
        return self.trouble.reason if self.trouble and self.state in ("quarantined", "resting") else ""

    def seat(self) -> SeatView:
        """Itself as scheduling sees it."""
        slot, seed = self.slot, self.seed if self.slot.device == "cpu" else 1.0
        pace = self.pace.beside if self.pace else seed
        absent = self.unfit or (self.unanswered and not self.running)
        state = "starting" if absent else self.state  # no task may count on it, nor be charged for its sake
        if state == "busy":  # what it gets when it is done is decided before
            unwanted = not self.standing.takes or (self.running and self.running.unwanted)
            no_more = unwanted or self.trouble or self.unanswered
            state = "draining" if no_more else "ready"
        return SeatView(
            slot.place,
            slot.node,
            slot.label,
            pace * (FAST * self.kind if slot.device == "cuda" else SPEEDS.get(slot.label, 1.0)),
            memory=slot.memory if self.facts.memory is None else self.facts.memory,
            features=self.labels,
            on_cpu=slot.device == "cpu",
            takes=slot.kinds,
            spares=EVERYTHING - slot.kinds if slot.device == "cuda" else frozenset(),
            models=self.families,
            state=SeatState.READY if state == "idle" else SeatState(state),
            running=_hold(self.running),
            ahead=_hold(self.ahead),
            assets=self.assets,
            pace=pace,
            proven=self.proven,
        )

    def has_loaded(self, family: str) -> None:
        """It certainly holds this model, and no other."""
        if self.loaded != {family}:
            now = time.time()
            self.loads = (*(at for at in self.loads if now - at < LOADS_SECONDS), round(now, 1))
        self.families = self.loaded = frozenset([family])

    def holds(self, attempt_id: str) -> Held | None:
        """What is known of an attempt in its hands."""
        return next((held for held in self.held if held.attempt == attempt_id), None)

    def take(self, held: Held) -> None:
        """It is given an attempt: as the one at work, or as the next."""
        if self.running is None:
            self.running = held
        else:
            self.ahead = held

    def release(self, attempt_id: str) -> None:
        """The attempt is settled; what was to come next runs now."""
        if self.running and self.running.attempt == attempt_id:
            self.running, self.ahead = self.ahead, None
            if self.running:
                self.running.began = self.running.heard = time.monotonic()
        elif self.ahead and self.ahead.attempt == attempt_id:
            self.ahead = None


def _hold(held: Held | None) -> Hold | None:
    """For scheduling; what nobody knows anything about ends soon, as far as anybody can say."""
    if held is None:
        return None
    return held.hold or Hold(held.attempt, "", held.began + UNKNOWN_SECONDS)
