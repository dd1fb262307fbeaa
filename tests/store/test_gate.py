"""What becomes of a section that was judged, in rows: told, paused, or rendered again until the best take is chosen."""

from collections.abc import Mapping
from typing import Any

import pytest

from farm.errors import StaleAttemptError
from farm.jobs.gate import GATE
from farm.jobs.names import output_of, preview_of, take_of
from farm.jobs.records import Artifact, AttemptState, FailureKind, Job, JobState, TaskState
from farm.store.jobs import JobStore
from tests.support.jobs import SHA, ready, submit

GOOD, BAD = 0.7, 1.6


def files_of(name: str) -> list[Artifact]:
    """What a section's attempt leaves, named by the task."""
    return [Artifact(artifact, f"jobs/x/{artifact}.file", 3, SHA) for artifact in (output_of(name), preview_of(name))]


def verdict(name: str, score: float) -> dict[str, Any]:
    wrong = ["tint"] if score > 1 else []
    values = {"tint": round(0.03 * score, 5), "seam": 0.4}
    return {GATE: {"take": take_of(name), "score": score, "wrong": wrong, "values": values}}


def run(store: JobStore, job: Job, name: str, score: float | None = None) -> list[str]:
    """Start and commit a task; returns what it made ready."""
    attempt = store.start_attempt(f"{job.id}.{name}", "r1", "cpu")
    if score is None:
        return store.commit_attempt(attempt.id, [])
    return store.commit_attempt(attempt.id, files_of(name), verdict(name, score))


def run_all(store: JobStore, job: Job, scores: Mapping[str, float], last: bool = False) -> list[str]:
    """Run the job to its end, always the first or the last of what is ready; returns the sections in that order."""
    done: list[str] = []
    while names := ready(store, job.id):
        name = names[-1 if last else 0]
        run(store, job, name, scores.get(name, GOOD) if name.startswith("section") else None)
        done += [name] if name.startswith("section") else []
    return done


def kinds(store: JobStore, job: Job) -> list[str]:
    return [event.kind for event in store.events(job.id, limit=1000)]


def told(store: JobStore, job: Job, kind: str) -> list[str]:
    return [event.message for event in store.events(job.id, limit=1000) if event.kind == kind]


def keys(store: JobStore, job: Job) -> dict[str, str]:
    return {name: file.key for name, file in store.artifacts(job.id).items()}


def begun(store: JobStore, **fields: Any) -> Job:
    """A job of four sections whose inputs are encoded."""
    job = submit(store, **fields)
    run(store, job, "encode")
    return job


def test_a_section_within_its_limits_goes_on_at_once(store: JobStore) -> None:
    job = begun(store, quality_gate="retake")
    assert run(store, job, "section-000", GOOD) == ["decode-000"]
    assert "section_outside" not in kinds(store, job)
    assert {task.name: task.chosen for task in store.tasks(job.id)}["section-000"] == 0


def test_warn_says_which_section_is_outside_which_limit_and_goes_on(store: JobStore) -> None:
    job = begun(store, quality_gate="warn")
    assert run(store, job, "section-000", BAD) == ["decode-000"]
    assert told(store, job, "section_outside") == [
        "section 0 is outside its limits: its colours have shifted (tint 0.048, right is to 0.03)"
    ]
    assert store.get_job(job.id).state is JobState.RUNNING


def test_stop_pauses_with_its_reason_and_goes_on_when_told_to(store: JobStore) -> None:
    job = begun(store, quality_gate="stop")
    other = store.start_attempt(f"{job.id}.section-003", "r2")
    run(store, job, "section-000", BAD)
    assert store.get_job(job.id).state is JobState.PAUSED and ready(store, job.id) == []
    (reason,) = told(store, job, "job_blocked")
    assert reason.startswith("paused: section 0 is outside its limits: its colours have shifted")
    store.commit_attempt(other.id, files_of("section-003"), verdict("section-003", GOOD))  # what runs is not lost
    store.resume_job(job.id)
    run_all(store, job, {})
    assert store.get_job(job.id).state is JobState.COMPLETED and len(told(store, job, "job_blocked")) == 1


def test_other_takes_are_ready_at_once_and_who_depends_on_the_section_waits(store: JobStore) -> None:
    job = begun(store, quality_gate="retake", retakes=2)
    before = {task.name: task for task in store.tasks(job.id)}
    assert run(store, job, "section-000", BAD) == ["section-000-take-1", "section-000-take-2"]
    tasks = {task.name: task for task in store.tasks(job.id)}
    assert tasks["section-000"].state is TaskState.WAITING
    take = tasks["section-000-take-2"]
    first = before["section-000"]
    assert (take.section, take.kind, take.work, take.dependencies) == (0, first.kind, first.work, first.dependencies)
    assert set(ready(store, job.id)) == {"section-003", "section-000-take-1", "section-000-take-2"}
    run(store, job, "section-003", GOOD)
    assert "section-001" not in ready(store, job.id)
    assert run(store, job, "section-000-take-1", 0.9) == []
    assert run(store, job, "section-000-take-2", 0.8) == ["section-001", "decode-000"]
    assert store.reconcile() == []
    assert {task.name: task.dependencies for task in store.tasks(job.id)}["section-000"] == first.dependencies
    counts = store.get_job(job.id).counts
    assert (counts["sections_done"], counts["sections_total"]) == (2, 4)


