"""The reference: one job rendered in this process, one task at a time. The farm must equal it bit for bit. No Ray."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from farm.errors import CancelledError
from farm.intake.reuse import adopt
from farm.jobs.events import EventKind
from farm.jobs.records import (
    HOPELESS,
    RUNNABLE,
    FailureKind,
    Job,
    Task,
    TaskState,
)
from farm.settings import Settings

from .executor import TaskExecutor
from .failures import judge, settle_failure
from .logs import keep_log
from .specs import publish, spec_for

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
    settings: Settings | None = None,
    on_update: Callable[[Job], None] = lambda job: None,
) -> Job:
    """Render until the job has nothing ready, and return it: completed, failed, or paused or cancelled by someone else.

    Raises:
        KeyboardInterrupt, CancelledError: the attempt at hand is recorded as interrupted first; call again to go on.
    """
    executor = TaskExecutor(artifacts, device=device, threads=threads, settings=settings)
    while task := _first_ready(store, artifacts, job_id):
        attempt = store.start_attempt(task.id, "local")
        job = store.get_job(job_id)
        watch = _Watch(store, attempt.id, lambda: on_update(store.get_job(job_id)))
        try:
            spec = spec_for(job, task, attempt, store.artifacts(job_id))
            files = executor.run(spec, watch.report, watch.is_stale)
            for note in executor.take_notes():
                store.add_event(job_id, EventKind.MEMORY_PLAN, note, {"attempt": attempt.id})
            store.commit_attempt(attempt.id, publish(artifacts, spec, files), executor.take_facts())
        except (KeyboardInterrupt, CancelledError):
            store.fail_attempt(attempt.id, FailureKind.INTERRUPTION, "stopped")
            raise
        except Exception as error:  # the boundary of an attempt: recorded, then judged by the store's retry budget
            failure = judge(error)
            mended = settle_failure(store, attempt, failure)
            if failure.kind not in HOPELESS | {FailureKind.TASK, FailureKind.DAMAGED} or not mended:
                raise
        finally:
            keep_log(artifacts, job_id, attempt.id)
        on_update(store.get_job(job_id))
    return store.get_job(job_id)


def _first_ready(store: "JobStore", artifacts: "ArtifactStore", job_id: str) -> Task | None:
    adopt(store, artifacts, job_id)
    if store.get_job(job_id).state not in RUNNABLE:
        return None
    return next((task for task in store.tasks(job_id) if task.state is TaskState.READY), None)


class _Watch:
    """Writes an attempt's progress and remembers whether it is still the current one."""

    def __init__(self, store: "JobStore", attempt_id: str, on_report: Callable[[], None]) -> None:
        self._store = store
        self._attempt_id = attempt_id
        self._on_report = on_report
        self._stale = False

    def report(self, step: int, steps: int) -> None:
        self._stale = not self._store.report_progress(self._attempt_id, step, steps)
        self._on_report()

    def is_stale(self) -> bool:
        return self._stale
