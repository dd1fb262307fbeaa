"""How many tasks an owner may have at a time."""

from farm.scheduling.limits import Limits
from farm.scheduling.view import FarmView, Hold, JobView, OwnerView, SeatView


def test_what_seats_hold_and_what_was_just_started_count() -> None:
    view = FarmView()
    view.put_owner(OwnerView("ann", limit=3))
    view.put_job(JobView("job", "ann"))
    view.put_seat(SeatView("seat", running=Hold("a", "job", 1.0), ahead=Hold("b", "job", 2.0)))
    limits = Limits(view)
    assert limits.allow("ann")
    limits.start("ann")
    assert not limits.allow("ann")


def test_without_a_limit_anything_goes() -> None:
    view = FarmView()
    view.put_owner(OwnerView("ann"))
    limits = Limits(view)
    for _ in range(1000):
        assert limits.allow("ann")
        limits.start("ann")


def test_holds_count_once_their_job_is_known_and_move_with_it() -> None:
    view = FarmView()
    view.put_seat(SeatView("seat", running=Hold("a", "job", 1.0)))
    view.put_job(JobView("job", "ann"))
    assert view.holdings.tasks("ann") == 1
    view.put_job(JobView("job", "bob"))
    assert (view.holdings.tasks("ann"), view.holdings.tasks("bob")) == (0, 1)
    view.drop_job("job")
    assert view.holdings.tasks("bob") == 0
