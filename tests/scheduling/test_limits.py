"""How many tasks an owner may have at a time, and a model."""

from collections import Counter

from farm.jobs.records import TaskKind
from farm.scheduling.costs import SizeCosts
from farm.scheduling.limits import Limits
from farm.scheduling.planner import decide
from farm.scheduling.reasons import Code, Reasons
from farm.scheduling.view import FarmView, Hold, JobView, Needs, OwnerView, SeatView, TaskView


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


def view_of(tasks: int, families: list[str], seats: int) -> FarmView:
    view = FarmView()
    view.put_owner(OwnerView("ann"))
    for family in families:
        view.put_job(JobView(f"job-{family}", "ann"))
        for number in range(tasks):
            view.put_task(TaskView(f"{family}-{number}", f"job-{family}", TaskKind.SECTION, Needs(family)))
    for number in range(seats):
        view.put_seat(SeatView(f"seat-{number}"))
    return view


def test_a_model_at_its_limit_leaves_the_seats_to_others() -> None:
    view = view_of(tasks=9, families=["big", "small"], seats=6)
    view.model_limits = {"big": 2}
    view.put_seat(SeatView("busy", running=Hold("x", "job-big", 99.0, TaskView("x", "job-big", needs=Needs("big")))))
    started = Counter(start.task_id.partition("-")[0] for start in decide(view, 0.0, SizeCosts()).starts)
    assert started == {"big": 1, "small": 5}
    view.put_seat(SeatView("two", running=Hold("y", "job-big", 99.0, TaskView("y", "job-big", needs=Needs("big")))))
    assert all(start.task_id.startswith("small") for start in decide(view, 0.0, SizeCosts()).starts)
    reason = Reasons(view, 0.0).explain(view.tasks["big-0"])
    assert reason.code is Code.LIMIT and reason.text.startswith("2 tasks at a time may use big")
