"""The reference: one job rendered in this process, one task at a time. The farm must equal it bit for bit. No Ray."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from farm.errors import CancelledError
from farm.jobs.records import FailureKind, Job

from .attempts import classify, describe_error, publish, spec_for
from .execution import TaskExecutor

if TYPE_CHECKING:
    from farm.store.artifacts import ArtifactStore
    from farm.store.jobs import JobStore


def render_in_process(
    store: "JobStore",
    artifacts: "ArtifactStore",
    job_id: str,
    *,
    device: str = "cpu",
    threads: int = 1,
    on_update: Callable[[Job], None] = lambda job: None,
) -> Job:
    """Render until the job has nothing ready, and return it: completed, failed, or paused or cancelled by someone else.

    Raises:
        KeyboardInterrupt, CancelledError: the attempt at hand is recorded as interrupted first; call again to go on.
    """
    executor = TaskExecutor(artifacts, device=device, threads=threads)
    while ready := [task for task, job in store.ready_tasks() if job.id == job_id]:
        task = ready[0]
        attempt = store.start_attempt(task.id, "local")
        job = store.get_job(job_id)
        try:
            spec = spec_for(job, task, attempt, store.artifacts(job_id))
            current = True

            def report(step: int, steps: int, attempt_id: str = attempt.id) -> None:
                nonlocal current
                current = store.report_progress(attempt_id, step, steps)
                on_update(store.get_job(job_id))

            files = executor.run(spec, report, lambda: not current)
            store.commit_attempt(attempt.id, publish(artifacts, spec, files))
        except (KeyboardInterrupt, CancelledError):
            store.fail_attempt(attempt.id, FailureKind.INTERRUPTION, "stopped")
            raise
        except Exception as error:  # the boundary of an attempt: recorded, then judged by the store's retry budget
            kind = classify(error)
            store.fail_attempt(attempt.id, kind, describe_error(error))
            if kind is not FailureKind.TASK:
                raise
        on_update(store.get_job(job_id))
    return store.get_job(job_id)
