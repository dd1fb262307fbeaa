"""What lies before a job: its place in the queue, when it should be done, why each task waits. From rows alone."""

import math
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from farm.jobs.assets import Assets
from farm.jobs.nodes import NodeState
from farm.jobs.records import (
    RUNNABLE,
    Job,
    JobState,
    Task,
    TaskKind,
    TaskState,
)
from farm.scheduling.codes import Reason
from farm.scheduling.eta import Left, estimate
from farm.scheduling.machine import Scale
from farm.scheduling.reasons import Facts, Reasons, queue
from farm.scheduling.records import SeatState, TaskView
from farm.store.jobs import JobStore
from farm.store.queue import QueuedJob

from .board import Board
from .queue import News, QueueReader
from .seats import seat_of_row

START_SECONDS = 180.0
"""The same for one that starts, which is not asked how it is until it has."""

FRESH_SECONDS = 1.0
"""So old may be what is answered."""
SEEN_SECONDS = 30.0
"""A replica that has not been heard of for longer is not counted with."""


@dataclass(frozen=True)
class JobOutlook:
    """``place`` of ``jobs`` in the queue, from 1; seconds until it is done at best, as expected and at worst, None when
    nothing can take it; ``why`` it waits, with a ``code``, both empty while it is worked on."""

    place: int
    jobs: int
    low: float | None = None
    expected: float | None = None
    high: float | None = None
    code: str = ""
    why: str = ""


@dataclass
class _Moment:
    """The farm at one moment."""

    at: float
    places: Mapping[str, int]
    order: list[str]
    reasons: Reasons
    outlooks: dict[str, JobOutlook] = field(default_factory=dict)


