"""The board without Ray: rows in, decisions out, and what becomes of failures."""

from datetime import UTC, datetime
from typing import Any

import pytest

from farm.cluster.board import Board
from farm.cluster.outlook import Outlook, chains_of
from farm.cluster.queue import ALL_SECONDS, QueueReader
from farm.cluster.seats import seat_of_row, seat_to_row
from farm.intake.unqueued import UNQUEUED, unqueued
from farm.jobs.graph import tasks_for
from farm.jobs.order import Terms
from farm.jobs.records import Attempt, AttemptState, FailureKind, Job, JobState, TaskKind
from farm.scheduling.records import Hold, SeatState, SeatView, TaskView
from farm.scheduling.verdicts import Fails, Quarantine
from farm.store import tables as t
from farm.store.attempts import Judgement
from farm.store.database import Database
from farm.store.jobs import JobStore
from farm.store.owners import Owner
from farm.work.failures import Failure
from model.decoding import Decoding
from model.plan import make_plan
from tests.support.jobs import LAYOUT, audit, run_task, submit


@pytest.fixture
def store(tmp_path) -> JobStore:
    store = JobStore(f"sqlite:///{tmp_path / 'farm.sqlite3'}")
    store.migrate()
    return store


class Desk:
    """Does by hand what the coordinator does, with replicas that finish or fail at once."""

    def __init__(self, store: JobStore, *seats: str, fails: dict[str, FailureKind] | None = None) -> None:
        self.store, self.fails = store, fails or {}
        self.board = Board()
        self.reader = QueueReader(store, self.board)
        self.seats = seats
        self.ran: list[tuple[str, str]] = []

    def round(self) -> int:
        """One tick; how many attempts were made in it."""
        self.reader.apply(self.reader.read())
        for name in self.seats:
            sick = name in self.board.ledger.quarantined
            self.board.put_seat(SeatView(name, name, state=SeatState.QUARANTINED if sick else SeatState.READY))
        starts = self.board.decide().starts
        for start in starts:
            task = self.board.take(start.task_id)
            assert task is not None
            attempt = self.store.start_attempt(task.id, start.seat_id, "cpu")
            self.ran.append((start.seat_id, task.id))
            self.end(attempt, start.seat_id, self.board.hold(task, 1.0))
        return len(starts)

    def end(self, attempt: Attempt, seat: str, hold: Hold) -> None:
        kind = self.fails.get(seat)
        if kind is None:
            self.store.commit_attempt(attempt.id, [], {"seconds": 1.0})
            self.board.finished(seat, hold, "cpu", 1.0)
            return
        verdict = self.board.failed(attempt, seat, hold, kind, "it broke")
        fails = "" if isinstance(verdict.task, Fails) else None
        self.store.fail_attempt(attempt.id, kind, "it broke", Judgement(verdict.charges, fails))

    def work_off(self) -> None:
        rounds = 0
        while self.round():
            rounds += 1
            assert rounds < 500


def test_work_is_done_by_priority_and_everything_ends(store: JobStore) -> None:
    low, high = submit(store, priority=10), submit(store, priority=90)
    desk = Desk(store, "a", "b")
    desk.work_off()
    assert {store.get_job(job.id).state for job in (low, high)} == {JobState.COMPLETED}
    firsts = [task.partition(".")[0] for _, task in desk.ran]
    assert firsts[0] == high.id
    assert firsts.index(low.id) > 0


@pytest.mark.parametrize("kind", [FailureKind.TASK, FailureKind.REPLICA, FailureKind.DEVICE, FailureKind.LOST])
def test_one_sick_replica_beside_a_healthy_one_fails_no_job(store: JobStore, kind: FailureKind) -> None:
    jobs = [submit(store) for _ in range(6)]
    desk = Desk(store, "healthy", "sick", fails={"sick": kind})
    desk.work_off()
    assert {store.get_job(job.id).state for job in jobs} == {JobState.COMPLETED}
    assert list(desk.board.ledger.quarantined) == ["sick"]
    assert "it broke" in desk.board.ledger.quarantined["sick"].reason
    assert sum(seat == "sick" for seat, _ in desk.ran) <= 12


