"""What settings of a node mean for its seats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.jobs.nodes import DAY, Drain, Hours, NodeSettings
from farm.scheduling.costs import SizeCosts
from farm.scheduling.nodes import FINE, standing
from farm.scheduling.planner import decide
from farm.scheduling.records import JobView, Needs, SeatView, TaskView
from farm.scheduling.view import FarmView

NOON = 12 * 60


def test_nothing_set_means_that_it_works() -> None:
    assert standing(NodeSettings("n"), "cuda-0", 0, NOON) is FINE


def test_a_drained_node_or_seat_takes_nothing_and_stays() -> None:
    node = NodeSettings("n", drain=Drain("ann", "driver"))
    found = standing(node, "cuda-0", 0, NOON)
    assert (found.there, found.takes, found.now, found.why) == (True, False, False, "drained by ann: driver")
    one = NodeSettings("n", seats={"cuda-1": Drain(now=True)})
    assert standing(one, "cuda-0", 0, NOON) is FINE
    assert (standing(one, "cuda-1", 1, NOON).takes, standing(one, "cuda-1", 1, NOON).now) == (False, True)


@pytest.mark.parametrize(("minute", "there"), [(22 * 60, True), (0, True), (419, True), (420, False), (NOON, False)])
def test_hours_go_past_midnight(minute: int, there: bool) -> None:
    found = standing(NodeSettings("n", hours=Hours.parse("22-07")), "cpu-0", 0, minute)
    assert found.there is found.takes is there
    assert there or found.why == "outside its hours 22-07"


@given(st.integers(0, DAY - 1), st.integers(0, DAY), st.integers(0, DAY - 1))
def test_hours_and_their_opposite_share_the_day(start: int, stop: int, minute: int) -> None:
    if start in (stop, stop % DAY):
        return
    hours, others = Hours(start, stop), Hours(stop % DAY, start or DAY)
    assert hours.hold(minute) is not others.hold(minute)
    assert Hours.parse(str(hours)) == hours


def test_so_many_replicas_as_it_may_have() -> None:
    node = NodeSettings("n", max_replicas=1)
    assert standing(node, "cuda-0", 0, NOON) is FINE and standing(node, "cpu-export-0", None, NOON) is FINE
    found = standing(node, "cuda-1", 1, NOON)
    assert (found.there, found.why) == (False, "its node may have 1 replica")
    none = NodeSettings("n", max_replicas=0)
    assert not standing(none, "cuda-0", 0, NOON).there and not standing(none, "cpu-export-0", None, NOON).there


sizes = st.integers(0, 4).map(lambda gigabytes: gigabytes * 1e9)
words = st.frozensets(st.sampled_from(["a", "b", "c"]))
seats = st.builds(SeatView, st.sampled_from("stuvw"), memory=sizes, features=words, on_cpu=st.booleans())
tasks = st.builds(
    TaskView, st.sampled_from("pqr"), st.just("j"), needs=st.builds(Needs, memory=sizes, features=words, host=sizes)
)


@given(st.lists(seats, max_size=5), st.lists(tasks, min_size=1, max_size=3))
def test_no_task_goes_where_label_or_memory_is_missing(seats: list[SeatView], tasks: list[TaskView]) -> None:
    view = FarmView()
    view.put_job(JobView("j"))
    for seat in seats:
        view.put_seat(seat)
    for task in tasks:
        view.put_task(task)
    made = decide(view, 0.0, SizeCosts())
    for start in made.starts:
        task, seat = view.tasks[start.task_id], view.seats[start.seat_id]
        assert task.needs.features <= seat.features
        assert (task.needs.host if seat.on_cpu else task.needs.memory) <= seat.memory
    fits = any(seat.suits(task.needs) for seat in view.seats.values() for task in view.tasks.values())
    assert bool(made.starts) == fits
