"""Clock, devices, workloads, checks, chart and bench."""

import random
from xml.etree import ElementTree

import pytest

from farm.jobs.records import TaskKind
from farm.scheduling.costs import SizeCosts
from farm.scheduling.planner import decide
from farm.simulation.bench import pretended
from farm.simulation.chart import gantt_svg
from farm.simulation.clock import Clock
from farm.simulation.devices import Device, make_seats, parse_devices
from farm.simulation.farm import Span
from farm.simulation.invariants import broken
from farm.simulation.policies import by_age, by_rank
from farm.simulation.report import lower_bound
from farm.simulation.run import Setting, simulate
from farm.simulation.workload import JobSpec, TaskSpec, Workload, all_kinds, make_workload


def test_events_happen_in_time_and_then_in_the_order_in_which_they_were_set() -> None:
    clock, seen = Clock(), list[str]()
    clock.at(5, lambda: seen.append("late"))
    clock.at(1, lambda: (seen.append("first"), clock.after(0, lambda: seen.append("at once")))[0])
    clock.at(1, lambda: seen.append("second"))
    assert clock.step() and clock.now == 1 and seen == ["first", "second", "at once"]
    assert clock.step() and clock.now == 5 and seen[-1] == "late"
    assert not clock.step()


def test_devices_are_read_and_made_into_seats_on_nodes_of_eight() -> None:
    devices = parse_devices("10xH100:1.0, 3xcpu:.5")
    assert devices == [Device(10, "H100", 1.0), Device(3, "cpu", 0.5)]
    seats = make_seats(devices)
    assert sorted(len([s for s in seats if s.node == node]) for node in {s.node for s in seats}) == [2, 3, 8]
    cpu = next(seat for seat in seats if seat.device_class == "cpu")
    gpu = next(seat for seat in seats if seat.device_class == "H100")
    assert TaskKind.SECTION not in cpu.takes and gpu.spares == {TaskKind.DECODE, TaskKind.EXPORT}


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


def test_bound_counts_work_chains_and_the_longest_chains_together() -> None:
    seats = make_seats([Device(1, "fast", 1.0), Device(1, "slow", 0.5)])

    def jobs(*chains: float) -> Workload:
        return Workload("", tuple(JobSpec(str(n), "", "", 0, (_task("a", c),)) for n, c in enumerate(chains)), {})

    assert lower_bound(jobs(9), seats) == 9
    assert lower_bound(jobs(9, 9), seats) == 12
    assert lower_bound(jobs(3, 3, 3), seats) == 6


def test_checks_find_what_is_wrong() -> None:
    outcome = simulate(Setting("2xh100:1.0", "chains", 2))
    farm, workload, bound = outcome.farm, outcome.workload, outcome.report.bound
    history = farm.history
    assert broken(farm, workload, bound) == []
    history.done.append(lost := history.done.pop(0))
    history.done.append(lost)
    assert any("was done 2 times" in line for line in broken(farm, workload, bound))
    del history.done[-2:]
    assert any("never done" in line for line in broken(farm, workload, bound))
    history.spans.append(history.spans[0])
    assert any("at a time" in line for line in broken(farm, workload, bound))
    history.waited = 1e9
    assert any("waited for" in line for line in broken(farm, workload, bound))


def test_chart_is_svg_with_a_bar_for_each_span() -> None:
    seats = make_seats(parse_devices("2xh100:1.0"))
    spans = [
        Span(seats[0].id, "j", "j.<a>", 0, 50, 45, "done"),
        Span(seats[1].id, "j", "j.b", 0, 20, 0, "failed"),
        Span("elsewhere", "j", "j.c", 0, 20, 0, "lost"),
    ]
    root = ElementTree.fromstring(gantt_svg("a & b", spans, seats))
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["j.<a> 0-50 s done", "j.b 0-20 s failed"]


def test_orders_of_the_simpler_policies() -> None:
    view = pretended(jobs=12, tasks=9, seats=4, busy=0)
    chains = [candidate.task.chain for candidate in by_rank(view)]
    assert len(chains) == 108 and chains == sorted(chains, reverse=True)
    ages = [candidate.job.submitted for candidate in by_age(view)]
    assert len(ages) == 108 and ages == sorted(ages)


def test_pretended_farm_of_the_bench_has_work_for_every_free_seat() -> None:
    view = pretended(jobs=20, tasks=10, seats=40, busy=10)
    assert sum(not start.ahead for start in decide(view, 0.0, SizeCosts()).starts) == 30


def _task(name: str, work: float, *after: str) -> TaskSpec:
    return TaskSpec(name, TaskKind.SECTION, work, after)