def test_a_replica_that_could_not_load_is_out_after_its_first_attempt(store: JobStore) -> None:
    """Its model is loaded before it gets work; where nobody can load it, that says nothing about a replica."""
    jobs = [submit(store) for _ in range(20)]
    desk = Desk(store, "a", "b", "sick", fails={"sick": FailureKind.REPLICA})
    for seat in desk.seats:
        desk.board.put_seat(SeatView(seat, seat))
    desk.board.failed_to_load("sick", "puppet", Failure(FailureKind.REPLICA, "device 'cuda' can't be used"))
    desk.work_off()
    assert {store.get_job(job.id).state for job in jobs} == {JobState.COMPLETED}
    assert [seat for seat, _ in desk.ran].count("sick") == 1


def test_a_broken_task_fails_its_job_and_no_other(store: JobStore) -> None:
    broken, fine = submit(store, seed=1), submit(store, seed=2)
    desk = Desk(store, "a", "b", "c")
    end = desk.end

    def breaks(attempt: Attempt, seat: str, hold: Hold) -> None:
        desk.fails = {seat: FailureKind.TASK} if attempt.task_id == f"{broken.id}.encode" else {}
        end(attempt, seat, hold)

    desk.end = breaks  # type: ignore[method-assign]
    desk.work_off()
    assert store.get_job(fine.id).state is JobState.COMPLETED
    failed = store.get_job(broken.id)
    assert failed.state is JobState.FAILED and "encode failed" in failed.error
    tried = [attempt.replica for attempt in store.attempts(broken.id)]
    assert sorted(tried) == ["a", "b", "c"] and not desk.board.ledger.quarantined


