"""The farm as scheduling sees it: jobs and ready tasks from rows, seats from the replicas at hand, and what was learnt
of times, shares and troubles. It reads what it is given and decides; it neither calls Ray nor writes anything."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import replace
from types import MappingProxyType

from farm.jobs.assets import used_by
from farm.jobs.names import is_export
from farm.jobs.nodes import Node, NodeSettings
from farm.jobs.records import Attempt, AttemptState, FailureKind, TaskKind
from farm.scheduling.costs import MeasuredCosts
from farm.scheduling.decisions import Decisions
from farm.scheduling.ledger import Ledger
from farm.scheduling.paces import Paces
from farm.scheduling.planner import decide
from farm.scheduling.records import Group, Hold, JobView, Needs, OwnerView, SeatView, TaskView
from farm.scheduling.shares import charge, join
from farm.scheduling.troubles import could_take
from farm.scheduling.verdicts import Ended, Verdict
from farm.scheduling.view import FarmView
from farm.store.owners import Owner
from farm.store.queue import Finished, QueuedJob, QueuedTask
from farm.work.failures import Failure

from .coming import Coming

SPEEDS = {"CPU": 1.0}
"""Of kinds of devices before anything was measured on them."""
REMEMBERED_SECONDS = 1800.0
"""So long ago may be what a new coordinator holds against a replica."""
FAST = 10.0
"""That of a GPU."""


class Board:
    """See the module.

    Args:
        clock: seconds that never go back; what ``now`` is everywhere in scheduling.
        wall: seconds since 1970, as rows have them.
        alone: there is one job and one machine, which takes it whatever it asks of nodes.
        model_limits: most tasks at a time by the family that they need.

    ``nodes``: what people want of them, by host. ``coming``: what will be ready next.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        *,
        alone: bool = False,
        model_limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.view = FarmView()
        self.view.model_limits, self._alone = model_limits, alone
        self.nodes: dict[str, NodeSettings] = {}
        self.costs, self.paces, self.ledger = MeasuredCosts(), Paces(), Ledger()
        self._clock = clock
        self._offset = wall() - clock()
        self._keys: dict[str, dict[str, str]] = defaultdict(dict)
        self._at_work: dict[str, str] = {}
        self._twins: dict[str, set[str]] = defaultdict(set)
        self.coming = Coming()

    @property
    def now(self) -> float:
        return self._clock()

    def on_clock(self, seconds: float) -> float:
        """A moment of the wall clock on the clock of scheduling."""
        return seconds - self._offset

    def on_wall(self, moment: float) -> float:
        """The other way round."""
        return moment + self._offset

    def learn(self, finished: Iterable[Finished], owners: Iterable[Owner], nodes: Iterable[Node] = ()) -> None:
        """Start from what attempts took before, what owners have used, and what people want of nodes."""
        self.put_wishes([node.settings for node in nodes], ())
        for one in finished:
            self.costs.observe(one.kind, one.family, one.device, one.work, one.seconds)
        for owner in owners:
            self.view.put_owner(OwnerView(owner.name, owner.weight, owner.used, owner.limit))

    def remember(self, endings: Iterable[Attempt], places: Mapping[str, str]) -> None:
        """Know again which replicas failed what; ``places``: those of the replicas that live, by their names."""
        for attempt in endings:
            at = self.on_clock(attempt.finished_at.timestamp()) if attempt.finished_at else 0.0
            if attempt.replica not in places or self.now - at > REMEMBERED_SECONDS:
                continue
            kind = None if attempt.state is AttemptState.COMMITTED else attempt.failure
            place = places[attempt.replica]
            node = place.partition("/")[0]
            ended = Ended(
                attempt.task_id, attempt.job_id, place, node, kind, at, attempt.message, _takes_model(attempt)
            )
            self.ledger.settle(ended, places.values())

    @property
    def owners(self) -> list[Owner]:
        """Everybody, with what they have used by now."""
        return [Owner(owner.name, owner.weight, owner.used, owner.limit) for owner in self.view.owners.values()]

    def expected(self, seat_id: str, hold: Hold) -> float:
        """Seconds that a task should take on a seat at most."""
        seat = self.view.seats.get(seat_id)
        return self.costs.range(hold.task, Group.of(seat))[1] if seat and hold.task else 0.0

    def put_wishes(self, nodes: Iterable[NodeSettings], owners: Iterable[Owner]) -> None:
        """What people have changed about nodes, and about owners' weights and limits."""
        self.nodes.update({node.host: node for node in nodes})
        for owner in owners:
            known = self.view.owners.get(owner.name) or OwnerView(owner.name, used=owner.used)
            self.view.put_owner(replace(known, weight=owner.weight, limit=owner.limit))

    def put_jobs(self, found: Iterable[QueuedJob], asked: Collection[str] | None = None) -> None:
        """Replace what is known of the jobs ``asked`` for, of all by default: those not ``found`` may not run."""
        jobs = {job.id: job for job in found}
        for job_id in set(self.view.jobs if asked is None else asked) - jobs.keys():
            if job_id in self.view.jobs:
                self._drop_job(job_id)
        for job in jobs.values():
            self._put_job(job)

    def foresee(self, done: Mapping[str, Set[str]]) -> set[str]:
        """Put the tasks that will be ready once those that are ``done``, by their jobs, are so in the rows, too, beside
        what is ready; these tasks. Rows that are read later have the last word."""
        freed = list(self.coming.freed(done))
        for job, task in freed:
            self._join(job.owner)
            self._put_task(job, task)
        return {task.id for _, task in freed}

    def decide(self, most: int | None = None) -> Decisions:
        """``most``: so many starts are enough for now."""
        return decide(self.view, self.now, self.costs, most)

    def hold(self, task: TaskView, seconds: float) -> Hold:
        """What a seat holds that was given ``task`` now."""
        return Hold(task.id, task.job_id, self.now + seconds, task)

    def waits_for_twin(self, task: TaskView) -> bool:
        """Whether an equal task is at work; then this one is taken out until that has ended, see ``ended``."""
        key = self.key(task)
        if not key or all(other == task.id or at_work != key for other, at_work in self._at_work.items()):
            return False
        self._twins[key].add(task.job_id)
        return True

    def key(self, task: TaskView) -> str:
        """Its content address; empty when it has none."""
        return self._keys[task.job_id].get(task.id, "")

    def begun(self, task: TaskView) -> None:
        """An attempt at the task was started."""
        self._at_work[task.id] = self.key(task)

    def ended(self, task: TaskView) -> set[str]:
        """No attempt at the task is at work any more: the jobs of its twins, whose tasks may be ready again."""
        key = self._at_work.pop(task.id, "")
        return self._twins.pop(key, set()) if key else set()

    def take(self, task_id: str) -> TaskView | None:
        """Take a task that was started, or can't be, out of those that are ready."""
        task = self.view.tasks.get(task_id)
        self.view.drop_task(task_id)
        return task

    def put_seat(self, seat: SeatView) -> None:
        """Note how a seat is; nothing is done when it is as it was."""
        if self.view.seats.get(seat.id) != seat:
            self.view.put_seat(seat)

    def drop_seats(self, left: Collection[str]) -> None:
        """Forget the seats that are not among those ``left``; their troubles stay known."""
        for seat_id in set(self.view.seats) - set(left):
            self.view.drop_seat(seat_id)

    def finished(self, seat_id: str, hold: Hold | None, device: str, seconds: float) -> None:
        """An attempt was committed ``seconds`` after it began."""
        if hold is None or hold.task is None:
            return
        task = hold.task
        seat = self.view.seats.get(seat_id)
        normal = seconds * self.paces.beside(seat_id, seat.pace if seat else 1.0)
        self.costs.observe(task.kind, task.needs.family, device, task.work, normal)
        self._pace(seat_id, task, seconds)
        self._charge(task)
        model = task.kind is not TaskKind.EXPORT
        self.ledger.settle(Ended(task.id, task.job_id, seat_id, "", None, self.now, model=model), self.able(task))

    def failed(self, attempt: Attempt, seat_id: str, hold: Hold | None, kind: FailureKind, message: str) -> Verdict:
        """An attempt ended without a result: what becomes of its task, job and seat."""
        model, node = _takes_model(attempt), seat_id.partition("/")[0]
        ended = Ended(attempt.task_id, attempt.job_id, seat_id, node, kind, self.now, message, model)
        return self.ledger.settle(ended, self.able(hold.task if hold else None))

    def failed_to_load(self, seat_id: str, family: str, failure: Failure) -> None:
        """What a replica met before its first attempt counts as one for its seat: the next failure is the second in a
        row. It says nothing where others can't load the family either."""
        task, node = f"loading {family}", seat_id.partition("/")[0]
        ended = Ended(task, "", seat_id, node, failure.kind, self.now, failure.message)
        self.ledger.settle(ended, self.able(None))

    def able(self, task: TaskView | None) -> frozenset[str]:
        """The seats that could take such a task, busy ones and sick ones included."""
        if task is None:
            return frozenset(self.view.seats)
        return could_take(task, self.view.jobs.get(task.job_id) or JobView(task.job_id), self.view)

    def _drop_job(self, job_id: str) -> None:
        for task_id in self.view.ready(job_id):
            self.view.drop_task(task_id)
        self._keys.pop(job_id, None)
        self.coming.drop(job_id)
        self.view.drop_job(job_id)
        self.ledger.forget_job(job_id)

    def _put_job(self, job: QueuedJob) -> None:
        if job.ready:
            self._join(job.owner)
        self.view.put_job(
            JobView(
                job.id,
                job.owner,
                job.priority,
                self.on_clock(job.submitted.timestamp()),
                deadline=self.on_clock(job.deadline.timestamp()) if job.deadline else None,
                remaining=job.remaining,
                rank=job.rank,
                device_class=job.device,
                mixing=job.mixing,
            )
        )
        ready = {task.id: task for task in job.ready}
        for task_id in set(self.view.ready(job.id)) - ready.keys():
            self.view.drop_task(task_id)
        for task in ready.values():
            self._put_task(job, task)
        self.coming.put(job)

    def _put_task(self, job: QueuedJob, task: QueuedTask) -> None:
        view = self._task(job, task)
        self._keys[job.id][task.id] = task.key
        if self.view.tasks.get(task.id) != view:
            self.view.put_task(view)

    def _task(self, job: QueuedJob, task: QueuedTask) -> TaskView:
        known = self.view.tasks.get(task.id)
        view = TaskView(
            task.id,
            job.id,
            task.kind,
            self.needs(job, task.kind),
            task.work,
            task.chain,
            since=known.since if known else self.now,
            not_before=self.on_clock(task.not_before.timestamp()) if task.not_before else 0.0,
        )
        if self.ledger.failures(task.id):
            view = replace(view, failed_on=self.ledger.avoid(task.id, self.able(view)))
        return view

    def needs(self, job: QueuedJob, kind: TaskKind) -> Needs:
        """What a device must have for the job's tasks of that kind."""
        if self._alone:
            return Needs("" if kind is TaskKind.EXPORT else job.family)
        features = frozenset(job.labels)
        assets = used_by(kind, job.assets)
        if kind is TaskKind.EXPORT:
            return Needs(features=features, assets=assets)
        return Needs(job.family, job.needs.get("card", 0.0), features, job.needs.get("host", 0.0), assets)

    def _pace(self, seat_id: str, task: TaskView, seconds: float) -> None:
        seat = self.view.seats.get(seat_id)
        if task.kind is not TaskKind.SECTION or seconds <= 0 or seat is None:
            return
        expected = self.costs.run(task, Group.of(seat)) * seat.pace
        alike = [other.id for other in self.view.seats.values() if other.device_class == seat.device_class]
        self.paces.observe(
            seat_id, task.work / seconds, task.work / expected if expected > 0 else 0.0, alike, seat.pace
        )

    def _join(self, owner: str) -> None:
        if owner not in self.view.waiting_owners():
            self.view.put_owner(join(self.view.owners.get(owner, OwnerView(owner)), self.view))

    def _charge(self, task: TaskView) -> None:
        job = self.view.jobs.get(task.job_id)
        if job is not None:
            self.view.put_owner(charge(self.view.owners[job.owner], task.work))


def _takes_model(attempt: Attempt) -> bool:
    return not is_export(attempt.task_id.rpartition(".")[2])
