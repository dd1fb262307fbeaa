"""Jobs as graphs of tasks, and the named workloads that policies are compared on."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from farm.errors import unknown_name
from farm.jobs.records import TaskKind

SECTION_SECONDS = 60.0
OTHER_SECONDS = 6.0
FAMILIES = ("framepack", "framepack_f1", "puppet")
LOAD = 0.85
BURST_JOBS, SMALL_OWNERS, SMALL_JOBS = 250, 5, 10
SHORT_SECONDS = 6.0
SHORT_COMES = 900.0
WEIGHTS = {"one": 1.0, "two": 2.0, "four": 4.0}
NEWCOMER = "newcomer"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """``work``: units; ``after``: names of tasks of the same job that must be done first."""

    name: str
    kind: TaskKind
    work: float
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobSpec:
    """``family``: the model of all its tasks but the export; ``submitted``: seconds."""

    id: str
    owner: str
    family: str
    submitted: float
    tasks: tuple[TaskSpec, ...]

    @property
    def work(self) -> float:
        return sum(task.work for task in self.tasks)

    def chains(self) -> dict[str, float]:
        """Units of the longest chain from each task's start to the job's end; tasks come after what they need."""
        longest: dict[str, float] = {}
        after: dict[str, float] = {}
        for task in reversed(self.tasks):
            longest[task.name] = task.work + after.get(task.name, 0.0)
            for name in task.after:
                after[name] = max(after.get(name, 0.0), longest[task.name])
        return longest


@dataclass(frozen=True, slots=True)
class Workload:
    """``weights``: of owners that don't have 1."""

    name: str
    jobs: tuple[JobSpec, ...]
    weights: dict[str, float]


Shape = Callable[[random.Random], list[TaskSpec]]


def chain(rng: random.Random) -> list[TaskSpec]:
    """4 to 32 sections, each after the one before."""
    count = rng.randint(4, 32)
    return [_section(rng, n, (f"section-{n - 1:03}",) if n else ()) for n in range(count)]


def fan(rng: random.Random) -> list[TaskSpec]:
    """A first section, 2 to 30 that only need it, and one that needs them all."""
    middle = range(1, rng.randint(3, 31))
    tasks = [_section(rng, 0, ()), *(_section(rng, n, ("section-000",)) for n in middle)]
    return [*tasks, _section(rng, len(tasks), tuple(task.name for task in tasks[1:]))]


def mixed(rng: random.Random) -> list[TaskSpec]:
    return chain(rng) if rng.random() < 0.5 else fan(rng)


def all_kinds(rng: random.Random) -> list[TaskSpec]:
    """An encoding, sections, a decoding of each, and the export."""
    sections = mixed(rng)
    roots = [TaskSpec(task.name, task.kind, task.work, ("encode", *task.after)) for task in sections]
    decodes = [
        TaskSpec(f"decode-{n:03}", TaskKind.DECODE, OTHER_SECONDS, (task.name,)) for n, task in enumerate(sections)
    ]
    export = TaskSpec("export", TaskKind.EXPORT, OTHER_SECONDS, tuple(task.name for task in decodes))
    return [TaskSpec("encode", TaskKind.ENCODE, OTHER_SECONDS), *roots, *decodes, export]


def _section(rng: random.Random, number: int, after: tuple[str, ...]) -> TaskSpec:
    return TaskSpec(f"section-{number:03}", TaskKind.SECTION, SECTION_SECONDS * rng.uniform(0.8, 1.2), after)


def _jobs(rng: random.Random, count: int, shape: Shape, owner: str = "", prefix: str = "job") -> list[JobSpec]:
    return [JobSpec(f"{prefix}-{n:04}", owner, rng.choice(FAMILIES), 0.0, tuple(shape(rng))) for n in range(count)]


def _moved(job: JobSpec, owner: str, submitted: float) -> JobSpec:
    return JobSpec(job.id, owner, job.family, submitted, job.tasks)


def _arrivals(rng: random.Random, count: int, speed: float) -> list[JobSpec]:
    """Jobs come at random, on the whole as fast as 0.85 of the farm can serve."""
    jobs, now = _jobs(rng, count, mixed), 0.0
    pace = LOAD * speed / (sum(job.work for job in jobs) / count)
    made = []
    for job in jobs:
        now += rng.expovariate(pace)
        made.append(_moved(job, "", now))
    return made


def _burst(rng: random.Random, count: int, speed: float) -> list[JobSpec]:
    """One owner brings many jobs at once, five others a few each a minute later."""
    big = _jobs(rng, max(1, count - SMALL_OWNERS * SMALL_JOBS), mixed, "big", "big")
    small = [
        _moved(job, f"small-{n}", 60.0)
        for n in range(SMALL_OWNERS)
        for job in _jobs(rng, SMALL_JOBS, mixed, prefix=f"small-{n}")
    ]
    return big + small


def _weights(rng: random.Random, count: int, speed: float) -> list[JobSpec]:
    """Three owners with as many jobs each, and a stranger who brings one short job while they wait."""
    jobs = [_moved(job, list(WEIGHTS)[n % 3], 0.0) for n, job in enumerate(_jobs(rng, count, mixed))]
    short = TaskSpec("section-000", TaskKind.SECTION, SHORT_SECONDS)
    return [*jobs, JobSpec(NEWCOMER, NEWCOMER, FAMILIES[0], SHORT_COMES, (short,))]


PRESETS: dict[str, tuple[int, Callable[[random.Random, int, float], list[JobSpec]]]] = {
    "chains": (300, lambda rng, count, speed: _jobs(rng, count, chain)),
    "mixed": (300, lambda rng, count, speed: _jobs(rng, count, mixed)),
    "all-kinds": (300, lambda rng, count, speed: _jobs(rng, count, all_kinds)),
    "arrivals": (300, _arrivals),
    "burst": (300, _burst),
    "saturated": (1500, lambda rng, count, speed: _jobs(rng, count, mixed)),
    "weights": (1000, _weights),
}
"""Names, with the number of jobs that they have by default."""


def make_workload(name: str, jobs: int | None, seed: int, speed: float) -> Workload:
    """A workload by name. ``speed``: of all seats together, units a second; arrivals keep to it.

    Raises:
        InputError: there is none of that name.
    """
    if name not in PRESETS:
        raise unknown_name("workload", name, list(PRESETS))
    count, make = PRESETS[name]
    made = make(random.Random(seed), count if jobs is None else jobs, speed)
    return Workload(name, tuple(made), WEIGHTS if name == "weights" else {})
