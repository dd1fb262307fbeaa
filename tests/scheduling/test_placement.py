"""Which seat a task gets, and which task a seat."""

import time
from statistics import median

from farm.jobs.records import TaskKind
from farm.scheduling.costs import SizeCosts
from farm.scheduling.decisions import Decisions
from farm.scheduling.placement import OVERDUE_SECONDS
from farm.scheduling.planner import decide
from farm.scheduling.supply import AHEAD_SECONDS
from farm.scheduling.view import FarmView, Hold, JobView, Needs, SeatState, SeatView, TaskView

NOW = 1000.0
FAST, SLOW = ("h100", 1.0), ("3060", 0.3)


def seat(
    name: str, device: tuple[str, float] = FAST, *, busy_for: float | None = None, model: str = "", node: str = "n"
) -> SeatView:
    running = None if busy_for is None else Hold(f"on-{name}", "other", NOW + busy_for)
    return SeatView(name, node, device[0], device[1], models=frozenset({model} - {""}), running=running)


def section(name: str, job: str = "job", family: str = "", **fields: object) -> TaskView:
    return TaskView(name, job, needs=Needs(family), **{"work": 60.0, "chain": 60.0} | fields)  # type: ignore[arg-type]


def farm(seats: list[SeatView], tasks: list[TaskView], *jobs: JobView) -> FarmView:
    view = FarmView()
    for job in jobs or (JobView("job", mixing=True),):
        view.put_job(job)
    for one in seats:
        view.put_seat(one)
    for task in tasks:
        view.put_task(task)
    return view


def made(seats: list[SeatView], tasks: list[TaskView], *jobs: JobView) -> Decisions:
    return decide(farm(seats, tasks, *jobs), NOW, SizeCosts(load=45, move=4))


def placed(seats: list[SeatView], tasks: list[TaskView], *jobs: JobView) -> dict[str, str]:
    return {start.task_id: start.seat_id for start in made(seats, tasks, *jobs).starts}


def test_task_goes_where_it_is_done_first_loading_and_moving_counted() -> None:
    task = section("t", family="m", inputs_on=frozenset({"there"}))
    cold, warm = seat("cold"), seat("warm", ("4090", 0.6), model="m")
    assert placed([cold, warm], [task]) == {"t": "warm"}
    assert placed([cold, seat("warm", SLOW, model="m")], [task]) == {"t": "cold"}
    near, far = seat("near", model="m", node="there"), seat("a-far", model="m")
    assert placed([far, near], [task]) == {"t": "near"}
    assert made([near], [task]).starts[0].seconds == 60
    assert made([cold], [task]).starts[0].seconds == 60 + 45 + 4


def test_task_waits_for_a_faster_seat_that_is_free_soon_enough() -> None:
    slow = seat("slow", SLOW)
    decisions = made([slow, seat("fast", busy_for=30)], [section("t")])
    assert not decisions.starts
    assert [(wait.task_id, wait.seat_id, wait.until) for wait in decisions.waits] == [("t", "fast", NOW + 30)]
    assert placed([slow, seat("fast", busy_for=150)], [section("t")]) == {"t": "slow"}


def test_a_seat_at_work_is_waited_for_by_one_task_only() -> None:
    decisions = made(
        [seat("slow-1", SLOW), seat("slow-2", SLOW), seat("fast", busy_for=30)], [section("a"), section("b")]
    )
    assert len(decisions.waits) == len(decisions.starts) == 1


def test_seat_that_should_have_been_done_long_ago_is_not_waited_for() -> None:
    late = seat("late", busy_for=-OVERDUE_SECONDS - 1)
    assert placed([seat("slow", SLOW), late], [section("t")]) == {"t": "slow"}


def test_scarce_seat_takes_the_task_that_it_need_not_load_for() -> None:
    tasks = [section("a", "one", "cold"), section("b", "two", "warm")]
    jobs = [JobView("one", mixing=True), JobView("two", submitted=5, mixing=True), JobView("rest", remaining=1e6)]
    assert placed([seat("seat", model="warm")], tasks, *jobs) == {"b": "seat"}
    tasks.append(section("c", "two", "cold"))
    assert placed([seat("seat", model="warm"), seat("other", SLOW)], tasks, *jobs) == {"a": "other", "b": "seat"}


def test_one_video_keeps_to_one_class_unless_it_may_mix() -> None:
    seats, tasks = [seat("fast"), seat("slow", SLOW)], [section("a"), section("b")]
    assert placed(seats, tasks, JobView("job", mixing=True)) == {"a": "fast", "b": "slow"}
    assert placed(seats, tasks, JobView("job")) == {"a": "fast"}
    assert placed(seats, tasks, JobView("job", device_class="3060")) == {"a": "slow"}
    export = TaskView("e", "job", TaskKind.EXPORT)
    assert placed([seat("slow", SLOW)], [export], JobView("job", device_class="h100")) == {"e": "slow"}


