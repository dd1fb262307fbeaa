"""An owner's ready tasks in the order in which they should be served, as far as a decision needs to look."""

import heapq
from bisect import insort
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from farm.jobs.records import TaskKind

from .lanes import Lane, Queue
from .urgency import Pressure
from .view import FarmView, JobView, TaskView

WINDOW_TASKS = 64
"""Most tasks among which a scarce seat may choose the one that costs it least."""

LANE_TASKS = 16
"""Most of them in one lane: what a seat must load differs from lane to lane."""

WINDOW_SECONDS = 900.0
"""They are at most this much less urgent than the first, so that the first can't be passed by for ever."""

Order = tuple[int, int, float, int, float, str, float, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ready task with its place: lower orders go first. ``urgent``: it is at risk or critical."""

    order: Order
    task: TaskView
    job: JobView
    lane: Lane
    urgent: bool = False

    def near(self, first: "Candidate") -> bool:
        """Whether a scarce seat may take this one in place of ``first``, which goes before it."""
        return self.order[:4] == first.order[:4] and self.order[4] <= first.order[4] + WINDOW_SECONDS


Head = tuple[Order, int, Candidate, Iterator[Candidate]]
"""The next of a stream, and the stream's number."""


def _order(candidate: Candidate) -> Order:
    return candidate.order


class Seats(Protocol):
    """What is asked of the seats that are left; see ``supply.Supply``."""

    @property
    def exhausted(self) -> int:
        """Grows whenever a lane may have become dead."""

    def alive(self, lane: Lane) -> bool:
        """Whether any seat is left for the lane."""


class Window:
    """Candidates of one owner for the seats that are left, the most urgent first.

    ``scarce``: kinds of which not all can start; of others the longest chain goes first, since none goes without, and
    that is how seats of different speeds are used best. ``gone`` are tasks that were already decided on.
    """

    def __init__(
        self,
        view: FarmView,
        owner: str,
        pressure: Pressure,
        seats: Seats,
        scarce: Container[TaskKind],
        gone: Container[str] = (),
    ) -> None:
        self._view, self._pressure, self._seats, self._gone = view, pressure, seats, gone
        self._exhausted, self._scarce = seats.exhausted, scarce
        self._seen: set[str] = set()
        self._waiting: list[Candidate] = []
        self._heads: list[Head] = []
        queues = ((lane, queue) for lane, queue in view.queues(owner).items() if seats.alive(lane))
        streams = (stream for lane, queue in queues for stream in self._streams(lane, queue))
        for number, stream in enumerate(streams):
            self._advance(number, stream)

    def first(self) -> Candidate | None:
        """The most urgent; ``None`` when nothing is left that could start."""
        self._forget()
        while self._heads and (not self._waiting or self._heads[0][0] < self._waiting[0].order):
            self._take(heapq.heappop(self._heads))
        return self._waiting[0] if self._waiting else None

    def near(self) -> list[Candidate]:
        """The most urgent, and those that a scarce seat may take in its place: some of each lane."""
        first = self.first()
        if first is None:
            return []
        counts = Counter(one.lane for one in self._waiting)
        aside = []
        while self._heads and len(self._waiting) < WINDOW_TASKS and self._heads[0][2].near(first):
            head = heapq.heappop(self._heads)
            if counts[head[2].lane] < LANE_TASKS:
                counts[head[2].lane] += self._take(head)
            else:
                aside.append(head)
        for head in aside:
            heapq.heappush(self._heads, head)
        return [one for one in self._waiting if one.near(first)]

    def drop(self, *candidates: Candidate) -> None:
        """They were decided on."""
        gone = {one.task.id for one in candidates}
        self._waiting = [one for one in self._waiting if one.task.id not in gone]

    def calm(self) -> None:
        """From now on nothing is urgent: what was is in its place among the rest."""
        urgent = [one for one in self._waiting if one.urgent]
        self._waiting = [one for one in self._waiting if not one.urgent]
        self._seen.difference_update(one.task.id for one in urgent)
        self._heads = [head for head in self._heads if not head[2].urgent]
        heapq.heapify(self._heads)

    def _forget(self) -> None:
        """Those for which no seat is left."""
        if self._exhausted != self._seats.exhausted:
            self._exhausted = self._seats.exhausted
            self._waiting = [one for one in self._waiting if self._seats.alive(one.lane)]

    def _take(self, head: Head) -> bool:
        """Go on by one in the stream; whether its candidate is one to wait."""
        _, number, candidate, stream = head
        if not self._seats.alive(candidate.lane):
            return False
        self._advance(number, stream)
        task_id = candidate.task.id
        if task_id in self._seen or task_id in self._gone:
            return False
        self._seen.add(task_id)
        insort(self._waiting, candidate, key=_order)
        return True

    def _advance(self, number: int, stream: Iterator[Candidate]) -> None:
        candidate = next(stream, None)
        if candidate is not None:
            heapq.heappush(self._heads, (candidate.order, number, candidate, stream))

    def _streams(self, lane: Lane, queue: Queue) -> Iterator[Iterator[Candidate]]:
        """Ordered each; a task that is in several comes first in that of the highest claim."""
        yield self._regular(lane, queue)
        yield self._critical(lane, queue)
        if queue.deadlines:
            yield iter(self._at_risk(lane, queue))

    def _regular(self, lane: Lane, queue: Queue) -> Iterator[Candidate]:
        for index in range(len(queue.jobs)):
            job, place = self._view.jobs[queue.jobs[index]], queue.jobs.key(index)[-1]
            for task in self._tasks(job, lane):
                yield Candidate((-job.priority, 1, job.rank, 1, place, job.id, -task.chain, task.id), task, job, lane)

    def _critical(self, lane: Lane, queue: Queue) -> Iterator[Candidate]:
        index, longest = 0, queue.longest
        critical = self._pressure.critical if lane.kind in self._scarce else 0.0
        while index < len(longest):
            priority, rank, chain = longest.key(index)
            if -chain < critical:
                index = longest.first_at((priority, rank, 1.0))
                continue
            job = self._view.jobs[longest[index]]
            index += 1
            for task in self._tasks(job, lane):
                if task.chain < critical:
                    break
                order = (priority, 1, rank, 0, chain, job.id, -task.chain, task.id)
                yield Candidate(order, task, job, lane, urgent=True)

    def _at_risk(self, lane: Lane, queue: Queue) -> list[Candidate]:
        """Of the jobs that are due next; those that are too late are with the regular ones."""
        found: list[Candidate] = []
        start = queue.deadlines.first_at(self._pressure.now)
        for index in range(start, min(start + WINDOW_TASKS, len(queue.deadlines))):
            job, deadline = self._view.jobs[queue.deadlines[index]], queue.deadlines.key(index)
            for task in islice(self._tasks(job, lane), WINDOW_TASKS):
                if self._pressure.at_risk(deadline, task.chain):
                    laxity = deadline - task.chain / self._pressure.fastest
                    order = (-job.priority, 0, 0.0, 0, laxity, job.id, -task.chain, task.id)
                    found.append(Candidate(order, task, job, lane, urgent=True))
        return sorted(found, key=lambda one: one.order)

    def _tasks(self, job: JobView, lane: Lane) -> Iterator[TaskView]:
        """Those of the job that may start by now, the longest chain first."""
        for task_id in self._view.chains(job.id, lane):
            task = self._view.tasks[task_id]
            if task.not_before <= self._pressure.now:
                yield task