def test_the_best_takes_files_become_the_sections(store: JobStore) -> None:
    job = begun(store, quality_gate="retake", retakes=2)
    run(store, job, "section-000", BAD)
    assert keys(store, job)["latents-000"] == "jobs/x/latents-000.file"
    run(store, job, "section-000-take-2", 0.8)
    run(store, job, "section-000-take-1", 0.9)
    files = keys(store, job)
    assert files["latents-000"] == files["latents-000-take-2"] == "jobs/x/latents-000-take-2.file"
    assert files["preview-000"] == "jobs/x/preview-000-take-2.file"
    assert files["latents-000-take-0"] == "jobs/x/latents-000.file"
    assert told(store, job, "section_settled") == [
        "section 0 is take 2, the best of 3 (take 0: 1.60, take 1: 0.90, take 2: 0.80), inside its limits"
    ]
    states = [(a.state, a.facts[GATE]["take"]) for a in store.attempts(job.id) if a.task_id.endswith("section-000")]
    assert states == [(AttemptState.SUPERSEDED, 0), (AttemptState.COMMITTED, 2)]


def test_the_first_take_stays_where_no_other_is_better(store: JobStore) -> None:
    job = begun(store, quality_gate="retake", retakes=1)
    run(store, job, "section-000", BAD)
    assert run(store, job, "section-000-take-1", BAD) == ["decode-000"]
    assert keys(store, job)["latents-000"] == "jobs/x/latents-000.file"
    assert {task.name: task.chosen for task in store.tasks(job.id)}["section-000"] == 0
    (text,) = told(store, job, "section_settled")
    assert text.endswith("; still outside: tint")


@pytest.mark.parametrize("last", [False, True])
def test_which_take_wins_depends_on_scores_alone(store: JobStore, last: bool) -> None:
    scores = {"section-000": BAD, "section-000-take-1": 1.2, "section-000-take-2": 0.9, "section-001": BAD}
    scores |= {"section-001-take-1": 1.7, "section-001-take-2": 1.3}
    job = begun(store, quality_gate="retake")
    done = run_all(store, job, scores, last)
    assert len(done) == len(set(done)) == 4 + 4
    assert store.get_job(job.id).state is JobState.COMPLETED
    chosen = {task.name: task.chosen for task in store.tasks(job.id) if task.chosen is not None}
    assert chosen == {"section-000": 2, "section-001": 2, "section-002": 0, "section-003": 0}


def test_a_result_that_comes_twice_or_late_begins_nothing_again(store: JobStore) -> None:
    job = begun(store, quality_gate="retake")
    lost = store.start_attempt(f"{job.id}.section-000", "r1")
    assert store.fail_attempt(lost.id, FailureKind.LOST, "replica lost")
    attempt = store.start_attempt(f"{job.id}.section-000", "r2")
    result = (files_of("section-000"), verdict("section-000", BAD))
    assert store.commit_attempt(attempt.id, *result) == ["section-000-take-1", "section-000-take-2"]
    rows = len(store.tasks(job.id))
    assert store.commit_attempt(attempt.id, *result) == []
    with pytest.raises(StaleAttemptError):
        store.commit_attempt(lost.id, *result)
    take = store.start_attempt(f"{job.id}.section-000-take-1", "r1")
    assert store.fail_attempt(take.id, FailureKind.LOST, "replica lost")
    run(store, job, "section-000-take-2", 0.9)
    assert {task.name: task.state for task in store.tasks(job.id)}["section-000"] is TaskState.WAITING
    run(store, job, "section-000-take-1", 0.8)
    with pytest.raises(StaleAttemptError):
        store.commit_attempt(take.id, files_of("section-000-take-1"), verdict("section-000-take-1", 0.1))
    assert len(store.tasks(job.id)) == rows and store.reconcile() == []
    run_all(store, job, {})
    assert store.get_job(job.id).state is JobState.COMPLETED
    assert kinds(store, job).count("section_settled") == 1


def test_a_chosen_take_that_is_lost_is_rendered_again_as_that_take(store: JobStore) -> None:
    job = begun(store, quality_gate="retake")
    for name, score in (("section-000", BAD), ("section-000-take-1", 0.8), ("section-000-take-2", 0.9)):
        run(store, job, name, score)
    assert store.remake(job.id, "latents-000", "gone")
    task = next(task for task in store.tasks(job.id) if task.name == "section-000")
    assert (task.state, task.chosen) == (TaskState.READY, 1)
    attempt = store.start_attempt(task.id, "r1")
    facts = {GATE: {**verdict("section-000", BAD)[GATE], "take": 1}}
    assert store.commit_attempt(attempt.id, files_of("section-000"), facts) == ["decode-000"]
    assert kinds(store, job).count("section_settled") == 1


def test_a_failed_take_is_retried_with_the_job(store: JobStore) -> None:
    job = begun(store, quality_gate="retake", retakes=1)
    run(store, job, "section-000", BAD)
    for _ in range(3):
        take = store.start_attempt(f"{job.id}.section-000-take-1", "r1")
        store.fail_attempt(take.id, FailureKind.TASK, "broken")
    assert store.get_job(job.id).state is JobState.FAILED
    store.retry_job(job.id)
    assert "section-000-take-1" in ready(store, job.id) and "section-000" not in ready(store, job.id)
    run_all(store, job, {})
    assert store.get_job(job.id).state is JobState.COMPLETED
