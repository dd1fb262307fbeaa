"""The simulation: jobs come, a policy decides, seats work, fail, die and return."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter

from farm.jobs.records import TaskKind
from farm.scheduling.costs import Costs, SizeCosts
from farm.scheduling.decisions import Decisions, Start
from farm.scheduling.shares import charge, join
from farm.scheduling.view import FarmView, Group, Hold, JobView, Needs, OwnerView, SeatState, SeatView, TaskView

from .clock import Clock
from .workload import JobSpec, TaskSpec, Workload

Policy = Callable[[FarmView, float, Costs], Decisions]

LOOK_AGAIN_SECONDS = 15.0
"""While tasks wait for seats at work, a decision is made at least that often: a seat may be late."""

QUARANTINE_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Options:
    """``noise``: how far tasks' real times are off what is expected, as a share; ``latency``: seconds from a decision
    to the start, saved by what was held ahead; ``mixing``: jobs may use several device classes."""

    noise: float = 0.0
    latency: float = 0.0
    mixing: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A seat at work for a task. ``outcome``: ``done``, ``failed`` or ``lost``; ``load``: seconds for the model."""

    seat_id: str
    job_id: str
    task_id: str
    start: float
    end: float
    load: float
    outcome: str


@dataclass(slots=True)
class Running:
    """What a seat really does. ``void``: it died over it, so that its end means nothing."""

    task: TaskView
    start: float
    load: float
    void: bool = False


@dataclass(slots=True)
class History:
    """What happened. ``submitted``, ``finished``: seconds by job; ``waited``: the longest that a task was ready."""

    spans: list[Span] = field(default_factory=list)
    submitted: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    first_start: dict[str, float] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    served: list[tuple[float, str, float]] = field(default_factory=list)
    emptied: dict[str, float] = field(default_factory=dict)
    waited: float = 0.0
    loads: int = 0
    decisions: int = 0
    decision_seconds: float = 0.0
    withdrawn: int = 0


