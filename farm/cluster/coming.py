"""What will be ready next: the tasks that wait for nothing but what is at work."""

from collections.abc import Iterator, Mapping, Set

from farm.store.queue import QueuedJob, QueuedTask


class Coming:
    """Of each job, as its rows were when they were read last."""

    def __init__(self) -> None:
        self._jobs: dict[str, QueuedJob] = {}

    def put(self, job: QueuedJob) -> None:
        """Replace what is known of the job."""
        self._jobs.pop(job.id, None)
        if job.next:
            self._jobs[job.id] = job

    def drop(self, job_id: str) -> None:
        """It may not run any more."""
        self._jobs.pop(job_id, None)

    @property
    def needs(self) -> dict[str, tuple[str, frozenset[str]]]:
        """By the ids of the tasks, their job and the tasks that they wait for."""
        return {one.task.id: (job.id, one.needs) for job in self._jobs.values() for one in job.next}

    def freed(self, done: Mapping[str, Set[str]]) -> Iterator[tuple[QueuedJob, QueuedTask]]:
        """Those that can start once the tasks are done that are named by their jobs."""
        for job in (self._jobs[job_id] for job_id in done if job_id in self._jobs):
            yield from ((job, one.task) for one in job.next if one.needs <= done[job.id])
