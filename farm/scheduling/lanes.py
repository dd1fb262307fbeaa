"""Lanes: ready tasks that the same seats can take, so that a decision looks at lanes before it looks at tasks."""

from dataclasses import dataclass, field

from farm.jobs.records import TaskKind

from .records import Group, JobView, Needs, TaskView
from .sorting import Sorted
from .urgency import Key

BOUND = frozenset({TaskKind.ENCODE, TaskKind.SECTION, TaskKind.DECODE})
"""Kinds whose result may differ between device classes, so that one video keeps to one."""

Band = tuple[int, float, float]


@dataclass(frozen=True, slots=True)
class Lane:
    """All that decides which seats can take a task. ``device_class``: the only one that may, "" for any."""

    kind: TaskKind
    needs: Needs
    device_class: str = ""
    failed_on: frozenset[str] = frozenset()

    @classmethod
    def of(cls, task: TaskView, job: JobView) -> "Lane":
        bound = task.kind in BOUND and not job.mixing
        return cls(task.kind, task.needs, job.device_class if bound else "", task.failed_on)

    def order(self) -> tuple[object, ...]:
        """For sorting, the same in every process."""
        needs = self.needs
        named = (sorted(needs.features), sorted(needs.assets), sorted(self.failed_on))
        return (self.kind, self.device_class, needs.family, needs.memory, needs.host, *named)

    def fits(self, group: Group) -> bool:
        """Whether seats of this group can do the task, whatever else they might do."""
        return (
            (self.kind in group.takes or self.kind in group.spares)
            and self.needs.fit(group.memory, group.on_cpu)
            and self.needs.features <= group.features
            and self.needs.found_in(group.assets)
            and self.device_class in ("", group.device_class)
        )


@dataclass(slots=True)
class Queue:
    """An owner's jobs with ready tasks in one lane.

    ``jobs``: the most urgent first; ``longest``: by priority, rank, and the longest chain first; ``deadlines``: those
    with one, the earliest first.
    """

    jobs: Sorted[Key] = field(default_factory=Sorted)
    longest: Sorted[Band] = field(default_factory=Sorted)
    deadlines: Sorted[float] = field(default_factory=Sorted)

    def put(self, job: JobView, key: Key, chain: float) -> None:
        self.jobs.put(job.id, key)
        self.longest.put(job.id, (-job.priority, job.rank, -chain))
        if job.deadline is None:
            self.deadlines.drop(job.id)
        else:
            self.deadlines.put(job.id, job.deadline)

    def drop(self, job_id: str) -> None:
        for index in (self.jobs, self.longest, self.deadlines):
            index.drop(job_id)
