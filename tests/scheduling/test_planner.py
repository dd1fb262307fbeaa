"""What holds for every decision, whatever the farm looks like."""

import random
from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from farm.jobs.graph import tasks_for
from farm.jobs.records import TaskKind
from farm.scheduling.costs import SizeCosts
from farm.scheduling.decisions import Decisions
from farm.scheduling.lanes import Lane
from farm.scheduling.planner import decide
from farm.scheduling.view import (
    FarmView,
    Group,
    Hold,
    JobView,
    Needs,
    OwnerView,
    SeatState,
    SeatView,
    TaskView,
)
from model.decoding import Decoding
from model.plan import make_plan

NOW = 100.0
FAMILIES = ("", "puppet", "framepack")
SEATS = tuple(f"seat-{n}" for n in range(8))
NODES = ("north", "south", "")
TIMES = st.integers(0, 400).map(float)
KINDS = st.frozensets(st.sampled_from(TaskKind), min_size=1)


@dataclass
class Records:
    owners: list[OwnerView]
    jobs: list[JobView]
    tasks: list[TaskView]
    seats: list[SeatView]

    def view(self, rng: random.Random | None = None) -> FarmView:
        """The same records, put in in any order."""
        puts = [("owner", one) for one in self.owners] + [("job", one) for one in self.jobs]
        puts += [("task", one) for one in self.tasks] + [("seat", one) for one in self.seats]
        if rng:
            rng.shuffle(puts)
        view = FarmView()
        for kind, record in puts:
            getattr(view, f"put_{kind}")(record)
        return view


@st.composite
def farms(draw: st.DrawFn) -> Records:
    owners = [
        OwnerView(name, draw(st.sampled_from([0.5, 1.0, 4.0])), draw(TIMES), draw(st.none() | st.integers(0, 3)))
        for name in ("ann", "bob")
    ]
    jobs = [
        JobView(
            f"job-{n}",
            owner=draw(st.sampled_from(["ann", "bob"])),
            priority=draw(st.integers(0, 2)),
            submitted=draw(TIMES),
            deadline=draw(st.none() | TIMES),
            remaining=draw(TIMES),
            device_class=draw(st.sampled_from(["", "", "fast", "slow"])),
            mixing=draw(st.booleans()),
        )
        for n in range(draw(st.integers(1, 5)))
    ]
    tasks = [
        TaskView(
            f"task-{n}",
            draw(st.sampled_from(jobs)).id,
            kind=draw(st.sampled_from([TaskKind.SECTION, *TaskKind])),
            needs=Needs(draw(st.sampled_from(FAMILIES)), draw(st.sampled_from([0.0, 8.0, 24.0]))),
            work=draw(st.integers(1, 90)) * 1.0,
            chain=draw(st.integers(90, 300)) * 1.0,
            failed_on=draw(st.frozensets(st.sampled_from(SEATS), max_size=2)),
            inputs_on=draw(st.frozensets(st.sampled_from(NODES), max_size=2)),
            not_before=draw(st.sampled_from([0.0, 0.0, NOW - 1, NOW + 1])),
        )
        for n in range(draw(st.integers(0, 16)))
    ]
    return Records(owners, jobs, tasks, [draw(seats(name)) for name in SEATS[: draw(st.integers(0, 8))]])


@st.composite
def seats(draw: st.DrawFn, name: str) -> SeatView:
    holds = [Hold(f"{name}-{n}", f"job-{draw(st.integers(0, 6))}", NOW + draw(st.integers(-50, 90))) for n in range(2)]
    running = draw(st.none() | st.just(holds[0]))
    ahead = draw(st.none() | st.just(replace(holds[1], ends=holds[0].ends + 30))) if running else None
    device_class, speed = draw(st.sampled_from([("fast", 1.0), ("slow", 0.3)]))
    return SeatView(
        name,
        node=draw(st.sampled_from(NODES)),
        device_class=device_class,
        speed=speed,
        memory=draw(st.sampled_from([8.0, 24.0])),
        takes=draw(KINDS),
        spares=draw(st.frozensets(st.sampled_from(TaskKind), max_size=1)),
        models=draw(st.frozensets(st.sampled_from(FAMILIES[1:]))),
        state=draw(st.sampled_from([SeatState.READY] * 4 + list(SeatState))),
        running=running,
        ahead=ahead,
        proven=draw(st.sampled_from([True, True, False])),
    )


def decided(records: Records, rng: random.Random | None = None) -> Decisions:
    return decide(records.view(rng), NOW, SizeCosts())


@settings(max_examples=50, deadline=None)
@given(farms(), st.randoms(use_true_random=False))
def test_decision_is_the_same_for_every_order_in_which_records_came(records: Records, rng: random.Random) -> None:
    assert decided(records, rng) == decided(records)


@settings(max_examples=50, deadline=None)
@given(farms())
def test_no_task_is_started_twice_and_no_seat_is_given_two(records: Records) -> None:
    made = decided(records)
    assert max(Counter(start.task_id for start in made.starts).values(), default=1) == 1
    assert max(Counter(start.seat_id for start in made.starts).values(), default=1) == 1
    assert not {start.task_id for start in made.starts} & {wait.task_id for wait in made.waits}


@settings(max_examples=50, deadline=None)
@given(farms())
def test_every_start_is_at_a_seat_that_is_ready_and_can_hold_and_takes_it(records: Records) -> None:
    view = records.view()
    classes: dict[str, set[str]] = {}
    for start in decided(records).starts:
        task, seat = view.tasks[start.task_id], view.seats[start.seat_id]
        job = view.jobs[task.job_id]
        assert seat.state is SeatState.READY and seat.suits(task.needs) and seat.ahead is None
        assert start.ahead is (seat.running is not None) and (seat.proven or not start.ahead)
        assert task.kind in seat.takes | seat.spares
        assert task.not_before <= NOW
        if not job.mixing and task.kind is not TaskKind.EXPORT and job.device_class:
            assert seat.device_class == job.device_class
        if not job.mixing and task.kind is TaskKind.SECTION:
            classes.setdefault(job.id, set()).add(seat.device_class)
    assert all(len(found) == 1 for found in classes.values())