class Outlook:
    """Answers from one look at the rows, at most a second old, however many ask. Thread-safe."""

    def __init__(self, store: JobStore, model_limits: Mapping[str, int] = MappingProxyType({})) -> None:
        self._store = store
        self._board = Board(model_limits=model_limits)
        self._reader = QueueReader(store, self._board)
        self._queued: dict[str, QueuedJob] = {}
        self._known: set[str] = set()
        self._moment: _Moment | None = None
        self._stale = False
        self._mark, self._marked = "", 0.0
        self._lock = threading.Lock()

    def of_job(self, job: Job) -> JobOutlook | None:
        """None for a job that is not to run now."""
        if job.state is JobState.PAUSED:
            return JobOutlook(0, 0, code="paused", why="It is paused; resume it to go on.")
        if job.state not in RUNNABLE:
            return None
        with self._lock:
            moment = self._look()
            if job.id not in moment.outlooks and job.id in self._queued:
                moment.outlooks[job.id] = self._of(self._queued[job.id], moment)
            return moment.outlooks.get(job.id)

    def of_new(self, job: QueuedJob) -> JobOutlook:
        """What would lie before a job that is not queued, were it now."""
        view = self._board.view
        with self._lock:
            moment, known = self._look(), job.owner in view.owners
            self._board.put_jobs([job], [job.id])
            try:
                order = list(queue(view))
                places = {job_id: place for place, job_id in enumerate(order, 1)}
                return self._of(job, replace(moment, order=order, places=places))
            finally:
                self._board.put_jobs([], [job.id])
                if not known:
                    view.drop_owner(job.owner)

    def expire(self) -> None:
        """Have the next answer come from a new look, since something was changed just now."""
        self._stale = True

    def covers(self, mark: str) -> bool:
        """Whether what it answers is from after the rows were first seen as ``mark``, which names a state of them."""
        with self._lock:
            if mark != self._mark:
                self._mark, self._marked = mark, time.monotonic()
            return self._look().at >= self._marked

    def order(self) -> list[str]:
        """The jobs that may run, in the order in which the farm turns to them."""
        with self._lock:
            return list(self._look().order)

    def of_tasks(self, job: Job, tasks: Iterable[Task]) -> dict[str, str]:
        """Why each waiting task of the job waits, by its name."""
        tasks = list(tasks)
        if job.state is JobState.PAUSED:
            return {task.name: "Its job is paused." for task in tasks if task.state is TaskState.READY}
        undone = {task.name for task in tasks if task.state is not TaskState.DONE}
        with self._lock:
            moment = self._look()
            found = {}
            for task in tasks:
                if task.state is TaskState.WAITING:
                    missing = [name for name in task.dependencies if name in undone]
                    found[task.name] = f"It needs what {_some(missing)} will make."
                elif task.state is TaskState.READY and task.id in self._board.view.tasks:
                    found[task.name] = moment.reasons.explain(self._board.view.tasks[task.id]).text
            return found

    def _look(self) -> _Moment:
        now = time.monotonic()
        if self._moment is not None and now - self._moment.at < FRESH_SECONDS and not self._stale:
            return self._moment
        self._stale = False
        if self._moment is None:
            self._board.learn(self._store.finished(), self._store.owners())
        news = self._reader.read()
        self._remember(news)
        self._reader.apply(news)
        nodes = [node.facts for node in self._store.nodes()]
        until, troubles = self._seats({facts.host: facts.report.assets for facts in nodes})
        names = {job.id: job.name or job.id[:8] for job in self._queued.values()}
        order = list(queue(self._board.view))
        messages = [facts for facts in nodes if facts.message and facts.state is not NodeState.COMING]
        closed = [f"{facts.host} is {facts.message}" for facts in messages]
        hosts = {facts.id: facts.host for facts in nodes}
        coming = next((Scale.parse(facts.address) for facts in nodes if facts.state is NodeState.COMING), None)
        facts = Facts(names=names, until=until, troubles=troubles, hosts=hosts, closed=closed, coming=coming)
        reasons = Reasons(self._board.view, self._board.now, facts)
        self._moment = _Moment(now, {job: place for place, job in enumerate(order, 1)}, order, reasons)
        return self._moment

    def _remember(self, news: News) -> None:
        if news.asked is None:
            self._queued.clear()
        for job_id in news.asked or ():
            self._queued.pop(job_id, None)
        self._queued |= {job.id: job for job in news.found}

    def _seats(self, assets: Mapping[str, Assets | None]) -> tuple[dict[str, float], dict[str, str]]:
        """Put all seats on the board; ``assets``: what each host has on its disk."""
        until, troubles, places = {}, {}, []
        now = time.time()
        for replica in self._store.replicas():
            starts = replica.state == SeatState.STARTING
            unseen = now - replica.seen_at.timestamp() > (START_SECONDS if starts else SEEN_SECONDS)
            if unseen or "seat" not in replica.data:
                continue
            with suppress(KeyError, TypeError, ValueError):  # another version wrote it
                row = seat_of_row(replica.data["seat"], replica.message, self._board.on_clock)
                self._board.put_seat(replace(row.seat, assets=assets.get(replica.host)))
                self._learn_load(replica.id, row.seat.device_class, *replica.data["loading"])
                places.append(row.seat.id)
                if row.until:
                    until[row.seat.id], troubles[row.seat.id] = row.until, row.trouble
        self._board.drop_seats(places)
        return until, troubles

    def _learn_load(self, replica: str, device: str, family: str, seconds: float) -> None:
        if family and replica not in self._known:
            self._known.add(replica)
            self._board.costs.observe_load(family, device, seconds)

    def _of(self, job: QueuedJob, moment: _Moment) -> JobOutlook:
        view = self._board.view
        if job.id not in view.jobs:
            return JobOutlook(0, len(view.jobs))
        needs = {kind: self._board.needs(job, kind) for kind in TaskKind}
        work = {kind: amount for kind, (amount, _) in job.left.items()}
        left = Left(work, chains_of(job), needs)
        place = moment.places.get(job.id, 0)
        eta = estimate(view.jobs[job.id], left, place, view, self._board.costs, self._board.now, moment.order)
        reason = None if self._is_worked_on(job.id) else self._reason(job, moment)
        low, expected, high = (round(seconds, 1) if math.isfinite(seconds) else None for seconds in eta)
        code, why = (reason.code.value, reason.text) if reason else ("", "")
        return JobOutlook(place, len(view.jobs), low, expected, high, code, why)

    def _is_worked_on(self, job_id: str) -> bool:
        held = (hold for seat in self._board.view.seats.values() for hold in (seat.running, seat.ahead))
        return any(hold is not None and hold.job_id == job_id for hold in held)

    def _reason(self, job: QueuedJob, moment: _Moment) -> Reason | None:
        ready: list[TaskView] = [self._board.view.tasks[name] for name in self._board.view.ready(job.id)]
        return moment.reasons.explain(max(ready, key=lambda task: task.chain)) if ready else None


def chains_of(job: QueuedJob) -> dict[TaskKind, float]:
    """Of each kind, the work of its tasks on the job's longest chain: what one chain is longer than the next kind's."""
    chains: dict[TaskKind, float] = {}
    after = 0.0
    for kind in reversed(TaskKind):
        if kind in job.left:
            longest = job.left[kind][1]
            chains[kind] = max(0.0, longest - after)
            after = max(after, longest)
    return chains


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
