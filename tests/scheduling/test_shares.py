"""Owners' turns."""

from collections import Counter
from dataclasses import replace

import pytest

from farm.scheduling.costs import SizeCosts
from farm.scheduling.planner import decide
from farm.scheduling.shares import charge, join, standing
from farm.scheduling.view import FarmView, Hold, JobView, OwnerView, SeatView, TaskView

COSTS = SizeCosts()


def farm(seats: int, owners: dict[str, OwnerView], tasks: int = 100, work: float = 10.0) -> FarmView:
    view = FarmView()
    for owner in owners.values():
        view.put_owner(owner)
        for n in range(tasks):
            bring(view, owner.name, f"{owner.name}-{n}", work)
    for n in range(seats):
        view.put_seat(SeatView(f"seat-{n}", "node"))
    return view


def bring(view: FarmView, owner: str, name: str, work: float = 10.0) -> None:
    view.put_job(JobView(name, owner, remaining=work, mixing=True))
    view.put_task(TaskView(name, name, work=work, chain=work))


def started(view: FarmView) -> Counter[str]:
    return Counter(view.jobs[start.task_id].owner for start in decide(view, 0.0, COSTS).starts)


@pytest.mark.parametrize("weights", [{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 2.0, "c": 4.0}, {"a": 0.5, "b": 3.0}])
def test_seats_are_shared_by_weight(weights: dict[str, float]) -> None:
    found = started(farm(70, {name: OwnerView(name, weight) for name, weight in weights.items()}))
    for name, weight in weights.items():
        assert found[name] == pytest.approx(70 * weight / sum(weights.values()), abs=1)


def test_the_one_that_has_used_least_goes_first_until_it_has_caught_up() -> None:
    view = farm(6, {"a": OwnerView("a", used=100), "b": OwnerView("b", used=60)})
    assert started(view) == {"b": 5, "a": 1}


def test_what_runs_counts_as_used() -> None:
    view = farm(2, {"a": OwnerView("a"), "b": OwnerView("b")})
    bring(view, "a", "runs", 100)
    task = view.tasks["runs"]
    view.drop_task("runs")
    view.put_seat(SeatView("busy", running=Hold("runs", "runs", 500.0, task)))
    assert standing(view, "a") == 100
    assert started(view) == {"b": 2}


def test_charge_follows_the_weight() -> None:
    assert charge(OwnerView("a", weight=4, used=1), 8).used == 3


def test_newcomers_start_where_the_others_stand_and_so_do_those_who_come_back() -> None:
    view = farm(0, {"a": OwnerView("a", used=500), "b": OwnerView("b", used=300)})
    assert join(OwnerView("new"), view).used == 300
    assert join(OwnerView("back", used=40), view).used == 300
    assert join(OwnerView("greedy", used=900), view).used == 900


def test_newcomer_counts_what_others_have_in_hand() -> None:
    view = farm(0, {"a": OwnerView("a", used=500)}, tasks=1)
    view.put_seat(SeatView("busy", running=Hold("x", "a-0", 9.0, TaskView("x", "a-0", work=60))))
    assert join(OwnerView("new"), view).used == 560
    view.drop_task("a-0")
    assert join(OwnerView("new"), view).used == 560, "an owner with nothing ready but with work in hand is active"


def test_nobody_is_first_in_an_empty_farm() -> None:
    assert join(OwnerView("new", used=7), FarmView()).used == 7


def test_a_new_owners_short_job_is_next_whatever_the_others_have_waiting() -> None:
    view = farm(0, {"a": OwnerView("a", used=1000)})
    view.put_owner(join(OwnerView("zoe"), view))
    view.put_job(JobView("short", "zoe", submitted=999.0, remaining=6, mixing=True))
    view.put_task(TaskView("short", "short", work=6, chain=6))
    view.put_seat(SeatView("first", "node"))
    view.put_seat(SeatView("second", "node"))
    assert "short" in {start.task_id for start in decide(view, 1000.0, COSTS).starts}


def test_owner_at_its_limit_lets_others_pass() -> None:
    view = farm(6, {"a": OwnerView("a", limit=2), "b": OwnerView("b", used=1e6)})
    assert started(view) == {"a": 2, "b": 4}
    view.put_owner(replace(view.owners["b"], limit=0))
    assert started(view) == {"a": 2}
