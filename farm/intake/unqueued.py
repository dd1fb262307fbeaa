"""A job that nobody has queued yet, as the queue would hold it: for a look at when it would be done."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from farm.jobs.assets import NOTHING, Assets
from farm.jobs.order import Terms
from farm.jobs.records import Task, TaskKind
from farm.store.queue import QueuedJob
from model.families import checkpoint

from .needs import assets_for, needs_of
from .queue import tasks_of
from .request import Accepted

UNQUEUED = "not queued"
"""Stands for the id that it does not have."""


def unqueued(
    tasks: Collection[Task],
    terms: Terms,
    family: str,
    needs: Mapping[str, float] | None = None,
    assets: Assets = NOTHING,
) -> QueuedJob:
    """A job of these ``tasks``; the rest as of a ``QueuedJob``."""
    kinds = {task.kind for task in tasks}
    left = {kind: _left([task for task in tasks if task.kind is kind]) for kind in TaskKind if kind in kinds}
    return QueuedJob(
        UNQUEUED,
        terms.name,
        terms.owner,
        terms.priority,
        terms.deadline,
        terms.mixing,
        family,
        datetime.now(UTC),
        left,
        device="",
        labels=terms.labels,
        needs=needs or {},
        assets=assets,
    )


def unqueued_of(accepted: Accepted) -> QueuedJob:
    """The job that an accepted request would be."""
    tasks = tasks_of(UNQUEUED, accepted, {}, len(accepted.job_order.exports))
    needs = needs_of(checkpoint(accepted.family.name, accepted.settings))
    return unqueued(tasks, accepted.job_order, accepted.family.name, needs, assets_for(accepted))


def _left(tasks: Collection[Task]) -> tuple[float, float]:
    return sum(task.work for task in tasks), max(task.chain for task in tasks)
