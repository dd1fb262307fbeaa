"""The task graph of a job."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import InputError
from farm.jobs.graph import critical_path, plan_for, tasks_for
from farm.jobs.names import decode_name, section_name
from farm.jobs.records import Task, TaskKind, TaskState
from farm.jobs.request import RenderRequest
from model.decoding import Decoding
from model.plan import Plan, make_plan
from tests.support.tiny import tiny_checkpoint

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


def request(**fields: object) -> RenderRequest:
    return RenderRequest.model_validate({"prompt": "a", "image_sha256": "0" * 64, **fields})


@pytest.fixture(autouse=True)
def puppet(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tiny_checkpoint(tmp_path_factory.getbasetemp() / "puppet")
    monkeypatch.setitem(os.environ, "FARM_PUPPET_PATH", str(path))
    return path


def test_plan_follows_the_request_and_the_familys_layout() -> None:
    plan = plan_for(request(total_second_length=5.0, order="endpoints", seed=3, exact_length=True))
    assert (plan.order, plan.output_frames, len(plan.sections)) == ("endpoints", 150, 5)
    assert (
        plan.digest()
        == make_plan(layout=plan.layout, order="endpoints", seconds=5.0, seed=3, prompt="a", exact_length=True).digest()
    )
    assert plan_for(request(total_second_length=5.0, order="endpoints", seed=3, exact_length=True)) is plan
    assert plan_for(request(total_second_length=5.0, order="endpoints", seed=4)).digest() != plan.digest()


def test_plan_of_an_unknown_family_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'puppet'"):
        plan_for(request(model_type="pupet"))


def test_tail_of_a_request_is_in_its_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tiny_checkpoint(tmp_path)))
    request = RenderRequest(prompt="p", image_sha256="0" * 64, order="inverted", total_second_length=6)
    auto, dropped, averaged = (plan_for(request.model_copy(update={"tail": t})) for t in ("auto", "td", "tc"))
    assert auto == dropped and auto.digest() == dropped.digest() != averaged.digest()
    assert str(averaged.layout) == "f1k1_x_tc_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_tc"
    assert averaged.sections[0].predecessors == (1, 2, 3, 4) and auto.sections[0].predecessors == (1,)
