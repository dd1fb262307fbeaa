"""How long a decision takes: a full farm at once, and one of 10,000 seats when a few of them have become free."""

import random
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

from farm.scheduling.costs import SizeCosts
from farm.scheduling.planner import decide
from farm.scheduling.view import FarmView, Hold, JobView, Needs, SeatView, TaskView

from .workload import FAMILIES

CLASSES = (("h100", 1.0), ("4090", 0.6), ("3060", 0.3))
SECTION = 60.0
REPEATS = 5
CHANGES = 10
OWNERS = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """``milliseconds``: the median of several decisions; ``target``: what it should stay below."""

    name: str
    milliseconds: float
    target: float
    starts: int


def bench() -> list[Timing]:
    """Time both cases on this machine; building the large farm takes some seconds."""
    return [_whole(), _incremental()]


def _whole() -> Timing:
    view = pretended(jobs=50, tasks=20, seats=64, busy=0)
    times, starts = [], 0
    for _ in range(REPEATS):
        begun = perf_counter()
        starts = len(decide(view, 0.0, SizeCosts()).starts)
        times.append(perf_counter() - begun)
    return Timing("1,000 ready sections, 64 free seats", 1000 * median(times), 50.0, starts)


def _incremental() -> Timing:
    """The records' changes are timed too."""
    rng, costs = random.Random(1), SizeCosts()
    view = pretended(jobs=1000, tasks=100, seats=10_000, busy=10_000)
    names, times, starts = sorted(view.seats), [], 0
    for turn in range(REPEATS):
        begun = perf_counter()
        for name in rng.sample(names, CHANGES):
            view.put_seat(replace(view.seats[name], running=None))
            view.put_task(TaskView(f"new-{turn}-{name}", f"job-{turn:04}", work=SECTION, chain=SECTION))
        made = decide(view, 0.0, costs)
        for start in made.starts:
            task = view.tasks[start.task_id]
            view.drop_task(task.id)
            seat, hold = view.seats[start.seat_id], Hold(task.id, task.job_id, start.seconds, task)
            view.put_seat(replace(seat, ahead=hold) if start.ahead else replace(seat, running=hold))
        times.append(perf_counter() - begun)
        starts = len(made.starts)
    return Timing("100,000 ready tasks, 10,000 seats, 10 of them free", 1000 * median(times), 200.0, starts)


def pretended(jobs: int, tasks: int, seats: int, busy: int) -> FarmView:
    """A farm with ``jobs * tasks`` ready sections and with so many seats, the first ``busy`` of them at work."""
    view, rng = FarmView(), random.Random(0)
    for n in range(jobs):
        job_id, needs = f"job-{n:04}", Needs(FAMILIES[n % len(FAMILIES)])
        view.put_job(JobView(job_id, f"owner-{n % OWNERS}", submitted=n, remaining=tasks * SECTION, mixing=True))
        for index in range(tasks):
            chain = SECTION * (1 + index % 8)
            view.put_task(TaskView(f"{job_id}.section-{index:03}", job_id, needs=needs, work=SECTION, chain=chain))
    for n in range(seats):
        device_class, speed = CLASSES[n % len(CLASSES)]
        hold = _hold(rng, n, jobs) if n < busy else None
        models = frozenset({rng.choice(FAMILIES)})
        view.put_seat(SeatView(f"seat-{n:05}", f"node-{n // 8:04}", device_class, speed, models=models, running=hold))
    return view


def _hold(rng: random.Random, number: int, jobs: int) -> Hold:
    task = TaskView(f"running-{number}", f"job-{rng.randrange(jobs):04}", work=SECTION, chain=SECTION)
    return Hold(task.id, task.job_id, rng.uniform(1, 60), task)