def test_first_section_is_weighed_by_all_that_will_follow_it() -> None:
    seats = [seat("fast", busy_for=150), seat("slow", SLOW)]
    assert placed(seats, [section("t", chain=60)], JobView("job")) == {"t": "slow"}
    assert made(seats, [section("t", chain=600)], JobView("job")).waits


def test_scarce_slow_seat_leaves_a_job_that_it_would_be_last_with_to_a_faster_one() -> None:
    def chosen(*chains: float) -> list[str]:
        jobs = [JobView(f"j{n}", submitted=n, remaining=100) for n in range(len(chains))]
        tasks = [section(f"t{n}", f"j{n}", chain=chain) for n, chain in enumerate(chains)]
        seats = [seat("slow", SLOW), seat("fast", busy_for=30)]
        return list(placed(seats, tasks, *jobs, JobView("rest", "rest", remaining=1100)))

    assert chosen(290, 60) == ["t0"], "1000 s for all, and as long for this one there"
    assert chosen(310, 60) == ["t1"]
    assert chosen(310, 320) == ["t1"], "one waits for the fast seat, and only one can"


def test_spare_kinds_are_done_only_where_nothing_else_is_to_do() -> None:
    gpu = SeatView("gpu", takes=frozenset({TaskKind.SECTION}), spares=frozenset({TaskKind.DECODE}))
    cpu = SeatView("cpu", takes=frozenset({TaskKind.DECODE}), speed=0.5, running=Hold("x", "other", NOW + 90))
    decode = TaskView("d", "job", TaskKind.DECODE, chain=99)
    assert placed([gpu, cpu], [decode, section("s")]) == {"s": "gpu"}
    assert placed([gpu, cpu], [decode]) == {"d": "gpu"}
    assert placed([gpu], [decode, section("s", chain=1)]) == {"d": "gpu"}, "nobody else could ever do it"


def test_seat_that_failed_a_task_gets_it_again_only_if_no_other_could() -> None:
    task = section("t", failed_on=frozenset({"bad"}))
    assert placed([seat("bad"), seat("slow", SLOW)], [task]) == {"t": "slow"}
    assert placed([seat("bad"), seat("slow", SLOW, busy_for=500)], [task]) == {}
    assert placed([seat("bad")], [task]) == {"t": "bad"}


def test_seat_that_is_nearly_done_is_told_what_comes_next() -> None:
    tasks = [section("a"), section("b", chain=1)]
    starts = made([seat("soon", busy_for=AHEAD_SECONDS / 2), seat("later", busy_for=AHEAD_SECONDS * 2)], tasks).starts
    assert [(start.task_id, start.seat_id, start.ahead) for start in starts] == [("a", "soon", True)]


def test_seat_whose_job_goes_on_is_left_to_it() -> None:
    running = Hold("x", "first", NOW + 1, TaskView("x", "first", work=10))
    busy = SeatView("seat", "n", running=running)
    jobs = [JobView("first", remaining=20, mixing=True), JobView("second", submitted=9, remaining=60, mixing=True)]
    assert placed([busy], [section("t", "second")], *jobs) == {}
    assert placed([busy], [section("t", "second")], JobView("first", remaining=10), jobs[1]) == {"t": "seat"}
    assert placed([busy], [section("t", "first")], *jobs) == {"t": "seat"}


def test_seats_that_are_not_ready_get_nothing() -> None:
    for state in set(SeatState) - {SeatState.READY}:
        assert placed([SeatView("seat", state=state)], [section("t")]) == {}


def test_a_thousand_sections_and_64_seats_are_decided_quickly() -> None:
    seats = [seat(f"s{n}", (FAST, SLOW)[n % 2], model="abc"[n % 3], node=f"n{n // 8}") for n in range(64)]
    jobs = [JobView(f"j{n}", submitted=n, remaining=1200, mixing=True) for n in range(50)]
    tasks = [section(f"t{n}", f"j{n % 50}", "abc"[n % 3], chain=60.0 + n % 7) for n in range(1000)]
    view, costs, times = farm(seats, tasks, *jobs), SizeCosts(), []
    for _ in range(5):
        begun = time.perf_counter()
        assert len(decide(view, NOW, costs).starts) == 64
        times.append(time.perf_counter() - begun)
    assert median(times) < 0.15, "0.05 s on an idle machine"
