"""The promise of the farm: the video does not depend on the cluster, nor on what dies while it is made."""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import torch

from farm.jobs.records import Attempt, Job
from model.footage.media import Media
from tests.support.clips import clip, flat

from .conftest import Cluster, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_two_replicas_render_what_one_process_renders(cluster: Cluster, reference: Callable[..., dict[str, Any]]):
    job = cluster.finished(cluster.job(seed=11).id)
    assert job.state == "completed", job.error
    found = cluster.latents(job.id)
    assert len(found) == 8
    assert same(found, reference(seed=11))
    assert not same(found, reference(seed=12))
    sections = [a for a in cluster.store.attempts(job.id) if ".section" in a.task_id]
    assert len({attempt.replica for attempt in sections}) == 2
    assert set(cluster.committed(job.id).values()) == {1}


def test_two_replicas_agree_on_anchors_and_timed_prompts(cluster: Cluster, reference: Callable[..., dict[str, Any]]):
    media = Media(end_image=flat("red"), keyframes=(flat("blue"),), video=clip(24))
    fields = {"keyframes": [4.8], "end_image_strength": 0.7, "prompt": "A girl. [0s-4s: She waves.] [4s: She spins.]"}
    job = cluster.finished(cluster.job(media, **fields).id)
    assert job.state == "completed", job.error
    assert same(cluster.latents(job.id), reference(media, **fields))
    assert not same(cluster.latents(job.id), reference(media, **fields | {"end_image_strength": 1}))


def test_kills_change_nothing(cluster: Cluster, reference: Callable[..., dict[str, Any]]):
    """SIGKILL a replica in mid-section, then the coordinator while the other replica is in mid-section."""
    pids, coordinator = cluster.pids(), cluster.status()["pid"]
    job, victim = cluster.in_mid_work(seed=121, steps=40)
    os.kill(pids[victim.replica], signal.SIGKILL)
    wait_for(lambda: "replica_lost" in cluster.kinds(job.id), "the loss is noticed")
    wait_for(lambda: cluster.running(job.id), "a section in mid-work")
    os.kill(coordinator, signal.SIGKILL)
    assert cluster.finished(job.id).state == "completed"
    assert cluster.status()["pid"] != coordinator

    assert same(cluster.latents(job.id), reference(seed=job.request.seed, steps=40))
    committed = cluster.committed(job.id)
    assert len(committed) == 18 and set(committed.values()) == {1}
    lost = next(a for a in cluster.store.attempts(job.id) if a.id == victim.id)
    assert (lost.state, lost.failure) == ("interrupted", "lost")
    assert {task.failures for task in cluster.store.tasks(job.id)} == {0}
    kinds = cluster.kinds(job.id)
    assert "attempt_reattached" in kinds
    assert kinds.index("job_started") < kinds.index("replica_lost") < kinds.index("job_completed")


def test_a_coordinator_that_dies_before_its_foresight_is_written_changes_nothing(
    cluster: Cluster, reference: Callable[..., dict[str, Any]]
):
    """While the database is locked no result can be written, yet a replica begins what it makes ready. Then SIGKILL.

    In a chain each result makes something ready, and a replica is free for it. The lock comes while nothing but a
    section is at work: whoever waits to write what else has ended foresees nothing.
    """
    fields = {"steps": 60, "order": "inverted"}
    coordinator = cluster.status()["pid"]

    def alone(job: Job, attempt: Attempt) -> bool:
        return attempt.step >= 10 and len(cluster.store.running_attempts()) == 1

    job, _ = cluster.in_mid_work(moment=alone, seed=37, **fields)
    with closing(sqlite3.connect(cluster.settings.home / "farm.sqlite3", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        known = {attempt.id for attempt in cluster.store.running_attempts()}
        early = wait_for(lambda: cluster.held() - known, "an attempt that has no row", 25)
        os.kill(coordinator, signal.SIGKILL)
        database.execute("ROLLBACK")
    done = cluster.finished(job.id)
    assert done.state == "completed", done.error
    assert cluster.status()["pid"] != coordinator

    assert same(cluster.latents(job.id), reference(seed=job.request.seed, **fields))
    assert set(cluster.committed(job.id).values()) == {1}
    assert not early & {attempt.id for attempt in cluster.store.attempts(job.id)}
    assert {task.failures for task in cluster.store.tasks(job.id)} == {0}


def test_a_kill_among_takes_changes_neither_the_choice_nor_the_video(
    cluster: Cluster, reference: Callable[..., dict[str, Any]]
):
    """With random weights every section is outside its limits; both replicas render takes of the same one at times."""
    fields = {"steps": 40, "total_second_length": 2.4, "quality_gate": "retake", "retakes": 2}
    job, victim = cluster.in_mid_work(seed=129, moment=lambda job, attempt: "take" in attempt.task_id, **fields)
    os.kill(cluster.pids()[victim.replica], signal.SIGKILL)
    done = cluster.finished(job.id)
    assert done.state == "completed", done.error
    assert same(cluster.latents(job.id), reference(seed=job.request.seed, **fields))
    assert set(cluster.committed(job.id).values()) == {1}
    kinds = cluster.kinds(job.id)
    assert kinds.count("section_settled") == 2 and "replica_lost" in kinds


def test_damaged_files_are_made_again(cluster: Cluster, reference: Callable[..., dict[str, Any]]):
    """Flip a bit in a section's latents, cut another's, and delete the conditioning, while the job goes on.

    Replicas that have read the conditioning keep it, and need not notice.
    """
    fields = {"seed": 23, "steps": 30}
    job = cluster.job(**fields)
    wait_for(lambda: len(cluster.latents(job.id)) == 2, "two sections")
    files = cluster.store.artifacts(job.id)
    first, second = [name for name in sorted(files) if name.startswith("latents-")][:2]
    paths = {name: cluster.artifacts.path(files[name].key) for name in (first, second, "conditioning")}
    data = bytearray(paths[first].read_bytes())
    data[-5] ^= 1
    paths[first].write_bytes(data)
    paths[second].write_bytes(paths[second].read_bytes()[:-100])
    paths["conditioning"].unlink()
    done = cluster.finished(job.id)
    assert done.state == "completed", done.error
    assert same(cluster.latents(job.id), reference(**fields))
    assert set(cluster.committed(job.id).values()) == {1}
    kinds = cluster.kinds(job.id)
    assert 2 <= kinds.count("artifact_damaged") <= 6 and "job_blocked" not in kinds

    video = cluster.artifacts.read(cluster.store.artifacts(job.id)["video"].key)
    for name, file in cluster.store.artifacts(job.id).items():
        if name in ("video", "frames-003", "latents-004"):
            cluster.artifacts.path(file.key).unlink()
    assert cluster.store.remake(job.id, "video", "gone")
    assert cluster.finished(job.id).state == "completed"
    assert cluster.artifacts.read(cluster.store.artifacts(job.id)["video"].key) == video
