"""Farms of the tiny model in a test's own home, with and without a cluster, and the render that all must equal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from farm.intake.request import accept
from farm.jobs.records import Attempt, AttemptState, Job
from farm.service.embedded import prepare_job
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from farm.store.jobs import JobStore
from farm.work.reference import render_in_process
from model.footage.media import Media
from tests.support.api import picture

PATIENCE = 240.0
"""Seconds that anything here may take on a machine that is busy with something else."""


@dataclass
class Farm:
    """A home with its stores, and jobs in it."""

    settings: Settings
    store: JobStore = field(init=False)
    artifacts: ArtifactStore = field(init=False)

    def __post_init__(self) -> None:
        self.settings.ensure_home()
        self.store = JobStore(self.settings.database_url)
        self.store.migrate()
        self.artifacts = open_store(self.settings)

    def accept(self, media: Media, **fields: Any) -> Job:
        """Queue the job that somebody asks for with these fields alone."""
        return prepare_job(self.store, self.artifacts, accept(fields, media), media)

    def job(self, media: Media | None = None, **fields: Any) -> Job:
        """Queue a job of the tiny model: by default 8 sections in bisect order."""
        fields = {
            "prompt": "The puppet waves",
            "total_second_length": 9.6,
            "steps": 4,
            "seed": 5,
            "cache": "none",
        } | fields
        return self.accept(media or Media(picture()), **fields)

    def latents(self, job_id: str) -> dict[str, Any]:
        """All section latents of a job by artifact name."""
        files = self.store.artifacts(job_id)
        return {name: self.artifacts.load_tensors(files[name].key)["latents"] for name in files if "latents" in name}

    def committed(self, job_id: str) -> dict[str, int]:
        """Committed attempts per task name; every one must be 1 when nothing finished was rendered again."""
        counts: dict[str, int] = {}
        for attempt in self.store.attempts(job_id):
            if attempt.state is AttemptState.COMMITTED:
                name = attempt.task_id.rpartition(".")[2]
                counts[name] = counts.get(name, 0) + 1
        return counts

    def running(self, job_id: str) -> list[Attempt]:
        """Attempts at sections in mid-work: at least a step done, and more to come."""
        return [
            a
            for a in self.store.running_attempts()
            if a.job_id == job_id and ".section" in a.task_id and 1 <= a.step < a.steps - 1
        ]

    def kinds(self, job_id: str) -> list[str]:
        """Kinds of the job's events in order."""
        return [event.kind for event in self.store.events(job_id, limit=10_000)]


def wait_for(what: Callable[[], Any], why: str, seconds: float = PATIENCE) -> Any:
    """Poll ``what`` until it gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {why}"
        time.sleep(0.01)
    return found


@contextmanager
def puppet_at(path: Path) -> Iterator[Path]:
    """The checkpoint at ``path`` is the family ``puppet``, for this process and all that it starts meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARM_PUPPET_PATH", str(path))
        yield path


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Iterator[Path]:
    """The tiny checkpoint as the family ``puppet``."""
    with puppet_at(tiny_folder):
        yield tiny_folder


@pytest.fixture
def alone(tiny: Path, tmp_path: Path) -> Farm:
    """A farm without replicas, for work in this process."""
    return Farm(Settings.for_home(tmp_path / "alone"))


@pytest.fixture(scope="session")
def reference(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Renders a job in this process, undisturbed, and gives its latents."""

    def latents(media: Media | None = None, **fields: Any) -> dict[str, Any]:
        farm = Farm(Settings.for_home(tmp_path_factory.mktemp("reference")))
        with puppet_at(tiny_folder):
            job = render_in_process(farm.store, farm.artifacts, farm.job(media, **fields).id)
        assert job.state == "completed", job.error
        return farm.latents(job.id)

    return latents


class Cluster(Farm):
    """A farm with a coordinator and two replicas on a real Ray."""

    coordinator: Any = None

    def status(self) -> dict[str, Any]:
        """The coordinator's status; waits while it is being restarted."""
        import ray

        def ask() -> Any:
            try:
                return ray.get(self.coordinator.status.remote(), timeout=20)
            except ray.exceptions.RayError:
                return None

        return wait_for(ask, "the coordinator does not answer")

    def pids(self) -> dict[str, int]:
        """Process ids of the replicas."""
        return {each["id"]: each["pid"] for each in self.status()["replicas"]}

    def held(self) -> set[str]:
        """Ids of the attempts that the replicas are or will be at, whatever the rows say."""
        import ray

        from farm.cluster.calls import NAMESPACE

        found = set()
        for name in self.pids():
            holding = ray.get(ray.get_actor(name, namespace=NAMESPACE).holds.remote(), timeout=20)
            found |= {held for held in (holding.running, holding.ahead) if held}
        return found

    def in_mid_work(
        self,
        media: Media | None = None,
        moment: Callable[[Job, Attempt], bool] = lambda job, attempt: True,
        **fields: Any,
    ) -> tuple[Job, Attempt]:
        """Queue a job, and wait until a section of it is in mid-work.

        A fast machine may pass that moment between two looks: a job that has ended unseen is followed by another one
        with the next seed. ``moment`` says what else is to be so.
        """
        job: Job | None = None

        def seen() -> tuple[Job, Attempt] | None:
            nonlocal job
            if job is None or self.store.get_job(job.id).state == "completed":
                job = self.job(media, **fields | {"seed": job.request.seed + 1 if job else fields["seed"]})
            return next(((job, each) for each in self.running(job.id) if moment(job, each)), None)

        found: tuple[Job, Attempt] = wait_for(seen, "a section in mid-work")
        return found

    def rested(self) -> None:
        """Wait until two replicas are idle."""

        def two_idle() -> bool:
            status = self.status()
            return status["recovered"] and sum(each["state"] == "idle" for each in status["replicas"]) == 2

        wait_for(two_idle, "two idle replicas")

    def finished(self, job_id: str) -> Job:
        """Wait until the job has ended or is paused."""
        wait_for(lambda: self.store.get_job(job_id).state not in ("pending", "running"), f"job {job_id}")
        return self.store.get_job(job_id)
