"""Seats that are to take nothing more."""

import pytest

from farm.scheduling.costs import SizeCosts
from farm.scheduling.planner import decide
from farm.scheduling.view import FarmView, Hold, JobView, SeatState, SeatView, TaskView


@pytest.mark.parametrize("state", [SeatState.DRAINING, SeatState.QUARANTINED, SeatState.RESTING])
def test_seat_gives_back_what_it_holds_for_later_and_keeps_what_it_does(state: SeatState) -> None:
    view = FarmView()
    view.put_job(JobView("job"))
    view.put_task(TaskView("task", "job"))
    view.put_seat(SeatView("seat", state=state, running=Hold("a", "job", 9.0), ahead=Hold("b", "job", 19.0)))
    made = decide(view, 8.0, SizeCosts())
    assert [(one.task_id, one.seat_id) for one in made.withdrawals] == [("b", "seat")]
    assert str(state) in made.withdrawals[0].why
    assert not made.starts and not made.waits
