"""What seats hold for later is taken back when that is better."""

from farm.scheduling.costs import SizeCosts
from farm.scheduling.decisions import Withdraw
from farm.scheduling.planner import decide
from farm.scheduling.view import FarmView, Hold, JobView, Needs, SeatView, TaskView

NOW = 100.0


def farm(*, known: bool = True, needs: Needs = Needs()) -> FarmView:
    """A seat that is at work for 20 s and holds a task of 60 s for after that."""
    view = FarmView()
    view.put_job(JobView("job", priority=1, remaining=60, mixing=True))
    task = TaskView("held", "job", needs=needs, work=60, chain=60) if known else None
    running, ahead = Hold("runs", "job", NOW + 20), Hold("held", "job", NOW + 80, task)
    view.put_seat(SeatView("seat", "node", running=running, ahead=ahead))
    return view


def withdrawn(view: FarmView) -> list[Withdraw]:
    return list(decide(view, NOW, SizeCosts()).withdrawals)


def test_free_seat_that_is_sooner_done_gets_it() -> None:
    view = farm()
    view.put_seat(SeatView("free", "node"))
    [back] = withdrawn(view)
    assert (back.task_id, back.seat_id) == ("held", "seat") and "free" in back.why


def test_it_stays_where_it_is_if_the_free_seat_is_no_sooner_or_could_not_hold_it() -> None:
    view = farm()
    view.put_seat(SeatView("free", "node", speed=0.7))
    assert not withdrawn(view)
    view = farm(needs=Needs(memory=8.0))
    view.put_seat(SeatView("free", "node", memory=4.0))
    assert not withdrawn(view)
    view = farm(known=False)
    view.put_seat(SeatView("free", "node"))
    assert not withdrawn(view), "nothing is known of the task"


def test_free_seat_that_is_given_other_work_is_no_reason() -> None:
    view = farm()
    view.put_seat(SeatView("free", "node"))
    view.put_task(TaskView("other", "job", work=60, chain=60))
    assert not withdrawn(view)


def test_task_of_a_higher_priority_comes_first_if_no_seat_is_free_for_it() -> None:
    view = farm()
    for name, priority in (("same", 1), ("less", 0)):
        view.put_job(JobView(name, priority=priority))
        view.put_task(TaskView(name, name))
    assert not withdrawn(view)
    view.put_job(JobView("more", priority=2))
    view.put_task(TaskView("more", "more"))
    [back] = withdrawn(view)
    assert "job more has a higher priority" in back.why


def test_as_many_are_taken_back_as_there_are_tasks_that_go_first() -> None:
    view = farm()
    for n in range(5):
        running, ahead = Hold(f"a{n}", "job", NOW + 50 + n), Hold(f"b{n}", "job", NOW + 90)
        view.put_seat(SeatView(f"more-{n}", "node", running=running, ahead=ahead))
    view.put_job(JobView("urgent", priority=9))
    for n in range(2):
        view.put_task(TaskView(f"urgent-{n}", "urgent"))
    assert [back.seat_id for back in withdrawn(view)] == ["seat", "more-0"], "those that are done first"


def test_what_is_at_work_is_never_taken_back() -> None:
    view = FarmView()
    view.put_job(JobView("job"))
    view.put_seat(SeatView("seat", running=Hold("runs", "job", NOW + 500)))
    view.put_job(JobView("urgent", priority=9))
    view.put_task(TaskView("urgent", "urgent"))
    assert not withdrawn(view)
