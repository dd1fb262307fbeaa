"""The view's indices follow its records, whatever is put in, replaced and dropped, and in which order."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from farm.jobs.records import TaskKind
from farm.scheduling.lanes import Lane
from farm.scheduling.view import FarmView, Group, Hold, JobView, Needs, SeatState, SeatView, TaskView

JOBS = st.integers(0, 3).map("job-{}".format)
TASKS = st.integers(0, 9).map("task-{}".format)
SEATS = st.integers(0, 5).map("seat-{}".format)
UNITS = st.integers(0, 100).map(float)


class Changes(RuleBasedStateMachine):
    """Random changes; after each, what the view answers is what its records say."""

    def __init__(self) -> None:
        super().__init__()
        self.view = FarmView()

    @rule(
        name=JOBS,
        owner=st.sampled_from(["ann", "bob"]),
        remaining=UNITS,
        deadline=st.none() | UNITS,
        device_class=st.sampled_from(["", "fast"]),
        mixing=st.booleans(),
    )
    def put_job(
        self, name: str, owner: str, remaining: float, deadline: float | None, device_class: str, mixing: bool
    ) -> None:
        self.view.put_job(
            JobView(name, owner, deadline=deadline, remaining=remaining, device_class=device_class, mixing=mixing)
        )

    @rule(name=JOBS)
    def drop_job(self, name: str) -> None:
        self.view.drop_job(name)

    @rule(name=TASKS, job=JOBS, kind=st.sampled_from(TaskKind), chain=UNITS, family=st.sampled_from(["", "puppet"]))
    def put_task(self, name: str, job: str, kind: TaskKind, chain: float, family: str) -> None:
        self.view.put_task(TaskView(name, job, kind, Needs(family), chain=chain))

    @rule(name=TASKS)
    def drop_task(self, name: str) -> None:
        self.view.drop_task(name)

    @rule(name=SEATS, state=st.sampled_from(SeatState), job=st.none() | JOBS, ahead=st.booleans(), known=st.booleans())
    def put_seat(self, name: str, state: SeatState, job: str | None, ahead: bool, known: bool) -> None:
        task = TaskView(f"of-{name}", job or "", work=7) if known else None
        hold = Hold(f"of-{name}", job, 50.0, task) if job else None
        self.view.put_seat(SeatView(name, "node", state=state, running=hold, ahead=hold if ahead else None))

    @rule(name=SEATS)
    def drop_seat(self, name: str) -> None:
        self.view.drop_seat(name)

    @invariant()
    def indices_say_what_records_say(self) -> None:
        view = self.view
        placed = [task for task in view.tasks.values() if task.job_id in view.jobs]
        assert sum(view.waiting.values()) == len(placed)
        for task in placed:
            job = view.jobs[task.job_id]
            lane = Lane.of(task, job)
            queue = view.queues(job.owner)[lane]
            assert task.id in view.chains(job.id, lane) and task.id in view.ready(job.id)
            assert (
                job.id in queue.jobs
                and job.id in queue.longest
                and (job.id in queue.deadlines) is (job.deadline is not None)
            )
        assert set(view.waiting_owners()) == {view.jobs[task.job_id].owner for task in placed}
        assert view.backlog == sum(job.remaining for job in view.jobs.values())

    @invariant()
    def seats_are_where_they_belong(self) -> None:
        view = self.view
        free = {name for group in view.free.values() for name in group}
        busy = {name for group in view.busy.values() for name in group}
        assert free == {seat.id for seat in view.seats.values() if seat.free}
        assert busy == {seat.id for seat in view.seats.values() if seat.running}
        assert view.holding_ahead == sorted(seat.id for seat in view.seats.values() if seat.ahead)
        assert sum(view.able.values()) == sum(seat.state is SeatState.READY for seat in view.seats.values())
        for owner in ("ann", "bob"):
            holds = [
                hold
                for seat in view.seats.values()
                for hold in (seat.running, seat.ahead)
                if hold and hold.job_id in view.jobs and view.jobs[hold.job_id].owner == owner
            ]
            assert view.holdings.tasks(owner) == len(holds)
            assert view.holdings.work(owner) == sum(hold.task.work for hold in holds if hold.task)


Changes.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestChanges = Changes.TestCase


def test_ready_tasks_come_with_the_longest_chain_first() -> None:
    view = FarmView()
    view.put_job(JobView("job"))
    for name, chain in (("a", 2.0), ("b", 7.0), ("c", 2.0)):
        view.put_task(TaskView(name, "job", chain=chain))
    assert view.ready("job") == ["b", "a", "c"]
    assert view.ready("other") == []


def test_tasks_wait_for_their_job_and_find_their_place_when_it_comes() -> None:
    view = FarmView()
    view.put_task(TaskView("task", "job"))
    assert not view.waiting_owners()
    view.put_job(JobView("job", "ann"))
    assert view.waiting_owners() == ["ann"]
    view.put_job(JobView("job", "bob"))
    assert view.waiting_owners() == ["bob"]


def test_seats_of_one_group_differ_in_nothing_that_matters() -> None:
    seat = SeatView("seat", "node", models=frozenset({"puppet"}))
    assert Group.of(seat) == Group.of(replace(seat, id="other", node="elsewhere"))
    assert Group.of(seat) != Group.of(replace(seat, models=frozenset()))
