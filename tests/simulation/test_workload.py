"""Jobs that a simulation draws."""

import random

import pytest

from farm.jobs.records import TaskKind
from farm.simulation.workload import JobSpec, TaskSpec, all_kinds, make_workload


def test_tasks_come_after_those_they_need_and_chains_are_the_longest() -> None:
    for seed in range(20):
        seen = set[str]()
        tasks = all_kinds(random.Random(seed))
        for task in tasks:
            assert seen.issuperset(task.after)
            seen.add(task.name)
    job = JobSpec("j", "", "", 0.0, (_task("a", 2), _task("b", 3, "a"), _task("c", 1, "a"), _task("d", 1, "b", "c")))
    assert job.chains() == {"a": 6, "b": 4, "c": 2, "d": 1}


def test_arrivals_keep_to_what_the_farm_can_do() -> None:
    jobs = make_workload("arrivals", 400, 1, speed=100.0).jobs
    assert sum(job.work for job in jobs) / 100 / jobs[-1].submitted == pytest.approx(0.85, rel=0.15)


def _task(name: str, work: float, *after: str) -> TaskSpec:
    return TaskSpec(name, TaskKind.SECTION, work, after)