class Farm:
    """One run of a workload under a policy; ``view`` is kept as a coordinator would keep it."""

    def __init__(
        self, workload: Workload, seats: list[SeatView], policy: Policy, options: Options, costs: Costs | None = None
    ) -> None:
        self.clock, self.view, self.history = Clock(), FarmView(), History()
        self.rng = random.Random(options.seed)
        self.costs = costs or SizeCosts()
        self.slowness: dict[str, float] = {}
        self.sick: set[str] = set()
        self._policy, self._options = policy, options
        self._specs: dict[str, tuple[JobSpec, dict[str, TaskSpec], dict[str, float]]] = {}
        self._missing: dict[str, int] = {}
        self._after: dict[str, list[str]] = {}
        self._where: dict[str, set[str]] = {}
        self._failed_on: dict[str, frozenset[str]] = {}
        self._at_work: dict[str, Running] = {}
        self._failures: dict[str, int] = {}
        self._look_again = False
        self._left = len(workload.jobs)
        for name, weight in workload.weights.items():
            self.view.put_owner(OwnerView(name, weight))
        for seat in seats:
            self.view.put_seat(seat)
        for job in workload.jobs:
            self.clock.at(job.submitted, lambda job=job: self._arrive(job))  # type: ignore[misc]

    @property
    def over(self) -> bool:
        """Whether all jobs are done."""
        return not self._left

    def step(self) -> bool:
        """One moment and the decision after it; ``False`` when nothing will happen any more."""
        if not self.clock.step():
            return False
        begun = perf_counter()
        made = self._policy(self.view, self.clock.now, self.costs)
        self.history.decision_seconds += perf_counter() - begun
        self.history.decisions += 1
        for back in made.withdrawals:
            self._withdraw(back.seat_id)
        for start in made.starts:
            self._start(start)
        if made.waits and not self._look_again:
            self._look_again = True
            self.clock.after(LOOK_AGAIN_SECONDS, self._looked)
        return True

    def _looked(self) -> None:
        self._look_again = False

    def _arrive(self, job: JobSpec) -> None:
        specs = {f"{job.id}.{task.name}": task for task in job.tasks}
        chains = {f"{job.id}.{name}": units for name, units in job.chains().items()}
        self._specs[job.id] = (job, specs, chains)
        self.history.submitted[job.id] = self.clock.now
        self.history.left[job.id] = len(specs)
        self.view.put_job(
            JobView(job.id, job.owner, submitted=self.clock.now, remaining=job.work, mixing=self._options.mixing)
        )
        for task_id, task in specs.items():
            self._missing[task_id] = len(task.after)
            for name in task.after:
                self._after.setdefault(f"{job.id}.{name}", []).append(task_id)
        for task_id, task in specs.items():
            if not task.after:
                self._ready(job.id, task_id)

    def _ready(self, job_id: str, task_id: str) -> None:
        job, specs, chains = self._specs[job_id]
        spec = specs[task_id]
        holders = [self._where.get(f"{job_id}.{name}", set()) for name in spec.after]
        everywhere = set.intersection(*holders) if holders else set()
        family = "" if spec.kind is TaskKind.EXPORT else job.family
        task = TaskView(
            task_id,
            job_id,
            spec.kind,
            Needs(family),
            spec.work,
            chains[task_id],
            self._failed_on.get(task_id, frozenset()),
            frozenset(everywhere or (max(holders, key=len) if holders else ())),
            self.clock.now,
        )
        if not self.view.queues(job.owner):
            self.view.put_owner(join(self.view.owners[job.owner], self.view))
        self.view.put_task(task)

    def _start(self, start: Start) -> None:
        task, seat = self.view.tasks[start.task_id], self.view.seats[start.seat_id]
        self.view.drop_task(task.id)
        self.history.waited = max(self.history.waited, self.clock.now - task.since)
        job = self.view.jobs[task.job_id]
        if task.kind is TaskKind.SECTION and not job.device_class:
            self.view.put_job(replace(job, device_class=seat.device_class))
        if not self.view.queues(job.owner):
            self.history.emptied.setdefault(job.owner, self.clock.now)
        if start.ahead and seat.running is not None:
            ends = max(seat.running.ends, self.clock.now) + start.seconds
            self.view.put_seat(replace(seat, ahead=Hold(task.id, task.job_id, ends, task)))
        else:
            self._begin(seat, task, start.seconds, self._options.latency)

    def _begin(self, seat: SeatView, task: TaskView, expected: float, delay: float) -> None:
        now, family = self.clock.now, task.needs.family
        load = self.costs.load(family, Group.of(seat))
        move = 0.0 if self._has_inputs(task, seat.node) else self.costs.move(task, seat.node)
        factor = self.slowness.get(seat.id, 1.0) * (1 + self.rng.uniform(-1, 1) * self._options.noise)
        seconds = delay + load + move + self.costs.run(task, Group.of(seat)) * factor
        failing = seat.id in self.sick
        if load:
            self.history.loads += 1
        self.history.first_start.setdefault(task.job_id, now)
        running = Running(task, now, load)
        self._at_work[seat.id] = running
        models = frozenset({family}) if family else seat.models
        hold = Hold(task.id, task.job_id, now + expected, task)
        self.view.put_seat(replace(seat, running=hold, ahead=None, models=models))
        self.clock.after(1.0 if failing else seconds, lambda: self._finish(seat.id, running, not failing))

    def _has_inputs(self, task: TaskView, node: str) -> bool:
        _, specs, _ = self._specs[task.job_id]
        return all(node in self._where.get(f"{task.job_id}.{name}", ()) for name in specs[task.id].after)

    def _finish(self, seat_id: str, running: Running, well: bool) -> None:
        if running.void:
            return
        self._span(seat_id, running, "done" if well else "failed")
        seat = self.view.seats[seat_id]
        if well:
            self._failures.pop(seat_id, None)
            self._commit(running.task, seat)
        else:
            self._fail(running.task, seat)
        seat = self.view.seats[seat_id]
        if seat.ahead is not None and seat.ahead.task is not None:
            self._begin(seat, seat.ahead.task, seat.ahead.ends - (seat.running.ends if seat.running else 0.0), 0.0)
        else:
            del self._at_work[seat_id]
            self.view.put_seat(replace(seat, running=None))

    def _commit(self, task: TaskView, seat: SeatView) -> None:
        history, job = self.history, self.view.jobs[task.job_id]
        history.done.append(task.id)
        history.left[job.id] -= 1
        history.served.append((self.clock.now, job.owner, task.work))
        _, specs, _ = self._specs[job.id]
        for name in specs[task.id].after:
            self._where.setdefault(f"{job.id}.{name}", set()).add(seat.node)
        self._where.setdefault(task.id, set()).add(seat.node)
        self.view.put_owner(charge(self.view.owners[job.owner], task.work))
        self.view.put_job(replace(job, remaining=max(0.0, job.remaining - task.work)))
        for name in self._after.get(task.id, ()):
            self._missing[name] -= 1
            if not self._missing[name]:
                self._ready(job.id, name)
        if not history.left[job.id]:
            history.finished[job.id] = self.clock.now
            self.view.drop_job(job.id)
            self._left -= 1

    def _fail(self, task: TaskView, seat: SeatView) -> None:
        self._failed_on[task.id] = self._failed_on.get(task.id, frozenset()) | {seat.id}
        self._failures[seat.id] = self._failures.get(seat.id, 0) + 1
        if self._failures[seat.id] >= QUARANTINE_FAILURES:
            self.view.put_seat(replace(seat, state=SeatState.QUARANTINED))
            self._withdraw(seat.id)
        self._ready(task.job_id, task.id)

    def _withdraw(self, seat_id: str) -> None:
        seat = self.view.seats[seat_id]
        if seat.ahead is not None and seat.ahead.task is not None:
            self.view.put_seat(replace(seat, ahead=None))
            self.history.withdrawn += 1
            self._ready(seat.ahead.job_id, seat.ahead.task_id)

    def _span(self, seat_id: str, running: Running, outcome: str) -> None:
        task = running.task
        self.history.spans.append(
            Span(seat_id, task.job_id, task.id, running.start, self.clock.now, running.load, outcome)
        )

    def lose(self, seat_id: str) -> SeatView:
        """The seat is gone, with what it did and held; answers the seat as it would come back."""
        self._withdraw(seat_id)
        seat = self.view.seats[seat_id]
        self.view.drop_seat(seat_id)
        running = self._at_work.pop(seat_id, None)
        if running is not None:
            running.void = True
            self._span(seat_id, running, "lost")
            self._ready(running.task.job_id, running.task.id)
        for holders in self._where.values():
            holders.discard(seat.node)
        return replace(seat, running=None, ahead=None, models=frozenset())
