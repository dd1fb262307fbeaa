"""What seats hold for later is taken back when something more urgent came, or when a free seat is faster.

What they are at work on is never taken away: a section's end is soon enough.
"""

from collections.abc import Iterator

from .costs import Costs
from .lanes import Lane
from .supply import Suitability, Supply
from .view import FarmView, SeatState, SeatView

GAIN_SECONDS = 1.0
"""A free seat must be faster by more than this."""


class Preemption:
    """Looks at seats that hold something ahead; ``left``: the free seats that a decision found no use for."""

    def __init__(self, view: FarmView, now: float, costs: Costs, suitability: Suitability, left: Supply) -> None:
        self._view, self._now, self._costs, self._suitability, self._left = view, now, costs, suitability, left

    def faster(self) -> Iterator[tuple[SeatView, str]]:
        """Seats whose next task a free seat would do before them, and why."""
        for seat in self._holding():
            hold = seat.ahead
            job = self._view.jobs.get(hold.job_id) if hold else None
            if hold is None or hold.task is None or job is None:
                continue
            lane = Lane.of(hold.task, job)
            for pool in self._left.fitting(lane):
                entry = pool.first(self._suitability.avoid(lane))
                if entry is None:
                    continue
                overhead = self._costs.load(hold.task.needs.family, pool.group) + self._costs.move(hold.task, entry[0])
                if self._now + overhead + self._costs.run(hold.task, pool.group) + GAIN_SECONDS < hold.ends:
                    self._left.take(pool, entry)
                    yield seat, f"{entry[1]} is free and will have done it sooner"
                    break

    def outranked(self) -> Iterator[tuple[SeatView, str]]:
        """Seats whose next task should give way to one of a higher priority that no free seat can take, and why."""
        waiting = self._urgent()
        for seat in sorted(self._holding(), key=lambda seat: (seat.running.ends if seat.running else 0.0, seat.id)):
            job = self._view.jobs.get(seat.ahead.job_id) if seat.ahead else None
            group = self._view.groups[seat.id]
            for lane, jobs in waiting.items():
                better = job is not None and jobs and -jobs[-1][0] > job.priority
                if better and lane.fits(group) and seat.id not in self._suitability.avoid(lane):
                    _, job_id = jobs.pop()
                    yield seat, f"a task of job {job_id} has a higher priority"
                    break

    def _holding(self) -> Iterator[SeatView]:
        for seat_id in self._view.holding_ahead:
            seat = self._view.seats[seat_id]
            if seat.state is SeatState.READY:
                yield seat

    def _urgent(self) -> dict[Lane, list[tuple[int, str]]]:
        """Per lane without a free seat, the first job of each owner, once per ready task; the best comes last."""
        found: dict[Lane, list[tuple[int, str]]] = {}
        if not self._view.holding_ahead:
            return found
        for owner in self._view.waiting_owners():
            for lane, queue in self._view.queues(owner).items():
                if not self._left.alive(lane):
                    job_id = queue.jobs[0]
                    tasks = len(self._view.chains(job_id, lane))
                    found.setdefault(lane, []).extend([(int(queue.jobs.key(0)[0]), job_id)] * tasks)
        ordered = sorted(found.items(), key=lambda item: (min(item[1]), item[0].order()))
        return {lane: sorted(jobs, reverse=True) for lane, jobs in ordered}
