"""Cancel, pause and lost contact, with real replicas in mid-work."""

import os
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from farm.jobs.names import use_of

from .conftest import Cluster, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def lasting(cluster: Cluster, job_id: str) -> dict[str, Any]:
    """The job's files but those that go when its video is finished."""
    return {name: file for name, file in cluster.store.artifacts(job_id).items() if use_of(name) != "work"}


def nudge(cluster: Cluster) -> None:
    import ray

    ray.get(cluster.coordinator.nudge.remote())


def test_cancel_stops_between_two_steps(cluster: Cluster):
    job, attempt = cluster.in_mid_work(seed=31, steps=100)
    cluster.store.cancel_job(job.id)
    nudge(cluster)
    cluster.rested()
    after = next(a for a in cluster.store.attempts(job.id) if a.id == attempt.id)
    assert after.state == "interrupted" and after.step < after.steps == 100
    assert not [name for name in cluster.store.artifacts(job.id) if name.startswith("latents")]
    left = cluster.settings.artifacts_dir / "jobs" / job.id / "attempts"
    wait_for(lambda: not list(left.glob("*/*")), "the attempts' files are gone")  # replicas are idle a moment before
    assert cluster.store.get_job(job.id).state == "cancelled"


def test_pause_lets_running_sections_finish_and_starts_none(cluster: Cluster):
    job, _ = cluster.in_mid_work(seed=132, steps=100)
    cluster.store.pause_job(job.id)
    begun = len(cluster.store.attempts(job.id))
    cluster.rested()
    attempts = cluster.store.attempts(job.id)
    assert {attempt.state for attempt in attempts} == {"committed"} and len(attempts) == begun
    cluster.store.resume_job(job.id)
    assert cluster.finished(job.id).state == "completed"
    assert set(cluster.committed(job.id).values()) == {1}


def test_late_attempt_of_a_frozen_replica_cannot_commit(cluster: Cluster):
    """A replica out of contact is not taken for dead; when it comes back, its old attempt changes nothing."""
    pids = cluster.pids()
    job, frozen = cluster.in_mid_work(seed=233, steps=60, total_second_length=3.6)
    os.kill(pids[frozen.replica], signal.SIGSTOP)
    try:
        cluster.store.cancel_job(job.id)
        cluster.store.retry_job(job.id)
        nudge(cluster)
        done = cluster.finished(job.id)
    finally:
        os.kill(pids[frozen.replica], signal.SIGCONT)
    assert done.state == "completed", done.error
    committed = lasting(cluster, job.id)
    cluster.rested()
    assert cluster.pids() == pids
    assert set(cluster.committed(job.id).values()) == {1}
    assert lasting(cluster, job.id) == committed
    after = next(a for a in cluster.store.attempts(job.id) if a.id == frozen.id)
    assert after.state == "interrupted"


def test_job_waits_while_its_storage_fails_and_goes_on_after(cluster: Cluster):
    job = cluster.job(seed=34, steps=30, total_second_length=2.4)
    obstacle = cluster.settings.artifacts_dir / "jobs" / job.id / "attempts"
    wait_for(obstacle.exists, "the first attempt's folder")
    wait_for(lambda: block(obstacle), "a file in the folder's place")
    assert cluster.finished(job.id).state == "paused"
    reasons = [event.message for event in cluster.store.events(job.id) if event.kind == "job_blocked"]
    assert reasons and "artifact store" in reasons[0]
    assert {task.failures for task in cluster.store.tasks(job.id)} == {0}
    obstacle.unlink()
    cluster.store.resume_job(job.id)
    assert cluster.finished(job.id).state == "completed"
    assert set(cluster.committed(job.id).values()) == {1}


def block(folder: Path) -> bool:
    """Put a file where attempts have their folder, with whatever they are writing there."""
    try:
        if folder.is_dir():
            folder.rename(folder.with_name(f"lost-{uuid4().hex}"))
        folder.write_bytes(b"")
    except OSError:  # somebody makes it anew in this moment
        return False
    return True


def test_dead_idle_replica_is_replaced(cluster: Cluster):
    pids = cluster.pids()
    victim = min(pids)
    os.kill(pids[victim], signal.SIGKILL)
    wait_for(lambda: victim not in cluster.pids(), "the death is noticed")
    cluster.rested()
    assert len(cluster.pids()) == 2
    rows = {row.id: row.state for row in cluster.store.replicas()}
    assert rows.keys() == cluster.pids().keys(), "rows of dead replicas gather"
