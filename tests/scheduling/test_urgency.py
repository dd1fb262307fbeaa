"""The order of an owner's tasks."""

from farm.scheduling.costs import SizeCosts
from farm.scheduling.planner import decide
from farm.scheduling.urgency import CRITICAL, STRETCH, Pressure
from farm.scheduling.view import FarmView, JobView, Needs, SeatView, TaskView
from farm.scheduling.window import WINDOW_SECONDS

NOW = 1000.0


def first(*jobs: JobView, chains: dict[str, float] | None = None, others: float = 1e6) -> list[str]:
    """The order in which one seat would take the jobs' only tasks, while much else is to be done."""
    view, taken = FarmView(), []
    view.put_job(JobView("rest", "nobody", remaining=others))
    for job in jobs:
        view.put_job(job)
        view.put_task(TaskView(job.id, job.id, work=10, chain=(chains or {}).get(job.id, 10)))
    view.put_seat(SeatView("seat", "node"))
    while view.tasks:
        for start in decide(view, NOW, SizeCosts()).starts:
            taken.append(start.task_id)
            view.drop_task(start.task_id)
    return taken


def test_priority_goes_before_rank_and_rank_before_age() -> None:
    jobs = [
        JobView("old", submitted=1),
        JobView("lifted", submitted=9, rank=-1),
        JobView("important", submitted=99, priority=5),
        JobView("put back", submitted=0, rank=1),
    ]
    assert first(*jobs) == ["important", "lifted", "old", "put back"]


def test_short_jobs_pass_long_ones_that_did_not_come_much_earlier() -> None:
    long = JobView("long", submitted=0, remaining=100)
    assert first(long, JobView("short", submitted=STRETCH * 90 - 1, remaining=10)) == ["short", "long"]
    assert first(long, JobView("short", submitted=STRETCH * 90 + 1, remaining=10)) == ["long", "short"]


def test_jobs_keep_their_places_as_time_goes_by() -> None:
    assert first(JobView("a", submitted=-1e6, remaining=9e5), JobView("b", submitted=0, remaining=1)) == ["b", "a"]


def test_deadline_at_risk_goes_before_others_of_its_priority_only() -> None:
    jobs = [
        JobView("old", submitted=0),
        JobView("due", submitted=99, deadline=NOW + 12, rank=9),
        JobView("due later", submitted=98, deadline=NOW + 5000),
        JobView("too late", submitted=97, deadline=NOW - 1),
        JobView("important", submitted=99, priority=1),
    ]
    assert first(*jobs) == ["important", "due", "old", "too late", "due later"]


def test_least_laxity_goes_first_among_those_at_risk() -> None:
    jobs = [JobView("short", deadline=NOW + 100), JobView("long", deadline=NOW + 110)]
    assert first(*jobs, chains={"short": 70, "long": 105}) == ["long", "short"]


def test_chain_as_long_as_the_whole_backlog_takes_goes_first() -> None:
    jobs = [JobView("old", submitted=0, remaining=10), JobView("long", submitted=50, remaining=500)]
    assert first(*jobs, chains={"long": 500}, others=9e5) == ["old", "long"]
    assert first(*jobs, chains={"long": 500}, others=0) == ["long", "old"]


def test_chains_are_critical_in_relation_to_all_seats_together() -> None:
    assert Pressure.of(0.0, 1000.0, {1.0: 1, 0.5: 2}).critical == CRITICAL * 500
    assert Pressure.of(0.0, 0.0, {1.0: 1}).critical == float("inf")
    assert Pressure.of(0.0, 10.0, {}).critical == float("inf")


def test_task_that_must_not_start_yet_lets_others_pass() -> None:
    view = FarmView()
    view.put_job(JobView("job"))
    view.put_task(TaskView("later", "job", not_before=NOW + 1, chain=9))
    view.put_task(TaskView("now", "job", not_before=NOW, chain=1))
    view.put_seat(SeatView("a"))
    view.put_seat(SeatView("b"))
    assert [start.task_id for start in decide(view, NOW, SizeCosts()).starts] == ["now"]


def test_scarce_seat_passes_a_more_urgent_job_only_so_far() -> None:
    def chosen(submitted: float) -> str:
        view = FarmView()
        view.put_job(JobView("rest", "nobody", remaining=1e6))
        for name, family, at in (("old", "cold", 0.0), ("young", "warm", submitted)):
            view.put_job(JobView(name, submitted=at))
            view.put_task(TaskView(name, name, needs=Needs(family)))
        view.put_seat(SeatView("seat", "node", models=frozenset({"warm"})))
        return decide(view, NOW, SizeCosts()).starts[0].task_id

    assert chosen(WINDOW_SECONDS - 1) == "young"
    assert chosen(WINDOW_SECONDS + 1) == "old"