@settings(max_examples=50, deadline=None)
@given(farms())
def test_seat_that_failed_a_task_gets_it_again_only_when_no_other_could(records: Records) -> None:
    view = records.view()
    for start in decided(records).starts:
        task = view.tasks[start.task_id]
        if start.seat_id in task.failed_on:
            lane = Lane.of(task, view.jobs[task.job_id])
            able = {seat.id for seat in records.seats if seat.state is SeatState.READY and lane.fits(Group.of(seat))}
            assert able <= task.failed_on


@settings(max_examples=50, deadline=None)
@given(farms())
def test_owners_never_have_more_tasks_than_their_limit(records: Records) -> None:
    view = records.view()
    started = Counter(view.jobs[view.tasks[start.task_id].job_id].owner for start in decided(records).starts)
    for owner in records.owners:
        if owner.limit is not None and started[owner.name]:
            assert view.holdings.tasks(owner.name) + started[owner.name] <= owner.limit


@settings(max_examples=50, deadline=None)
@given(farms())
def test_no_free_seat_idles_while_a_task_could_use_it_unless_it_waits_for_a_better_one(records: Records) -> None:
    view, made = records.view(), decided(records)
    gone = {one.task_id for one in made.starts} | {one.task_id for one in made.waits}
    taken = {start.seat_id for start in made.starts}
    started: Counter[str] = Counter()
    settled: dict[str, str] = {}
    for start in made.starts:
        task = view.tasks[start.task_id]
        started[view.jobs[task.job_id].owner] += 1
        if task.kind is TaskKind.SECTION:
            settled[task.job_id] = view.seats[start.seat_id].device_class
    idle = [seat for seat in records.seats if seat.free and seat.id not in taken]
    for task in records.tasks:
        job = view.jobs[task.job_id]
        limit = view.owners[job.owner].limit
        if task.id in gone or task.not_before > NOW:
            continue
        if limit is not None and view.holdings.tasks(job.owner) + started[job.owner] >= limit:
            continue
        lane = Lane.of(task, replace(job, device_class=job.device_class or settled.get(job.id, "")))
        for seat in idle:
            assert not lane.fits(Group.of(seat)) or seat.id in task.failed_on


@settings(max_examples=50, deadline=None)
@given(farms())
def test_draining_seats_give_back_what_they_hold_for_later(records: Records) -> None:
    back = {one.seat_id: one.task_id for one in decided(records).withdrawals}
    assert len(back) == len(decided(records).withdrawals)
    for seat in records.seats:
        if seat.ahead and seat.state is not SeatState.READY:
            assert back[seat.id] == seat.ahead.task_id


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(15, 40), min_size=1, max_size=12), st.integers(1, 3))
def test_nothing_starves_however_many_short_jobs_come_in(others: list[int], count: int) -> None:
    """A long job, and a stream of short ones that alone keeps all seats busy for as long as it lasts."""
    view, now, ends = FarmView(), 0.0, {}
    view.put_job(JobView("long", remaining=200, mixing=True))
    view.put_task(TaskView("long", "long", needs=Needs("rare"), work=200, chain=200))
    for n in range(count):
        view.put_seat(SeatView(f"seat-{n}", node="n", models=frozenset({"often"})))
    arrivals = iter(range(10_000))
    while "long" in view.tasks:
        assert now < 2500, "it should be served once later jobs' places are behind its own"
        while len(view.tasks) < 20:
            work = others[(n := next(arrivals)) % len(others)]
            view.put_job(JobView(f"short-{n}", submitted=now, remaining=work, mixing=True))
            view.put_task(TaskView(f"short-{n}", f"short-{n}", needs=Needs("often"), work=work, chain=work))
        for start in decide(view, now, SizeCosts()).starts:
            if not start.ahead:
                task = view.tasks[start.task_id]
                view.drop_task(task.id)
                ends[start.seat_id] = now + start.seconds
                seat = view.seats[start.seat_id]
                view.put_seat(replace(seat, running=Hold(task.id, task.job_id, ends[start.seat_id], task)))
        seat_id = min(ends, key=lambda name: (ends[name], name))
        now = ends.pop(seat_id)
        seat = view.seats[seat_id]
        assert seat.running
        view.drop_job(seat.running.job_id)
        view.put_seat(replace(seat, running=None))


def test_following_the_planner_reaches_the_plans_bound() -> None:
    """Work off the sections of a minute on 8 seats, one a tick: they take as long as the plan says that they must."""
    layout = "f1k1_x_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_td"
    plan = make_plan(layout=layout, order="bisect", seconds=60, seed=1, prompt="a")
    tasks = [task for task in tasks_for("job", plan, Decoding()) if task.kind is TaskKind.SECTION]
    done, ticks = {"encode"}, 0
    while len(done) <= len(tasks):
        view = FarmView()
        view.put_job(JobView("job"))
        for task in tasks:
            if task.name not in done and done.issuperset(task.dependencies):
                view.put_task(TaskView(task.name, "job", TaskKind.SECTION, work=task.work, chain=task.chain))
        for number in range(8):
            view.put_seat(SeatView(f"s{number}"))
        done |= {start.task_id for start in decide(view, 0.0, SizeCosts()).starts}
        ticks += 1
    assert ticks == plan.makespan(8) == 10
