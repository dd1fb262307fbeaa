"""What a seat is believed to be beside others of its class, and what follows from that."""

import pytest

from farm.jobs.records import TaskKind
from farm.scheduling.costs import MeasuredCosts
from farm.scheduling.paces import Pace, Paces
from farm.scheduling.planner import decide
from farm.scheduling.records import Group, JobView, Needs, OwnerView, SeatView, TaskView
from farm.scheduling.view import FarmView

SEATS = ("fast", "middle", "slow")


def learned(speeds: dict[str, float], rounds: int = 4) -> Paces:
    paces = Paces()
    for _ in range(rounds):
        for seat, speed in speeds.items():
            paces.observe(seat, speed, 1.0, tuple(speeds))
    return paces


def test_seats_are_compared_with_the_middle_one_of_their_class() -> None:
    paces = learned(dict(zip(SEATS, (1.0, 0.5, 0.25), strict=True)))
    assert [paces.beside(seat) for seat in SEATS] == [2.0, 1.0, 0.5]
    assert paces.of("slow") == Pace(0.25, 1.0, 0.5, 4) and paces.of("other") is None and paces.beside("other") == 1.0


def test_what_slows_all_of_them_down_is_no_seats_pace() -> None:
    paces = learned(dict.fromkeys(SEATS, 1.0))
    for seat in SEATS * 20:
        paces.observe(seat, 0.2, 1.0, SEATS)
    assert [paces.beside(seat) for seat in SEATS] == [1.0, 1.0, 1.0]


def test_one_section_and_small_differences_change_nothing() -> None:
    paces = learned(dict(zip(SEATS, (1.1, 1.0, 0.9), strict=True)))
    assert [paces.beside(seat) for seat in SEATS] == [1.0, 1.0, 1.0]
    paces.observe("new", 0.01, 1.0, (*SEATS, "new"))
    assert paces.beside("new") == 1.0
    paces.observe("middle", 0.5, 1.0, SEATS)
    assert paces.beside("middle") == 1.0, "a busy minute"


def test_a_slow_seat_of_a_class_gets_the_last_task_only_if_it_ends_it_first() -> None:
    costs = MeasuredCosts()
    for _ in range(8):
        costs.observe(TaskKind.SECTION, "puppet", "CPU", 1.0, 10.0)
    view = FarmView()
    view.put_owner(OwnerView(""))
    fast = SeatView("fast", "a", "CPU", 2.0, models=frozenset({"puppet"}), pace=2.0)
    slow = SeatView("slow", "b", "CPU", 0.25, models=frozenset({"puppet"}), pace=0.25)
    view.put_seat(fast)
    view.put_seat(slow)
    view.put_job(JobView("j", remaining=1.0, device_class="CPU"))
    task = TaskView("j.section-000", "j", TaskKind.SECTION, Needs("puppet"))
    view.put_task(task)
    assert costs.run(task, Group.of(fast)) == pytest.approx(5.0) and costs.run(task, Group.of(slow)) == 40.0
    (start,) = decide(view, 0.0, costs).starts
    assert start.seat_id == "fast"


def test_a_seed_counts_until_enough_was_measured() -> None:
    paces = Paces()
    assert paces.beside("new", 0.3) == 0.3
    paces.observe("new", 0.25, 1.0, ["new"], seed=0.3)
    assert paces.beside("new") == 0.3
    for _ in range(3):
        paces.observe("usual", 1.0, 1.0, ["usual", "new"])
        paces.observe("new", 0.9, 1.0, ["usual", "new"])
    assert paces.beside("new", 0.3) > 0.3
