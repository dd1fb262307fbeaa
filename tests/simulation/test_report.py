"""What no farm can be faster than."""

from farm.jobs.records import TaskKind
from farm.simulation.devices import Device, make_seats
from farm.simulation.report import lower_bound
from farm.simulation.workload import JobSpec, TaskSpec, Workload


def test_bound_counts_work_chains_and_the_longest_chains_together() -> None:
    seats = make_seats([Device(1, "fast", 1.0), Device(1, "slow", 0.5)])

    def jobs(*chains: float) -> Workload:
        return Workload("", tuple(JobSpec(str(n), "", "", 0, (_task("a", c),)) for n, c in enumerate(chains)), {})

    assert lower_bound(jobs(9), seats) == 9
    assert lower_bound(jobs(9, 9), seats) == 12
    assert lower_bound(jobs(3, 3, 3), seats) == 6


def _task(name: str, work: float, *after: str) -> TaskSpec:
    return TaskSpec(name, TaskKind.SECTION, work, after)
