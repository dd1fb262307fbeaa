"""The job store: the truth about jobs. Every method is one transaction; thread-safe; synchronous."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate

from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from farm.errors import InputError
from farm.jobs.assets import NOTHING, Asset, Assets
from farm.jobs.events import EventKind
from farm.jobs.listing import EVERYTHING, JobFilter, JobSort
from farm.jobs.nodes import Drain, Node, NodeChange, NodeFacts
from farm.jobs.order import JobOrder, OrderChange
from farm.jobs.owners import OwnerChange
from farm.jobs.records import (
    RUNNABLE,
    Artifact,
    Attempt,
    AttemptState,
    Event,
    FailureKind,
    Job,
    JobState,
    Replica,
    Task,
    TaskState,
)
from farm.jobs.request import RenderRequest
from farm.jobs.shots import Shot

from . import (
    activity,
    attempts,
    audit,
    files,
    glance,
    lease,
    lifecycle,
    listing,
    moving,
    nodes,
    outbox,
    pushes,
    queue,
    reconcile,
    remake,
    reuse,
    rows,
    showing,
    takes,
    transitions,
)
from . import tables as t
from .attempts import Judgement, Reached, Result
from .database import Database, P, R
from .nodes import Wishes
from .owners import Owner, load_owners, put_owners
from .pushes import Push
from .reuse import Donor

_TASKS = select(t.tasks).where(t.tasks.c.id.in_(bindparam("of_tasks", expanding=True)))
_REPLICA = update(t.replicas).where(t.replicas.c.id == bindparam("replica"))
_FILES = select(t.artifacts).where(t.artifacts.c.job_id.in_(bindparam("of_jobs", expanding=True)))


class JobStore:
    """Jobs, tasks, attempts, artifacts, events and replicas in SQL.

    Each method that changes a job also writes an event into the job's history. Methods raise NotFoundError for a job
    that does not exist and StorageError when the database can't be used.

    ``url``: ``sqlite:////absolute/path`` or ``postgresql://user@host/database``; call ``migrate`` once before use.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def migrate(self) -> None:
        """Create the tables, or bring those of an older version up to date. Safe from several processes at once."""
        self._database.migrate()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    # Jobs

    def create_job(
        self,
        request: RenderRequest,
        plan_digest: str,
        tasks: Sequence[Task],
        files: Sequence[Artifact],
        *,
        order: JobOrder | None = None,
        job_id: str | None = None,
        idempotency_key: str | None = None,
        notes: Sequence[str] = (),
        plan: Mapping[str, Any] | None = None,
        parent: str = "",
        kept: Sequence[int] = (),
        needs: Mapping[str, float] | None = None,
        assets: Assets = NOTHING,
        shots: Sequence[Shot] = (),
        storyboard: Mapping[str, Any] | None = None,
    ) -> Job:
        """Create a job with its tasks, whose ``dependencies`` are names of other tasks of the job, and its ``files``;
        ``notes`` become lines of its history; ``plan`` is what ``plan_facts`` says of its plan; a
        take of the job ``parent`` has its sections ``kept``; ``needs``: bytes of a ``card`` or ``host`` for its model;
        ``assets``: what nodes need on their disks; ``shots``: of a film, with its ``storyboard``.

        The job's id is ``job_id`` or, without one, the ``job_id`` of the tasks. The same ``idempotency_key`` (or id)
        gives the same job, whatever else is passed.
        """
        if not tasks:
            raise InputError("a job needs at least one task.")
        work = (
            job_id or tasks[0].job_id,
            request,
            order or JobOrder(),
            plan_digest,
            tasks,
            files,
            idempotency_key,
            notes,
            plan,
            parent,
            kept,
            needs,
            assets,
            shots,
            storyboard,
        )
        try:
            return self._database.write(lifecycle.create_job, *work)
        except IntegrityError:  # another process created the same job at the same moment; now it can be read
            return self._database.write(lifecycle.create_job, *work)

    def get_job(self, job_id: str) -> Job:
        return self._database.read(rows.load_job, job_id)

    def list_jobs(
        self,
        *,
        state: JobState | None = None,
        owner: str | None = None,
        text: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Job], int]:
        """The newest jobs first and how many there are in all. ``text`` is looked for in id, name and prompt."""
        wanted = JobFilter((state,) if state else (), owner, text)
        return self.page(wanted, limit=limit, offset=offset)

    def page(
        self,
        wanted: JobFilter = EVERYTHING,
        *,
        sort: JobSort = JobSort.CREATED,
        descending: bool = True,
        limit: int = 50,
        offset: int = 0,
        places: Mapping[str, int] | None = None,
    ) -> tuple[list[Job], int]:
        """A page of these jobs, and how many there are in all. ``places``: in the queue, for ``JobSort.PLACE``."""
        if sort is not JobSort.PLACE:
            return self._database.read(listing.list_jobs, wanted, sort, descending, limit, offset)
        ids = listing.in_queue(self._database.read(listing.job_ids, wanted), places or {})
        if descending:
            ids.reverse()
        return self._database.read(listing.jobs_of, ids[offset : offset + limit]), len(ids)

    def move_job(self, job_id: str, to: str, ahead: Sequence[str] = ()) -> Job:
        """See ``farm.store.moving``; ConflictError when there is no such place."""
        return self._database.write(moving.move, job_id, to, ahead)

    def cancel_job(self, job_id: str) -> Job:
        """End a pending, running or paused job; ConflictError in any other state."""
        return self._database.write(lifecycle.cancel_job, job_id)

    def pause_job(self, job_id: str) -> Job:
        """Start no more tasks of a pending or running job, let running attempts finish; ConflictError otherwise."""
        return self._database.write(lifecycle.pause_job, job_id)

    def resume_job(self, job_id: str) -> Job:
        """Go on with a paused job; ConflictError in any other state."""
        return self._database.write(lifecycle.resume_job, job_id)

    def retry_job(self, job_id: str) -> Job:
        """Start a failed or cancelled job again, keeping finished tasks; ConflictError in any other state."""
        return self._database.write(lifecycle.retry_job, job_id)

    def change_order(self, job_id: str, change: OrderChange) -> Job:
        """Change name, priority, deadline, labels or mixing; what is rendered stays as it is. ConflictError once it has
        ended, but for the name."""
        return self._database.write(lifecycle.change_order, job_id, change)

    def delete_job(self, job_id: str) -> None:
        """Remove all rows of a job that has ended, ConflictError otherwise. The caller removes its artifacts."""
        self._database.write(lifecycle.delete_job, job_id)

    # What a job consists of

    def tasks(self, job_id: str) -> list[Task]:
        """In the order in which they were created."""
        query = select(t.tasks).where(t.tasks.c.job_id == job_id).order_by(t.tasks.c.position)
        return self._database.read(rows.load_tasks, query)

    def attempts(self, job_id: str) -> list[Attempt]:
        """By the time at which they started."""
        query = (
            select(t.attempts).where(t.attempts.c.job_id == job_id).order_by(t.attempts.c.started_at, t.attempts.c.id)
        )
        return [rows.attempt(row) for row in self._rows(query)]

    def artifacts(self, job_id: str) -> dict[str, Artifact]:
        """Committed artifacts by name; those that it came with among them, such as ``image``."""
        query = select(t.artifacts).where(t.artifacts.c.job_id == job_id).order_by(t.artifacts.c.name)
        return {row.name: rows.artifact(row) for row in self._rows(query)}

    def events(self, job_id: str, after: int = 0, limit: int = 500) -> list[Event]:
        """The job's history, oldest first, from the event after id ``after`` on."""
        where = (t.events.c.job_id == job_id) & (t.events.c.id > after)
        return [
            rows.event(row) for row in self._rows(select(t.events).where(where).order_by(t.events.c.id).limit(limit))
        ]

    def add_event(self, job_id: str, kind: EventKind, message: str, data: Mapping[str, Any] | None = None) -> None:
        """Add a line to the job's history."""
        self._database.write(_add_event, job_id, kind, message, data or {})

    def glance(self, job_ids: Collection[str]) -> dict[str, glance.Glance]:
        """What tells whether anything about these jobs has changed; those that don't exist are left out."""
        return self._database.read(glance.glance, job_ids)

    def summary(self) -> showing.Summary:
        """How many jobs there are, and whether anything about any has changed."""
        return self._database.read(showing.summary)

    def hosts(self, job_ids: Collection[str]) -> dict[str, list[str]]:
        """The machines that work for each of these jobs now; jobs that none works for are left out."""
        return self._database.read(showing.hosts, job_ids)

    def shown_files(self, job_ids: Collection[str]) -> dict[str, dict[str, Artifact]]:
        """Of each of these jobs, the files that a person could look at, by name."""
        return self._database.read(showing.shown_files, job_ids)

    # The queue

    def queued(self, job_ids: Collection[str] | None = None) -> list[queue.QueuedJob]:
        """The jobs that may run, all or those of ``job_ids``, with their ready tasks; without reading any request."""
        return self._database.read(queue.queued, job_ids)

    def runnable(self) -> list[str]:
        """The jobs that may run."""
        return self._database.read(queue.runnable)

    def changes(self, after: int) -> dict[int, str]:
        """The lines of any history after that one, each with its job."""
        return self._database.read(queue.changes, after)

    def newest_change(self) -> int:
        """The newest line of any history."""
        return self._database.read(queue.newest_change)

    def finished(self, limit: int = 500) -> list[queue.Finished]:
        """What the newest committed attempts took."""
        return self._database.read(queue.finished, limit)

    def owners(self) -> list[Owner]:
        """Everybody with a share of the farm that is known."""
        return self._database.read(load_owners)

    def put_owners(self, known: Sequence[Owner]) -> None:
        """Note what owners have used; their weights and limits, too, of those that are new."""
        self._database.write(put_owners, known)

    def take_lease(self, holder: str, about: str) -> int:
        """See ``farm.store.lease``; ConflictError when another farm has this database."""
        return self._database.write(lease.take_lease, holder, about)

    def drop_lease(self, holder: str) -> None:
        """Let another farm have this database at once."""
        self._database.write(lease.drop_lease, holder)

    def change_owner(self, name: str, change: OwnerChange) -> Owner:
        """Change an owner's weight or limit of tasks; one who has had no job yet is fine."""
        return self._database.write(nodes.change_owner, name, change)

    def owner_loads(self, since: datetime) -> Mapping[str, activity.OwnerLoad]:
        """Per owner the jobs that are not done, and the work done since then."""
        return self._database.read(activity.owner_loads, since)

    # Nodes

    def nodes(self) -> list[Node]:
        """All by name, those that are gone too."""
        return self._database.read(nodes.load_nodes)

    def wishes(self, after: int) -> Wishes:
        """What people have changed about nodes and owners after that mark; everything after -1."""
        return self._database.read(nodes.wishes, after)

    def change_node(self, name: str, change: NodeChange) -> Node:
        """Change what is wanted of a node, named by its host or its present id; NotFoundError suggests another."""
        return self._database.write(nodes.change_node, name, change)

    def drain(self, name: str, drain: Drain, seat: str = "") -> Node:
        """Have a node, or one seat of it, take nothing more."""
        return self._database.write(nodes.drain, name, drain, seat)

    def undrain(self, name: str, seat: str = "") -> Node:
        """Undo that; a node's own drain and those of its seats one by one."""
        return self._database.write(nodes.undrain, name, seat)

    def put_facts(self, known: Sequence[NodeFacts]) -> None:
        """Note what nodes are; what people want of them stays."""
        self._database.write(nodes.put_facts, known)

    def remove_node(self, host: str) -> None:
        """Forget a node."""
        self._database.write(nodes.remove_node, host)

    def note_look(self) -> None:
        """That nodes and replicas are as their rows say: all that are up, or were heard, were there a moment ago."""
        self._database.write(nodes.note_look)

    def forget_gone(self) -> None:
        """Remove nodes that have long been gone and that nobody has set anything for."""
        self._database.write(nodes.forget_gone)

    def at_work(self) -> list[activity.AtWork]:
        """Everything that is in replicas' hands."""
        return self._database.read(activity.at_work)

    def sections_since(self, since: datetime) -> dict[str, int]:
        """How many sections each replica has finished since then."""
        return self._database.read(activity.sections_since, since)

    # Files

    def files_by_use(self, job_ids: Collection[str] | None = None) -> list[files.FilesOfJob]:
        """What jobs' files take, by use."""
        return self._database.read(files.files_by_use, job_ids)

    def forget_files(self, job_id: str, uses: Collection[str]) -> list[str]:
        """Remove a completed job's rows of files of these uses and return their keys; the caller removes the files."""
        return self._database.write(files.forget_files, job_id, uses)

    # Results of equal tasks

    def made(self, keys: Collection[str]) -> set[str]:
        """Those of these content addresses that a finished task has, of whatever job: only then are there donors."""
        return self._database.read(reuse.made, keys)

    def donors(self, job_id: str, device: str | None = None, waiting: Collection[str] = ()) -> list[Donor]:
        """For the job's ready tasks, and those called ``waiting``, finished ones of other jobs with the same key, made
        on that kind of ``device``."""
        return self._database.read(reuse.donors, job_id, device, waiting)

    def adopt(self, donor: Donor, files: Sequence[Artifact]) -> None:
        """Finish a task with copies of another job's files; ConflictError when it has begun."""
        self._database.write(reuse.adopt, lifecycle.new_id(), donor, files)

    def family(self, job_id: str) -> list[Job]:
        """All takes of the video that this job belongs to, itself and the first one among them, the oldest first."""
        return self._database.read(takes.family, job_id)

    # What people are told

    def collect_events(self, kinds: Sequence[str], deliveries: Callable[[outbox.Happened], outbox.Wanted]) -> None:
        """Put what is new in jobs' histories into the outbox; ``deliveries``: which rules want what of it."""
        if self._database.read(outbox.has_news):
            self._database.write(outbox.collect_events, kinds, deliveries)

    def put_deliveries(self, wanted: outbox.Wanted) -> None:
        """Put these into the outbox: names of rules with what each is told."""
        self._database.write(outbox.put_deliveries, wanted)

    def due_deliveries(self, limit: int) -> list[outbox.Delivery]:
        """What should be sent now."""
        return self._database.read(outbox.due_deliveries, limit)

    def newest_deliveries(self, limit: int = 50) -> list[outbox.Delivery]:
        """What was or is to be told, the newest first."""
        return self._database.read(outbox.newest_deliveries, limit)

    def note_delivery(self, key: str, failure: str, final: bool = False) -> None:
        """Note that it was sent, or why it was not; it is tried again unless that is ``final``."""
        self._database.write(outbox.note_delivery, key, failure, final)

    def put_audit(self, who: str, role: str, what: str, status: int) -> None:
        """Note who asked for a change, and what it was answered with."""
        self._database.write(audit.put_line, who, role, what, status)

    def audit(self, limit: int = 100, who: str | None = None) -> list[audit.AuditLine]:
        """What was asked for, the newest first."""
        return self._database.read(audit.newest_lines, limit, who)

    def forget_old(self) -> None:
        """Remove lines of the audit and notices that nobody keeps any longer."""
        self._database.write(audit.forget_old)
        self._database.write(outbox.forget_old)

    # Tasks and their attempts

    def ready_tasks(self, limit: int = 256) -> list[tuple[Task, Job]]:
        """Ready tasks of pending and running jobs: highest priority first, then the oldest job."""
        return self._database.read(_ready_tasks, limit)

    def start_attempt(self, task_id: str, replica: str, device: str = "") -> Attempt:
        """Give a ready task to a replica on that kind of device; ConflictError when it is not ready or its job may not
        run."""
        return self._database.write(attempts.start_attempt, lifecycle.new_id(), task_id, replica, device)

    def start_attempts(self, wanted: Sequence[tuple[str, str, str]]) -> list[Attempt | Exception]:
        """As ``start_attempt`` for many tasks, replicas and devices, in one transaction; for each its attempt, or why
        that one can't start."""
        return self._database.write_each([_bound(attempts.start_attempt, lifecycle.new_id(), *each) for each in wanted])

    def to_start(self, attempt: Attempt) -> tuple[Job, Task, dict[str, Artifact]]:
        """What a replica must be told to start an attempt: its job, its task, and the job's files."""
        return self.to_start_all([attempt])[0]

    def to_start_all(self, attempts: Sequence[Attempt]) -> list[tuple[Job, Task, dict[str, Artifact]]]:
        """As ``to_start``, for many at once."""
        return self.to_start_tasks([(attempt.job_id, attempt.task_id) for attempt in attempts])

    def to_start_tasks(self, tasks: Sequence[tuple[str, str]]) -> list[tuple[Job, Task, dict[str, Artifact]]]:
        """As ``to_start``, for jobs and tasks of which no attempt need be there yet."""
        return self._database.read(_to_start, tasks)

    def report_progress(self, attempt_id: str, step: int, steps: int) -> bool:
        """Note the denoising step reached; step 0 of 0 says that it has begun. False: the attempt is no longer current
        and must abort."""
        return self._database.write(attempts.report_progress, _reached(attempt_id, step, steps))

    def report_all(self, reached: Iterable[Reached]) -> list[bool | Exception]:
        """As ``report_progress``, of many attempts in one transaction; sorted by id, so that no two wait for each
        other."""
        return self._database.write_each([_bound(attempts.report_progress, each) for each in reached])

    def commit_attempt(
        self, attempt_id: str, artifacts: Sequence[Artifact], facts: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Take over an attempt's result and the ``facts`` on how it was made; returns the tasks that it made ready.

        Committing twice is a no-op that returns an empty list.

        Raises:
            StaleAttemptError: the attempt is not its task's current one; nothing was written.
        """
        return self._database.write(attempts.commit_attempt, Result(attempt_id, artifacts, facts or {}))

    def commit_attempts(
        self, results: Iterable[Result], wanted: Iterable[tuple[str, str, str, str]] = ()
    ) -> tuple[list[Any], list[Any]]:
        """As ``commit_attempt``, of many attempts sorted by id, then as ``start_attempt``, for many attempts with their
        ids, tasks, replicas and devices, all in one transaction.

        For each commit what it made ready, for each start its attempt, or why it could not be.
        """
        commits = [_bound(attempts.commit_attempt, each) for each in results]
        starts = [_bound(attempts.start_attempt, *each) for each in wanted]
        outcomes = self._database.write_each([*commits, *starts])
        return outcomes[: len(commits)], outcomes[len(commits) :]

    def fail_attempt(
        self, attempt_id: str, kind: FailureKind, message: str, judgement: Judgement | None = None
    ) -> bool:
        """End an attempt without a result; its task becomes ready again.

        Failures of kind ``TASK`` count: at the third the task and its job fail; so do losses beyond the fifth, and
        input that can't be used fails at once. A ``judgement`` takes the place of these rules. False, and nothing is
        done, for an attempt that is not current any more.
        """
        return self._database.write(attempts.fail_attempt, attempt_id, kind, message, judgement)

    def fail_for_damage(self, attempt_id: str, artifact: str, message: str) -> bool:
        """End an attempt that met a damaged or missing input, and have its maker run again; its task waits for that.

        False: nobody can make ``artifact``, or it was made too often; the task is ready again all the same.
        """
        return self._database.write(remake.fail_for_damage, attempt_id, artifact, message)

    def remake(self, job_id: str, artifact: str, why: str) -> bool:
        """Have a damaged or missing artifact made again; a completed job runs once more for that.

        False: nobody can make it, or it was made too often.
        """
        return self._database.write(remake.remake, job_id, artifact, why)

    def running_attempts(self, replica: str | None = None) -> list[Attempt]:
        """Attempts that are not finished, of one replica or of all."""
        query = select(t.attempts).where(t.attempts.c.state == AttemptState.RUNNING).order_by(t.attempts.c.started_at)
        if replica is not None:
            query = query.where(t.attempts.c.replica == replica)
        return [rows.attempt(row) for row in self._rows(query)]

    def endings(self, limit: int = 500) -> list[Attempt]:
        """The attempts that ended last, the oldest of them first."""
        query = (
            select(t.attempts)
            .where(t.attempts.c.finished_at.is_not(None))
            .order_by(t.attempts.c.finished_at.desc(), t.attempts.c.id)
            .limit(limit)
        )
        return [rows.attempt(row) for row in self._rows(query)][::-1]

    def reconcile(self) -> list[str]:
        """Settle tasks and jobs whose rows contradict each other; returns what was mended, one line each."""
        mended = []
        for job_id in self._database.read(reconcile.suspects):
            mended += self._database.write(reconcile.mend, job_id)
        return mended

    # What is brought to nodes

    def push(self, hosts: Sequence[str], asset: Asset) -> None:
        """Have nodes fetch an asset; one that was stopped or failed is begun again."""
        self._database.write(pushes.put, hosts, asset)

    def pushes(self, host: str | None = None) -> list[Push]:
        """What was to be brought to a node, or to any, and how far that is."""
        return self._database.read(pushes.load, host)

    def note_push(self, push: Push) -> bool:
        """Note how far a node is; False when it is not wanted any more."""
        return self._database.write(pushes.note, push)

    def stop_push(self, asset: Asset) -> None:
        """Have nodes stop fetching it; what has arrived stays."""
        self._database.write(pushes.stop, asset)

    # Replicas

    def upsert_replica(
        self,
        id: str,
        node: str,
        device: str,
        state: str,
        *,
        device_class: str = "",
        message: str = "",
        data: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Note what is known about a replica now; ``more``: further fields of ``Replica``."""
        values = {"node": node, "device": device, "state": state, "device_class": device_class, "message": message}
        self.upsert_replicas({id: {**values, **(more or {}), "data": dict(data or {})}})

    def upsert_replicas(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        """As ``upsert_replica`` for many, in one transaction: the columns of each by its id."""
        outcomes = self._database.write_each([_bound(_upsert_replica, *each) for each in sorted(known.items())])
        for error in outcomes:
            if isinstance(error, Exception):
                raise error

    def replica(self, id: str) -> Replica:
        """That replica; NotFoundError suggests another."""
        return self._database.read(nodes.find_replica, id)

    def replicas(self) -> list[Replica]:
        """All known replicas by node and device."""
        return self._database.read(nodes.load_replicas)

    def remove_replica(self, id: str) -> None:
        """Forget a replica; its attempts stay in the history."""
        self._database.write(_remove_replica, id)

    def _rows(self, query: Select[Any]) -> Sequence[rows.AnyRow]:
        return self._database.read(_all, query)


def _all(connection: Connection, query: Select[Any]) -> Sequence[rows.AnyRow]:
    return connection.execute(query).all()


def _to_start(connection: Connection, wanted: Sequence[tuple[str, str]]) -> list[tuple[Job, Task, dict[str, Artifact]]]:
    jobs = {job_id: rows.load_job_alone(connection, job_id) for job_id in {job_id for job_id, _ in wanted}}
    asked = {"of_tasks": [task_id for _, task_id in wanted]}
    tasks = {task.id: task for task in rows.load_tasks(connection, _TASKS, asked)}
    files: dict[str, dict[str, Artifact]] = {job_id: {} for job_id in jobs}
    for row in connection.execute(_FILES, {"of_jobs": list(jobs)}):
        files[row.job_id][row.name] = rows.artifact(row)
    return [(jobs[job_id], tasks[task_id], files[job_id]) for job_id, task_id in wanted]


def _bound(
    work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
) -> Callable[[Connection], R]:
    """For one of many works of a transaction."""
    return lambda connection: work(connection, *args, **kwargs)


def _reached(attempt_id: str, step: int, steps: int) -> Reached:
    return Reached(attempt_id, step, steps, None if steps else rows.now())


def _ready_tasks(connection: Connection, limit: int) -> list[tuple[Task, Job]]:
    query = (
        select(t.tasks)
        .join(t.jobs, t.jobs.c.id == t.tasks.c.job_id)
        .where(t.tasks.c.state == TaskState.READY, t.jobs.c.state.in_(RUNNABLE))
        .order_by(t.jobs.c.priority.desc(), t.jobs.c.created_at, t.jobs.c.id, t.tasks.c.position)
        .limit(limit)
    )
    ready = rows.load_tasks(connection, query)
    ids = {task.job_id for task in ready}
    jobs = {job.id: job for job in rows.load_jobs(connection, select(t.jobs).where(t.jobs.c.id.in_(ids)))}
    return [(task, jobs[task.job_id]) for task in ready]


def _add_event(connection: Connection, job_id: str, kind: EventKind, message: str, data: Mapping[str, Any]) -> None:
    transitions.lock_job(connection, job_id)
    transitions.add_event(connection, job_id, kind, message, **data)


def _upsert_replica(connection: Connection, id: str, values: Mapping[str, Any]) -> None:
    moment = rows.now()
    seen = {**values, "seen_at": moment}
    if connection.execute(_REPLICA, {"replica": id, **seen}).rowcount == 0:
        connection.execute(insert(t.replicas).values(id=id, started_at=moment, **seen))


def _remove_replica(connection: Connection, id: str) -> None:
    connection.execute(delete(t.replicas).where(t.replicas.c.id == id))
