"""What was committed and then damaged is made again, a bounded number of times, and the job goes on by itself."""

import pytest

from farm.jobs.records import AttemptState, FailureKind, JobState, TaskState
from farm.store.jobs import JobStore
from farm.store.remake import MOST_REMADE
from tests.support.jobs import audit, ready, run_all, run_task, submit


def states(store: JobStore, job_id: str) -> dict[str, TaskState]:
    return {task.name: task.state for task in store.tasks(job_id)}


def test_a_section_runs_again_and_what_is_done_stays_done(store: JobStore) -> None:
    job = submit(store)
    for name in ("encode", "section-000", "section-003", "section-001", "decode-000"):
        run_task(store, job.id, name)
    before = states(store, job.id)
    attempt = store.start_attempt(f"{job.id}.section-002", "r1")
    assert store.fail_for_damage(attempt.id, "latents-001", "latents-001 is damaged")
    after = states(store, job.id)
    changed = {name: state for name, state in after.items() if state is not before[name]}
    assert changed == {
        "section-001": TaskState.READY,
        "section-002": TaskState.WAITING,
        "decode-001": TaskState.WAITING,
    }
    assert before["decode-001"] is TaskState.READY and after["decode-000"] is TaskState.DONE
    (failed,) = [a for a in store.attempts(job.id) if a.id == attempt.id]
    assert (failed.state, failed.failure) == (AttemptState.INTERRUPTED, FailureKind.DAMAGED)
    audit(store, job.id)
    assert run_all(store, job.id).state is JobState.COMPLETED
    audit(store, job.id)
    committed = [a for a in store.attempts(job.id) if a.state is AttemptState.COMMITTED]
    assert len(committed) == len(store.tasks(job.id))
    kinds = [event.kind for event in store.events(job.id, limit=1000)]
    assert kinds.count("artifact_damaged") == 1


def test_a_completed_job_goes_on_by_itself(store: JobStore) -> None:
    job = submit(store)
    run_all(store, job.id)
    assert store.remake(job.id, "video", "its hash has changed")
    again = store.get_job(job.id)
    assert (again.state, again.finished_at) == (JobState.RUNNING, None)
    assert ready(store, job.id) == ["export"]
    attempt = store.start_attempt(f"{job.id}.export", "r1")
    assert store.fail_for_damage(attempt.id, "frames-002", "gone")
    assert ready(store, job.id) == ["decode-002"]
    audit(store, job.id)
    assert run_all(store, job.id).state is JobState.COMPLETED
    audit(store, job.id)


def test_asking_twice_is_asking_once(store: JobStore) -> None:
    job = submit(store)
    run_all(store, job.id)
    assert store.remake(job.id, "video", "x") and store.remake(job.id, "manifest", "x")
    assert [task.name for task in store.tasks(job.id) if task.state is not TaskState.DONE] == ["export"]
    assert [event.kind for event in store.events(job.id, limit=1000)].count("artifact_damaged") == 1


def test_what_nobody_made_cannot_be_made_again(store: JobStore) -> None:
    job = submit(store)
    attempt = store.start_attempt(f"{job.id}.encode", "r1")
    assert not store.fail_for_damage(attempt.id, "image", "gone")
    assert ready(store, job.id) == ["encode"]
    assert not store.remake(job.id, "image", "gone") and not store.remake(job.id, "nonsense", "gone")
    audit(store, job.id)


def test_it_ends(store: JobStore) -> None:
    job = submit(store)
    for _ in range(MOST_REMADE):
        run_all(store, job.id)
        assert store.remake(job.id, "latents-000", "gone")
    assert run_all(store, job.id).state is JobState.COMPLETED
    assert not store.remake(job.id, "latents-000", "gone")
    assert store.get_job(job.id).state is JobState.COMPLETED
    audit(store, job.id)


@pytest.mark.parametrize("command", ["pause_job", "cancel_job"])
def test_a_paused_or_cancelled_job_stays_so_until_someone_says_otherwise(store: JobStore, command: str) -> None:
    job = submit(store)
    run_task(store, job.id, "encode")
    getattr(store, command)(job.id)
    assert store.remake(job.id, "conditioning", "gone")
    assert store.get_job(job.id).state == ("paused" if command == "pause_job" else "cancelled")
    (store.resume_job if command == "pause_job" else store.retry_job)(job.id)
    assert ready(store, job.id) == ["encode"]
    assert run_all(store, job.id).state is JobState.COMPLETED
    audit(store, job.id)


def test_a_late_attempt_changes_nothing(store: JobStore) -> None:
    job = submit(store)
    run_task(store, job.id, "encode")
    attempt = store.start_attempt(f"{job.id}.section-000", "r1")
    store.fail_attempt(attempt.id, FailureKind.LOST, "died")
    assert store.fail_for_damage(attempt.id, "conditioning", "gone") and store.fail_for_damage("unknown", "x", "gone")
    assert states(store, job.id)["encode"] is TaskState.DONE
    audit(store, job.id)
