"""Whatever happens, in whatever order, from however many sides: a job's rows always agree with each other."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from farm.errors import ConflictError
from farm.jobs.records import AttemptState, FailureKind, JobState, TaskState
from farm.store import tables as t
from farm.store.database import Database
from farm.store.jobs import JobStore
from tests.support.churn import churn
from tests.support.jobs import audit, ready, run_all, run_task, submit

ROOT = Path(__file__).resolve().parents[2]


def test_rows_agree_after_random_work_from_two_threads(store: JobStore):
    jobs = [submit(store).id for _ in range(3)]
    with ThreadPoolExecutor(2) as pool:
        tallies = list(pool.map(lambda n: churn(store, f"r{n}", seed=n, steps=150), range(2)))
    assert all(tally["done"] > 30 for tally in tallies)
    assert sum(tally["refused"] for tally in tallies) > 0
    for job_id in jobs:
        audit(store, job_id)


def test_two_processes_share_a_queue_without_doing_anything_twice(store: JobStore, database_url: str):
    """A second store, as another coordinator would open: every task still has exactly one commit."""
    job = submit(store, seconds=10)
    other = JobStore(database_url)

    def work(mine: JobStore, replica: str) -> int:
        done = 0
        while mine.get_job(job.id).state is not JobState.COMPLETED:
            for name in ready(mine, job.id):
                try:
                    run_task(mine, job.id, name, replica)
                    done += 1
                except ConflictError:
                    pass  # the other one was faster
        return done

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(work, (store, other), ("r1", "r2")))
    other.close()
    assert sum(counts) == len(store.tasks(job.id)) == len(store.attempts(job.id))
    audit(store, job.id)


def test_killed_process_leaves_no_half_transition(store: JobStore, database_url: str):
    jobs = [submit(store).id for _ in range(3)]
    for seed in range(2):
        command = [sys.executable, "-m", "tests.support.churn", database_url, f"r{seed}", str(seed)]
        before = sum(len(store.events(job_id, limit=10_000)) for job_id in jobs)
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            deadline = time.monotonic() + 60
            while sum(len(store.events(job_id, limit=10_000)) for job_id in jobs) < before + 20:
                assert process.poll() is None
                assert time.monotonic() < deadline
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for job_id in jobs:
            audit(store, job_id)
        for attempt in store.running_attempts():
            store.fail_attempt(attempt.id, FailureKind.INTERRUPTION, "its process was killed")


class TestReconcile:
    """Rows that no code of ours leaves behind, but that a restored backup or a person might."""

    @pytest.fixture
    def database(self, database_url: str):
        database = Database(database_url)
        yield database
        database.close()

    @staticmethod
    def set_task(database: Database, job_id: str, name: str, state: TaskState) -> None:
        where = (t.tasks.c.job_id == job_id) & (t.tasks.c.name == name)
        database.write(lambda connection: connection.execute(update(t.tasks).where(where).values(state=state)))

    def test_nothing_to_mend(self, store: JobStore):
        submit(store)
        assert store.reconcile() == []

    def test_frees_a_task_that_nobody_freed(self, store: JobStore, database: Database):
        job = submit(store)
        run_task(store, job.id, "encode")
        self.set_task(database, job.id, "section-003", TaskState.WAITING)
        assert store.reconcile() == [f"job {job.id}: section-003 is ready now"]
        assert store.events(job.id)[-1].kind == "reconciled"
        assert ready(store, job.id) == ["section-000", "section-003"]
        assert store.reconcile() == []

    def test_frees_a_running_task_without_an_attempt(self, store: JobStore, database: Database):
        job = submit(store)
        store.start_attempt(f"{job.id}.encode", "r1")
        database.write(lambda connection: connection.execute(delete(t.attempts)))
        assert "encode was running without an attempt" in store.reconcile()[0]
        assert ready(store, job.id) == ["encode"]

    def test_holds_a_task_that_is_ready_too_early(self, store: JobStore, database: Database):
        job = submit(store)
        self.set_task(database, job.id, "export", TaskState.READY)
        assert store.reconcile() == [f"job {job.id}: export was ready before its dependencies were done"]
        assert ready(store, job.id) == ["encode"]

    def test_ends_attempts_of_ended_jobs(self, store: JobStore, database: Database):
        job = submit(store)
        store.start_attempt(f"{job.id}.encode", "r1")
        ended = update(t.jobs).values(state=JobState.CANCELLED)
        database.write(lambda connection: connection.execute(ended))
        assert "a running attempt was ended" in store.reconcile()[0]
        assert store.running_attempts() == []
        assert store.attempts(job.id)[0].state is AttemptState.INTERRUPTED
        assert TaskState.RUNNING not in {task.state for task in store.tasks(job.id)}
        assert store.reconcile() == []

    def test_settles_jobs_whose_tasks_have_ended(self, store: JobStore, database: Database):
        done, failed = submit(store), submit(store)
        run_all(store, done.id)
        running = update(t.jobs).where(t.jobs.c.id == done.id).values(state=JobState.RUNNING, finished_at=None)
        database.write(lambda connection: connection.execute(running))
        self.set_task(database, failed.id, "encode", TaskState.FAILED)
        assert len(store.reconcile()) == 2
        assert store.get_job(done.id).state is JobState.COMPLETED
        assert store.get_job(failed.id).state is JobState.FAILED
        audit(store, done.id)
        assert store.reconcile() == []

    def test_one_current_attempt_is_the_database_s_own_rule(self, store: JobStore, database: Database):
        job = submit(store)
        attempt = store.start_attempt(f"{job.id}.encode", "r1")
        self.set_task(database, job.id, "encode", TaskState.READY)
        with pytest.raises(IntegrityError):
            store.start_attempt(f"{job.id}.encode", "r2")
        assert [a.id for a in store.running_attempts()] == [attempt.id]
