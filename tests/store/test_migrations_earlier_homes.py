"""A home that an earlier version wrote, opened by this one.

``homes/first.tar.xz`` holds the database and files of version 0.1 before its tables had facts: jobs by the names of
their states, ``half`` with encode and two sections of four done.
"""

import io
import tarfile
from pathlib import Path

import av
import pytest

from farm.jobs.records import Job, JobState, TaskKind, TaskState
from farm.settings import Settings
from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from farm.work.reference import render_in_process
from tests.support.api import live_farm

HOMES = Path(__file__).parent / "homes"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("FARM_PUPPET_PATH", raising=False)  # its jobs were begun with the bundled weights
    with tarfile.open(HOMES / "first.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return Settings.for_home(tmp_path)


@pytest.fixture
def store(settings: Settings) -> JobStore:
    store = JobStore(settings.database_url)
    store.migrate()
    return store


def jobs(store: JobStore) -> dict[str, Job]:
    return {job.name: job for job in store.list_jobs()[0]}


def test_all_its_jobs_are_there(store: JobStore) -> None:
    found = jobs(store)
    assert {name: job.state.value for name, job in found.items()} == {
        "completed": "completed",
        "half": "running",
        "failed": "failed",
        "cancelled": "cancelled",
        "paused": "paused",
        "pending": "pending",
    }
    assert found["pending"].priority == 70 and {job.family for job in found.values()} == {"puppet"}
    assert all(job.request.prompt == "The puppet waves" and not job.trouble for job in found.values())
    assert store.reconcile() == []


def test_chains_are_known(store: JobStore) -> None:
    tasks = {task.name: task for task in store.tasks(jobs(store)["half"].id)}
    assert all(tasks[name].chain > task.chain for task in tasks.values() for name in task.dependencies)
    assert tasks["export"].chain == tasks["export"].work > 0


def test_the_finished_video_plays(settings: Settings, store: JobStore) -> None:
    job = jobs(store)["completed"]
    with live_farm(settings.home) as farm, farm.client() as client:
        detail = client.job(job.id)
        assert [section["index"] for section in detail["rendered"]] == [0, 1]
        target = settings.home / "video.mp4"
        client.download(job.id, target)
    with av.open(io.BytesIO(target.read_bytes())) as video:
        assert sum(1 for _ in video.decode(video=0)) == 73


def test_a_half_finished_one_goes_on(settings: Settings, store: JobStore) -> None:
    job = jobs(store)["half"]
    before = store.artifacts(job.id)
    done = render_in_process(store, open_store(settings), job.id, settings=settings)
    assert done.state is JobState.COMPLETED
    after = store.artifacts(job.id)
    assert all(after[name].sha256 == file.sha256 for name, file in before.items()) and "video" in after
    sections = [attempt for attempt in store.attempts(job.id) if ".section-" in attempt.task_id]
    assert len(sections) == 4 and sum(bool(attempt.facts) for attempt in sections) == 2


def test_a_failed_one_can_be_retried(store: JobStore) -> None:
    store.retry_job(jobs(store)["failed"].id)
    states = {task.kind: task.state for task in store.tasks(jobs(store)["failed"].id)}
    assert states[TaskKind.ENCODE] is TaskState.READY