def test_only_what_has_changed_is_read(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [submit(store) for _ in range(3)]
    desk = Desk(store)
    desk.reader.apply(desk.reader.read())
    assert desk.reader.changed and len(desk.board.view.jobs) == 3
    asked: list[Any] = []
    queued = store.queued
    monkeypatch.setattr(store, "queued", lambda ids=None: asked.append(ids) or queued(ids))
    monkeypatch.setattr("farm.cluster.queue.OVERLAP_SECONDS", -1.0)
    for _ in range(2):  # what came at the moment of the first look may be read once more
        desk.reader.apply(desk.reader.read())
    asked.clear()
    desk.reader.apply(desk.reader.read())
    assert not desk.reader.changed and not asked
    store.pause_job(jobs[1].id)
    desk.reader.apply(desk.reader.read())
    assert desk.reader.changed and asked == [{jobs[1].id}]
    assert set(desk.board.view.jobs) == {jobs[0].id, jobs[2].id}
    store.resume_job(jobs[1].id)
    run_task(store, jobs[0].id, "encode")
    desk.reader.apply(desk.reader.read())
    assert set(desk.board.view.jobs) == {job.id for job in jobs}
    assert [name.partition(".")[2] for name in desk.board.view.ready(jobs[0].id)] == [
        "section-000",
        "section-003",
    ]
    audit(store, jobs[2].id)


def test_all_is_read_again_in_slices(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody said to have changed is found all the same, and no look reads everything."""
    jobs = [submit(store) for _ in range(5)]
    desk = Desk(store)
    monkeypatch.setattr("farm.cluster.queue.OVERLAP_SECONDS", -1.0)
    monkeypatch.setattr("farm.cluster.queue.SLICE", 2)
    for _ in range(3):
        desk.reader.apply(desk.reader.read())
    Database(str(store._database._engine.url)).write(lambda c: c.execute(t.jobs.update().values(priority=7)))
    desk.reader.apply(desk.reader.read())
    assert all(job.priority != 7 for job in desk.board.view.jobs.values())
    desk.reader._read_all -= ALL_SECONDS
    seen = []
    for _ in range(3):
        desk.reader.apply(desk.reader.read())
        seen.append(sum(job.priority == 7 for job in desk.board.view.jobs.values()))
    assert seen == [2, 4, 5] and len(jobs) == 5
    asked: list[Any] = []
    queued = store.queued
    monkeypatch.setattr(store, "queued", lambda ids=None: asked.append(ids) or queued(ids))
    desk.reader.apply(desk.reader.read())
    assert not asked  # it is not begun anew at once


def test_a_new_coordinator_knows_which_replica_was_sick(store: JobStore) -> None:
    for _ in range(4):
        submit(store)
    desk = Desk(store, "healthy", "sick", fails={"sick": FailureKind.REPLICA})
    desk.work_off()
    board = Board()
    board.remember(store.endings(), {"healthy": "healthy", "sick": "sick"})
    assert list(board.ledger.quarantined) == list(desk.board.ledger.quarantined) == ["sick"]
    board = Board()
    board.remember(store.endings(), {"healthy": "healthy"})
    assert not board.ledger.quarantined


@pytest.mark.parametrize("task", ["export", "export-1"])
def test_no_export_makes_up_for_what_a_seat_fails_with_its_model(task: str) -> None:
    """Whichever of a job's exports it is."""
    moment = datetime.now(UTC)

    def ended(name: str, state: AttemptState, failure: FailureKind | None) -> Attempt:
        return Attempt(name, f"job.{name}", "job", 1, "r", state, moment, moment, failure)

    board = Board()
    failed = ended("section-000", AttemptState.FAILED, FailureKind.REPLICA)
    board.remember([failed, ended(task, AttemptState.COMMITTED, None)], {"r": "seat"})
    assert len(board.ledger.failures("job.section-000")) == 1
    assert board.ledger._seats["seat"][-1].kind is FailureKind.REPLICA, "the export says nothing of the device"


def test_owners_keep_what_they_have_used(store: JobStore) -> None:
    submit(store, owner="ann")
    desk = Desk(store, "a")
    desk.work_off()
    (ann,) = desk.board.owners
    assert ann.name == "ann" and ann.used > 1
    store.put_owners([ann])
    store.put_owners([Owner("ann", weight=9, used=ann.used + 1), Owner("bob", weight=2)])
    assert store.owners() == [Owner("ann", 1.0, ann.used + 1), Owner("bob", 2.0)]
    board = Board()
    board.learn(store.finished(), store.owners())
    assert {owner.name: owner.weight for owner in board.owners} == {"ann": 1.0, "bob": 2.0}
    assert {one.kind for one in store.finished()} == set(TaskKind)


def test_equal_tasks_wait_for_each_other_and_not_for_themselves(store: JobStore) -> None:
    one, two = TaskView("a.section-000", "a"), TaskView("b.section-000", "b")
    board = Board()
    board._keys["a"][one.id] = board._keys["b"][two.id] = "key"
    assert not board.waits_for_twin(one)
    board.begun(one)
    assert not board.waits_for_twin(one) and board.waits_for_twin(two)
    assert board.ended(two) == set() and board.ended(one) == {"b"}
    assert not board.waits_for_twin(two) and board.ended(one) == set()


def test_a_seat_is_the_same_after_its_row() -> None:
    seat = SeatView(
        "n/cuda-0",
        "n",
        "H100",
        10.0,
        takes=frozenset({TaskKind.SECTION}),
        spares=frozenset({TaskKind.EXPORT}),
        models=frozenset({"puppet"}),
        running=Hold("t", "j", 5.0),
    )
    row = seat_of_row(seat_to_row(seat, lambda at: at + 1000, until=7.0), "hot", lambda at: at - 1000)
    assert (row.seat, row.until, row.trouble) == (seat, 7.0, "hot")


class TestOutlook:
    def seat(self, store: JobStore, name: str = "a", **values: Any) -> None:
        seat = SeatView(name, "n", "CPU", **values)
        data = {"seat": seat_to_row(seat, Board().on_wall), "loading": ["puppet", 1.5]}
        store.upsert_replica(f"replica-{name}", "n", "CPU", "idle", data=data)

    def outlook(self, store: JobStore, job: Job) -> tuple[Any, dict[str, str]]:
        outlook = Outlook(store)
        job = store.get_job(job.id)
        return outlook.of_job(job), outlook.of_tasks(job, store.tasks(job.id))

    def test_without_a_replica_nothing_is_promised(self, store: JobStore) -> None:
        found, why = self.outlook(store, submit(store))
        assert (found.place, found.jobs, found.expected, found.code) == (1, 1, None, "no_seat")
        assert "no replica" in why["encode"] and "encode" in why["section-000"]

    def test_a_job_that_is_not_queued_is_told_when_it_would_be_done(self, store: JobStore) -> None:
        submit(store, priority=90)
        self.seat(store, models=frozenset({"puppet"}))
        outlook = Outlook(store)
        plan = make_plan(layout=LAYOUT, order="bisect", seconds=5, seed=0, prompt="x")
        short = unqueued(tasks_for(UNQUEUED, plan, Decoding(), 1.0), Terms(), "puppet")
        long = unqueued(tasks_for(UNQUEUED, plan, Decoding(), 10.0), Terms(owner="new"), "puppet")
        found, other = outlook.of_new(short), outlook.of_new(long)
        assert (found.place, found.jobs) == (2, 2)
        assert 0 < found.low <= found.expected <= found.high
        assert other.expected > found.expected
        assert outlook.order() == [job.id for job in store.list_jobs()[0]]

    def test_places_and_times_follow_the_queue(self, store: JobStore) -> None:
        first, second = submit(store, priority=90), submit(store)
        self.seat(store, models=frozenset({"puppet"}))
        early, _ = self.outlook(store, first)
        late, why = self.outlook(store, second)
        assert (early.place, late.place, late.jobs) == (1, 2, 2)
        assert 0 < early.expected < late.expected and late.low <= late.expected <= late.high
        assert late.code in ("behind", "next", "no_seat") and why["encode"]

    def test_ended_and_paused_jobs_have_none_of_that(self, store: JobStore) -> None:
        job = submit(store)
        store.pause_job(job.id)
        found, why = self.outlook(store, job)
        assert found.code == "paused" and why == {"encode": "Its job is paused."}
        store.cancel_job(job.id)
        assert self.outlook(store, job) == (None, {})

    def test_a_job_that_is_worked_on_waits_for_nothing(self, store: JobStore) -> None:
        job = submit(store)
        store.start_attempt(f"{job.id}.encode", "replica-a", "CPU")
        self.seat(store, running=Hold(f"{job.id}.encode", job.id, Board().now + 3))
        found, _ = self.outlook(store, job)
        assert (found.code, found.why) == ("", "") and found.expected > 0

    def test_a_resting_replica_says_why(self, store: JobStore) -> None:
        job = submit(store)
        seat = SeatView("a", "n", "CPU", state=SeatState.QUARANTINED)
        board = Board()
        data = {"seat": seat_to_row(seat, board.on_wall, board.now + 60), "loading": ["", 0]}
        store.upsert_replica("replica-a", "n", "CPU", "quarantined", message="it fails everything", data=data)
        found, _ = self.outlook(store, job)
        assert found.code == "resting" and "it fails everything" in found.why

    def test_chains_add_up(self, store: JobStore) -> None:
        job = submit(store)
        (queued,) = store.queued()
        tasks = {task.name: task for task in store.tasks(job.id)}
        assert sum(chains_of(queued).values()) == pytest.approx(tasks["encode"].chain)
        assert queued.remaining == pytest.approx(sum(task.work for task in tasks.values()))


def test_a_quarantined_seat_is_probed_after_its_time(store: JobStore) -> None:
    clock = [0.0]
    board = Board(clock=lambda: clock[0], wall=lambda: 1000.0 + clock[0])
    board.put_seat(SeatView("a"))
    board.put_seat(SeatView("b"))
    job = submit(store)
    attempt = Attempt("x", f"{job.id}.encode", job.id, 1, "r", AttemptState.RUNNING, job.created_at)
    for _ in range(2):
        verdict = board.failed(attempt, "a", None, FailureKind.REPLICA, "no driver")
    assert isinstance(verdict.seat, Quarantine) and verdict.seat.probe_at == 60.0
