"""Real task graphs without a model, and the audit that every test under load ends with."""

from collections import Counter
from uuid import uuid4

from farm.jobs.graph import tasks_for
from farm.jobs.names import take_of
from farm.jobs.records import Artifact, AttemptState, Job, JobState, TaskKind, TaskState
from farm.jobs.submission import Submission
from farm.store.jobs import JobStore
from model.decoding import Decoding
from model.plan import make_plan

LAYOUT = "f1k1_x_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_td"
SHA = "0" * 64


def submit(store: JobStore, *, seconds: float = 5, key: str | None = None, **fields: object) -> Job:
    """Create a job of the real graph of a video, in the order ``bisect``: 5 s are 4 sections."""
    asked = Submission.model_validate(
        {"prompt": "a puppet waves", "image_sha256": SHA, "total_second_length": seconds, **fields}
    )
    request = asked.request
    plan = make_plan(layout=LAYOUT, order="bisect", seconds=seconds, seed=request.seed, prompt=request.prompt)
    job_id = uuid4().hex
    tasks = tasks_for(job_id, plan, Decoding())
    return store.create_job(request, plan.digest(), tasks, [made("image")], order=asked.job_order, idempotency_key=key)


def made(name: str) -> Artifact:
    return Artifact(name, f"jobs/x/{name}", 3, SHA)


def ready(store: JobStore, job_id: str) -> list[str]:
    """Names of the job's tasks that the store offers."""
    return [task.name for task, job in store.ready_tasks() if job.id == job_id]


def run_task(store: JobStore, job_id: str, name: str, replica: str = "r1") -> list[str]:
    """Start and commit a task; returns the names of the tasks that it made ready."""
    attempt = store.start_attempt(f"{job_id}.{name}", replica)
    return store.commit_attempt(attempt.id, [made(f"out-{name}")])


def run_all(store: JobStore, job_id: str) -> Job:
    """Run the job to its end."""
    while names := ready(store, job_id):
        run_task(store, job_id, names[0])
    return store.get_job(job_id)


def audit(store: JobStore, job_id: str) -> None:
    """Check everything that must hold for a job's rows whenever no transaction is open."""
    job, tasks, attempts = store.get_job(job_id), store.tasks(job_id), store.attempts(job_id)
    state = {task.name: task.state for task in tasks}
    tried: dict[str, list[AttemptState]] = {task.id: [] for task in tasks}
    for attempt in attempts:
        tried[attempt.task_id].append(attempt.state)
        assert (attempt.finished_at is None) == (attempt.state is AttemptState.RUNNING)
    again = {a.task_id for a in attempts if a.state is AttemptState.SUPERSEDED}
    remaking = {task.name for task in tasks if task.id in again and task.state is not TaskState.DONE}
    for task in tasks:
        states = tried[task.id]
        assert states.count(AttemptState.RUNNING) == (task.state is TaskState.RUNNING), task
        judged = any(map(take_of, task.dependencies))
        """It was rendered, and waits for its other takes."""
        assert states.count(AttemptState.COMMITTED) == (task.state is TaskState.DONE or judged), task
        assert sorted(a.number for a in attempts if a.task_id == task.id) == list(range(1, len(states) + 1))
        needs_done = all(state[name] is TaskState.DONE for name in task.dependencies)
        if task.state in (TaskState.RUNNING, TaskState.DONE) and remaking & set(task.dependencies):
            continue  # what it read was whole then
        if task.state in (TaskState.READY, TaskState.RUNNING, TaskState.DONE, TaskState.FAILED):
            assert needs_done, task
        if task.state is TaskState.WAITING:
            assert not needs_done, task
        assert task.failures <= 3
        assert (task.failures == 3) == (task.state is TaskState.FAILED), task
    counts = Counter(task.state.value for task in tasks)
    assert {name: job.counts[name] for name in TaskState} == {name: counts[name] for name in TaskState}
    sections = [task for task in tasks if task.kind is TaskKind.SECTION and not take_of(task.name)]
    assert job.counts["steps_total"] == len(sections) * job.request.steps
    assert job.counts["steps_done"] >= job.request.steps * sum(task.state is TaskState.DONE for task in sections)
    kept = {TaskState.DONE}
    ended = {
        JobState.COMPLETED: kept,
        JobState.CANCELLED: kept | {TaskState.CANCELLED},
        JobState.FAILED: kept | {TaskState.CANCELLED, TaskState.FAILED},
    }
    going = kept | {TaskState.WAITING, TaskState.READY, TaskState.RUNNING}
    assert set(state.values()) <= ended.get(job.state, going), job
    assert (job.state is JobState.COMPLETED) == (set(state.values()) == kept)
    assert (job.state is JobState.FAILED) == (TaskState.FAILED in state.values())
    assert (job.finished_at is not None) == (job.state in ended)
    assert bool(job.error) == (job.state is JobState.FAILED)
    there = {"image"} | {f"out-{name}" for name, s in state.items() if s in kept}
    assert there <= set(store.artifacts(job_id)) <= there | {f"out-{name}" for name in remaking}
    kinds = Counter(event.kind for event in store.events(job_id, limit=100_000))
    ends = Counter(attempt.state for attempt in attempts)
    assert kinds["attempt_started"] == len(attempts)
    ends[AttemptState.COMMITTED] += ends[AttemptState.SUPERSEDED]
    for end in (AttemptState.COMMITTED, AttemptState.FAILED, AttemptState.INTERRUPTED):
        assert kinds[f"attempt_{end.value}"] == ends[end]
    assert kinds["job_created"] == 1
    assert store.reconcile() == []
