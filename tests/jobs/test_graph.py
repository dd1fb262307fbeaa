"""The task graph of a job."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.jobs.graph import critical_path, tasks_for
from farm.jobs.names import decode_name, section_name
from farm.jobs.records import Task, TaskKind, TaskState
from model.decoding import Decoding
from model.plan import Plan, make_plan

LAYOUT = "f1k1_x_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_td"


def plan_of(sections: int, order: str = "bisect") -> Plan:
    return make_plan(layout=LAYOUT, order=order, seconds=sections * 1.2, seed=1, prompt="a")


def by_name(tasks: list[Task]) -> dict[str, Task]:
    return {task.name: task for task in tasks}


def test_graph_of_five_sections() -> None:
    tasks = by_name(tasks_for("job", plan_of(5), Decoding(before=2)))
    assert {name: task.dependencies for name, task in tasks.items()} == {
        "encode": (),
        "section-000": ("encode",),
        "section-001": ("encode", "section-000", "section-002"),
        "section-002": ("encode", "section-000", "section-004"),
        "section-003": ("encode", "section-002", "section-004"),
        "section-004": ("encode",),
        "decode-000": ("encode", "section-000"),
        "decode-001": ("encode", "section-000", "section-001"),
        "decode-002": ("encode", "section-001", "section-002"),
        "decode-003": ("encode", "section-002", "section-003"),
        "decode-004": ("encode", "section-003", "section-004"),
        "export": tuple(f"decode-00{i}" for i in range(5)),
    }
    assert [name for name, task in tasks.items() if task.state is TaskState.READY] == ["encode"]
    assert all(task.state is TaskState.WAITING for name, task in tasks.items() if name != "encode")
    assert tasks["decode-003"].kind is TaskKind.DECODE and tasks["decode-003"].section == 3
    assert tasks["section-001"].id == "job.section-001" and tasks["section-001"].job_id == "job"
    assert tasks["encode"].section is None and tasks["export"].section is None


@pytest.mark.parametrize(("overlap", "read"), [(1, [3, 4]), (9, [3, 4]), (10, [2, 3, 4])])
def test_decode_needs_the_sections_that_its_overlap_reads(overlap: int, read: list[int]) -> None:
    tasks = by_name(tasks_for("job", plan_of(6), Decoding(before=overlap)))
    assert tasks[decode_name(4)].dependencies == ("encode", *map(section_name, read))
    assert tasks[decode_name(0)].dependencies == ("encode", "section-000")


@given(st.integers(1, 120), st.sampled_from(["vanilla", "inverted", "endpoints", "bisect", "fanout:5"]))
@settings(max_examples=40, deadline=None)
def test_every_graph_can_be_worked_off_in_the_order_of_its_critical_path(sections: int, order: str) -> None:
    plan = plan_of(sections, order)
    tasks = tasks_for("job", plan, Decoding(before=2))
    assert len(tasks) == 2 * len(plan.sections) + 2
    assert len({task.id for task in tasks}) == len(tasks)
    by = {task.name: task for task in tasks}
    for task in tasks:
        assert all(by[dependency].chain > task.chain for dependency in task.dependencies)
    assert by["export"].chain == by["export"].work
    sections = plan.depth * by["section-000"].work
    assert by["encode"].chain == pytest.approx(by["encode"].work + sections + by["decode-000"].chain)
    assert critical_path(tasks, {task.name: task.work for task in tasks}) == {task.name: task.chain for task in tasks}


def test_graph_of_an_hour_keeps_names_unique() -> None:
    tasks = tasks_for("job", plan_of(3000), Decoding(before=2))
    assert len({task.name for task in tasks}) == 6002
    assert tasks[1234].name == "section-1233"
