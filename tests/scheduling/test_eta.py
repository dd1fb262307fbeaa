"""When jobs will be done, on farms small enough to work it out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.jobs.records import TaskKind
from farm.scheduling.costs import MeasuredCosts, SizeCosts
from farm.scheduling.eta import Left, Range, estimate
from farm.scheduling.view import FarmView, Hold, JobView, Needs, SeatState, SeatView

SECTION, DECODE = TaskKind.SECTION, TaskKind.DECODE
JOB = JobView("j", remaining=100)
COSTS = SizeCosts(load=0)
LEFT = Left({SECTION: 100}, {SECTION: 40})


def farm(*seats: SeatView, jobs: tuple[JobView, ...] = (JOB,)) -> FarmView:
    view = FarmView()
    for job in jobs:
        view.put_job(job)
    for seat in seats:
        view.put_seat(seat)
    return view


def expected(view: FarmView, left: Left = LEFT, position: int = 1, costs: SizeCosts = COSTS) -> float:
    return estimate(JOB, left, position, view, costs, 0).expected


def test_one_seat_does_all_the_work() -> None:
    assert expected(farm(SeatView("a"))) == pytest.approx(100)
    assert expected(farm(SeatView("a", speed=2))) == pytest.approx(50)


def test_many_seats_can_not_be_faster_than_the_longest_chain() -> None:
    assert expected(farm(*(SeatView(f"s{n}") for n in range(10)))) == pytest.approx(40)


def test_chain_goes_to_the_fastest_seats_and_work_to_all() -> None:
    view = farm(SeatView("fast", speed=2), SeatView("slow", speed=0.5))
    assert expected(view) == pytest.approx(40)
    assert expected(view, Left({SECTION: 100}, {SECTION: 90})) == pytest.approx(45)


def test_jobs_before_it_are_done_first() -> None:
    before = JobView("k", priority=1, remaining=300)
    assert expected(farm(SeatView("a"), SeatView("b"), jobs=(before, JOB)), position=2) == pytest.approx(200)
    assert expected(farm(SeatView("a"), SeatView("b"), jobs=(before, JOB)), position=1) == pytest.approx(50)


def test_seats_that_are_for_other_kinds_work_at_the_same_time() -> None:
    left = Left({SECTION: 100, DECODE: 60}, {SECTION: 40, DECODE: 1})
    gpu = SeatView("gpu", takes=frozenset({SECTION}))
    cpu = SeatView("cpu", takes=frozenset({DECODE}))
    both = SeatView("gpu", takes=frozenset({SECTION, DECODE}))
    assert expected(farm(gpu, cpu), left) == pytest.approx(100)
    assert expected(farm(both), left) == pytest.approx(160)


def test_waits_for_a_seat_that_is_at_work_on_another_job() -> None:
    left = Left({SECTION: 40}, {SECTION: 40})
    assert expected(farm(SeatView("a", running=Hold("k.t", "k", 30))), left) == pytest.approx(70)
    assert expected(farm(SeatView("a", running=Hold("j.t", "j", 30))), left) == pytest.approx(40)


def test_model_that_is_nowhere_must_be_loaded() -> None:
    left = Left({SECTION: 40}, {SECTION: 40}, {SECTION: Needs("framepack")})
    assert expected(farm(SeatView("a")), left, costs=SizeCosts(load=50)) == pytest.approx(90)
    loaded = SeatView("a", models=frozenset({"framepack"}))
    assert expected(farm(loaded), left, costs=SizeCosts(load=50)) == pytest.approx(40)


def test_never_when_no_seat_can_take_some_of_it() -> None:
    left = Left({SECTION: 100}, {SECTION: 40}, {SECTION: Needs(memory=24)})
    assert estimate(JOB, left, 1, farm(SeatView("a", memory=12)), COSTS, 0) == Range(math.inf, math.inf, math.inf)
    assert expected(farm()) == math.inf
    assert expected(farm(SeatView("a", state=SeatState.DRAINING))) == math.inf


def test_video_of_one_device_class_is_not_done_by_others() -> None:
    job = JobView("j", device_class="H100")
    seats = (SeatView("a", device_class="H100"), SeatView("b", device_class="cpu"))
    assert estimate(job, LEFT, 1, farm(*seats), COSTS, 0).expected == pytest.approx(100)


def test_video_that_keeps_to_one_class_goes_to_the_best_unless_it_may_be_mixed() -> None:
    view = farm(SeatView("a", device_class="H100", speed=2), SeatView("b", device_class="4090", speed=2))
    assert expected(view) == pytest.approx(50)
    mixed = JobView("j", mixing=True)
    assert estimate(mixed, LEFT, 1, view, COSTS, 0).expected == pytest.approx(25)


def test_quarantined_seats_count_only_where_there_are_no_others() -> None:
    sick = SeatView("a", state=SeatState.QUARANTINED)
    assert expected(farm(sick)) == expected(farm(sick, SeatView("b"))) == pytest.approx(100)


def test_nothing_left_is_done_now() -> None:
    assert estimate(JOB, Left({}, {}), 3, farm(SeatView("a")), COSTS, 0) == (0, 0, 0)


def test_measurements_narrow_the_range() -> None:
    measured = MeasuredCosts()
    for _ in range(20):
        measured.observe(SECTION, "", "cpu", 1, 3)
    low, middle, high = estimate(JOB, LEFT, 1, farm(SeatView("a")), measured, 0)
    assert (low, middle) == pytest.approx((300, 300))
    guessed = estimate(JOB, LEFT, 1, farm(SeatView("a")), COSTS, 0)
    assert high / low < guessed.high / guessed.low


@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.sampled_from(SeatState), st.none() | st.floats(-100, 100)), max_size=5),
    st.floats(0, 1000),
    st.floats(0, 1),
    st.integers(-1, 5),
    st.floats(0, 1e6),
)
def test_ranges_are_in_order_and_never_negative(
    seats: list[tuple[float, SeatState, float | None]], work: float, chain: float, position: int, remaining: float
) -> None:
    views = [
        SeatView(f"s{n}", speed=speed, state=state, running=None if ends is None else Hold("x", "k", ends))
        for n, (speed, state, ends) in enumerate(seats)
    ]
    view = farm(*views, jobs=(JOB, JobView("k", remaining=remaining), JobView("l", "ben", remaining=remaining)))
    low, middle, high = estimate(JOB, Left({SECTION: work}, {SECTION: work * chain}), position, view, COSTS, 10)
    assert 0 <= low <= middle <= high
