"""What lists of jobs show besides their rows: how many there are, where they are worked on, their pictures."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from farm.jobs.names import hidden_patterns
from farm.jobs.records import Artifact, AttemptState, JobState

from . import rows
from . import tables as t


@dataclass(frozen=True)
class Summary:
    """All jobs at one moment: ``states`` counts them, ``event`` is the id of the newest line of any history, ``steps``
    are those that running attempts have done."""

    states: Mapping[JobState, int]
    event: int
    steps: int

    @property
    def mark(self) -> str:
        """Two equal ones: nothing about any job has changed in between."""
        return f"{sum(self.states.values())}-{self.event}-{self.steps}"


def summary(connection: Connection) -> Summary:
    """Three counts over indices, however much there is about the jobs."""
    counted = connection.execute(select(t.jobs.c.state, func.count()).group_by(t.jobs.c.state)).all()
    found = {JobState(state): count for state, count in counted}
    event = connection.execute(select(func.max(t.events.c.id))).scalar()
    steps = select(func.sum(t.attempts.c.step)).where(t.attempts.c.state == AttemptState.RUNNING)
    return Summary(
        {state: found.get(state, 0) for state in JobState}, event or 0, int(connection.execute(steps).scalar() or 0)
    )


def hosts(connection: Connection, job_ids: Collection[str]) -> dict[str, list[str]]:
    """The machines that work for each of these jobs now, by the names that people know."""
    query = (
        select(t.attempts.c.job_id, t.replicas.c.host)
        .join(t.replicas, t.replicas.c.id == t.attempts.c.replica)
        .where(t.attempts.c.state == AttemptState.RUNNING)
        .distinct()
        .order_by(t.attempts.c.job_id, t.replicas.c.host)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for some in rows.batches(list(job_ids)):
        for job_id, host in connection.execute(query.where(t.attempts.c.job_id.in_(some))):
            found[job_id].append(host)
    return dict(found)


def shown_files(connection: Connection, job_ids: Collection[str]) -> dict[str, dict[str, Artifact]]:
    """Of each of these jobs, the files that a person could look at, by name."""
    file = t.artifacts.c
    query = select(t.artifacts).where(*(file.name.not_like(pattern) for pattern in hidden_patterns()))
    found: dict[str, dict[str, Artifact]] = {job_id: {} for job_id in job_ids}
    for some in rows.batches(list(job_ids)):
        for row in connection.execute(query.where(file.job_id.in_(some))):
            found[row.job_id][row.name] = rows.artifact(row)
    return found
