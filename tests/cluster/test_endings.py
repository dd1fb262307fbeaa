"""What becomes of an attempt without a result, and of what it left."""

import pytest

from farm.jobs.names import attempt_folder, growing_log_key, log_key
from farm.jobs.records import FailureKind, JobState
from farm.work.failures import Failure
from tests.support.attempts import Handle, Settled, outcome


def test_damaged_input_is_made_again_and_pauses_nothing(settled: Settled) -> None:
    farm = settled.farm
    farm.store.commit_attempt(settled.attempt.id, [])
    settled.attempt = farm.store.start_attempt(f"{settled.job.id}.section-000", "r1")
    failure = Failure(FailureKind.DAMAGED, "conditioning is damaged", "conditioning")
    settled.follow(Handle(outcome(settled, failure=failure)))
    assert farm.store.tasks(settled.job.id)[0].state == "ready"
    assert farm.store.get_job(settled.job.id).state is JobState.RUNNING


def test_damaged_input_that_nobody_made_pauses_the_job_with_its_reason(settled: Settled) -> None:
    failure = Failure(FailureKind.DAMAGED, "image is gone", "image")
    settled.follow(Handle(outcome(settled, failure=failure)))
    assert settled.farm.store.get_job(settled.job.id).state is JobState.PAUSED
    assert any("image is gone Mend this" in e.message for e in settled.farm.store.events(settled.job.id))


@pytest.mark.parametrize("failure", [None, Failure(FailureKind.TASK, "ValueError: odd")])
def test_the_log_of_every_attempt_is_kept_and_the_rest_of_its_folder_goes(settled: Settled, failure) -> None:
    artifacts, folder = settled.farm.artifacts, attempt_folder(settled.job.id, settled.attempt.id)
    artifacts.write(growing_log_key(folder), b"what was said")
    artifacts.write(f"{folder}/half-done.jpg", b"?")
    settled.follow(Handle(outcome(settled, failure=failure)))
    assert artifacts.read(log_key(settled.job.id, settled.attempt.id)) == b"what was said"
    assert not artifacts.exists(f"{folder}/half-done.jpg")


def test_a_job_that_was_deleted_meanwhile_leaves_no_log(settled: Settled) -> None:
    artifacts, folder = settled.farm.artifacts, attempt_folder(settled.job.id, settled.attempt.id)
    late = outcome(settled)
    artifacts.write(growing_log_key(folder), b"what was said")
    settled.farm.store.cancel_job(settled.job.id)
    settled.farm.store.delete_job(settled.job.id)
    settled.follow(Handle(late))
    assert not artifacts.exists(log_key(settled.job.id, settled.attempt.id))
    assert not artifacts.exists(growing_log_key(folder))


def test_input_that_cannot_be_used_is_not_tried_again(settled: Settled) -> None:
    settled.follow(Handle(outcome(settled, failure=Failure(FailureKind.INPUT, "box offset can't be negative"))))
    job = settled.farm.store.get_job(settled.job.id)
    assert job.state is JobState.FAILED and len(settled.farm.store.attempts(job.id)) == 1


def test_a_device_that_does_not_work_fails_no_job(settled: Settled) -> None:
    """Its replica rests, and the task waits for another try."""
    failure = Failure(FailureKind.REPLICA, "device 'cuda' can't be used; try 'cpu'.")
    member = settled.follow(Handle(outcome(settled, failure=failure)))
    assert settled.farm.store.get_job(settled.job.id).state is JobState.RUNNING
    assert settled.farm.store.tasks(settled.job.id)[0].state == "ready"
    assert member.state == "resting" and "device 'cuda' can't be used" in member.blame[0]
